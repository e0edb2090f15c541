"""Baselines on disk, and whose verdicts they hold."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Final

import orjson

from attribute.cli.job import Job
from attribute.gate.baseline import Baseline, RulesMark
from attribute.gate.stored import BaselineError, from_bytes
from attribute.rules.catalogue import Catalogue
from attribute.rules.thresholds import Thresholds

__all__ = ["mark_of", "read_baseline"]

MAX_BYTES: Final = 64 * 2**20


def read_baseline(path: str) -> Baseline:
    """
    Read a baseline.

    Raises:
        BaselineError: it cannot be read, or is no baseline.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- the name is the user's, not ours to normalise
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BaselineError.not_readable(path, error.strerror or "it cannot be read") from error
    if len(content) > MAX_BYTES:
        raise BaselineError.not_readable(path, f"it is larger than {MAX_BYTES:,} bytes")
    return from_bytes(content, name=path)


def mark_of(job: Job) -> RulesMark:
    """Return whose verdicts a job gives: rules and thresholds."""
    return _mark(job.catalogue, job.thresholds)


def _mark(catalogue: Catalogue, thresholds: Thresholds) -> RulesMark:
    limits = {
        "default": asdict(thresholds.default),
        "functions": {name: asdict(one) for name, one in sorted(thresholds.by_function.items())},
    }
    digest = hashlib.sha256(orjson.dumps(limits, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return RulesMark(version=catalogue.version, sha256=catalogue.sha256, thresholds=digest)
