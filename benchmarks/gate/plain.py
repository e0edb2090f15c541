"""
The detector that the gate grew out of, in its plainest form: a second opinion on the gate, and on the worlds.

It has the gate's windows, shares, floors and corrections, and none of its code but the tail: every window has a
baseline of its own right before it, the mix of functions is that of the window itself, and the correlation is a plain
estimate by moments. Where it finds as much as the gate does, the gate lost nothing on the way to its promises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribute.gate.tail import tail
from benchmarks.gate.world import BLIND, EVIDENT, KNOWN, SLOTS_A_DAY, SLOTS_AN_HOUR, UNEXPLAINED, World

DAYS, SPIKE_HOURS, COVERAGE_HOURS = 28, (1, 24, 168), (1, 24, 72)
PRIOR = (20.0, 200.0)
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Usual:
    """
    What is usual before a window, for incident requests (first) and for all requests.

    `own` and `rho` are per function, `rho_all` is over all of them, `doubt` is the variance of a share over p (1 - p).
    """

    own: tuple[Floats, Floats]
    rho: tuple[Floats, Floats]
    rho_all: tuple[float, float]
    doubt: tuple[Floats, Floats]
    doubt_all: tuple[float, float]


class Plain:
    """Judges a world hour by hour; what is usual is worked out once for each window and midnight."""

    def __init__(self, world: World, shared: dict[tuple[int, int], Usual] | None = None) -> None:
        self.world = world
        self.totals = np.concatenate([np.zeros((1, *world.counts.shape[1:]), np.int64), world.counts.cumsum(axis=0)])
        self._shared = {} if shared is None else shared
        self._usual: dict[tuple[int, int], Usual] = {}
        self._covered: dict[tuple[int, int], tuple[Floats, Floats, Floats, Counts]] = {}

    def fails(self, hour: int) -> tuple[bool, bool]:
        """Return whether a spike, and whether lost coverage, stands out at the end of *hour* hours."""
        return (
            any(self.spike(hour, window) for window in SPIKE_HOURS),
            any(self.uncovered(hour, window) for window in COVERAGE_HOURS),
        )

    # -- spikes --------------------------------------------------------------------------------------------------------

    def spike(self, hour: int, window: int) -> bool:
        end = hour * SLOTS_AN_HOUR
        unknown = _capped_window(self.world.counts[end - window * SLOTS_AN_HOUR : end, :, UNEXPLAINED])
        sums = unknown.sum(axis=0)
        if sums.sum() < 5:
            return False
        usual = self.usual(hour, window)
        totals = self._totals(hour, window, sums)
        late: list[tuple[Counts, tuple[Counts, Counts]]] = []
        if quarter := window // 4:
            lately = unknown[-quarter * SLOTS_AN_HOUR :].sum(axis=0)
            late.append((lately, self._totals(hour, quarter, lately)))
        functions = len(sums)
        for place in (None, *range(functions)):
            factor = len(SPIKE_HOURS) * (1 if place is None else functions)
            if _stands_out(usual, sums, totals, late, place, alpha=0.01 / factor, least=10 if place is None else 5):
                return True
        return False

    def _totals(self, hour: int, window: int, unknown: Counts) -> tuple[Counts, Counts]:
        end = hour * SLOTS_AN_HOUR
        span = self.totals[end] - self.totals[end - window * SLOTS_AN_HOUR]
        return span[:, KNOWN] + unknown, span[:, [KNOWN, EVIDENT, BLIND]].sum(axis=1) + unknown

    def usual(self, hour: int, window: int) -> Usual:
        end = (hour - window) // 24 * SLOTS_A_DAY
        clean = self.world.start is None or end <= self.world.start
        cache = self._shared if clean else self._usual
        if (window, end) not in cache:
            cache[window, end] = self._work_out(window, end)
        return cache[window, end]

    def _work_out(self, window: int, end: int) -> Usual:
        part = self.world.counts[end - DAYS * SLOTS_A_DAY : end].reshape(DAYS, SLOTS_A_DAY, -1, 5)
        unknown = _capped(part[..., UNEXPLAINED])
        wholes = (part[..., KNOWN] + unknown, part[..., [KNOWN, EVIDENT, BLIND]].sum(axis=3) + unknown)
        days = (unknown.sum(axis=1), tuple(whole.sum(axis=1) for whole in wholes))
        good = self._good_days(days[0], days[1])
        hours = window * SLOTS_AN_HOUR
        own, rho, rho_all, doubt, doubt_all = [], [], [], [], []
        for whole, per_day, prior in zip(wholes, days[1], PRIOR, strict=True):
            n, of = np.where(good, days[0], 0).sum(axis=0), np.where(good, per_day, 0).sum(axis=0)
            share = (n + prior * (n.sum() + 0.5) / (of.sum() + 1)) / (of + prior)
            masked = [np.where(good[:, None], one, 0).reshape(DAYS * SLOTS_A_DAY, -1) for one in (unknown, whole)]
            blocks = [one[len(one) % hours :].reshape(-1, hours, one.shape[1]).sum(axis=1) for one in masked]
            daily = [np.where(good, one, 0) for one in (days[0], per_day)]
            together = _rho_together(blocks[0], blocks[1], share)
            own.append(share)
            rho.append(
                np.maximum([_rho(blocks[0][:, f], blocks[1][:, f], share[f]) for f in range(len(share))], together)
            )
            rho_all.append(together)
            daily_rho = np.array([_rho(daily[0][:, f], daily[1][:, f], share[f]) for f in range(len(share))])
            doubt.append((1 + np.maximum(of / DAYS - 1, 0) * daily_rho) / (of + prior))
            doubt_all.append(
                (1 + max(of.sum() / DAYS - 1, 0) * _rho_together(daily[0], daily[1], share)) / (of.sum() + prior)
            )
        return Usual(
            (own[0], own[1]),
            (rho[0], rho[1]),
            (rho_all[0], rho_all[1]),
            (doubt[0], doubt[1]),
            (doubt_all[0], doubt_all[1]),
        )

    def _good_days(self, n: Counts, wholes: tuple[Counts, ...]) -> NDArray[np.bool_]:
        """Days that would not have failed, judged by each function's mildest 70 %."""
        order = np.argsort(n / np.maximum(wholes[1], 1), axis=0, kind="stable")
        mild = np.zeros(n.shape, bool)
        np.put_along_axis(mild, order[: int(np.ceil(0.7 * DAYS))], values=True, axis=0)
        shares, rho, rho_all = [], [], []
        for whole, prior in zip(wholes, PRIOR, strict=True):
            x, of = np.where(mild, n, 0), np.where(mild, whole, 0)
            usual = (x.sum() + 0.5) / (of.sum() + 1)
            share = (x.sum(axis=0) + prior * usual) / (of.sum(axis=0) + prior)
            shares.append(share)
            together = _rho_together(x, of, share)
            rho.append(np.maximum([_rho(x[:, f], of[:, f], share[f]) for f in range(len(share))], together))
            rho_all.append(together)
        none = np.zeros(n.shape[1])
        usual = Usual((shares[0], shares[1]), (rho[0], rho[1]), (rho_all[0], rho_all[1]), (none, none), (0.0, 0.0))
        good = np.ones(n.shape, bool)
        for day in range(DAYS):
            of_day = (wholes[0][day], wholes[1][day])
            if _stands_out(usual, n[day], of_day, [], None, alpha=0.001, least=10):
                good[day] = False
            for place in np.flatnonzero(n[day] >= 5):
                if _stands_out(usual, n[day], of_day, [], int(place), alpha=0.001, least=5):
                    good[day, place] = False
        return good

    # -- coverage ------------------------------------------------------------------------------------------------------

    def uncovered(self, hour: int, window: int) -> bool:
        end = hour * SLOTS_AN_HOUR
        key = (window, (hour - window) // 24 * SLOTS_A_DAY)
        if key not in self._covered:
            self._covered[key] = self._coverage(*key)
        share, rho, doubt, enough = self._covered[key]
        span = self.totals[end] - self.totals[end - window * SLOTS_AN_HOUR]
        quarter = window // 4
        late = self.totals[end] - self.totals[end - quarter * SLOTS_AN_HOUR]
        for place in np.flatnonzero(span[:, BLIND] >= 5):
            blind, healthy = int(span[place, BLIND]), int(span[place, [BLIND, EVIDENT]].sum())
            limit = share[place] + 0.10
            if healthy < 8 or enough[place] < 30 or limit >= 0.95 or blind <= limit * healthy:
                continue
            if quarter and late[place, BLIND] <= limit * late[place, [BLIND, EVIDENT]].sum():
                continue
            if tail(blind, healthy, limit, min(rho[place] + doubt[place], 0.6)) < 0.001:
                return True
        return False

    def _coverage(self, window: int, end: int) -> tuple[Floats, Floats, Floats, Counts]:
        part = self.world.counts[end - DAYS * SLOTS_A_DAY : end]
        blind, healthy = part[..., BLIND], part[..., [BLIND, EVIDENT]].sum(axis=2)
        share = (blind.sum(axis=0) + 0.5) / (healthy.sum(axis=0) + 1)
        hours = window * SLOTS_AN_HOUR
        blocks = [one[len(one) % hours :].reshape(-1, hours, one.shape[1]).sum(axis=1) for one in (blind, healthy)]
        rho = np.array([_rho(blocks[0][:, f], blocks[1][:, f], share[f]) for f in range(len(share))])
        return share, rho, 1 / (healthy.sum(axis=0) + 1), healthy.sum(axis=0)


def _capped(slots: Counts) -> Counts:
    """Cut the two largest slots of every block (axis 1) to the third largest, but not below 2."""
    third = np.partition(slots, -3, axis=1)[:, -3:].min(axis=1, keepdims=True)
    return np.asarray(np.minimum(slots, np.maximum(third, 2)))


def _capped_window(slots: Counts) -> Counts:
    return np.concatenate([_capped(slots[None, at : at + SLOTS_A_DAY])[0] for at in range(0, len(slots), SLOTS_A_DAY)])


def _stands_out(
    usual: Usual,
    n: Counts,
    wholes: tuple[Counts, Counts],
    late: list[tuple[Counts, tuple[Counts, Counts]]],
    place: int | None,
    *,
    alpha: float,
    least: int,
) -> bool:
    where: slice | int = slice(None) if place is None else place
    unknown = int(n[where].sum())
    if unknown < 5 or wholes[0][where].sum() < least:
        return False
    for of in (0, 1):
        whole = int(wholes[of][where].sum())
        p = float((wholes[of] * usual.own[of]).sum() / whole) if place is None else float(usual.own[of][place])
        allowed = min(max(1.5 * p, p + 0.05) if of == 0 else 1.5 * p, 0.98)
        if unknown <= allowed * whole:
            return False
        for lately, parts in late:
            if lately[where].sum() <= allowed * parts[of][where].sum():
                return False
        rho = (
            usual.rho_all[of] + usual.doubt_all[of] if place is None else usual.rho[of][place] + usual.doubt[of][place]
        )
        if tail(unknown, whole, allowed, min(float(rho), 0.6)) >= alpha:
            return False
    return True


def _rho(n: Counts, whole: Counts, share: Floats | float) -> float:
    """The correlation within windows, by moments, where the wildest 2 % count no more than the others do."""
    chance = whole * share * (1 - share)
    seen = chance > 0
    if not seen.any():
        return 0.0
    n, whole, chance = n[seen], whole[seen], chance[seen]
    residual = (n - whole * (share[seen] if isinstance(share, np.ndarray) else share)) ** 2 / chance
    residual = np.minimum(residual, np.quantile(residual, 0.98, method="higher"))
    pairs = ((whole - 1) * chance).sum()
    return float(np.clip(((residual - 1) * chance).sum() / pairs, 0, 0.3)) if pairs > 0 else 0.0


def _rho_together(n: Counts, whole: Counts, share: Floats) -> float:
    total = whole.sum(axis=1)
    return _rho(n.sum(axis=1), total, np.asarray((whole * share).sum(axis=1) / np.maximum(total, 1)))
