"""The reports that are checked in are those that the documented command writes."""

from __future__ import annotations

from pathlib import Path

from reports.generate import ROOT, write


def test_samples_are_what_the_command_writes(tmp_path: Path) -> None:
    """Byte for byte: whoever changes a report runs `python -m reports.generate` and looks at what changed."""
    write(tmp_path)
    kept = ROOT / "reports"
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    there = {
        path.relative_to(kept) for path in kept.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert written == there
    assert [name for name in sorted(written) if (tmp_path / name).read_bytes() != (kept / name).read_bytes()] == []
