"""
A night of the ingest service's heavy tests: `python -m tests.night`.

First the HTTP side's long forms, then the stores' at the sizes of a night, one after the other, for some of them
measure time. Ends with 1 if any promise was broken.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = (("tests.ingest_http.campaign",), ("tests.ingest_store.campaign", "--night"))


def main() -> int:
    """Run both and return the exit code."""
    codes = [subprocess.run([sys.executable, "-m", *part], cwd=ROOT, check=False).returncode for part in PARTS]
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
