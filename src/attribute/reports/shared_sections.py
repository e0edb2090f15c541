"""Sections that both reports have: where every line went, how it was done, and what to log for fewer UNKNOWN."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, tzinfo
from typing import Final

import polars as pl

from attribute.reports.document import Block, Bullets, Column, Commands, Kind, Section, Table, facts
from attribute.reports.model import Result
from attribute.reports.wording import count, of, plural, stamp, upstream_word
from attribute.rules.words import Class

__all__ = ["data_section", "method_section", "number", "only_functions", "signature_rows", "unknown_section"]

SIGNATURES: Final = 10
FILES: Final = 20


def number(value: int | None) -> str | None:
    """Return a count as a cell."""
    return None if value is None else count(value)


def only_functions(result: Result) -> list[tuple[str, str]]:
    """Return the functions that were asked for as a fact; none where all were."""
    functions = result.typed.functions
    return [("Only functions", ", ".join(functions))] if functions else []


def unknown_section(result: Result, counts: pl.DataFrame, *, history: pl.DataFrame | None = None) -> Section | None:
    """
    Return why requests stayed UNKNOWN and what to log; nothing where none did.

    Args:
        result: for the reasons.
        counts: for the signatures.
        history: counts that reach further back, to say when a signature was first seen.
    """
    reasons = [row for row in result.reasons if row.class_ == Class.UNKNOWN]
    if not reasons:
        return None
    table = Table(
        caption="UNKNOWN by reason, and what to log so that it need not be",
        columns=(
            Column("reason", Kind.FIXED),
            Column("rule", Kind.FIXED),
            Column("requests", Kind.NUMBER),
            Column("what to log", Kind.ADVICE),
        ),
        rows=tuple((row.reason, row.rule or "none", count(row.requests), row.what_to_log) for row in reasons),
    )
    rows, omitted = signature_rows(counts, history=history, zone=result.zone)
    signatures = Table(
        caption="Where they come from: the most frequent signatures",
        columns=(
            Column("function", Kind.NAME),
            Column("stage", Kind.NAME),
            Column("reason", Kind.FIXED),
            Column("status"),
            Column("upstream_status"),
            Column("requests", Kind.NUMBER),
            *(() if history is None else (Column("first seen", Kind.FIXED),)),
        ),
        rows=rows,
        omitted=omitted,
    )
    return Section(anchor="unknown", title="UNKNOWN: what to log", blocks=(table, signatures), brief=True)


def signature_rows(
    counts: pl.DataFrame, *, history: pl.DataFrame | None = None, zone: tzinfo = UTC
) -> tuple[tuple[tuple[str | None, ...], ...], int]:
    """Return the most frequent signatures of UNKNOWN requests as cells, and how many more there are."""
    keys = ["function", "stage", "reason", "status", "upstream_status"]
    unknown = pl.col("class") == Class.UNKNOWN.value
    frame = (
        counts.filter(unknown)
        .group_by(keys)
        .agg(pl.col("requests").sum())
        .sort(["requests", *keys], descending=[True, *(False for _ in keys)], nulls_last=False)
    )
    shown = frame.head(SIGNATURES)
    if history is not None:
        seen = history.filter(unknown).group_by(keys).agg(pl.col("minute").min().alias("seen"))
        shown = shown.join(seen, on=keys, how="left", nulls_equal=True, maintain_order="left")
    rows = tuple(
        (
            row["function"],
            row["stage"],
            row["reason"],
            "missing" if row["status"] is None else str(row["status"]),
            upstream_word(row["upstream_status"]),
            count(row["requests"]),
            *(() if history is None else (None if row["seen"] is None else stamp(row["seen"], zone),)),
        )
        for row in shown.iter_rows(named=True)
    )
    return rows, max(frame.height - SIGNATURES, 0)


def data_section(result: Result, *, first: Iterable[Block] = ()) -> Section:
    """Return where every line went."""
    account = result.account
    lines = [
        ("lines", account.lines),
        ("= records", account.records),
        ("+ rejected", account.rejected),
        ("+ not M1", account.not_m1),
        ("+ blank", account.blank),
    ]
    blocks: list[Block] = [
        *first,
        Table(
            caption="Lines: every one is accounted for",
            columns=(Column("what"), Column("lines", Kind.NUMBER)),
            rows=tuple((name, count(value)) for name, value in lines),
        ),
        facts("The input", _input_rows(result)),
    ]
    if account.rejected_by_reason:
        blocks.append(
            Table(
                caption="Rejected lines by reason",
                columns=(Column("reason"), Column("lines", Kind.NUMBER)),
                rows=tuple((reason, count(lines)) for reason, lines in account.rejected_by_reason.items()),
            )
        )
    if account.sample_rejects:
        blocks.append(
            Table(
                caption="The first of them",
                columns=(Column("file", Kind.NAME), Column("line", Kind.NUMBER), Column("reason"), Column("detail")),
                rows=tuple(
                    (each.file, str(each.line), each.reason, each.detail) for each in account.sample_rejects[:FILES]
                ),
                folded=True,
            )
        )
    for caption, notes in (
        ("Files read in part", account.incomplete_files),
        ("Files passed over", account.skipped_files),
    ):
        if notes:
            blocks.append(
                Table(
                    caption=caption,
                    columns=(Column("file", Kind.NAME), Column("why")),
                    rows=tuple((note.file, note.reason) for note in notes[:FILES]),
                    omitted=max(len(notes) - FILES, 0),
                )
            )
    if account.unknown_fields:
        blocks.append(
            Table(
                caption=f"Fields that M1 does not know ({plural(account.unknown_field_names, 'name')})",
                columns=(Column("field", Kind.NAME), Column("records", Kind.NUMBER)),
                rows=tuple((name, count(records)) for name, records in list(account.unknown_fields.items())[:FILES]),
                omitted=max(account.unknown_field_names - FILES, 0),
            )
        )
    return Section(anchor="data", title="Data", blocks=tuple(blocks))


def _input_rows(result: Result) -> list[tuple[str, str]]:
    account, requests = result.account, result.requests
    rows = [
        ("files", count(account.files)),
        ("bytes read", count(account.bytes)),
        ("first record", "none has a time" if account.first_at is None else stamp(account.first_at, result.zone)),
        ("last record", "none has a time" if account.last_at is None else stamp(account.last_at, result.zone)),
        ("requests looked at", count(requests.total)),
    ]
    for name, value in (
        ("requests without a time", requests.untimed),
        ("records without a time", account.untimed),
        ("records outside the window", account.outside_window),
        ("duplicate records, counted once", account.duplicates),
        ("records of a newer schema version", account.newer_versions),
    ):
        if value:
            rows.append((name, count(value)))
    rows += [(f"verdicts with the flag {flag}", of(value, requests.incident)) for flag, value in result.flags.items()]
    return rows


def method_section(result: Result, command: str, *, remarks: Iterable[str] = ()) -> Section:
    """Return how the numbers came about, so that somebody else gets them again."""
    limits = asdict(result.rules.thresholds.default)
    own = list(result.rules.thresholds.by_function)
    rows = [
        ("attribute", result.tool_version),
        ("rules", result.rules.version),
        ("rules, SHA-256", result.rules.sha256),
        ("thresholds", ", ".join(f"{name} {value:g}" for name, value in limits.items())),
        ("input, SHA-256", result.account.fingerprint or "not taken; --fingerprint takes it"),
        ("what is normal", result.normal_basis or "not known: nothing in these logs says"),
    ]
    blocks: list[Block] = [Commands((command,)), facts("What the numbers rest on", rows)]
    if own:
        blocks.append(
            Table(
                caption="Thresholds of single functions",
                columns=(Column("function", Kind.NAME), Column("thresholds")),
                rows=tuple(
                    (name, ", ".join(f"{key} {value:g}" for key, value in asdict(each).items()))
                    for name, each in sorted(result.rules.thresholds.by_function.items())
                ),
            )
        )
    blocks.append(
        Bullets(
            (
                "A request is failing where its status is missing, 4xx or 5xx, and slow from slow_ms on.",
                "The verdicts follow from the rules alone. UNKNOWN means that the evidence does not decide.",
                "An incident is a stretch of time in which one class is unusually frequent.",
                *remarks,
            )
        )
    )
    return Section(anchor="method", title="Method", blocks=tuple(blocks))
