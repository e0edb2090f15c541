"""From an analysis to the one view model that every output is written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from attribute import __version__
from attribute.engines.analysis import Analysis, Rows
from attribute.incidents.model import Incident
from attribute.reports.asked import Asked, Rules
from attribute.reports.decide import Facts, decide
from attribute.reports.evidence import (
    class_rows,
    code_rows,
    function_rows,
    heat_rows,
    new_codes,
    quiet_part,
    usual_counts,
    why_rows,
)
from attribute.reports.model import (
    ClassRow,
    IncidentRow,
    LatencyRow,
    ReasonRow,
    Requests,
    Result,
    State,
    Verdict,
    WhyNot,
    WhyRow,
)
from attribute.reports.next_commands import next_commands
from attribute.reports.samples import sample_ids
from attribute.reports.series import series
from attribute.reports.wording import FEW, count, percent
from attribute.rollup import quantile
from attribute.rules.catalogue import Catalogue
from attribute.rules.thresholds import Thresholds
from attribute.rules.words import CLASSES, NO_CLASS, Class, Reason

__all__ = ["build_result"]

CANNOT_JUDGE: Final = 4


def build_result(
    analysis: Analysis,
    *,
    catalogue: Catalogue,
    thresholds: Thresholds,
    incidents: Sequence[Incident],
    asked: Asked,
    history: pl.DataFrame | None = None,
) -> Result:
    """
    Return the view model of an analysis.

    Args:
        analysis: the engine's answer.
        catalogue: the rules that gave it.
        thresholds: the limits that they used.
        incidents: from `attribute.incidents.group` over the analysis' rollup.
        asked: what the user asked for.
        history: counts of earlier requests, to say what is normal; without it the quiet part of the logs says so.

    Returns:
        The same for the same arguments. Counts add up: `total = healthy + incident`, the classes sum to `incident`.
    """
    counts = analysis.rollup.counts
    rows = _incident_rows(incidents, analysis.rows)
    quiet = quiet_part(counts, [(row.started_at, row.ended_at) for row in rows if row.shown])
    normal, normal_basis = usual_counts(counts, quiet, history)
    requests = _requests(counts)
    facts = Facts(
        account=analysis.account,
        requests=requests,
        classes=class_rows(counts, normal),
        reasons=_reasons(counts, catalogue),
        functions=function_rows(counts),
        incidents=rows,
        flags=analysis.rows.flags(),
        asked=asked,
        others=analysis.others,
    )
    by_class = {
        class_.value: why_rows(counts, quiet, classes=(class_,), incident_requests=requests.incident)
        for class_ in CLASSES
    }
    verdict = decide(facts, by_class)
    why = tuple(row for class_ in verdict.classes for row in by_class[class_])
    latency = _latency(analysis.rollup.latency)
    return Result(
        generated_at=asked.now,
        zone=asked.zone,
        typed=asked.typed,
        tool_version=__version__,
        rules=Rules(version=catalogue.version, sha256=catalogue.sha256, thresholds=thresholds),
        window=asked.window,
        account=analysis.account,
        requests=requests,
        verdict=verdict,
        classes=tuple(facts.classes),
        normal_basis=normal_basis,
        reasons=tuple(facts.reasons),
        functions=tuple(facts.functions),
        heat=heat_rows(counts),
        codes=code_rows(counts, quiet),
        latency=latency,
        why=why,
        why_not=_why_not(facts, verdict, new_codes(counts, quiet, Class.APPLICATION), latency),
        series=series(counts),
        incidents=rows,
        flags=facts.flags,
        runbook=_runbook(verdict, why, asked.runbook),
        goals=asked.goals,
        next_commands=next_commands(verdict, rows, asked),
        exit_code=CANNOT_JUDGE if verdict.state is State.CANNOT_JUDGE else 0,
        analysis=analysis,
        found=tuple(incidents),
    )


def _requests(counts: pl.DataFrame) -> Requests:
    requests = pl.col("requests")
    incident = pl.col("class") != NO_CLASS
    row = counts.select(
        requests.sum().alias("total"),
        requests.filter(incident).sum().alias("incident"),
        requests.filter(pl.col("reason") == Reason.UPSTREAM_FAILURE_ABSORBED.value).sum().alias("absorbed"),
        requests.filter(pl.col("minute").is_null()).sum().alias("untimed"),
    ).row(0, named=True)
    return Requests(
        total=row["total"],
        healthy=row["total"] - row["incident"],
        incident=row["incident"],
        absorbed=row["absorbed"],
        untimed=row["untimed"],
    )


def _reasons(counts: pl.DataFrame, catalogue: Catalogue) -> tuple[ReasonRow, ...]:
    frame = (
        counts.lazy()
        .group_by("class", "rule", "reason")
        .agg(pl.col("requests").sum())
        .filter(pl.col("class") != NO_CLASS)
        .collect(engine="streaming")  # a quarter of the time, and 4 MB in place of 130 where there are many rows
        .sort("requests", "class", "rule", "reason", descending=[True, False, False, False])
    )
    return tuple(
        ReasonRow(
            class_=row["class"],
            rule=row["rule"],
            reason=row["reason"],
            requests=row["requests"],
            what_to_log=catalogue.what_to_log(Reason(row["reason"]), row["rule"]) or None
            if row["class"] == Class.UNKNOWN
            else None,
        )
        for row in frame.iter_rows(named=True)
    )


def _latency(latency: pl.DataFrame) -> tuple[LatencyRow, ...]:
    rows = []
    for measure in ("total", "upstream", "own"):
        frame = latency.filter(pl.col("measure") == measure)
        found = [quantile(frame, q) for q in (0.5, 0.95, 0.99)]
        if found[0] is None or found[1] is None or found[2] is None:
            continue
        requests = int(frame["requests"].sum())
        rows.append(LatencyRow(measure=measure, requests=requests, p50_ms=found[0], p95_ms=found[1], p99_ms=found[2]))
    return tuple(rows)


def _incident_rows(incidents: Sequence[Incident], verdicts: Rows) -> tuple[IncidentRow, ...]:
    samples = sample_ids(incidents, verdicts)
    rows = [
        IncidentRow(
            id=incident.id,
            class_=incident.class_,
            started_at=incident.started_at,
            ended_at=incident.ended_at,
            ongoing=incident.ongoing,
            functions=incident.functions,
            requests=incident.requests,
            excess=incident.excess,
            unknown_requests=incident.unknown_requests,
            severity=incident.severity,
            reasons=incident.reasons,
            statuses=incident.statuses,
            upstream_statuses=incident.upstream_statuses,
            error_codes=incident.error_codes,
            sample_request_ids=samples.get(incident.id, ()),
        )
        for incident in incidents
    ]
    return tuple(sorted(rows, key=lambda row: (row.severity, -row.requests, row.started_at, row.id)))


def _why_not(
    facts: Facts,
    verdict: Verdict,
    new: Sequence[str] | None,
    latency: Sequence[LatencyRow],
) -> tuple[WhyNot, ...]:
    """Return one line for each class that is not the answer; none where there is no answer to defend."""
    if not verdict.classes:
        return ()
    total = facts.requests.incident
    none = "no such request" if not facts.account.rejected else "no such request in what could be read"
    own = next((row for row in latency if row.measure == "own"), None)
    lines = []
    for row in facts.classes:
        if row.class_ in verdict.classes:
            continue
        parts = _amount(row, total) if row.requests else [none]
        if not row.requests:
            pass
        elif row.class_ == Class.APPLICATION and new is not None:
            parts.append(f"new error_code {new[0]}" if new else "no new error_code")
        elif row.class_ == Class.BOTTLENECK and own is not None:
            parts.append(f"own time p95 {count(int(own.p95_ms))} ms")
        elif row.class_ == Class.UNKNOWN:
            reason = next(reason for reason in facts.reasons if reason.class_ == row.class_)
            parts.append(f"{'mostly' if reason.requests * 2 > row.requests else 'most often'} {reason.reason}")
        lines.append(WhyNot(class_=row.class_, requests=row.requests, parts=tuple(parts)))
    return tuple(lines)


def _amount(row: ClassRow, total: int) -> list[str]:
    share = f" ({percent(row.requests / total)})" if total >= FEW else f" of {count(total)}"
    if row.normal is None:
        return [f"{count(row.requests)}{share}"]
    usual = "within normal" if row.requests <= row.normal.high else "above normal"
    return [f"{count(row.requests)}{share}", f"{usual} ({count(row.normal.low)}-{count(row.normal.high)})"]


def _runbook(verdict: Verdict, why: Sequence[WhyRow], runbook: Mapping[str, str]) -> tuple[str, ...]:
    """Return the texts for the answer's classes and functions, the most specific first, each once."""
    keys = [f"{row.class_}/{row.function}" for row in why] + list(verdict.classes)
    return tuple(dict.fromkeys(runbook[key] for key in keys if key in runbook))
