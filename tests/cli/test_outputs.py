from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from attribute.cli.options import AnalysisFlags
from attribute.cli.outputs import Output, OutputError, check_outputs, replacing, write_output
from attribute.cli.style import color_wanted, style_of, unicode_wanted


@pytest.mark.parametrize(
    ("outputs", "allowed"),
    [
        ([Output("json")], True),
        ([Output("text"), Output("json", "a"), Output("csv", "b")], True),
        ([Output("text"), Output("json")], False),
        ([Output("json", "a"), Output("csv", "./a")], False),
        ([Output("json", "/nonexistent/a")], False),
        ([Output("json", "/dev/null"), Output("csv", "/dev/null")], True),
        ([], True),
    ],
)
def test_check_outputs_two_in_one_place_are_refused_before_work_begins(outputs: list[Output], allowed: bool) -> None:
    """Two results in one stream or file are no result; it is said before an hour of reading."""
    if allowed:
        check_outputs(outputs)
    else:
        with pytest.raises(OutputError):
            check_outputs(outputs)


def test_write_output_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """A writer that dies half-way leaves the old file as it was and no litter."""
    path = tmp_path / "r.json"
    path.write_text("old")

    def dies() -> Iterator[bytes]:
        yield b"new"
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError):
        write_output(dies(), str(path))
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["r.json"]
    write_output([b"ne", b"w"], str(path))
    assert path.read_text() == "new"


def test_write_output_keeps_permissions_and_follows_links(tmp_path: Path) -> None:
    """What was readable by some stays so, and a link stays a link."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o604)
    link.symlink_to(real)
    write_output([b"new"], str(link))
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o604


def test_write_output_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    """A report is as readable as if the shell had written it."""
    before = os.umask(0o027)
    try:
        write_output([b"x"], str(tmp_path / "new"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_write_output_fifo_and_device_are_written_as_they_are(tmp_path: Path) -> None:
    """`-o json:/dev/null` and a named pipe are not replaced by files."""
    write_output([b"x"], "/dev/null")
    assert Path("/dev/null").is_char_device()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    write_output([b"through"], str(fifo))
    reader.join(10)
    assert got == [b"through"]
    assert fifo.is_fifo()


@pytest.mark.parametrize("path", ["/nonexistent/folder/x", "/", "/dev/full"])
def test_write_output_refusals_of_the_system_can_be_mended(path: str) -> None:
    """No such folder, a folder in the way, a full disk: one line that names the place."""
    with pytest.raises(OutputError, match=f"`{path}` cannot be written: "):
        write_output([b"x" * 100_000], path)


@pytest.mark.parametrize("size", [1, 100_000])
def test_write_output_device_refuses_at_the_last_moment_too(size: int) -> None:
    """What is held back until the file is closed is refused in the same words."""
    with pytest.raises(OutputError, match="`/dev/full` cannot be written: No space left on device"):
        write_output([b"x" * size], "/dev/full")


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_write_output_pipe_is_written_by_its_descriptor_for_as_long_as_it_is_read(size: int) -> None:
    """`>(command)` has no other name than its descriptor, and a command that has read enough may leave."""
    reading, writing = os.pipe()
    try:
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.append(os.read(reading, 10)))
        reader.start()
        write_output([b"x" * 10], f"/dev/fd/{writing}")
        reader.join(10)
        assert got == [b"x" * 10]
    finally:
        os.close(reading)
    write_output([b"x" * size], f"/dev/fd/{writing}")
    os.close(writing)


def test_replacing_error_of_the_work_itself_is_not_called_a_write_error(tmp_path: Path) -> None:
    """An error while reading the logs is not blamed on the file of rejects."""
    with pytest.raises(FileNotFoundError), replacing(str(tmp_path / "x")):
        (tmp_path / "gone").read_text()


@pytest.mark.parametrize(
    ("choice", "tty", "environ", "wanted"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", False, {"FORCE_COLOR": "1"}, True),
        ("auto", False, {"CLICOLOR_FORCE": "1"}, True),
        ("auto", False, {"FORCE_COLOR": "0"}, False),
        ("auto", True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", True, {"CLICOLOR": "0"}, False),
        ("auto", False, {"CI": "true"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_color_wanted_is_decided_once_by_the_known_conventions(
    choice: str, tty: bool, environ: dict[str, str], wanted: bool
) -> None:
    """The flag, then NO_COLOR, then the forcing ones, then the terminal."""
    assert color_wanted(choice, tty=tty, environ=environ) is wanted


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C.utf8"}, True),
        ({"LANG": "C"}, False),
        ({}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
    ],
)
def test_unicode_wanted_follows_the_locale(environ: dict[str, str], wanted: bool) -> None:
    """`LANG=C` gets ASCII, although the interpreter would write UTF-8."""
    assert unicode_wanted(environ) is wanted


def test_style_of_file_has_a_fixed_width_and_no_colour() -> None:
    """The same command writes the same file on any terminal."""
    environ = {"LANG": "C.UTF-8", "FORCE_COLOR": "1"}
    style = style_of(AnalysisFlags(verbose=1), to_file=True, environ=environ)
    assert (style.width, style.color, style.ascii_only, style.verbosity) == (80, False, False, 1)
