"""The floor: read the bytes and count newlines: `python floor.py FILE`."""

from __future__ import annotations

import sys

newlines = 0
with open(sys.argv[1], "rb", buffering=0) as file:  # noqa: PTH123 - nothing between the file and the count
    while block := file.read(16 * 2**20):
        newlines += block.count(b"\n")
print(newlines)
