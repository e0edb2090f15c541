"""One answer held against another: all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attribute.cli.main import run
from attribute.engines import cluster, local
from attribute.engines.analysis import Analysis, AnalysisOptions, RejectedAt
from attribute.rules.catalogue import builtin
from attribute.rules.thresholds import Limits, Thresholds

THRESHOLDS = Thresholds(by_function={"pay-1": Limits(slow_ms=100.0), "search": Limits(upstream_low_share=0.5)})
NOW = "2026-11-17T00:00:00Z"
FIXTURES = Path(__file__).parents[2] / "fixtures"


def options(*paths: Path | str, heard: list[RejectedAt] | None = None, **changes: Any) -> AnalysisOptions:  # noqa: ANN401 - any option
    """Ask about *paths*."""
    return AnalysisOptions(
        paths=tuple(map(str, paths)),
        catalogue=builtin(),
        thresholds=THRESHOLDS,
        on_reject=None if heard is None else heard.append,
        **changes,
    )


def assert_same(left: Analysis, right: Analysis) -> None:
    """Compare accounting, rollups and verdicts, each as a whole."""
    assert left.account == right.account
    assert left.rollup == right.rollup
    assert left.verdicts.collect().equals(right.verdicts.collect())


def assert_parity(
    runner: cluster.Runner,
    *paths: Path | str,
    split_bytes: int = 9_000,
    also_unheard: bool = True,
    **changes: Any,  # noqa: ANN401 - any option
) -> None:
    """Hold the cluster's answer, and each place of a reject, against the local engine's."""
    here: list[RejectedAt] = []
    there: list[RejectedAt] = []
    mine = local.analyse(options(*paths, heard=here, **changes))
    assert_same(cluster.analyse(options(*paths, heard=there, **changes), runner, split_bytes=split_bytes), mine)
    assert there == here
    if also_unheard:
        assert_same(cluster.analyse(options(*paths, **changes), runner, split_bytes=split_bytes), mine)


def printed(capfdbinary: Any, *arguments: str) -> bytes:  # noqa: ANN401 - pytest's own
    """Return the bytes of the JSON answer of the command line."""
    run([*arguments, "--isolated", "--no-progress", "-o", "json", "--now", NOW])
    return bytes(capfdbinary.readouterr().out)
