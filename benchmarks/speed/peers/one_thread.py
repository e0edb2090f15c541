"""`attribute FILE -o json` on one processor: `POLARS_MAX_THREADS=1 python one_thread.py FILE`."""

from __future__ import annotations

import os
import sys

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.execv(sys.executable, [sys.executable, "-m", "attribute", "--isolated", "--no-cache", "-o", "json", *sys.argv[1:]])
