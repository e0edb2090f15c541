"""The three ways to decode a line say the same."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.logs_decode.asking import exact, fast
from tests.logs_decode.making import logs
from tests.reference.lines import Told, tell

SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(data=logs(), strict=st.booleans())
def test_exact_path_on_any_log_says_what_the_plain_reference_says(data: bytes, strict: bool) -> None:
    """What a line means is what the contract says, whatever it holds."""
    assert exact(data, strict=strict) == tell(data, strict=strict)


@SETTINGS
@given(data=logs(), strict=st.booleans())
def test_fast_path_on_any_log_says_what_the_exact_path_says(data: bytes, strict: bool) -> None:
    """Being fast changes no record, no reject and no count."""
    assert fast(data, strict=strict) == exact(data, strict=strict)


@SETTINGS
@given(data=logs(), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_chunks_cut_at_any_lines_add_up_to_the_whole(data: bytes, cuts: list[int]) -> None:
    """The answer does not depend on where chunks end, nor on what stands next to a line."""
    lines = _split(data)
    edges = sorted({0, len(lines), *(min(cut, len(lines)) for cut in cuts)})
    parts = [fast(b"".join(lines[start:end]), first_line=start + 1) for start, end in pairwise(edges)]
    assert _sum(parts) == exact(data)


def _split(data: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _sum(parts: list[Told]) -> Told:
    total = Told()
    for part in parts:
        total.records += part.records
        total.rejects += part.rejects
        total.not_m1 += part.not_m1
        total.blank += part.blank
        total.newer_versions += part.newer_versions
        for name, count in part.unknown_fields.items():
            total.unknown_fields[name] = total.unknown_fields.get(name, 0) + count
    return total
