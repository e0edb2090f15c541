"""Off, on and pre-filled: one answer over every fixture, in every format that is written of a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from attribute.cli import kept_view
from attribute.cli.job import Job
from attribute.engines import choose, local
from tests import caching
from tests.cache_mode import FOLDER, VARIABLE, Mode
from tests.cluster.parity import FIXTURES, printed


@pytest.fixture
def _modes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put modes around what they are put around, and take them away afterwards."""
    for owner, name in (
        (local, "analyse"),
        (choose, "analyse"),
        (Job, "options"),
        (kept_view, "shelf_of"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    caching.put_around()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(FOLDER, str(tmp_path))


@pytest.mark.usefixtures("_modes")
@pytest.mark.parametrize("name", sorted(path.parent.name for path in FIXTURES.glob("*/logs")))
def test_fixture_has_one_answer_in_all_modes(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Whatever the fixtures hold, the bytes are the same with the cache off, on, and filled by an earlier run."""
    answers: list[bytes] = []
    for mode in (Mode.OFF, Mode.ON, Mode.PREFILLED):
        monkeypatch.setenv(VARIABLE, mode)
        answers.append(printed(capfdbinary, str(FIXTURES / name / "logs")))
        assert (len(list(tmp_path.rglob("*.kept"))) > 0) == (mode is not Mode.OFF)
    assert answers[0]
    assert answers == [answers[0]] * 3
