"""The three ways to decode a line say the same."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.drawn import examples
from tests.logs_decode.asking import exact, fast
from tests.logs_decode.making import logs
from tests.reference.lines import Told, tell

SETTINGS = settings(max_examples=examples(70), deadline=None, suppress_health_check=[HealthCheck.too_slow])


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


SOUND = (
    b'{"request_id":"1027403229845125718-3251","function":"device-token","stage":"response","status":200,'
    b'"latency_ms":102,"error_code":null,"upstream_status":200,"upstream_latency_ms":81.25,'
    b'"ts":"2026-11-16T08:00:59.216Z","upstream":"records","upstream_calls":2,"v":1}'
)
ALIKE = SOUND.replace(b"-token", b"-tokens").replace(b"59.216Z", b"07.5+01:30").replace(b'"records"', b"null")
SPOILT = (b'"', b"\n", b"\0", b" ", b"0", b"9", b":", b"}", b"Z", b"\\", b"\x80", b"\xff", b"")


@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("line", [SOUND, ALIKE])
def test_any_byte_of_a_line_in_place_of_another_is_read_as_the_exact_path_reads_it(line: bytes, spoilt: bytes) -> None:
    """What is recognised many bytes at once, by what stood there before, is what it would be byte by byte."""
    spoilt_lines = [line[:at] + spoilt + line[at + 1 :] for at in range(len(line))]
    data = b"".join(each + b"\n" for other in spoilt_lines for each in (SOUND, other, ALIKE))
    assert fast(data) == exact(data)


@pytest.mark.parametrize("kept", range(1, len(SOUND)))
def test_text_that_breaks_off_anywhere_is_read_as_the_exact_path_reads_it(kept: int) -> None:
    """No more is looked at than there is."""
    data = SOUND + b"\n" + ALIKE[:kept]
    assert fast(data + b"\n") == exact(data + b"\n")
    assert fast(data) == exact(data)


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
