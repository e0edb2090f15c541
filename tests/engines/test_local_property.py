"""The engine against the plain reference: the same verdicts and counts, however the lines are spread."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attribute.engines.analysis import Analysis, AnalysisOptions, Window
from attribute.engines.local import analyse
from attribute.frames import VERDICTS
from attribute.rules.catalogue import builtin
from attribute.rules.thresholds import Limits, Thresholds
from tests.drawn import examples
from tests.reference import pipeline
from tests.rules.records import EPOCH, record, rows

COMPRESSIONS: tuple[Callable[[bytes], bytes], ...] = (bytes, gzip.compress, bz2.compress, lzma.compress)
JUNK = ("", "   ", "starting up", "[]", '{"level": "info"}')
BROKEN = ('{"request_id": "r0", ', '{"request_id": "r0", "function": "f", "status": "200"}', "{" * 50)
IDS = tuple(f"r{number}" for number in range(6))
THRESHOLDS = Thresholds(by_function={"pay-1": Limits(slow_ms=100.0), "search": Limits(upstream_low_share=0.5)})


def line(row: dict[str, Any]) -> str:
    """Write the record as a logger would; codes of `upstream_status` as what they stand for."""
    shown = {key: value for key, value in row.items() if value is not None or key not in {"at", "upstream_calls"}}
    at = shown.pop("at", None)
    if at is not None:
        shown["ts"] = at.isoformat()
    shown["upstream_status"] = {0: "timeout", -1: "refused"}.get(row["upstream_status"], row["upstream_status"])
    return json.dumps(shown)


def run(folder: Path, **changes: Any) -> Analysis:  # noqa: ANN401 - any option
    """Analyse *folder*."""
    options = AnalysisOptions(paths=(str(folder),), catalogue=builtin(), thresholds=THRESHOLDS, **changes)
    return analyse(options)


def verdict_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the verdicts as the reference writes them."""
    return analysis.verdicts.select(list(VERDICTS)).collect().to_dicts()


def healthy(analysis: Analysis) -> dict[str, int]:
    """Return how many requests went well, by reason."""
    counts = analysis.rollup.counts.filter(pl.col("class") == "none").group_by("reason").agg(pl.col("requests").sum())
    return dict(counts.sort("reason").iter_rows())


def without_negative_zero(row: dict[str, Any]) -> dict[str, Any]:
    """-0.0 is 0.0."""
    return {key: value + 0.0 if isinstance(value, float) else value for key, value in row.items()}


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    records=st.lists(rows(request_ids=IDS), max_size=25),
    junk=st.lists(st.sampled_from(JUNK + BROKEN), max_size=6),
    spread=st.randoms(use_true_random=False),
    files=st.integers(1, 3),
    chunk_bytes=st.sampled_from((1, 1000, 1 << 24)),
    threads=st.integers(1, 3),
    memory_bytes=st.sampled_from((1500, 1 << 28)),
    padding=st.sampled_from((0, 700)),
    window=st.tuples(st.none() | st.integers(0, 3), st.none() | st.integers(0, 4)),
)
def test_engine_any_spread_of_lines_equals_reference(  # noqa: PLR0917 - hypothesis hands them over by name
    records: list[dict[str, Any]],
    junk: list[str],
    spread: random.Random,
    files: int,
    chunk_bytes: int,
    threads: int,
    memory_bytes: int,
    padding: int,
    window: tuple[int | None, int | None],
) -> None:
    """
    Verdicts, healthy counts, duplicates and accounting depend on the lines alone.

    Padded with many lines of one layout, a chunk is decoded at once instead of line by line.
    """
    if chunk_bytes >= 1 << 24:
        records = records + [record(request_id=f"pad{number}", at=EPOCH) for number in range(padding)]
    since_at, until_at = (None if second is None else EPOCH + timedelta(seconds=second) for second in window)
    texts = [line(row) for row in records] + junk
    spread.shuffle(texts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(files):
            text = "".join(one + "\n" for one in texts[number::files]).encode()
            (folder / f"{spread.randrange(100)}-{number}.log").write_bytes(COMPRESSIONS[spread.randrange(4)](text))
        analysis = run(
            folder,
            chunk_bytes=chunk_bytes,
            threads=threads,
            memory_bytes=memory_bytes,
            window=Window(since_at=since_at, until_at=until_at),
        )
        got = verdict_rows(analysis)
    expected = pipeline.analyse(
        map(without_negative_zero, records), thresholds=THRESHOLDS, since_at=since_at, until_at=until_at
    )
    assert got == expected["verdicts"]
    assert healthy(analysis) == dict(sorted(expected["healthy"].items()))
    account = analysis.account
    assert account.duplicates == expected["duplicates"]
    assert account.lines == len(texts) == account.records + account.rejected + account.not_m1 + account.blank
    assert (account.records, account.rejected) == (len(records), sum(text in BROKEN for text in junk))
    assert sum(account.rejected_by_reason.values()) == account.rejected
    assert account.untimed == sum(row["at"] is None for row in records)
    assert account.outside_window == sum(
        row["at"] is not None and not pipeline.in_window(row["at"], since_at, until_at) for row in records
    )
    counted = int(analysis.rollup.counts["requests"].sum())
    assert counted == len(got) + sum(healthy(analysis).values())


def test_engine_function_globs_leave_other_functions_out(tmp_path: Path) -> None:
    """A filter narrows verdicts and counts alike, and never the evidence."""
    failed = {
        "request_id": "a",
        "function": "pay-1",
        "stage": "response",
        "status": 502,
        "latency_ms": 5,
        "error_code": None,
        "upstream_status": None,
        "upstream_latency_ms": None,
    }
    lent = {**failed, "function": "gateway", "stage": "upstream", "status": None, "upstream_status": 503}
    other = {**failed, "request_id": "b", "function": "search"}
    (tmp_path / "a.log").write_text("".join(json.dumps(one) + "\n" for one in (failed, lent, other)))
    analysis = run(tmp_path, functions=("pay-*",))
    got = analysis.verdicts.select("request_id", "function", "class", "reason", "joined_from").collect().rows()
    assert got == [("a", "pay-1", "vendor", "upstream-5xx", "upstream")]
    assert analysis.rollup.counts["requests"].sum() == 1


def test_engine_fingerprint_same_content_under_other_names_is_equal(tmp_path: Path) -> None:
    """The fingerprint names the content: not the files' names, order or place."""
    for folder, names in (("one", "ab"), ("two", "zy")):
        (tmp_path / folder).mkdir()
        for name, text in zip(names, ("{}\n", "x\n"), strict=True):
            (tmp_path / folder / f"{name}.log").write_text(text)
    one, two = (run(tmp_path / folder, fingerprint=True).account.fingerprint for folder in ("one", "two"))
    assert one == two
    assert one is not None
    assert run(tmp_path / "one").account.fingerprint is None


def test_engine_verdicts_are_in_order_of_time(tmp_path: Path) -> None:
    """Verdicts come by time, untimed ones last, and by id where times are equal."""

    def failing(request_id: str, at: datetime | None) -> str:
        stamp = {} if at is None else {"ts": at.isoformat()}
        base = {"request_id": request_id, "function": "f", "stage": "response", "status": 500, "latency_ms": 1}
        gaps = {"error_code": None, "upstream_status": None, "upstream_latency_ms": None}
        return json.dumps({**base, **gaps, **stamp})

    later = EPOCH + timedelta(minutes=1)
    lines = [failing("c", None), failing("d", later), failing("b", EPOCH), failing("a", EPOCH)]
    (tmp_path / "a.log").write_text("\n".join(lines))
    assert [row["request_id"] for row in verdict_rows(run(tmp_path))] == ["a", "b", "d", "c"]
