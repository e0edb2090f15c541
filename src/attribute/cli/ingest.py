"""`attribute ingest`: run the service, hand out its tokens, and run a vendor to fail."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from attribute.cli.ingest_failures import failures_explained
from attribute.m1.errors import AttributionError
from attribute.reports.escape import terminal

if TYPE_CHECKING:
    from attribute.ingest.model import TokenRow
    from attribute.ingest.service import Service
    from attribute.ingest.stores.interface import Store, StoreOptions
    from attribute.m1.request_log import RequestLogger

DEFAULT_STORE: Final = "attribute-ingest.db"
DEFAULT_PORT: Final = 8787
_MAX_TEXT_CHARS: Final = 128
_EXTRA: Final = ("httptools", "httpx", "psycopg", "starlette", "uvicorn", "uvloop")
_DATA_COMMANDS: Final = "attribute.cli.ingest_data"

SERVE_EPILOG: Final = """\
\b
Examples:
  attribute ingest serve --log ingest.m1.jsonl
  attribute ingest serve --store usage.db --port 9000 --log -
"""

VENDOR_EPILOG: Final = """\
\b
Examples:
  attribute ingest vendor --faults faults.toml
  attribute ingest vendor --port 0 --records records.db

A schedule of faults; `kind` is status, delay, reset, hang, cut or rate-limit, and a call that no fault concerns goes
well:

\b
  [[fault]]
  kind = "status"
  status = 503
  first = 10
  last = 19
"""

Function = TypeVar("Function", bound=Callable[..., object])


@click.group("ingest")
def ingest() -> None:
    """Take half-hour usage buckets over HTTP, keep every one of them, and write M1 logs."""
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise AttributionError(
            f"{', '.join(missing)} missing: `attribute ingest` needs an extra",
            hint="pip install 'm1-attribute[ingest]'",
        )


def _store_option(function: Function) -> Function:
    return click.option(
        "--store",
        "store_url",
        envvar="ATTRIBUTE_INGEST_STORE",
        default=DEFAULT_STORE,
        show_default=True,
        metavar="PATH|postgresql://...",
        help="SQLite file or PostgreSQL database; also ATTRIBUTE_INGEST_STORE, where no password shows in `ps`.",
    )(function)


# --- serve ------------------------------------------------------------------------------------------------------------


@ingest.command(epilog=SERVE_EPILOG)
@_store_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; TLS is a proxy's business.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free one.")
@click.option("--log", "log_path", default="-", show_default=True, metavar="PATH", help="M1 log; `-` is stdout.")
@click.option("--key-file", type=click.Path(path_type=Path), help="Secret for link codes. [default: beside the store]")
@click.option("--vendor-url", metavar="URL", help="A records vendor that must confirm every delivery.")
@click.option("--vendor-key-file", type=click.Path(path_type=Path), help="File with the vendor's bearer key.")
@click.option("--vendor-deadline", type=click.FloatRange(0.05, 15), default=8.0, show_default=True, help="Seconds.")
@click.option("--busy-wait", type=click.FloatRange(0, 10), default=5.0, show_default=True, help="Seconds for a lock.")
@click.option("--max-in-flight", type=click.IntRange(1, 1000), default=32, show_default=True, help="Then 429.")
@click.option(
    "--retry-after", type=click.IntRange(1, 3600), default=1, show_default=True, help="Seconds, told with 429."
)
@click.option(
    "--connections", type=click.IntRange(1, 10_000), default=128, show_default=True, help="Then the idlest goes."
)
@click.option("--past-days", type=click.IntRange(1, 36_500), default=800, show_default=True, help="Oldest hour_start.")
@click.option("--clock-skew", type=click.IntRange(0, 86_400), default=300, show_default=True, help="Seconds ahead.")
@click.option("--read-days", type=click.IntRange(1, 5000), default=800, show_default=True, help="Longest range read.")
def serve(store_url: str, log_path: str, key_file: Path | None, **chosen: object) -> None:
    """
    Run the service until a signal ends it.

    SIGTERM and SIGINT answer what is being answered and end; SIGHUP opens the log anew after it was rotated.
    """
    from attribute.ingest import server
    from attribute.ingest.protocol import Limits
    from attribute.ingest.stores.opening import open_store

    key = server.load_key(key_file or _key_beside(store_url))
    with (
        _log(log_path) as log,
        failures_explained(store_url),
        _closing(open_store(_options(store_url, chosen), serving=True)) as store,
    ):
        _warn_of_sqlite(store_url)
        listener = server.Listener(
            host=str(chosen["host"]),
            port=_int(chosen["port"]),
            limits=Limits(connections=_int(chosen["connections"])),
        )
        went_well = server.serve(lambda stop: _service(store, log=log, key=key, stop=stop, chosen=chosen), listener)
    if not went_well:
        raise AttributionError(
            "the store failed in a way after which nothing may be written",
            hint="look at the disk, and restore a backup where the database is damaged, before you start it again",
        )


def _service(
    store: Store, *, log: RequestLogger, key: bytes, stop: Callable[[], None], chosen: dict[str, object]
) -> Service:
    from attribute.ingest import server
    from attribute.ingest.patience import PatientWriter
    from attribute.ingest.service import Service
    from attribute.ingest.visits import Settings

    vendor = chosen["vendor_url"] is not None
    stderr = PatientWriter(sys.stderr.fileno())
    return Service(
        store,
        log=log,
        clock=server.SYSTEM_CLOCK,
        key=key,
        settings=Settings(
            max_in_flight=_int(chosen["max_in_flight"]),
            retry_after_s=_int(chosen["retry_after"]),
            window_past_days=_int(chosen["past_days"]),
            window_ahead_s=_int(chosen["clock_skew"]),
            usage_max_days=_int(chosen["read_days"]),
        ),
        upstream_name=store.stats().kind if not vendor else "sqlite",
        writes_to="records-vendor" if vendor else None,
        on_crash=lambda place: stderr.write_or_lose(f"attribute ingest: a bug of ours ended a request: {place}\n"),
        on_broken=stop,
    )


def _options(store_url: str, chosen: dict[str, object]) -> StoreOptions:
    from attribute.ingest.stores.interface import StoreOptions

    vendor_url, key_file = chosen["vendor_url"], chosen["vendor_key_file"]
    deadline_s, busy_s = chosen["vendor_deadline"], chosen["busy_wait"]
    assert isinstance(deadline_s, float)
    assert isinstance(busy_s, float)
    return StoreOptions(
        url=store_url,
        vendor_url=None if vendor_url is None else str(vendor_url),
        vendor_key=_secret_of(key_file) if isinstance(key_file, Path) else None,
        vendor_deadline_s=deadline_s,
        busy_s=busy_s,
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _secret_of(path: Path) -> str:
    from attribute.ingest.server import ServerError, require_private

    require_private(path, others_may_read=False)
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ServerError.cannot_use(path, "it cannot be read, or is not ASCII") from error


def _key_beside(store_url: str) -> Path:
    if "://" in store_url:
        raise AttributionError(
            "a PostgreSQL store needs `--key-file`", hint="any path; the file is made with mode 0600"
        )
    path = Path(store_url.removeprefix("sqlite:"))
    return path.with_name(f"{path.name}.key")


def _warn_of_sqlite(store_url: str) -> None:
    from attribute.ingest.server import say
    from attribute.ingest.stores.sqlite import version_warning

    warning = None if "://" in store_url else version_warning()
    if warning is not None:
        say(f"warning: {warning}")


@contextmanager
def _log(path: str) -> Iterator[RequestLogger]:
    from attribute.ingest.patience import PatientWriter
    from attribute.ingest.server import require_private
    from attribute.m1.request_log import RequestLogger

    if path != "-":
        require_private(Path(path), others_may_read=True)
    with RequestLogger(PatientWriter(sys.stdout.fileno()) if path == "-" else path) as log:
        yield log


@contextmanager
def _closing(store: Store) -> Iterator[Store]:
    try:
        yield store
    finally:
        store.close()


# --- tokens -----------------------------------------------------------------------------------------------------------


@ingest.group()
def token() -> None:
    """Issue, list and revoke device tokens. A token is shown once; only its hash is stored."""


@contextmanager
def _opened(store_url: str, *, create: bool) -> Iterator[Store]:
    from attribute.ingest.stores.interface import StoreOptions
    from attribute.ingest.stores.opening import open_store

    with failures_explained(store_url), _closing(open_store(StoreOptions(url=store_url), create=create)) as store:
        yield store


def _text(context: click.Context, parameter: click.Parameter, value: str) -> str:
    del context, parameter
    if not value.isprintable() or not value.strip() or len(value) > _MAX_TEXT_CHARS:
        raise click.BadParameter(f"expected 1 to {_MAX_TEXT_CHARS} printable characters")
    return value


_USER = click.option("--user", required=True, callback=_text, metavar="ID", help="Whose usage it reports and reads.")


@token.command(
    short_help="Make a device with a token, and print it: only now.",
    epilog="\b\nExample:\n  attribute ingest token issue --user alice --name laptop",
)
@_store_option
@_USER
@click.option("--name", default="device", show_default=True, callback=_text, help="What the list calls the device.")
@click.option("--platform", default="unknown", show_default=True, callback=_text, help="What it runs on.")
def issue(store_url: str, user: str, name: str, platform: str) -> None:
    """Make a device with a token, and print the token: it is shown only now."""
    from attribute.ingest.credentials import hash_of, new_secret

    secret = new_secret()
    with _opened(store_url, create=True) as store:
        device = store.issue_token(user_id=user, name=name, platform=platform, sha256=hash_of(secret), at_us=_now_us())
    click.echo(f"token {device.token_id}, device {device.device_id}", err=True)
    click.echo(secret)


@token.command(
    short_help="Print a code that makes whoever shows it a device.",
    epilog="\b\nExample:\n  attribute ingest token link --user alice --minutes 5",
)
@_store_option
@_USER
@click.option("--minutes", type=click.IntRange(1, 1440), default=10, show_default=True, help="How long it can be used.")
def link(store_url: str, user: str, minutes: int) -> None:
    """Print a link code: whoever shows it first, once, becomes a device of the user. Later it is worth nothing."""
    from attribute.ingest.credentials import hash_of, new_secret

    secret = new_secret()
    with _opened(store_url, create=True) as store:
        store.issue_link_code(user_id=user, sha256=hash_of(secret), expires_at_us=_now_us() + minutes * 60_000_000)
    click.echo(secret)


@token.command(
    "list",
    short_help="List every token ever issued, oldest first.",
    epilog="\b\nExample:\n  attribute ingest token list --json",
)
@_store_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per token and line.")
def list_tokens(store_url: str, *, as_json: bool) -> None:
    """List every token ever issued, oldest first: never the token itself."""
    with _opened(store_url, create=False) as store:
        rows = store.tokens()
    for row in rows:
        click.echo(_as_json(row) if as_json else _as_line(row))


def _as_json(row: TokenRow) -> str:
    return json.dumps(
        {
            "token_id": row.token_id,
            "user_id": row.user_id,
            "device_id": row.device_id,
            "device_name": row.device_name,
            "platform": row.platform,
            "created_at": _instant(row.created_at_us),
            "last_used_at": _instant(row.last_used_at_us),
            "last_sync_at": _instant(row.last_sync_at_us),
            "token_revoked_at": _instant(row.token_revoked_at_us),
            "device_revoked_at": _instant(row.device_revoked_at_us),
        }
    )


def _as_line(row: TokenRow) -> str:
    revoked_at_us = row.token_revoked_at_us if row.token_revoked_at_us is not None else row.device_revoked_at_us
    state = "active" if revoked_at_us is None else f"revoked {_instant(revoked_at_us)}"
    used = "never used" if row.last_used_at_us is None else f"used {_instant(row.last_used_at_us)}"
    cells = (str(row.token_id), row.user_id, row.device_id, row.device_name, row.platform, state, used)
    return "  ".join(terminal(cell) for cell in cells)


@token.command(
    short_help="Revoke a token by its number, or a whole device.",
    epilog="\b\nExamples:\n  attribute ingest token revoke 3\n  attribute ingest token revoke --device 0b7c",
)
@_store_option
@click.argument("token_id", type=click.IntRange(0), metavar="[NUMBER]", required=False)
@click.option("--device", metavar="ID", help="Revoke a device and every token of it.")
def revoke(store_url: str, token_id: int | None, device: str | None) -> None:
    """Revoke a token by its number, or a whole device. It takes effect with the next request."""
    if (token_id is None) == (device is None):
        raise click.UsageError("name a token by its number, or a device with `--device`")
    with _opened(store_url, create=False) as store:
        at_us = _now_us()
        done = store.revoke_token(token_id, at_us) if token_id is not None else store.revoke_device(str(device), at_us)
    if not done:
        raise AttributionError(
            "there is no such token or device, or it was revoked before", hint="`attribute ingest token list` shows all"
        )
    click.echo("revoked", err=True)


def _now_us() -> int:
    from attribute.ingest.server import SYSTEM_CLOCK

    return SYSTEM_CLOCK.now_us()


def _instant(at_us: int | None) -> str | None:
    return None if at_us is None else f"{datetime.fromtimestamp(at_us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


# --- a vendor to fail -------------------------------------------------------------------------------------------------


@ingest.command(short_help="Run a records vendor that fails as a schedule says.", epilog=VENDOR_EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8788, show_default=True, help="0: any free one.")
@click.option("--records", default=":memory:", show_default=True, metavar="PATH", help="SQLite file for the rows.")
@click.option("--faults", type=click.Path(path_type=Path, dir_okay=False), help="TOML or JSON: what goes wrong, when.")
def vendor(host: str, port: int, records: str, faults: Path | None) -> None:
    """Run a small records API that fails as a schedule says: for demonstrations and tests."""
    from attribute.ingest import faults as schedules
    from attribute.ingest import server
    from attribute.ingest.vendor import Records, Vendor, make_server

    schedule = schedules.Schedule(schedules.load(faults) if faults is not None else ())
    with closing(Records(records)) as kept, server.listen(server.Listener(host=host, port=port)) as bound:
        bound.listen()
        server.say(f"vendor listening on {server.address_of(bound)}")
        make_server(Vendor(kept, schedule)).run(sockets=[bound])


if importlib.util.find_spec(_DATA_COMMANDS) is not None:
    for _command in importlib.import_module(_DATA_COMMANDS).COMMANDS:
        ingest.add_command(_command)
