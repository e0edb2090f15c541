"""
The package for a vendor's support: a message, and the evidence as files with their hashes.

What leaves the house is on one list, `FIELDS`; nothing else of a record is in it, no path, no error code, no stage. It
holds the requests of one upstream only, so that no vendor reads about another.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import orjson
import polars as pl

from attribute.frames import UPSTREAM_TIMEOUT
from attribute.incidents import belongs, touches
from attribute.incidents.model import Incident
from attribute.m1.errors import AttributionError
from attribute.reports.escalate_message import Evidence, message
from attribute.reports.escape import csv_cell, json_bytes
from attribute.reports.model import Result, State, Verdict
from attribute.reports.narrow import around
from attribute.reports.wording import rfc3339, upstream_json
from attribute.rules.words import Class

__all__ = ["FIELDS", "EscalationError", "Package", "package"]

SCHEMA: Final = "attribute.escalation/1"
FIELDS: Final = (
    "request_id",
    "at",
    "function",
    "status",
    "latency_ms",
    "upstream",
    "upstream_status",
    "upstream_latency_ms",
)
"""The M1 fields that a vendor gets to see."""

AROUND: Final = timedelta(minutes=30)
"""How much time before and after the incident is counted, to show what was before."""

_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)


class EscalationError(AttributionError):
    """There is nothing to take to a vendor."""

    @classmethod
    def no_incident(cls, wanted: str, known: list[str]) -> Self:
        """Return the error of an id that no incident has."""
        hint = f"there are {', '.join(known[:5])}" if known else "no incident was found in these logs"
        return cls(f"no incident `{wanted}`", hint=hint, exit_code=4)

    @classmethod
    def cannot_judge(cls, verdict: Verdict) -> Self:
        """Return the error of logs that cannot be judged: what they hold against a vendor is no evidence."""
        return cls(
            f"nothing can be escalated, for these logs cannot be judged: {verdict.claim}",
            hint=f"what would help: {verdict.confidence.raised_by}",
            exit_code=4,
        )

    @classmethod
    def not_the_vendor(cls, incident: Incident) -> Self:
        """Return the error of an incident that is not the vendor's."""
        return cls(
            f"incident `{incident.id}` is of class {incident.class_}: there is no evidence against a vendor",
            hint="only incidents of class vendor can be escalated",
        )

    @classmethod
    def several_upstreams(cls, names: list[str]) -> Self:
        """Return the error of an incident that concerns several vendors, of which none was named."""
        return cls(
            f"the incident concerns {len(names)} upstreams: {', '.join(names)}",
            hint="one package per vendor: name one with `--upstream`",
        )

    @classmethod
    def no_upstream(cls, wanted: str, names: list[str]) -> Self:
        """Return the error of an upstream that the incident does not concern."""
        hint = f"it concerns {', '.join(names)}" if names else "its records name no upstream"
        return cls(f"the incident does not concern an upstream `{wanted}`", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """
    What is sent.

    Attributes:
        name: for the files that hold it, from the incident's id.
        message: Markdown.
        archive: a zip of the evidence, the message and a manifest; the same bytes for the same logs at the same time.
        requests: how many requests are evidence.
    """

    name: str
    message: bytes
    archive: bytes
    requests: int


def package(result: Result, incident: Incident, *, upstream: str | None = None, max_requests: int = 10_000) -> Package:
    """
    Return the package about one incident.

    Args:
        result: of logs that hold it.
        incident: one of its incidents, of class vendor.
        upstream: which vendor, where the incident concerns several.
        max_requests: how many requests are listed, the first in time; how many more there are is said.

    Raises:
        EscalationError: the logs cannot be judged, the incident is not the vendor's, or it is not clear whose.
    """
    if result.verdict.state is State.CANNOT_JUDGE:
        raise EscalationError.cannot_judge(result.verdict)
    if incident.class_ is not Class.VENDOR:
        raise EscalationError.not_the_vendor(incident)
    name = _upstream_of(incident, upstream)
    of_upstream = pl.lit(value=True) if name is None else pl.col("upstream").eq(name).fill_null(value=False)
    blamed = (
        result.analysis.verdicts.filter(
            belongs(incident, at="at") & (pl.col("class") == Class.VENDOR.value) & of_upstream
        )
        .select(*FIELDS, "rule", "reason")
        .sort("at", "request_id", nulls_last=True)
    )
    listed = blamed.head(max_requests).collect(engine="streaming")
    seen = result.analysis.rollup.counts.filter(of_upstream)
    total = int(seen.filter(belongs(incident) & (pl.col("class") == Class.VENDOR.value))["requests"].sum())
    evidence = Evidence(
        result=result,
        incident=incident,
        upstream=name,
        listed=listed,
        minutes=_minutes(seen, incident),
        counted=_by_minute(seen.filter(touches(incident, class_=Class.VENDOR))),
        requests=total,
    )
    text = message(evidence)
    files = {"message.md": text, "minutes.csv": _csv(evidence.minutes), "requests.csv": _csv(_worded(listed))}
    files["manifest.json"] = _manifest(evidence, files)
    return Package(name=incident.id, message=text, archive=_zip(files), requests=total)


def _upstream_of(incident: Incident, wanted: str | None) -> str | None:
    names = sorted(str(value) for value, _ in incident.upstreams if value is not None)
    if wanted is not None:
        if wanted not in names:
            raise EscalationError.no_upstream(wanted, names)
        return wanted
    if len(names) > 1:
        raise EscalationError.several_upstreams(names)
    return names[0] if names else None


def _minutes(counts: pl.DataFrame, incident: Incident) -> pl.DataFrame:
    """Return the calls of the incident's functions, from before its begin until after its end."""
    return _by_minute(
        counts.filter(
            pl.col("function").is_in(list(incident.functions))
            & pl.col("minute").is_between(*around(incident.started_at, incident.ended_at, AROUND), closed="left")
        )
    )


def _by_minute(counts: pl.DataFrame) -> pl.DataFrame:
    """Return calls that we saw the upstream answer, or not in time, by minute: all, 5xx and timeouts."""
    requests = pl.col("requests")
    return (
        counts.filter(pl.col("upstream_status").is_not_null())
        .group_by("minute")
        .agg(
            requests.sum().alias("calls"),
            requests.filter(pl.col("upstream_status") >= 500).sum().alias("answered_5xx"),
            requests.filter(pl.col("upstream_status") == UPSTREAM_TIMEOUT).sum().alias("timeouts"),
        )
        .sort("minute")
    )


def _worded(listed: pl.DataFrame) -> pl.DataFrame:
    words = [None if code is None else str(upstream_json(code)) for code in listed["upstream_status"]]
    return listed.with_columns(pl.Series("upstream_status", words, dtype=pl.String))


def _csv(frame: pl.DataFrame) -> bytes:
    """Return a frame as CSV: text quoted and guarded against formulas, times in UTC, numbers as they are."""
    out = io.StringIO()
    rows = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    rows.writerow(frame.columns)
    for row in frame.iter_rows():
        rows.writerow([_csv_value(value) for value in row])
    return out.getvalue().encode()


def _csv_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return str(rfc3339(value))
    return csv_cell(value) if isinstance(value, str) else repr(value)


def _manifest(evidence: Evidence, files: Mapping[str, bytes]) -> bytes:
    result, incident = evidence.result, evidence.incident
    document = {
        "schema": SCHEMA,
        "generated_at": rfc3339(result.generated_at),
        "tool": {"name": "attribute", "version": result.tool_version},
        "rules": {
            "version": result.rules.version,
            "sha256": result.rules.sha256,
            "thresholds": asdict(result.rules.thresholds.default),
        },
        "input_sha256": result.account.fingerprint,
        "incident": {
            "id": incident.id,
            "started_at": rfc3339(incident.started_at),
            "ended_at": rfc3339(incident.ended_at),
            "ongoing": incident.ongoing,
            "upstream": evidence.upstream,
            "requests": evidence.requests,
            "requests_listed": evidence.listed.height,
        },
        "fields": list(FIELDS),
        "files": [
            {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted(files.items())
        ],
    }
    return json_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _zip(files: Mapping[str, bytes]) -> bytes:
    """Return an archive that depends on nothing but its files: one time, sorted, and stored, for no packer's whim."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression=zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, date_time=_ZIP_TIME)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return out.getvalue()
