"""Views for the tests of outputs: every kind of line, and names that try to get out of every medium."""

from __future__ import annotations

from datetime import UTC
from functools import cache

import polars as pl

from attribute.gate import Limit, gate
from attribute.gate.spike import NEW_FUNCTIONS
from attribute.reports.escape import visible
from attribute.reports.gate_view import GateView, build_view
from attribute.rules.words import Class
from tests.gate.world import BLIND, KNOWN, NOW, REFUSED, UNKNOWN, ago, calm, row, steady, troubled, turned

HOSTILE = (
    "::error::pwned",
    "##[add-mask]secret",
    "a`b|c<script>alert(1)</script>]]>&\"'",
    "x\n::stop-commands::t\r\n",
    "\x1b]0;pwned\x07\u202e\u2028\ufffe\x00",
    "@team #12 **bold** [link](http://x)",
    'label="1"} 1\n# EOF',
    "=cmd|' /C calc'!A0",
)
MASKED = (visible(HOSTILE[4]), "24h", "168h", NEW_FUNCTIONS)
"""Names of functions that try to be taken for another check of the same answer."""


def view_of(counts: pl.DataFrame, *, limits: tuple[Limit, ...] = (), config: str | None = None) -> GateView:
    return build_view(
        gate(counts, now=NOW, limits=limits, rejected=12),
        zone=UTC,
        config=config,
        tool_version="1.2.3",
        rules_version="m1/1",
        rules_sha256="ab" * 32,
    )


@cache
def loud() -> GateView:
    """A spike, lost coverage, a warning, an exceeded limit, one without data, and calm lines."""
    counts = turned(
        troubled([*steady("pay", UNKNOWN, hours=6, per_slot=2), *steady("api", REFUSED, hours=8, per_slot=20)]),
        function="sync", hours=3, of="none", into=BLIND,
    )  # fmt: skip
    limits = (
        Limit(name="vendor failures", class_=Class.VENDOR, max_count=3, line=12),
        Limit(name="few", class_=Class.VENDOR, max_share=0.5, function="pay", over_hours=1, min_requests=500, line=16),
        Limit(name="kept", class_=Class.APPLICATION, max_share=0.5, line=20),
    )
    return view_of(counts, limits=limits, config="pyproject.toml")


@cache
def quiet() -> GateView:
    return view_of(calm())


@cache
def short() -> GateView:
    return view_of(calm(3).head(0))


@cache
def hostile() -> GateView:
    """Functions and error codes with hostile names, each of which fails, and one that only now appears."""
    rows = [
        one
        for name in (*HOSTILE, *MASKED)
        for one in (
            *steady(name, UNKNOWN | {"error_code": name}, hours=6, per_slot=3),
            *(row(name, NOW.replace(day=4, hour=hour), KNOWN, 4) for hour in range(20)),
        )
    ]
    limits = tuple(
        Limit(name=name, function=name.replace("[", "[[]").replace("*", "[*]"), max_count=1)
        for name in (*HOSTILE, MASKED[0])
    )
    return view_of(
        troubled([*rows, *steady("new", UNKNOWN, hours=6, per_slot=3)]), limits=limits, config="a b,c:d%`.toml"
    )


@cache
def over() -> GateView:
    """A spike that is over within the day, and one of a function that was not heard of since."""
    counts = troubled([*steady("pay", UNKNOWN, hours=13, per_slot=3), *steady("sync", UNKNOWN, hours=13, per_slot=3)])
    late = (pl.col("minute") >= ago(7)) & ((pl.col("class") == "UNKNOWN") | (pl.col("function") == "sync"))
    return view_of(counts.filter((pl.col("minute") >= ago(24 * 12)) & ~late))


VIEWS = {"loud": loud, "quiet": quiet, "short": short, "hostile": hostile, "over": over}
