"""
Rollups and a baseline -> pass, fail or inconclusive.

The gate opens nothing and knows no clock: it is handed counts, a baseline and the current time. The answer depends on
what was counted, not on the order or the pieces in which it was read; and more UNKNOWN requests in the windows never
turn a fail into anything else, because whatever a window is compared with comes from the baseline and from healthy
traffic alone.
"""

from __future__ import annotations

from attribute.gate.baseline import Baseline, RulesMark
from attribute.gate.judge import gate
from attribute.gate.limits import Limit, NoData
from attribute.gate.result import GateResult, Outcome, Why
from attribute.gate.settings import Check, GateSettings, Kind, Level, State

__all__ = [
    "Baseline",
    "Check",
    "GateResult",
    "GateSettings",
    "Kind",
    "Level",
    "Limit",
    "NoData",
    "Outcome",
    "RulesMark",
    "State",
    "Why",
    "gate",
]
