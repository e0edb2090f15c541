"""What was measured, as the tables of docs/gate.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.gate.detectors import DETECTORS, tuned
from benchmarks.gate.measure import OURS, PLAIN, QUIET_DAYS, Measured
from benchmarks.gate.world import FAULTS, SLOTS_AN_HOUR

Delays = dict[int, list[float | None]]


def tables(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield the comparison, the gate by volume, and how sure its cells are."""
    quiet = [one for one in measured if one.fault is None]
    faulty = [one for one in measured if one.fault is not None]
    volumes = sorted({one.volume for one in measured})
    ours = [name for name in (*OURS, PLAIN) if name in quiet[0].reds]
    delays = {(name, fault): _by_volume(faulty, name, fault) for name in ours for fault in FAULTS}
    per_week = {name: _per_week(quiet, name)[0] for name in ours}
    for name in DETECTORS:
        threshold, per_week[name] = tuned([np.array(one.stats[name]) for one in quiet])
        for fault in FAULTS:
            delays[name, fault] = {
                volume: [_delay(one, name, threshold) for one in faulty if one.fault == fault and one.volume == volume]
                for volume in volumes
            }
    yield f"{len(quiet)} quiet worlds of {QUIET_DAYS} days, {len(faulty) // len(FAULTS)} worlds per fault"
    yield ""
    yield "| detector | false alarms/week | " + " | ".join(FAULTS) + " | all faults |"
    yield "| --- " * (len(FAULTS) + 3) + "|"
    for name in (*ours, *DETECTORS):
        cells = [_cell(_flat(delays[name, fault])) for fault in FAULTS]
        every = _cell([delay for fault in FAULTS for delay in _flat(delays[name, fault])])
        yield f"| {name} | {per_week[name]:.2f} | {' | '.join(cells)} | {every} |"
    yield ""
    yield "| spike + coverage at | false alarms/week | " + " | ".join(FAULTS) + " |"
    yield "| --- " * (len(FAULTS) + 2) + "|"
    for volume in volumes:
        cells = [_cell(delays[OURS[0], fault][volume]) for fault in FAULTS]
        rate, _ = _per_week([one for one in quiet if one.volume == volume], OURS[0])
        yield f"| {volume:,} a day | {rate:.2f} | {' | '.join(cells)} |"
    yield ""
    yield "| spike + coverage | found within 24 h | within 7 d |"
    yield "| --- | --- | --- |"
    for fault in FAULTS:
        day, week = (_found(delays[OURS[0], fault], hours) for hours in (24, 168))
        yield f"| {fault} | {day[0]:.3f} ± {day[1]:.3f} | {week[0]:.3f} ± {week[1]:.3f} |"
    rate, error = _per_week(quiet, OURS[0])
    yield f"| false alarms/week | {rate:.3f} ± {error:.3f} | |"


def _by_volume(faulty: Sequence[Measured], name: str, fault: str) -> Delays:
    volumes = sorted({one.volume for one in faulty})
    return {
        volume: [one.delays[name] for one in faulty if one.fault == fault and one.volume == volume]
        for volume in volumes
    }


def _delay(one: Measured, name: str, threshold: float) -> float | None:
    assert one.start is not None
    hours = np.flatnonzero(np.array(one.stats[name]) > threshold)
    return None if not len(hours) else (one.start // SLOTS_AN_HOUR + 1 + int(hours[0])) - one.start / SLOTS_AN_HOUR


def _per_week(quiet: Sequence[Measured], name: str) -> tuple[float, float]:
    """False alarms a week and the standard error of that."""
    weeks = QUIET_DAYS / 7
    rates = np.array([one.reds[name] / weeks for one in quiet])
    return float(rates.mean()), float(rates.std() / math.sqrt(len(rates)))


def _found(delays: Delays, hours: int) -> tuple[float, float]:
    """The share found within *hours*, every volume alike, and its standard error, with half a world to each side."""
    shares, variances = [], []
    for values in delays.values():
        found, total = sum(delay is not None and delay <= hours for delay in values), len(values)
        guarded = (found + 0.5) / (total + 1)
        shares.append(found / total)
        variances.append(guarded * (1 - guarded) / total)
    return sum(shares) / len(shares), math.sqrt(sum(variances)) / len(shares)


def _flat(delays: Delays) -> list[float | None]:
    return [delay for values in delays.values() for delay in values]


def _cell(delays: Sequence[float | None]) -> str:
    """Found within 24 h / 7 d, and the median delay of what was found."""
    found = sorted(delay for delay in delays if delay is not None)
    day, week = sum(delay <= 24 for delay in found) / len(delays), len(found) / len(delays)
    return f"{day:.2f}/{week:.2f}" + (f" ({found[len(found) // 2]:.0f} h)" if found else "")
