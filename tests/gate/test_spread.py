"""The gate's answer is one of the lines: not of their order, files, chunks or compression."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.engines.analysis import AnalysisOptions
from attribute.engines.local import analyse
from attribute.gate import GateResult, State, gate
from attribute.rules.catalogue import builtin
from tests.drawn import examples
from tests.gate.test_cli import log
from tests.gate.world import BLIND, NOW

PACKERS: tuple[Callable[[bytes], bytes], ...] = (bytes, gzip.compress, bz2.compress, lzma.compress)


@cache
def lines() -> tuple[bytes, ...]:
    """Sixteen days with a spike and lost evidence at their end, and lines that are broken, blank or not M1."""
    broken = [b'{"request_id": "x", "function": "pay", "status": "many"}\n', b"listening on 80\n", b"\n"]
    spike = list(log(days=16, trouble_hours=6))
    blind = [
        one.replace(b'"r-', b'"b-').replace(b'"pay"', b'"sync-2"') for one in log(days=16, trouble_hours=3, look=BLIND)
    ]
    return (*spike, *(one for one in blind if b"sync-2" in one), *broken)


def judged(folder: Path, **changes: int) -> GateResult:
    analysis = analyse(AnalysisOptions(paths=(str(folder),), catalogue=builtin(), **changes))  # type: ignore[arg-type]  # each names a field
    return gate(analysis.rollup.counts, now=NOW, rejected=analysis.account.rejected, records=analysis.account.records)


@cache
def expected() -> GateResult:
    with TemporaryDirectory() as name:
        (Path(name) / "all.log").write_bytes(b"".join(lines()))
        return judged(Path(name))


def test_answer_that_must_not_change_is_a_loud_one() -> None:
    """The logs of these tests fail in more than one way: otherwise the test below would compare little."""
    failing = {one.id for one in expected().outcomes if one.state is State.FAIL}
    assert {"unknown-spike/pay", "coverage/sync-2"} <= failing
    assert expected().numbers.rejected == 1


@settings(max_examples=examples(5), deadline=timedelta(seconds=60))
@given(
    st.integers(0, 2**32), st.lists(st.sampled_from(PACKERS), min_size=1, max_size=5), st.integers(40_000, 400_000),
    st.integers(1, 4),
)  # fmt: skip
def test_gate_does_not_depend_on_order_files_chunks_or_compression(
    seed: int, packers: list[Callable[[bytes], bytes]], chunk_bytes: int, threads: int
) -> None:
    """Shuffled, spread over files, packed, cut anywhere, read by any number of threads: the same answer."""
    random = Random(seed)
    parts: list[list[bytes]] = [[] for _ in packers]
    for one in random.sample(lines(), len(lines())):
        random.choice(parts).append(one)
    with TemporaryDirectory() as name:
        for number, (part, pack) in enumerate(zip(parts, packers, strict=True)):
            (Path(name) / f"{random.randrange(1000)}-{number}.log").write_bytes(pack(b"".join(part)))
        assert judged(Path(name), chunk_bytes=chunk_bytes, threads=threads) == expected()
