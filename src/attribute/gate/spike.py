"""
Is UNKNOWN unusually frequent? One window, one function (or all), one kind of UNKNOWN at a time.

Whatever is compared with (`Expectation`) rests on the baseline, and the mix of functions on healthy traffic, so more
UNKNOWN requests in the window never make a test pass that failed without them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from attribute.gate.cells import SLOT_MINUTES, Sample, add_samples, capped
from attribute.gate.expect import Expectation
from attribute.gate.norms import Norm, at_mix
from attribute.gate.settings import GateSettings, Kind
from attribute.gate.tail import tail

__all__ = ["NEW_FUNCTIONS", "SpikeTest", "judge_spikes"]

_MOST_INCIDENT = 200
NEW_FUNCTIONS = "(functions that the baseline has not seen)"
"""Stands in the place of a function's name. A function of a log may be called like that: see `SpikeTest.pooled`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeTest:
    """
    One test.

    Attributes:
        kind: which UNKNOWN.
        hours: the window, ending now.
        function: whose, or (None) all.
        pooled: whether it is about all functions that the baseline has not seen together; *function* then says so, and
            is the name of none.
        unknown: UNKNOWN requests of the kind, as counted in the logs.
        counted: the same with bursts cut.
        incident: incident requests, with bursts cut and without the other kind.
        requests: all requests, likewise.
        expected_share: usual share of incident requests.
        allowed_share: share of incident requests that is still allowed.
        allowed_requests_share: share of all requests that is still allowed.
        p_value: corrected probability; 1 where a share is allowed or a floor is not reached.
        needed: how many UNKNOWN among so many incident requests would have failed; None: not even all.
        least_incident: how many incident requests the window would need for that; None where it has enough, or where
            no number would do.
        still_there: whether the last quarter of the window is over the allowed shares too; None where that is not
            asked (windows of an hour).
        late_counted: UNKNOWN requests in the last quarter, with bursts cut; 0 where that is not asked.
        late_incident: incident requests in the last quarter, likewise.
        silent: whether the last quarter has no request, healthy ones included, but for UNKNOWN ones of the other kind.
        slots: in how many ten-minute slots UNKNOWN requests were seen.
        stands_out: whether it would fail, were it still there.
        fails: the verdict.
    """

    kind: Kind
    hours: int
    function: str | None
    pooled: bool
    unknown: int
    counted: int
    incident: int
    requests: int
    expected_share: float
    allowed_share: float
    allowed_requests_share: float
    p_value: float
    needed: int | None
    least_incident: int | None
    still_there: bool | None
    late_counted: int
    late_incident: int
    silent: bool
    slots: int
    stands_out: bool
    fails: bool

    @property
    def could_fail(self) -> bool:
        """Whether it would have failed, had all incident requests been UNKNOWN."""
        return self.needed is not None

    @property
    def unsettled(self) -> bool:
        """Whether nobody knows if it is over: it stood out, and then there was no request to tell by."""
        return self.stands_out and not self.fails and self.silent

    @property
    def over(self) -> bool:
        """Whether it stood out, and later requests show that it is over."""
        return self.stands_out and not self.fails and not self.silent


def judge_spikes(
    samples: Sequence[Sample],
    expectation: Expectation,
    settings: GateSettings,
    *,
    kind: Kind,
    windows: Sequence[int],
    search: bool = True,
) -> tuple[list[SpikeTest], list[SpikeTest]]:
    """
    Test all windows, over all functions and for each.

    Args:
        samples: the recent past of every function.
        expectation: what is usual.
        settings: the gate's numbers.
        kind: which UNKNOWN.
        windows: hours, some of `settings.spike_hours`.
        search: whether to work out how many would have failed; the verdicts are the same without.

    Returns:
        The tests of all functions together, one per window; and those of single functions that fail or are unsettled.
    """
    known = expectation.functions[kind]
    members = [sample for sample in samples if sample.function in known]
    norms = [known[sample.function] for sample in members]
    strangers = [sample for sample in samples if sample.function not in known]
    if strangers:  # in a pool that comes last; a function of the baseline may have any name, even that of the pool
        members.append(add_samples(strangers, function=NEW_FUNCTIONS, spans=settings.spans))
        norms.append(expectation.new[kind])
    # The correction must not depend on what is judged: every function of the baseline counts, seen or not.
    tests = len(windows) * (len(known) + 1)
    overall: list[SpikeTest] = []
    single: list[SpikeTest] = []
    for hours in windows:
        counts = [_Counts.of(sample, kind, hours) for sample in members]
        total = _Counts.total(counts)
        norm = _norm_of_mix(members, norms, expectation.overall[kind], kind, hours)
        overall.append(
            _Test(kind, hours, None, total, norm, settings, factor=len(windows), least=settings.min_incident).run(
                search=search
            )
        )
        for place, (part, own) in enumerate(zip(counts, norms, strict=True)):
            if part.counted < settings.min_unknown or part.counted <= own_allowed(own, settings) * part.incident:
                continue
            test = _Test(
                kind, hours, members[place].function, part, own, settings, factor=tests,
                least=settings.min_incident_function, pooled=bool(strangers) and place == len(members) - 1,
            )  # fmt: skip
            found = test.run(search=False)
            if found.fails or found.unsettled:
                single.append(test.run(search=search))
    return overall, single


def own_allowed(norm: Norm, settings: GateSettings) -> float:
    """Return the share of incident requests that is allowed where *norm* is usual."""
    return settings.allowed_of_incident(norm.of_incident.share)


def _norm_of_mix(samples: Sequence[Sample], norms: Sequence[Norm], overall: Norm, kind: Kind, hours: int) -> Norm:
    """
    Return what is usual of all functions at the window's mix, so that a change of mix is not a spike.

    The mix is that of healthy requests. An UNKNOWN one may have been healthy or not, whichever makes less UNKNOWN
    usual: so neither one more of them, nor a healthy one that turns into one, makes more of them usual.
    """
    of_incident: list[tuple[float, float, float]] = []
    of_requests: list[tuple[float, float, float]] = []
    for sample, norm in zip(samples, norms, strict=True):
        unknown = sum(n for slot, n in sample.slots_of(kind).items() if slot * SLOT_MINUTES < hours * 60)
        least = sample.healthy(hours)
        of_incident.append((norm.of_incident.share, least * norm.odds, (least + unknown) * norm.odds))
        of_requests.append((norm.of_requests.share, least, least + unknown))
    if not any(most for _, _, most in of_requests):
        return overall
    return at_mix(overall, _least_mean(of_incident), _least_mean(of_requests))


def _least_mean(parts: Sequence[tuple[float, float, float]]) -> float:
    """
    Return the least mean of values whose weights are known only within bounds.

    Args:
        parts: value, least weight and greatest weight of each; some greatest weight is over 0.
    """
    total = sum(least for _, least, _ in parts)
    amount = sum(value * least for value, least, _ in parts)
    for value, least, most in sorted(parts):  # the smaller a value, the more it pays to give it all its weight
        if total and value >= amount / total:
            break
        total += most - least
        amount += value * (most - least)
    return amount / total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """What a window holds; `late` is its last quarter, and `late_all` counts every request there, whatever it is."""

    unknown: int
    counted: int
    incident: int
    requests: int
    late_counted: int
    late_incident: int
    late_requests: int
    late_all: int
    slots: frozenset[int]

    @property
    def whole_incident(self) -> int:
        """
        Return the incident requests with no burst cut.

        A known failure that turns UNKNOWN amid a burst is cut with it; the floor must not miss it.
        """
        return self.incident - self.counted + self.unknown

    @classmethod
    def of(cls, sample: Sample, kind: Kind, hours: int) -> _Counts:
        raw = sample.slots_of(kind)
        kept = capped(raw, hours=hours)
        counted = sum(kept.values())
        quarter = hours // 4
        late = sum(requests for slot, requests in kept.items() if slot * SLOT_MINUTES < quarter * 60)
        return cls(
            unknown=sum(requests for slot, requests in raw.items() if slot in kept),
            counted=counted,
            incident=sample.known[hours] + counted,
            requests=sample.other[hours] + counted,
            late_counted=late,
            late_incident=sample.known[quarter] + late if quarter else 0,
            late_requests=sample.other[quarter] + late if quarter else 0,
            late_all=sample.requests(quarter, kind) if quarter else 0,
            slots=frozenset(kept),
        )

    @classmethod
    def total(cls, parts: Collection[_Counts]) -> _Counts:
        return cls(
            unknown=sum(part.unknown for part in parts),
            counted=sum(part.counted for part in parts),
            incident=sum(part.incident for part in parts),
            requests=sum(part.requests for part in parts),
            late_counted=sum(part.late_counted for part in parts),
            late_incident=sum(part.late_incident for part in parts),
            late_requests=sum(part.late_requests for part in parts),
            late_all=sum(part.late_all for part in parts),
            slots=frozenset().union(*(part.slots for part in parts)),
        )


@dataclass(frozen=True, slots=True)
class _Test:
    """One test, with the numbers that it compares."""

    kind: Kind
    hours: int
    function: str | None
    counts: _Counts
    norm: Norm
    settings: GateSettings
    factor: int
    least: int
    pooled: bool = False

    def run(self, *, search: bool) -> SpikeTest:
        counts, settings = self.counts, self.settings
        p_value = self.p_value(counts.counted)
        still_there = self.still_there()
        enough = counts.counted >= settings.min_unknown and counts.whole_incident >= self.least
        stands_out = enough and p_value < settings.alpha
        needed = self.needed() if search else None
        return SpikeTest(
            kind=self.kind,
            hours=self.hours,
            function=self.function,
            pooled=self.pooled,
            unknown=counts.unknown,
            counted=counts.counted,
            incident=counts.incident,
            requests=counts.requests,
            expected_share=self.norm.of_incident.share,
            allowed_share=self.allowed_share,
            allowed_requests_share=self.allowed_requests_share,
            p_value=p_value if enough else 1.0,
            needed=needed,
            least_incident=self.least_incident() if search and needed is None else None,
            still_there=still_there,
            late_counted=counts.late_counted,
            late_incident=counts.late_incident,
            silent=still_there is not None and not counts.late_all,
            slots=len(counts.slots),
            stands_out=stands_out,
            fails=stands_out and still_there is not False,
        )

    @property
    def allowed_share(self) -> float:
        return self.settings.allowed_of_incident(self.norm.of_incident.share)

    @property
    def allowed_requests_share(self) -> float:
        return self.settings.allowed_of_requests(self.norm.of_requests.share)

    def p_value(self, unknown: int) -> float:
        """Return the corrected probability of *unknown* among as many incident requests: the larger of both shares'."""
        worst = 0.0
        for total, allowance, allowed in (
            (self.counts.incident, self.norm.of_incident, self.allowed_share),
            (self.counts.requests, self.norm.of_requests, self.allowed_requests_share),
        ):
            if unknown <= allowed * total:
                return 1.0
            worst = max(worst, tail(unknown, total, allowed, allowance.rho_at(allowed, self.hours)))
            if worst * self.factor >= 1:
                return 1.0
        return worst * self.factor

    def still_there(self) -> bool | None:
        """Whether the window's last quarter is over both allowed shares; not asked of windows that have none."""
        if self.hours < 4:
            return None
        counts = self.counts
        return (
            counts.late_counted > self.allowed_share * counts.late_incident
            and counts.late_counted > self.allowed_requests_share * counts.late_requests
        )

    def needed(self) -> int | None:
        """Return how many UNKNOWN among as many incident requests would have been enough."""
        total = self.counts.incident
        if self.counts.whole_incident < self.least or self.p_value(total) >= self.settings.alpha:
            return None
        low, high = 0, total
        while high - low > 1:
            middle = (low + high) // 2
            if self.p_value(middle) < self.settings.alpha:
                high = middle
            else:
                low = middle
        return max(high, self.settings.min_unknown)

    def least_incident(self) -> int | None:
        """Return how many incident requests, all UNKNOWN, would have stood out of the same other requests."""
        others = self.counts.requests - self.counts.incident
        for incident in range(self.counts.incident + 1, _MOST_INCIDENT):
            bigger = replace(self.counts, incident=incident, requests=others + incident)
            if incident >= max(self.least, self.settings.min_unknown) and (
                replace(self, counts=bigger).p_value(incident) < self.settings.alpha
            ):
                return incident
        return None
