"""Whether a job is begun before the rest of the program is there."""

from __future__ import annotations

from attribute.cli.delivery import latency_slot_of
from attribute.cli.job import Job
from attribute.engines.choose import EngineName
from attribute.engines.head_start import HeadStart, head_start

__all__ = ["head_start_of"]


def head_start_of(job: Job) -> HeadStart | None:
    """Begin *job*, where that pays."""
    if job.engine.name is not EngineName.LOCAL or job.flags.fingerprint or job.flags.rejects is not None:
        return None
    return head_start(job.options(latency_slot=latency_slot_of(job.flags)))
