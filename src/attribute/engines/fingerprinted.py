"""The fingerprint of the input beside an analysis that does not read all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attribute.cache.digests import fingerprint
from attribute.engines.analysis import Analysis, AnalysisOptions
from attribute.logs.sources import discover

__all__ = ["fingerprinted"]


def fingerprinted(options: AnalysisOptions, analyse: Callable[[AnalysisOptions], Analysis]) -> Analysis | None:
    """
    Read through the cache and take the fingerprint beside it.

    An engine that hashes what goes by reads everything, kept or not. Nothing where no fingerprint or no cache is
    wanted, or where the files were not hashed as far as they were read: then the engine has to.

    Args:
        options: what to read, and how to judge it.
        analyse: does so without a fingerprint.
    """
    if not options.fingerprint or options.cache is None:
        return None
    if options.on_reject is not None:
        return None  # all is read anyway, and every rejected line is to be told once
    sources = discover(options.paths, exclude=options.exclude).sources
    if any(source.path is None for source in sources):
        return None
    analysis = analyse(replace(options, fingerprint=False))
    found = fingerprint(sources, store=options.cache.store, threads=options.threads)
    if found is None or found.bytes != analysis.account.bytes:
        return None
    return replace(analysis, account=replace(analysis.account, fingerprint=found.sha256))
