"""What the demonstration injects, and what a fair judge must say of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from attribute.ingest.faults import Fault, FaultKind
from attribute.rules.words import Class

DEADLINE_MS: Final = 3000
"""How long the service waits for the vendor."""

_SLOW_MS: Final = 1100
_TOO_SLOW_MS: Final = 10_000
_STALL_MS: Final = 2500


class Traffic(Enum):
    """What is sent."""

    DELIVERY = auto()
    MALFORMED = auto()
    WRONG_TOKEN = auto()
    NO_TOKEN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """
    One stretch of requests with one fault.

    Attributes:
        name: what the scoreboard calls it.
        requests: how many are sent.
        expected: whose failure it is, whether or not the evidence says so; None: nobody's, these must get no verdict.
        traffic: what is sent.
        vendor: what the vendor does wrong.
        bug: whether the service's own code raises after the commit.
        stall_ms: how long the service's own code stands still.
        blind: whether the call to the vendor goes unmeasured.
        by_design: why the evidence cannot decide and UNKNOWN is the answer to expect, where that is so.
    """

    name: str
    requests: int
    expected: Class | None
    traffic: Traffic = Traffic.DELIVERY
    vendor: tuple[Fault, ...] = ()
    bug: bool = False
    stall_ms: int = 0
    blind: bool = False
    by_design: str | None = None


ACTS: Final = (
    Act(name="healthy, before", requests=120, expected=None),
    Act(
        name="vendor outage (503)",
        requests=100,
        expected=Class.VENDOR,
        vendor=(Fault(kind=FaultKind.STATUS, status=503),),
    ),
    Act(
        name="vendor slow, then 504",
        requests=24,
        expected=Class.VENDOR,
        vendor=(Fault(kind=FaultKind.STATUS, status=504, delay_ms=_SLOW_MS),),
    ),
    Act(
        name="vendor hangs (timeout)",
        requests=16,
        expected=Class.VENDOR,
        vendor=(Fault(kind=FaultKind.HANG, delay_ms=_TOO_SLOW_MS),),
    ),
    Act(name="malformed body", requests=60, expected=Class.APPLICATION, traffic=Traffic.MALFORMED),
    Act(name="unknown token", requests=60, expected=Class.APPLICATION, traffic=Traffic.WRONG_TOKEN),
    Act(name="bug in our code", requests=60, expected=Class.APPLICATION, bug=True),
    Act(name="stall in our code", requests=16, expected=Class.BOTTLENECK, stall_ms=_STALL_MS),
    Act(
        name="vendor slow, but it answers",
        requests=3,
        expected=Class.VENDOR,
        vendor=(Fault(kind=FaultKind.DELAY, delay_ms=_SLOW_MS),),
        by_design="a slow answer is an answer",
    ),
    Act(
        name="vendor outage, call not measured",
        requests=3,
        expected=Class.VENDOR,
        vendor=(Fault(kind=FaultKind.STATUS, status=503),),
        blind=True,
        by_design="nothing was logged of the call",
    ),
    Act(
        name="vendor resets the connection",
        requests=3,
        expected=Class.VENDOR,
        vendor=(Fault(kind=FaultKind.RESET),),
        by_design="no answer was seen, and no time limit hit",
    ),
    Act(
        name="no token at all",
        requests=3,
        expected=Class.APPLICATION,
        traffic=Traffic.NO_TOKEN,
        by_design="refused before anything was called",
    ),
    Act(name="healthy, after", requests=60, expected=None),
)
