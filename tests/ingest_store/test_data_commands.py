"""The commands for the data, as an operator types them: exit codes, files, and what is printed."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from attribute.cli.main import run
from attribute.ingest.stores import interface
from attribute.ingest.stores.interface import StoreOptions
from attribute.ingest.stores.sqlite import SqliteStore
from tests.ingest_store.helpers import Client, bucket, client, sqlite_store, total_of

HOUR = "2025-11-08T00:00:00.000Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store with one device that has sent one bucket of 10."""
    with sqlite_store(tmp_path) as store:
        client(store).send([bucket(10)], request_id="first")
    return tmp_path / "usage.db"


def device_of(path: Path) -> str:
    store = SqliteStore(path)
    try:
        return store.tokens()[0].device_id
    finally:
        store.close()


def total(path: Path) -> int:
    store = SqliteStore(path)
    try:
        return total_of(store)
    finally:
        store.close()


def ingest(path: Path, *arguments: str | Path) -> int:
    command, *rest = [str(argument) for argument in arguments]
    words = ["plan", rest.pop(0)] if command == "plan" else [command]
    return run(["ingest", *words, "--store", str(path), *rest])


def rows_file(path: Path, totals: dict[str, int], device_id: str) -> Path:
    rows = [
        {
            "device_id": device_id, "source": "codex", "model": "GPT-5", "hour_start": hour, "input_tokens": 0,
            "cached_input_tokens": 0, "output_tokens": 0, "reasoning_output_tokens": 0, "total_tokens": count,
        }
        for hour, count in totals.items()
    ]  # fmt: skip
    file = path.with_name("rows.jsonl")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_plan_apply_status_rollback_from_the_command_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The three steps of a rewrite, with what each prints."""
    rows = rows_file(path, {"2025-11-09T00:30:00Z": 5, HOUR: 99}, device_of(path))
    plan = path.with_name("plan.json")
    assert ingest(path, "plan", "backfill", rows, "--reason", "lost laptop", "-o", plan) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["scope"]["keys"], told["scope"]["conflicts"], total(path)) == ("backfill", 1, 1, 10)
    assert ingest(path, "apply", plan, "--approve", told["sha256"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["plan_id"], done["steps"], Path(done["backup"]).exists()) == (1, 1, True)
    assert total(path) == 15
    assert ingest(path, "apply", plan, "--approve", told["sha256"], "--no-backup") == 2
    assert "plan 1 is applied already" in capsys.readouterr().err
    assert ingest(path, "status") == 0
    assert json.loads(capsys.readouterr().out)["plans"][0]["state"] == "applied"
    assert ingest(path, "rollback", "1") == 0
    assert json.loads(capsys.readouterr().out) == {"plan_id": 1, "kind": "backfill", "keys": 1, "kept_newer": []}
    assert total(path) == 10


def test_stale_plan_ends_with_a_failed_gate(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """3 is for a gate that failed: the base moved."""
    with sqlite_store(path.parent) as store:
        sender = client(store)
        sender.send([bucket(1)])
        device_id = sender.device.device_id
    rows = rows_file(path, {"2025-11-09T00:30:00Z": 5}, device_id)
    plan = path.with_name("plan.json")
    assert ingest(path, "plan", "backfill", rows, "--reason", "r", "-o", plan) == 0
    sha256 = json.loads(capsys.readouterr().out)["sha256"]
    with sqlite_store(path.parent) as store:
        Client(store, sender.device).send([bucket(3, slot=49)._replace(model="gpt-5")])
    assert ingest(path, "apply", plan, "--approve", sha256) == 3
    assert ingest(path, "apply", plan, "--approve", "0" * 64) == 2


def test_copy_that_a_killed_apply_left_is_no_obstacle(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default copy takes the next free name; one that was named and is there already is a mistake of usage."""
    rows = rows_file(path, {"2025-11-09T00:30:00Z": 5}, device_of(path))
    plan = path.with_name("plan.json")
    assert ingest(path, "plan", "backfill", rows, "--reason", "r", "-o", plan) == 0
    sha256 = json.loads(capsys.readouterr().out)["sha256"]
    left = Path(f"{path}.before-{sha256[:12]}")
    left.write_bytes(b"half a copy")
    assert ingest(path, "apply", plan, "--approve", sha256, "--backup", left) == 2
    assert "hint: name a new file with --backup, or move this one away" in capsys.readouterr().err
    assert ingest(path, "apply", plan, "--approve", sha256) == 0
    assert json.loads(capsys.readouterr().out)["backup"] == f"{left}-2"
    assert (left.read_bytes(), total(path)) == (b"half a copy", 15)
    assert total(Path(f"{left}-2")) == 10


def test_verify_ends_with_a_failed_gate_where_a_promise_is_broken(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 and a digest while everything holds; 3 and the promise when it does not."""
    assert ingest(path, "verify") == 0
    assert json.loads(capsys.readouterr().out)["holds"] is True
    with sqlite_store(path.parent) as store, store.planning() as tx:
        tx.run("UPDATE rollup_day SET t_total = 1")
    assert ingest(path, "verify") == 3
    assert json.loads(capsys.readouterr().out)["findings"][0]["promise"] == "I2: rollups equal the facts"
    plan = path.with_name("plan.json")
    assert ingest(path, "plan", "rebuild", "--reason", "r", "-o", plan) == 0
    sha256 = json.loads(capsys.readouterr().out)["sha256"]
    assert ingest(path, "apply", plan, "--approve", sha256) == 0
    assert ingest(path, "verify") == 0


def test_export_and_replay_give_one_digest(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new store from the text of the old one."""
    assert ingest(path, "export", "-o", tmp_path / "history.jsonl") == 0
    assert ingest(tmp_path / "new.db", "replay", tmp_path / "history.jsonl") == 0
    replayed = json.loads(capsys.readouterr().out)["digest"]
    assert ingest(path, "verify") == 0
    assert json.loads(capsys.readouterr().out)["digest"] == replayed
    assert ingest(tmp_path / "new.db", "replay", tmp_path / "history.jsonl") == 2
    assert ingest(path, "export", "-o", tmp_path / "history.jsonl") == 2


def test_hint_names_what_can_be_done_about_it(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cut export is made again, a file of weights is looked up, and a damaged database is not tried again."""
    assert ingest(path, "export", "-o", tmp_path / "history.jsonl") == 0
    whole = (tmp_path / "history.jsonl").read_bytes().splitlines(keepends=True)
    for place, lines in enumerate((whole[:-1], [*whole[:-1], whole[-1][:9]], whole[1:])):
        (tmp_path / "cut.jsonl").write_bytes(b"".join(lines))
        assert ingest(tmp_path / f"new{place}.db", "replay", tmp_path / "cut.jsonl") == 2
        assert "hint: make it again with `attribute ingest export`" in capsys.readouterr().err
    (tmp_path / "weights.toml").write_text("[default")
    assert ingest(path, "plan", "rule", tmp_path / "weights.toml", "--reason", "r", "-o", tmp_path / "p.json") == 2
    assert "hint: `attribute ingest plan rule --help` shows a whole file" in capsys.readouterr().err
    database = sqlite3.connect(path)
    page, page_bytes = database.execute(
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = 'device'"
    ).fetchone()
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xff" * page_bytes)
    assert ingest(path, "status") == 2
    told = capsys.readouterr().err
    assert "the store did not confirm: the database file can no longer be trusted" in told
    assert "hint: stop the service, look at the disk, and restore a backup" in told
    assert "try again" not in told


def test_reconcile_ends_with_a_failed_gate_where_a_log_lied(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A success in the log that the ledger does not know is severity 0."""
    record = {
        "request_id": "first", "function": "vibescore-ingest", "stage": "response", "status": 200, "latency_ms": 1,
        "error_code": None, "upstream_status": 200, "upstream_latency_ms": 1,
    }  # fmt: skip
    log = path.with_name("m1.log")
    log.write_text(json.dumps(record) + "\n")
    assert ingest(path, "reconcile", log) == 0
    log.write_text(json.dumps({**record, "request_id": "\x1b[2Jliar"}) + "\n")
    capsys.readouterr()
    assert ingest(path, "reconcile", log) == 3
    printed = capsys.readouterr().out
    assert json.loads(printed)["first_lied"] == ["\x1b[2Jliar"]
    assert "\x1b" not in printed


def test_rule_and_retention_from_the_command_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plans without rows of their own."""
    weights = path.with_name("weights.toml")
    weights.write_text("[default]\ntotal = 1\n[source.codex]\ninput = 3\n")
    assert ingest(path, "plan", "rule", weights, "--reason", "r", "-o", path.with_name("rule.json")) == 0
    assert json.loads(capsys.readouterr().out)["expect"]["billable"][0]["source"] == "codex"
    with sqlite_store(path.parent) as store:
        sender = client(store)
        sender.send([bucket(1)])
        sender.send([bucket(2)])
    archive = path.with_name("archive.gz")
    plan = path.with_name("plan.json")
    command = ("plan", "retention", "--before", "2026-01-01", "--archive", archive, "--reason", "r", "-o", plan)
    assert ingest(path, *command) == 0
    sha256 = json.loads(capsys.readouterr().out)["sha256"]
    assert ingest(path, "apply", plan, "--approve", sha256, "--archive", archive) == 0
    assert ingest(path, "verify") == 0
    assert ingest(path, "rollback", "1", "--archive", archive) == 0
    assert ingest(path, "plan", "schema", "--reason", "r", "-o", path.with_name("schema.json")) == 2


def test_plan_that_changes_nothing_gives_a_hint_that_can_be_followed(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No command is told of an option that it has not."""
    weights = path.with_name("weights.toml")
    weights.write_text("[default]\ntotal = 7\n")
    plan = path.with_name("plan.json")
    assert ingest(path, "plan", "rule", weights, "--reason", "r", "-o", plan) == 0
    sha256 = json.loads(capsys.readouterr().out)["sha256"]
    assert ingest(path, "apply", plan, "--approve", sha256) == 0
    commands: list[tuple[str | Path, ...]] = [
        ("backfill", rows_file(path, {}, "nobody")),
        ("correct", rows_file(path, {}, "nobody")),
        ("rule", weights),
        ("schema",),
        ("retention", "--before", "2025-01-01", "--archive", path.with_name("archive.gz")),
    ]
    capsys.readouterr()
    told = []
    for command in commands:
        assert ingest(path, "plan", *command, "--reason", "r", "-o", path.with_name("none.json")) == 2
        told.append(capsys.readouterr().err)
    nothing, rows = "attribute: error: the plan would change nothing", "check the rows, or give --allow-empty"
    assert told == [
        f"{nothing}\n  hint: {rows}\n",
        f"{nothing}\n  hint: {rows}\n",
        f"{nothing}: the rule in force has these weights\n  hint: change the weights\n",
        f"{nothing}: the database has every schema step of this release\n  hint: no plan is needed\n",
        (
            f"{nothing}: no sealed row before 2025-01-01 is outranked by a client's later one\n"
            "  hint: name a later day with --before\n"
        ),
    ]
    assert ingest(path, "plan", *commands[0], "--allow-empty", "--reason", "r", "-o", path.with_name("none.json")) == 0


def test_file_that_is_not_what_it_should_be_names_where_its_format_stands(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows and weights are shown by the help of their commands, exports are made, and each mistake leads to its own."""
    bad = path.with_name("bad")
    bad.write_text("{")
    told = []
    for command in (("plan", "backfill", bad), ("plan", "rule", bad)):
        assert ingest(path, *command, "--reason", "r", "-o", path.with_name("plan.json")) == 2
        told.append(capsys.readouterr().err)
    for text in ("{", '{"schema":"other"}', '{"schema":"attribute.export/1"}\n["token"]'):
        bad.write_text(text)
        assert ingest(path.with_name("new.db"), "replay", bad) == 2
        told.append(capsys.readouterr().err)
    assert told == [
        f"attribute: error: {bad}:1: is not JSON\n  hint: `attribute ingest plan backfill --help` shows a whole line\n",
        f"attribute: error: {bad}: is not TOML\n  hint: `attribute ingest plan rule --help` shows a whole file\n",
        (
            "attribute: error: export:1: is not JSON\n"
            "  hint: make it again with `attribute ingest export`, and keep every line of it\n"
        ),
        (
            "attribute: error: export: is not an export of the form `attribute.export/1`\n"
            "  hint: make it again with `attribute ingest export`, and keep every line of it\n"
        ),
        (
            "attribute: error: export:2: is no line of an export\n"
            "  hint: make it again with `attribute ingest export`, and keep every line of it\n"
        ),
    ]


BAD_ROWS = [
    ("{", "is not JSON"),
    ("[]", "expected an object with exactly"),
    ('{"device_id": "d"}', "expected an object with exactly"),
    ("x" * 70_000, "the line is too long"),
    ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "is not JSON"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD_ROWS)
def test_rows_that_are_none_are_named_by_line(
    path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    """An input file's mistake is one sentence with its line."""
    rows = path.with_name("rows.jsonl")
    rows.write_text("\n" + text + "\n", encoding="latin-1")
    assert ingest(path, "plan", "backfill", rows, "--reason", "r", "-o", path.with_name("plan.json")) == 2
    assert f"rows.jsonl:2: {sentence}" in capsys.readouterr().err
    assert not path.with_name("plan.json").exists()


CHANGES = [
    ({"source": " "}, "is not a name"),
    ({"model": 5}, "is not a name"),
    ({"hour_start": "2025-11-08T00:15:00Z"}, "is not the start of a UTC half hour"),
    ({"hour_start": "2999-01-01T00:00:00Z"}, "rows.jsonl:1: `hour_start` is later than 2255-03-14T16:00:00Z"),
    ({"total_tokens": 1.0}, "counts are integers"),
    ({"total_tokens": 10**12 + 1}, "counts are integers"),
    ({"device_id": "nobody"}, "there is no such device"),
    ({"device_id": 7}, "is not a text"),
    ({"user_id": "me"}, "expected an object with exactly"),
]


@pytest.mark.parametrize(("change", "sentence"), CHANGES)
def test_row_that_breaks_the_grammar_is_named(
    path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], sentence: str
) -> None:
    """An import is held to the grammar of the wire."""
    file = rows_file(path, {HOUR: 5}, device_of(path))
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}) + "\n")
    assert ingest(path, "plan", "backfill", file, "--reason", "r", "-o", path.with_name("plan.json")) == 2
    assert sentence in capsys.readouterr().err


def test_reason_that_is_no_text_is_a_mistake_of_usage(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes of a terminal in another encoding cannot stand in a plan."""
    rows = rows_file(path, {HOUR: 5}, device_of(path))
    assert ingest(path, "plan", "backfill", rows, "--reason", "a\udcffb", "-o", path.with_name("plan.json")) == 2
    assert "expected text in UTF-8" in capsys.readouterr().err
    assert not path.with_name("plan.json").exists()


@pytest.mark.parametrize("head", [gzip.compress(b"{}\n", mtime=0), b"PK\x03\x04"])
def test_reconcile_refuses_a_compressed_log(path: Path, capsys: pytest.CaptureFixture[str], head: bytes) -> None:
    """Held against bytes, every delivery would look as if its record were lost."""
    log = path.with_name("m1.jsonl.gz")
    log.write_bytes(head)
    assert ingest(path, "reconcile", log) == 2
    assert "m1.jsonl.gz: is compressed (" in capsys.readouterr().err


def test_key_twice_in_one_file_is_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two statements of one key in one import are a mistake, not a race."""
    file = rows_file(path, {HOUR: 5, "2025-11-08T00:00:00Z": 6}, device_of(path))
    assert ingest(path, "plan", "backfill", file, "--reason", "r", "-o", path.with_name("plan.json")) == 2
    assert "rows.jsonl:2: this key came before" in capsys.readouterr().err


BAD_WEIGHTS = [
    ("[default", "is not TOML"),
    ("[source.codex]\ninput = 1\n", "expected a table `default`"),
    ("[default]\nprice = 1\n", "weights are for"),
    ("[default]\ninput = 0.5\n", "a weight is an integer"),
    ("[default]\ninput = true\n", "a weight is an integer"),
    ("[default]\n[source.Codex]\ninput = 1\n", "canonical form"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD_WEIGHTS)
def test_weights_that_are_none_are_named(
    path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    """A rule file's mistake is one sentence."""
    weights = path.with_name("weights.toml")
    weights.write_text(text)
    assert ingest(path, "plan", "rule", weights, "--reason", "r", "-o", path.with_name("plan.json")) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "verify", "export"])
def test_store_that_is_not_there_is_said_and_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Looking makes no file."""
    assert ingest(tmp_path / "none.db", command) == 2
    assert "there is no database" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- trouble that an operator can mend --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("status",), ("rollback", "1"), ("verify",), ("token", "list"), ("token", "issue")])
def test_lock_that_another_process_holds_is_a_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """Where, what was seen, what next; and no bug of ours."""
    monkeypatch.setattr(interface, "StoreOptions", partial(StoreOptions, busy_s=0.05))
    more = ["--user", "alice"] if words[-1] == "issue" else []
    with sqlite_store(path.parent) as store, store.planning():
        assert run(["ingest", *words, "--store", str(path), *more]) == 2
    assert capsys.readouterr().err == (
        f"attribute: error: {path}: the store did not confirm: another process of ours is writing\n"
        "  hint: nothing was left half done; try again when the other one is done\n"
    )


@pytest.mark.parametrize("words", [("verify",), ("export",), ("status",), ("serve",)])
def test_folder_that_nothing_can_be_written_to_is_a_sentence(
    path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """As on a file system that is mounted to be read: the lock beside the store cannot be had."""
    lock = path.with_name(f"{path.name}-lock")
    lock.unlink()
    lock.mkdir()
    more = ["--port", "0", "--log", str(path.with_name("m1.jsonl"))] if words == ("serve",) else []
    assert run(["ingest", *words, "--store", str(path), *more]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"attribute: error: {lock}: cannot be opened for writing: is a directory"
    assert second.startswith("  hint: every command holds a lock beside the store")


def test_database_that_cannot_be_opened_is_a_sentence(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What SQLite says of the file on opening is as expected as later."""
    path.with_name(f"{path.name}-wal").mkdir()
    assert ingest(path, "status") == 2
    assert capsys.readouterr().err.startswith(
        f"attribute: error: {path}: the store did not confirm: the database file cannot be read or written\n"
    )


@pytest.mark.parametrize("words", [("plan", "rebuild", "--reason", "r"), ("export",)])
def test_output_that_cannot_be_written_is_a_sentence(
    path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """A folder that is not there, and a file that is."""
    missing, there = path.parent / "no" / "x", path.parent / "there"
    assert ingest(path, *words, "-o", missing) == 2
    assert capsys.readouterr().err == (
        f"attribute: error: {missing}: cannot be written: no such file or directory\n"
        "  hint: name a file in a folder you may write to\n"
    )
    there.write_text("mine")
    assert ingest(path, *words, "-o", there) == 2
    assert (there.read_text(), f"{there}: is there already" in capsys.readouterr().err) == ("mine", True)


def test_export_that_fails_leaves_no_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a history must not be in the way of a whole one."""
    with sqlite_store(path.parent) as store, store.planning() as tx:
        tx.run(
            "INSERT INTO plan (sha256, kind, document, state, chunk_count, started_at_us)"
            " VALUES (:sha256, 'rebuild', '{}', 'applying', 1, 0)",
            sha256="0" * 64,
        )
    assert ingest(path, "export", "-o", path.with_name("history.jsonl")) == 2
    assert "is being applied" in capsys.readouterr().err
    assert not path.with_name("history.jsonl").exists()


def test_export_into_a_full_disk_is_a_sentence(path: Path) -> None:
    """Where the output goes is the operator's to mend."""
    command = [sys.executable, "-m", "attribute", "ingest", "export", "--store", str(path)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "attribute: error: the export could not be written: no space left on device",
    )
