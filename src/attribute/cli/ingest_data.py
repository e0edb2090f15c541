"""`attribute ingest plan`, `apply`, `rollback`, `status`, `verify`, `export`, `replay` and `reconcile`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import wraps
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from attribute.cli.ingest_failures import cannot_write, failures_explained
from attribute.cli.streams import forget_stdout
from attribute.logs.compression import SNIFF_BYTES, sniff, unsupported
from attribute.m1.errors import AttributionError
from attribute.reports.escape import terminal

if TYPE_CHECKING:
    from attribute.ingest.plans.document import Plan
    from attribute.ingest.stores.relational import RelationalStore

DEFAULT_STORE: Final = "attribute-ingest.db"
GATE: Final = 3
ITEM_EPILOG: Final = """\
\b
Example:
  attribute ingest plan {name} rows.jsonl --reason "lost laptop" -o plan.json

ROWS has a bucket on each line, as on the wire, with its `device_id`. One line, broken here to fit:

\b
  {{"device_id": "0b7c", "source": "codex", "model": "gpt-5",
   "hour_start": "2025-11-08T00:30:00Z", "input_tokens": 0,
   "cached_input_tokens": 0, "output_tokens": 0,
   "reasoning_output_tokens": 0, "total_tokens": 5}}
"""
RULE_EPILOG: Final = """\
\b
Example:
  attribute ingest plan rule weights.toml --reason "input is free now" -o plan.json

WEIGHTS is TOML. Counters that are not named weigh nothing, sources that are not named take the default:

\b
  [default]
  total = 1

\b
  [source.codex]
  input = 1
  output = 1
  reasoning_output = 1
"""
_EPOCH_DAY: Final = date(1970, 1, 1)
_PATH: Final = click.Path(path_type=Path)
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which store a command works on."""

    url: str
    vendor_url: str | None
    vendor_key_file: Path | None


def store_options(function: Callable[..., None]) -> Callable[..., None]:
    """Ask which store, and hand it to the command as one argument, `where`."""

    @wraps(function)
    def command(*, store_url: str, vendor_url: str | None, vendor_key_file: Path | None, **rest: object) -> None:
        function(where=Where(url=store_url, vendor_url=vendor_url, vendor_key_file=vendor_key_file), **rest)

    for option in (
        click.option("--vendor-key-file", type=_FILE, help="File with the vendor's bearer key."),
        click.option("--vendor-url", metavar="URL", help="A records vendor that holds a copy of the ledger."),
        click.option(
            "--store",
            "store_url",
            envvar="ATTRIBUTE_INGEST_STORE",
            default=DEFAULT_STORE,
            show_default=True,
            metavar="PATH|postgresql://...",
            help="SQLite file or PostgreSQL database; also ATTRIBUTE_INGEST_STORE.",
        ),
    ):
        command = option(command)
    return command


def _text(context: click.Context, parameter: click.Parameter, value: str) -> str:
    del context, parameter
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise click.BadParameter("expected text in UTF-8") from None
    return value


def plan_options(function: Callable[..., None]) -> Callable[..., None]:
    """Ask what every kind of plan is asked, the store included."""
    function = store_options(function)
    for option in (
        click.option("--reason", required=True, callback=_text, help="Why; it stays in the plan."),
        click.option("-o", "--out", type=_PATH, required=True, help="The plan file to write."),
    ):
        function = option(function)
    return function


@contextmanager
def opened(where: Where, *, create: bool = False, migrate: bool = False) -> Iterator[RelationalStore]:
    """The store of one command, closed after it; failures of the database become sentences."""
    from attribute.ingest.stores.interface import StoreOptions
    from attribute.ingest.stores.opening import open_store

    key = None if where.vendor_key_file is None else where.vendor_key_file.read_text(encoding="utf-8").strip()
    options = StoreOptions(url=where.url, vendor_url=where.vendor_url, vendor_key=key)
    with failures_explained(where.url), closing(open_store(options, create=create, migrate=migrate)) as store:
        yield store


def now_us() -> int:
    """Microseconds since the epoch."""
    return int(datetime.now(UTC).timestamp() * 1_000_000)


def show(value: object) -> None:
    """Write a result: JSON with one key per line, ASCII only, so that no name can steer a terminal."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))


# --- plan -------------------------------------------------------------------------------------------------------------


@click.group()
def plan() -> None:
    """Work out a rewrite and write it down; changes nothing."""


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that was not there; where writing it fails it is not there afterwards either."""
    try:
        with path.open("xb") as file:
            try:
                yield file
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise cannot_write(path, error) from error


def _write(made: Plan, out: Path) -> None:
    with new_file(out) as file:
        file.write(made.to_bytes())
    show({"plan": str(out), "kind": made.kind.value, "scope": made.scope, "expect": made.expect, "checks": made.checks,
          "inverse": made.inverse, "estimate": made.estimate, "sha256": made.sha256})  # fmt: skip
    click.echo(terminal(f"apply it with: attribute ingest apply {out} --approve {made.sha256}"), err=True)


def _item_plan(name: str, summary: str) -> click.Command:
    def run(rows: Path, where: Where, out: Path, reason: str, allow_empty: bool) -> None:
        from attribute.ingest.plans.input import read_rows
        from attribute.ingest.plans.make import plan_backfill, plan_correct

        make = plan_backfill if name == "backfill" else plan_correct
        with opened(where) as store:
            _write(make(store, read_rows(rows), reason=reason, now_us=now_us(), allow_empty=allow_empty), out)

    run.__doc__ = summary
    command: Callable[..., None] = click.option("--allow-empty", is_flag=True, help="Nothing to do is fine.")(
        plan_options(run)
    )
    short = f"{summary.partition(',')[0]}."
    return plan.command(name, short_help=short, epilog=ITEM_EPILOG.format(name=name))(
        click.argument("rows", type=_FILE)(command)
    )


_item_plan("backfill", "Fill keys that no client has asserted, from JSON Lines of buckets with a device_id.")
_item_plan("correct", "Change what single facts say, from JSON Lines of buckets with a device_id.")


@plan.command(
    short_help="Compute all daily rollups anew, and switch over.",
    epilog='\b\nExample:\n  attribute ingest plan rebuild --reason "after a repair" -o plan.json',
)
@plan_options
def rebuild(where: Where, out: Path, reason: str) -> None:
    """Compute all daily rollups anew, compare them with the facts, and switch over."""
    from attribute.ingest.plans.make import plan_rebuild

    with opened(where) as store:
        _write(plan_rebuild(store, reason=reason, now_us=now_us()), out)


@plan.command(short_help="Put new billable weights in force; rewrites no row.", epilog=RULE_EPILOG)
@click.argument("weights", type=_FILE)
@plan_options
def rule(weights: Path, where: Where, out: Path, reason: str) -> None:
    """Put new billable weights in force, from a TOML file; rewrites no row."""
    from attribute.ingest.plans.input import read_rule
    from attribute.ingest.plans.make import plan_rule

    default, by_source = read_rule(weights)
    with opened(where) as store:
        _write(plan_rule(store, default, by_source, reason=reason, now_us=now_us()), out)


@plan.command(
    short_help="Apply this release's steps that the database lacks.",
    epilog='\b\nExample:\n  attribute ingest plan schema --reason "new release" -o plan.json',
)
@plan_options
def schema(where: Where, out: Path, reason: str) -> None:
    """Apply the schema steps that this release has and the database has not."""
    from attribute.ingest.plans.make import plan_schema

    with opened(where, migrate=True) as store:
        _write(plan_schema(store, reason=reason, now_us=now_us()), out)


@plan.command(
    short_help="Move old rows that decide nothing into an archive.",
    epilog="\b\nExample:\n"
    "  attribute ingest plan retention --before 2026-01-01 --archive old.zst --reason yearly -o plan.json",
)
@click.option("--before", type=click.DateTime(["%Y-%m-%d"]), required=True, help="UTC day; rows of earlier half hours.")
@click.option("--archive", type=_PATH, required=True, help="The archive file to write.")
@plan_options
def retention(
    before: datetime, archive: Path, where: Where, out: Path,
    reason: str,
) -> None:  # fmt: skip
    """Move old ledger rows that decide nothing any more into an archive file."""
    from attribute.ingest.plans.archive import plan_retention

    day = (before.date() - _EPOCH_DAY).days
    with opened(where) as store:
        store.seal()
        _write(plan_retention(store, archive, before_day=day, reason=reason, now_us=now_us()), out)


# --- apply, rollback, status ------------------------------------------------------------------------------------------


def _free(path: Path) -> Path:
    """The path, or the first like it that nothing is under: an `apply` that was killed may have left its copy."""
    names = chain([path], (path.with_name(f"{path.name}-{number}") for number in count(2)))
    return next(name for name in names if not name.exists())


@click.command(
    short_help="Do what an approved plan says.",
    epilog="\b\nExample:\n  attribute ingest apply plan.json --approve 5f2c",
)
@click.argument("plan_file", type=_FILE)
@click.option("--approve", required=True, metavar="SHA256", help="The plan's hash, as `plan` printed it.")
@click.option("--backup", type=_PATH, help="Where the copy from before goes. [default: beside the SQLite file]")
@click.option("--no-backup", is_flag=True, help="Make no copy first.")
@click.option("--archive", type=_FILE, help="For a retention plan: the file that came with it.")
@store_options
def apply(
    *, plan_file: Path, approve: str, backup: Path | None, no_backup: bool, archive: Path | None, where: Where
) -> None:
    """
    Do what an approved plan says; an interrupted one is taken up where it was.

    Ends with 3 where the plan went stale or a check failed, and with 2 where it is refused.
    """
    from attribute.ingest.plans.apply import apply as apply_plan

    at = now_us()
    with opened(where, migrate=True) as store:
        if backup is None and "://" not in where.url:
            backup = _free(Path(f"{where.url.removeprefix('sqlite:')}.before-{approve[:12]}"))
        done = apply_plan(
            store,
            plan_file.read_bytes(),
            approve=approve,
            now_us=at,
            backup=None if no_backup else backup,
            archive=archive,
            progress=lambda step, steps: click.echo(f"step {step} of {steps}", err=True),
        )
    show({"plan_id": done.plan_id, "steps": done.steps, "resumed_at": done.resumed_at,
          "backup": None if done.backup is None else str(done.backup)})  # fmt: skip


@click.command(short_help="Undo a plan, in one transaction.", epilog="\b\nExample:\n  attribute ingest rollback 7")
@click.argument("plan_id", type=click.IntRange(1))
@click.option("--archive", type=_FILE, help="For a retention plan: the file that holds the rows.")
@store_options
def rollback(plan_id: int, archive: Path | None, where: Where) -> None:
    """Undo a plan, in one transaction; an `apply` of it under way stops. Done again it changes nothing."""
    from attribute.ingest.plans.rollback import rollback as undo

    with opened(where) as store:
        undone = undo(store, plan_id, now_us=now_us(), archive=archive)
    if undone.repeated:
        click.echo(f"plan {plan_id} was rolled back before: there was nothing left to undo", err=True)
    show({"plan_id": undone.plan_id, "kind": undone.kind.value, "keys": undone.keys, "kept_newer": undone.newer})


@click.command(epilog="\b\nExample:\n  attribute ingest status --store usage.db")
@store_options
def status(where: Where) -> None:
    """Where the store stands, and every plan that was begun."""
    from attribute.ingest.plans.status import status as read_status

    with opened(where, migrate=True) as store:
        found = read_status(store)
    show({"store": {name: getattr(found.stats, name) for name in found.stats.__dataclass_fields__},
          "plans": [row._asdict() for row in found.plans]})  # fmt: skip


# --- proofs -----------------------------------------------------------------------------------------------------------


@click.command(
    short_help="Check facts, rollups and seals against the ledger.",
    epilog="\b\nExample:\n  attribute ingest verify --store usage.db",
)
@store_options
def verify(where: Where) -> None:
    """Check facts against the ledger, rollups against the facts, and the seals; ends with 3 where one does not hold."""
    from attribute.ingest.verify import verify as check

    with opened(where) as store:
        found = check(store)
        digest = store.digest()
    report: dict[str, Any] = {**found._asdict(), "findings": [finding._asdict() for finding in found.findings]}
    show({"holds": found.holds, **report, "digest": digest})
    if not found.holds:
        raise click.exceptions.Exit(GATE)


@click.command(epilog="\b\nExample:\n  attribute ingest export -o history.jsonl")
@click.option("-o", "--out", type=_PATH, help="File to write. [default: standard output]")
@store_options
def export(out: Path | None, where: Where) -> None:
    """Write the whole history as JSON Lines, without tokens."""
    from attribute.ingest.transfer import export as lines

    with opened(where) as store:
        if out is None:
            _to_stdout(lines(store))
            return
        with new_file(out) as file:
            file.writelines(lines(store))


def _to_stdout(lines: Iterator[bytes]) -> None:
    try:
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # the disk behind a redirection is full
        forget_stdout()
        raise AttributionError(
            f"the export could not be written: {(error.strerror or 'no reason given').lower()}",
            hint="what was written of it is not whole; name a file with `--out` on a disk with room",
        ) from error


@click.command(
    short_help="Say an exported history again in an empty store.",
    epilog="\b\nExample:\n  attribute ingest replay history.jsonl --store new.db",
)
@click.argument("history", type=_FILE)
@store_options
def replay(history: Path, where: Where) -> None:
    """Say an exported history again in an empty store, and compare the digests."""
    from attribute.ingest.transfer import replay as say_again

    with opened(where, create=True) as store, history.open("rb") as lines:
        show({"digest": say_again(store, lines)})


@click.command(
    short_help="Hold M1 logs against deliveries.",
    epilog="\b\nExample:\n  attribute ingest reconcile ingest.m1.jsonl ingest.m1.jsonl.1",
)
@click.argument("logs", type=_FILE, nargs=-1, required=True)
@store_options
def reconcile(logs: tuple[Path, ...], where: Where) -> None:
    """Hold M1 logs against deliveries; ends with 3 where a success has no delivery."""
    from attribute.ingest.reconcile import reconcile as hold

    for path in logs:
        _refuse_compressed(path)

    def lines() -> Iterator[bytes]:
        for path in logs:
            with path.open("rb") as file:
                yield from file

    with opened(where) as store:
        found = hold(store, lines())
    show(found._asdict())
    if found.lied:
        raise click.exceptions.Exit(GATE)


def _refuse_compressed(path: Path) -> None:
    """No line of it would be a record, and every delivery that it tells of would look as if its record were lost."""
    with path.open("rb") as file:
        head = file.read(SNIFF_BYTES)
    kind = sniff(head) or unsupported(head)
    if kind is not None:
        raise AttributionError(f"{path}: is compressed ({kind})", hint="expand it first, and name what comes out")


COMMANDS: Final = (plan, apply, rollback, status, verify, export, replay, reconcile)
"""For the group `attribute ingest` to register."""
