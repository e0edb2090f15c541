from __future__ import annotations

import io

from attribute.cli.progress import ERASE, ProgressLine, describe
from attribute.engines.analysis import Progress


def test_progress_line_short_work_shows_nothing() -> None:
    """Work of under a second leaves no flicker."""
    stream = io.StringIO()
    line = ProgressLine(stream, 100.0)
    line.update(Progress(read_bytes=1, total_bytes=2, lines=3), 100.9)
    line.erase()
    assert stream.getvalue() == ""


def test_progress_line_long_work_is_drawn_seldom_and_erased() -> None:
    """A few times a second at most, on one line that is gone at the end."""
    stream = io.StringIO()
    line = ProgressLine(stream, 100.0)
    for step in range(100):
        line.update(Progress(read_bytes=step, total_bytes=100, lines=step * 10), 101.0 + step / 100)
    line.erase()
    assert stream.getvalue().count(ERASE) == 5 + 1
    assert stream.getvalue().endswith(ERASE)
    assert "\n" not in stream.getvalue()


def test_describe_says_share_speed_and_time_left() -> None:
    """How much is done, how fast, and how long still; for a pipe what there is to say."""
    assert describe(Progress(read_bytes=25, total_bytes=100, lines=3000), 2.0) == (
        "reading [#####...............] 25%  3,000 lines  1,500/s  6 s left"
    )
    assert describe(Progress(read_bytes=2**21, total_bytes=0, lines=3000), 2.0) == (
        "reading 2 MiB  3,000 lines  1,500/s"
    )
