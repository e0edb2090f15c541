from __future__ import annotations

import io
import json
import os
import stat
import sys
import threading
from pathlib import Path
from subprocess import run

import pytest

from attribute.m1 import AttributionError, RequestLogger, SinkError
from attribute.m1.sink import open_sink
from tests.m1.values import Anything


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["status"] for line in path.read_text().splitlines()]


def log_status(logger: RequestLogger, status: int) -> None:
    with logger.request("ingest") as request:
        request.status = status


def test_file_is_appended_to_and_made_for_its_owner_alone(tmp_path: Path) -> None:
    """A log is nobody else's to read, and a restart loses nothing of it."""
    path = tmp_path / "m1.jsonl"
    for status in (200, 201):
        with RequestLogger(path) as logger:
            log_status(logger, status)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert numbers(path) == [200, 201]


def test_file_keeps_the_mode_that_it_had(tmp_path: Path) -> None:
    """Who made the file decides who reads it."""
    path = tmp_path / "m1.jsonl"
    path.touch()
    path.chmod(0o640)
    with RequestLogger(str(path)) as logger:
        log_status(logger, 200)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_lines_of_many_threads_are_whole(tmp_path: Path) -> None:
    """Eight threads write 500 records each, and every line is one of them."""
    path = tmp_path / "m1.jsonl"
    with RequestLogger(path) as logger:

        def work(number: int) -> None:
            for turn in range(500):
                with logger.request("f" * 100, request_id=f"{number}-{turn}") as request:
                    request.status = 200

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert logger.dropped == 0
    ids = [json.loads(line)["request_id"] for line in path.read_text().splitlines()]
    assert sorted(ids) == sorted(f"{number}-{turn}" for number in range(8) for turn in range(500))


def test_lines_of_two_loggers_on_one_file_are_whole(tmp_path: Path) -> None:
    """Two loggers on one file, as worker processes have them, do not cut each other's lines."""
    path = tmp_path / "m1.jsonl"
    with RequestLogger(path) as one, RequestLogger(path) as other:
        for _ in range(50):
            log_status(one, 200)
            log_status(other, 201)
    assert numbers(path) == [200, 201] * 50


def test_reopened_file_is_the_one_at_the_path(tmp_path: Path) -> None:
    """After a rotation lines go into the new file, and the old one keeps its own."""
    path = tmp_path / "m1.jsonl"
    with RequestLogger(path) as logger:
        log_status(logger, 200)
        path.rename(tmp_path / "m1.jsonl.1")
        log_status(logger, 201)
        assert logger.reopen()
        log_status(logger, 202)
    assert numbers(tmp_path / "m1.jsonl.1") == [200, 201]
    assert numbers(path) == [202]


def test_reopening_that_fails_goes_on_with_the_old_file(tmp_path: Path) -> None:
    """A rotation gone wrong loses no line and raises nothing."""
    folder = tmp_path / "logs"
    folder.mkdir()
    with RequestLogger(folder / "m1.jsonl") as logger:
        folder.rename(tmp_path / "moved")
        assert not logger.reopen()
        log_status(logger, 200)
        assert logger.dropped == 0
    assert numbers(tmp_path / "moved" / "m1.jsonl") == [200]
    assert not logger.reopen()


def test_reopening_under_fire_keeps_every_line_whole(tmp_path: Path) -> None:
    """Reopening while others write, as a handler of a signal does, tears and loses nothing."""
    path = tmp_path / "m1.jsonl"
    with RequestLogger(path) as logger:
        started, done = threading.Event(), threading.Event()

        def work() -> None:
            started.set()
            try:
                for _ in range(1000):
                    log_status(logger, 200)
            finally:
                done.set()

        thread = threading.Thread(target=work)
        thread.start()
        started.wait()
        turn = 0
        while not done.is_set():
            path.rename(tmp_path / f"old-{turn}")
            logger.reopen()
            turn += 1
        thread.join()
        assert logger.dropped == 0
    assert sum(len(numbers(file)) for file in tmp_path.iterdir()) == 1000


@pytest.mark.parametrize("place", ["missing/m1.jsonl", "."])
def test_file_that_cannot_be_opened_is_the_users_to_mend(tmp_path: Path, place: str) -> None:
    """The place and the reason stand in one line."""
    with pytest.raises(SinkError, match=r"cannot be opened for the M1 log: (No such file|Is a directory)") as caught:
        RequestLogger(tmp_path / place)
    assert isinstance(caught.value, AttributionError)
    assert caught.value.hint == "name a file in a folder that this process may write to"


def test_stream_gets_each_line_at_once_and_stays_open() -> None:
    """A text and a binary stream get the same line, flushed; neither is closed."""
    raw = io.BytesIO()
    text, binary = io.StringIO(), io.BufferedWriter(raw)
    for stream in (text, binary):
        logger = RequestLogger(stream, new_id=lambda: "r")
        log_status(logger, 200)
        assert json.loads(raw.getvalue() if stream is binary else text.getvalue())["status"] == 200
        assert logger.reopen()
        logger.close()
        assert not stream.closed
        log_status(logger, 200)
        assert logger.dropped == 1


def test_standard_output_is_a_sink() -> None:
    """A service in a container logs to its standard output."""
    program = (
        "import sys\nfrom attribute.m1 import RequestLogger\n"
        "with RequestLogger(sys.stdout).request('ingest', request_id='r') as request:\n    request.status = 200\n"
    )
    done = run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout)["status"] == 200
    assert done.stderr == b""


def test_closed_stream_costs_the_line_and_not_the_request() -> None:
    """What the log does never changes what becomes of a request: the line is counted as dropped."""
    stream = io.StringIO()
    logger = RequestLogger(stream)
    stream.close()
    log_status(logger, 200)
    with pytest.raises(KeyError, match="own"), logger.request("ingest"):
        raise KeyError("own")
    assert logger.dropped == 2
    logger.close()


def test_pipe_without_a_reader_costs_the_line_and_not_the_request() -> None:
    """A reader that went away (EPIPE) is counted, not raised."""
    reader, writer = os.pipe()
    os.close(reader)
    with io.FileIO(writer, "wb") as stream:
        logger = RequestLogger(stream)
        log_status(logger, 200)
        assert logger.dropped == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_full_disk_costs_the_line_and_not_the_request() -> None:
    """A full disk (ENOSPC) is counted, not raised."""
    with RequestLogger("/dev/full") as logger:
        log_status(logger, 200)
        assert logger.dropped == 1


class Narrow(io.RawIOBase):
    """A raw stream that takes so many bytes of each write."""

    def __init__(self, *takes: int | None) -> None:
        self.takes = list(takes)
        self.got = b""

    def write(self, data: Anything, /) -> int | None:
        take = self.takes.pop(0) if self.takes else len(data)
        self.got += bytes(data[: take or 0])
        return take


def test_line_that_was_cut_does_not_cost_the_next_one() -> None:
    """Where only a line's start got out, the next line starts on a line of its own."""
    stream = Narrow(3, 1, None)
    sink = open_sink(stream)
    for line in (b"first\n", b"second\n", b"third\n", b"fourth\n", b"fifth\n"):
        sink.write(line)
    assert stream.got == b"fir\n\nfourth\nfifth\n"
    assert sink.dropped == 3


def test_stream_that_takes_nothing_drops_the_line_and_tears_nothing() -> None:
    """A pipe that is full and does not wait takes nothing, and the next line needs no mending."""
    stream = Narrow(None)
    sink = open_sink(stream)
    sink.write(b"first\n")
    sink.write(b"second\n")
    assert (stream.got, sink.dropped) == (b"second\n", 1)
