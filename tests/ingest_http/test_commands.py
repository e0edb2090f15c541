"""`attribute ingest ...` from the outside: what is printed, and what the service then believes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from attribute.cli.ingest import ingest
from attribute.cli.ingest_failures import failures_explained
from attribute.cli.main import run as command_line
from attribute.ingest.credentials import TOKEN, hash_of
from attribute.ingest.model import NOT_CALLED, StoreBusy
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.m1.errors import AttributionError


def run(store: Path, *arguments: str) -> str:
    done = CliRunner().invoke(ingest, [*arguments, "--store", str(store)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def listed(store: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in run(store, "token", "list", "--json").splitlines()]


def test_token_is_printed_once_listed_without_itself_and_revoked_by_its_number(tmp_path: Path) -> None:
    """The operator's whole life with a token."""
    store = tmp_path / "ingest.db"
    token = run(store, "token", "issue", "--user", "alice", "--name", "laptop", "--platform", "linux").strip()
    assert TOKEN.fullmatch(token)
    (row,) = listed(store)
    assert (row["token_id"], row["user_id"], row["device_name"], row["token_revoked_at"]) == (
        1,
        "alice",
        "laptop",
        None,
    )
    assert token not in str(row)
    assert "  alice  " in run(store, "token", "list")
    run(store, "token", "revoke", "1")
    assert listed(store)[0]["token_revoked_at"] is not None
    assert "revoked" in run(store, "token", "list")


def test_device_is_revoked_by_its_id(tmp_path: Path) -> None:
    """Every token of a lost laptop at once."""
    store = tmp_path / "ingest.db"
    token = run(store, "token", "issue", "--user", "alice").strip()
    run(store, "token", "revoke", "--device", str(listed(store)[0]["device_id"]))
    opened = SqliteStore(store, serving=False)
    found = opened.find_token(hash_of(token))
    opened.close()
    assert found is None


def test_link_code_is_printed_and_can_be_redeemed(tmp_path: Path) -> None:
    """What the operator hands to a user."""
    store = tmp_path / "ingest.db"
    code = run(store, "token", "link", "--user", "bob").strip()
    opened = SqliteStore(store, serving=False)
    redeemed = opened.redeem_link_code(
        sha256=hash_of(code), request_id="r", token_sha256=b"t" * 32, name="", platform="", at_us=0
    )
    opened.close()
    assert redeemed.user_id == "bob"


def test_hostile_label_reaches_no_terminal(tmp_path: Path) -> None:
    """What does not print is refused where it comes in by hand, and escaped where it came in by HTTP."""
    store = tmp_path / "ingest.db"
    refused = CliRunner().invoke(ingest, ["token", "issue", "--user", "a\x1b[2J", "--store", str(store)])
    assert refused.exit_code == 2
    opened = SqliteStore(store, serving=False)
    opened.issue_token(user_id="u", name="\x1b]52;c;x\x07", platform="\u202e", sha256=b"h" * 32, at_us=0)
    opened.close()
    assert not set(run(store, "token", "list")) & {"\x1b", "\x07", "\u202e"}


def test_nothing_to_revoke_is_an_error_and_needs_exactly_one_name(tmp_path: Path) -> None:
    """A typo does not pass for a revocation."""
    store = tmp_path / "ingest.db"
    run(store, "token", "issue", "--user", "alice")
    command = [sys.executable, "-m", "attribute", "ingest", "token", "revoke", "--store", str(store)]
    for more, message in (["9"], "no such token"), ([], "name a token"), (["1", "--device", "d"], "name a token"):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_importing_the_service_and_its_commands_loads_no_polars() -> None:
    """A small box that only takes deliveries never pays for the toolkit."""
    code = (
        "import sys, pkgutil, importlib, attribute.ingest, attribute.cli.ingest\n"
        "for found in pkgutil.walk_packages(attribute.ingest.__path__, 'attribute.ingest.'):\n"
        "    importlib.import_module(found.name)\n"
        "assert 'polars' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_store_that_cannot_be_reached_is_named_with_its_port_and_without_its_password(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Two servers of one machine differ in the port alone."""
    assert command_line(["ingest", "status", "--store", "postgresql://u:secret@127.0.0.1:1/db"]) == 2
    assert capfd.readouterr().err.splitlines() == [
        "attribute: error: postgresql://127.0.0.1:1/db: cannot be reached or refuses the login",
        "  hint: see the server's own log",
    ]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@db.local:5433/usage", "postgresql://db.local:5433/usage"),
        ("postgresql://u:secret@db.local/usage", "postgresql://db.local/usage"),
        ("postgresql://u:secret@db.local:port/usage", "postgresql://db.local/usage"),
        ("sqlite:usage.db", "usage.db"),
    ],
)
def test_failure_of_a_store_names_its_address_without_a_password(url: str, shown: str) -> None:
    """What fails later is named as what cannot be opened."""
    with pytest.raises(AttributionError) as told, failures_explained(url):
        raise StoreBusy("locked", NOT_CALLED)
    assert told.value.message.startswith(f"{shown}: ")
    assert "secret" not in str(told.value)
