"""How time is cut where requests are counted: into minutes, and for latencies into slots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["EPOCH", "SLOT"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

SLOT: Final = timedelta(minutes=10)
"""How wide the slots of latencies are where nobody asks for wider ones."""
