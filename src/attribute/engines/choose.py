"""Which engine a run asked for, and the same two questions put to any of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from attribute.engines import cluster
    from attribute.engines.analysis import Analysis, AnalysisOptions
    from attribute.engines.head_start import HeadStart

__all__ = ["Choice", "EngineName", "analyse", "records_of"]


class EngineName(StrEnum):
    """The engines there are."""

    LOCAL = "local"
    SPARK = "spark"
    DASK = "dask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    An engine, and how to come by it.

    Attributes:
        name: which.
        address: where the cluster is; None: what its own client takes for granted.
        options: the engine's own settings, by name.
        timeout_s: after so long without any reply the run ends with an error.
        parallel: how many splits are under way at once; 0: the engine decides.
    """

    name: EngineName = EngineName.LOCAL
    address: str | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    timeout_s: float = 600.0
    parallel: int = 0


def analyse(options: AnalysisOptions, choice: Choice, ahead: HeadStart | None = None) -> Analysis:
    """Analyse on the chosen engine; see `attribute.engines.local.analyse`."""
    if choice.name is EngineName.LOCAL:
        from attribute.engines import fingerprinted, local  # noqa: PLC0415 - each engine is loaded where it is used

        return fingerprinted.fingerprinted(options, local.analyse) or local.analyse(options, ahead)
    from attribute.engines import cluster  # noqa: PLC0415 - the same

    with _runner(choice) as runner:
        return cluster.analyse(options, runner)


def records_of(request_id: str, options: AnalysisOptions, choice: Choice) -> pl.DataFrame:
    """Look for one request on the chosen engine; see `attribute.engines.find.records_of`."""
    if choice.name is EngineName.LOCAL:
        from attribute.engines import find  # noqa: PLC0415 - each engine is loaded where it is used

        return find.records_of(request_id, options)
    from attribute.engines import cluster  # noqa: PLC0415 - the same

    with _runner(choice) as runner:
        return cluster.records_of(request_id, options, runner)


def _runner(choice: Choice) -> contextlib.AbstractContextManager[cluster.Runner]:
    from attribute.engines import dask, spark  # noqa: PLC0415 - the same

    connected = dask.connected if choice.name is EngineName.DASK else spark.connected
    return connected(
        address=choice.address, options=choice.options, timeout_s=choice.timeout_s, parallel=choice.parallel
    )
