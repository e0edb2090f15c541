"""What is found, what is skipped, and why."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribute.logs.chunks import ChunkReader, Problem
from attribute.logs.names import shown
from attribute.logs.sources import Discovery, Skipped, SkipReason, Source, SourceError, discover

LINE = b'{"request_id":"a"}\n'


def write(*paths: str, data: bytes = LINE) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)


def link(target: str, path: str) -> None:
    Path(path).symlink_to(target)


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def names(found: Discovery) -> list[str]:
    return [source.name for source in found.sources]


def skipped(found: Discovery) -> dict[str, str]:
    return {each.name: each.reason for each in found.skipped}


def text_of(source: Source) -> bytes:
    return b"".join(chunk.data for chunk in ChunkReader(source))


# --- which files


def test_folder_is_searched_at_any_depth_for_names_of_logs_in_sorted_order(inside: Path) -> None:
    """A folder gives its logs by name, plain or compressed, sorted by path; the rest is counted."""
    endings = [".json", ".jsonl", ".ndjson", ".log", ".log.gz", ".jsonl.zst", ".json.bz2", ".ndjson.xz", ".LOG"]
    write(*(f"logs/b/x{ending}" for ending in endings), "logs/a/deep/er/y.log", "logs/z.log")
    write("logs/readme.txt", "logs/x.log.1", "logs/x.gz", "logs/log")
    found = discover(["logs"])
    assert names(found) == sorted(
        ["logs/a/deep/er/y.log", *(f"logs/b/x{ending}" for ending in endings), "logs/z.log"], key=os.fsencode
    )
    assert (found.other_names, found.excluded) == (4, 0)
    assert skipped(found) == {"logs": "4 files not named like logs"}


def test_current_folder_gives_names_without_a_dot_before_them(inside: Path) -> None:
    """`.` and `./logs/` are spelled away: one file has one name."""
    write("a.log", "logs/b.log")
    assert names(discover(["."])) == ["a.log", "logs/b.log"]
    assert names(discover(["./logs/", ".//logs"])) == ["logs/b.log"]


def test_named_file_is_read_whatever_its_name(inside: Path) -> None:
    """What is named is meant: extension and leading dot do not matter then."""
    write("report.txt", ".hidden", "-dash.log", "-")
    found = discover(["report.txt", ".hidden", "-dash.log", "./-"])
    assert names(found) == ["-", "-dash.log", ".hidden", "report.txt"]
    assert [text_of(source) for source in found.sources] == [LINE] * 4


def test_hidden_files_and_folders_in_a_folder_are_skipped_and_counted(inside: Path) -> None:
    """Hidden things are left alone, and the count says so; a hidden folder counts once."""
    write("logs/.a.log", "logs/.git/b.log", "logs/.git/c.log", "logs/d.log")
    found = discover(["logs"])
    assert names(found) == ["logs/d.log"]
    assert skipped(found) == {"logs/.a.log": SkipReason.HIDDEN, "logs/.git": SkipReason.HIDDEN}


def test_empty_folder_gives_nothing_and_no_error(inside: Path) -> None:
    """An empty folder is no mistake; what it means is decided later."""
    Path("logs").mkdir()
    assert discover(["logs"]) == Discovery(sources=())


def test_folder_named_like_a_log_is_a_folder(inside: Path) -> None:
    """F2: what a thing is called does not make it a file."""
    write("logs/x.log/y.log")
    assert names(discover(["logs"])) == ["logs/x.log/y.log"]


def test_order_of_paths_makes_no_difference(inside: Path) -> None:
    """The same files give the same list, however they are named."""
    write("logs/a.log", "logs/b.log", "c.log")
    assert discover(["c.log", "logs/b.log", "logs"]) == discover(["logs", "logs/b.log", "c.log"])


def test_file_reached_twice_is_read_once(inside: Path) -> None:
    """F3: paths, hard links and links to one file give one source, under the first name; the others are counted."""
    write("logs/a.log")
    os.link("logs/a.log", "logs/hard.log")
    link("a.log", "logs/soft.log")
    found = discover(["logs", "logs/a.log", "./logs//a.log", "logs/*.log"])
    assert names(found) == ["logs/a.log"]
    assert skipped(found) == {"logs/hard.log": SkipReason.DUPLICATE, "logs/soft.log": SkipReason.DUPLICATE}


def test_rotated_copies_of_one_log_are_two_sources(inside: Path) -> None:
    """F13: a file and its compressed copy are two files; that their lines are the same is for the records to tell."""
    write("x.log.1", "x.log.1.gz")
    assert names(discover(["x.log.1*"])) == ["x.log.1", "x.log.1.gz"]


def test_modification_times_change_nothing(inside: Path) -> None:
    """F16: times of files are in the future, at the epoch, or wrong; nothing looks at them."""
    write("logs/a.log", "logs/b.log", "logs/c.log")
    before = discover(["logs"])
    os.utime("logs/a.log", (4e9, 4e9))
    os.utime("logs/c.log", (0, 0))
    assert discover(["logs"]) == before


# --- globs


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("logs/*.log", ["logs/a.log", "logs/b.log"]),
        ("logs/[ab].log", ["logs/a.log", "logs/b.log"]),
        ("logs/?.txt", ["logs/c.txt"]),
        ("logs/**/*.log", ["logs/a.log", "logs/b.log", "logs/in/ner/d.log"]),
        ("**/d.log", ["logs/in/ner/d.log"]),
        ("*/in/*/d.log", ["logs/in/ner/d.log"]),
        ("logs/.h*", ["logs/.h.log"]),
        ("lo*", ["logs/a.log", "logs/b.log", "logs/in/ner/d.log"]),
        ("logs/**", ["logs/a.log", "logs/b.log", "logs/in/ner/d.log"]),
        ("./l*/a.log", ["logs/a.log"]),
    ],
)
def test_quoted_pattern_selects_as_a_shell_does(inside: Path, pattern: str, expected: list[str]) -> None:
    """A pattern means the same quoted or not: what it matches is named, and a folder among it is searched."""
    write("logs/a.log", "logs/b.log", "logs/c.txt", "logs/.h.log", "logs/in/ner/d.log")
    assert names(discover([pattern])) == expected


def test_absolute_pattern_selects(inside: Path) -> None:
    """Patterns may be absolute."""
    write("logs/a.log")
    assert names(discover([f"{inside}/l*/*.log"])) == [f"{inside}/logs/a.log"]


def test_file_with_pattern_characters_in_its_name_is_taken_at_its_word(inside: Path) -> None:
    """A path that is there is no pattern."""
    write("a[1].log", "a1.log")
    assert names(discover(["a[1].log"])) == ["a[1].log"]


def test_pattern_over_a_loop_of_links_ends(inside: Path) -> None:
    """Two links to their own folder would give `**` a million million paths; it follows none."""
    write("logs/a.log")
    link(".", "logs/one")
    link(".", "logs/two")
    assert names(discover(["logs/**/*.log"])) == ["logs/a.log"]


def test_pattern_without_a_match_is_an_error(inside: Path) -> None:
    """A pattern that selects nothing is a mistake, and says so."""
    with pytest.raises(SourceError) as caught:
        discover(["logs/*.log"])
    assert str(caught.value) == (
        "`logs/*.log` matches no file\n  hint: patterns know `*`, `?`, `[abc]` and `**` for any depth of folders"
    )


# --- exclusion


@pytest.mark.parametrize(
    ("exclude", "expected", "count"),
    [
        (["old"], ["logs/a.log", "logs/b.jsonl"], 1),
        (["*.log"], ["logs/b.jsonl"], 2),
        (["logs/old/*"], ["logs/a.log", "logs/b.jsonl"], 1),
        (["logs/old/"], ["logs/a.log", "logs/b.jsonl"], 1),
        (["nothing"], ["logs/a.log", "logs/b.jsonl", "logs/old/c.log"], 0),
        (["logs"], [], 1),
    ],
)
def test_exclusion_keeps_out_by_name_or_by_path(
    inside: Path, exclude: list[str], expected: list[str], count: int
) -> None:
    """A pattern with a slash is held against the path, one without against each name on the way."""
    write("logs/a.log", "logs/b.jsonl", "logs/old/c.log")
    found = discover(["logs"], exclude=exclude)
    assert (names(found), found.excluded) == (expected, count)
    said = {0: "", 1: "1 file or folder excluded", 2: "2 files or folders excluded"}[count]
    assert skipped(found) == ({"logs": said} if said else {})


# --- what is no file to read


def test_fifo_in_a_folder_is_skipped_without_waiting(inside: Path) -> None:
    """F1: opening a FIFO waits for ever; it is never opened."""
    write("logs/a.log")
    os.mkfifo("logs/pipe.log")
    found = discover(["logs", "logs/pipe.log"])
    assert names(found) == ["logs/a.log"]
    assert skipped(found) == {"logs/pipe.log": SkipReason.NOT_REGULAR}


def test_fifo_put_in_place_of_a_found_file_is_not_waited_for(inside: Path) -> None:
    """F1: the same, when the file becomes a FIFO after it was found."""
    write("a.log")
    (source,) = discover(["a.log"]).sources
    Path("a.log").unlink()
    os.mkfifo("a.log")
    reader = ChunkReader(source)
    assert (list(reader), reader.outcome.problem) == ([], Problem.NOT_REGULAR)


def test_sockets_and_devices_are_skipped(inside: Path) -> None:
    """F2: sockets, devices and links to devices are no logs, found or named."""
    write("logs/a.log")
    link("/dev/zero", "logs/zero.log")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("logs/s.log")
        found = discover(["logs", "/dev/null"])
    assert names(found) == ["logs/a.log"]
    assert set(skipped(found).values()) == {SkipReason.NOT_REGULAR}
    assert sorted(skipped(found)) == ["/dev/null", "logs/s.log", "logs/zero.log"]


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="this machine has no /proc")
def test_files_of_proc_are_skipped() -> None:
    """F2: files that the system makes up while they are read only look regular."""
    assert skipped(discover(["/proc/version"])) == {"/proc/version": SkipReason.NOT_REGULAR}


def test_links_that_lead_nowhere_to_folders_or_out_are_skipped(inside: Path) -> None:
    """F3: loops, dangling links, links to folders and links out of the folder each have their reason."""
    write("logs/a.log", "secret.log")
    link("loop.log", "logs/loop.log")
    link("gone", "logs/dangling.log")
    link("..", "logs/up")
    link("../secret.log", "logs/out.log")
    link("../secret.log", "logs/out.txt")
    found = discover(["logs"])
    assert (names(found), found.other_names) == (["logs/a.log"], 1)
    assert skipped(found) == {
        "logs": "1 file not named like a log",
        "logs/loop.log": SkipReason.LINK_LOOP,
        "logs/dangling.log": SkipReason.DANGLING_LINK,
        "logs/up": SkipReason.LINK_TO_FOLDER,
        "logs/out.log": SkipReason.LINK_OUTSIDE,
    }


def test_link_that_is_named_is_followed(inside: Path) -> None:
    """Who names a link, to a file outside or to a folder, means what it leads to."""
    write("real/a.log", "secret.log")
    link("real", "current")
    link("secret.log", "out.log")
    assert names(discover(["current", "out.log"])) == ["current/a.log", "out.log"]


def test_named_links_that_lead_nowhere_are_skipped(inside: Path) -> None:
    """A shell hands over dangling links with the rest of `*`: that is dirt, not a mistake."""
    link("gone", "dangling.log")
    link("loop.log", "loop.log")
    assert skipped(discover(["dangling.log", "loop.log"])) == {
        "dangling.log": SkipReason.DANGLING_LINK,
        "loop.log": SkipReason.LINK_LOOP,
    }


def test_dots_after_a_link_lead_where_the_system_says(inside: Path) -> None:
    """`link/../a.log` is beside what the link leads to, not beside the link."""
    write("far/away/x.log", "far/a.log", data=b"far\n")
    write("a.log", data=b"near\n")
    link("far/away", "link")
    assert [text_of(source) for source in discover(["link/../a.log"]).sources] == [b"far\n"]


def test_files_without_permission_are_skipped(
    open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """F4: what may not be read is skipped with its reason: files, folders and what lies behind them."""
    write(f"{open_folder}/a.log", f"{open_folder}/closed.log", f"{open_folder}/closed/b.log")
    (open_folder / "closed.log").chmod(0)
    (open_folder / "closed").chmod(0)
    with as_nobody():
        found = discover([str(open_folder), f"{open_folder}/closed/b.log"])
    assert names(found) == [f"{open_folder}/a.log"]
    assert skipped(found) == {
        f"{open_folder}/closed.log": SkipReason.NO_PERMISSION,
        f"{open_folder}/closed": SkipReason.NO_PERMISSION,
        f"{open_folder}/closed/b.log": SkipReason.NO_PERMISSION,
    }


def test_json_that_we_wrote_is_no_log(inside: Path) -> None:
    """By its first bytes, not by its name alone: records are read, other programs' JSON, and half of a beginning."""
    ours = b'{\n  "schema": "attribute.result/1",\n'
    write("logs/ours.json", "named.json", data=ours)
    write("logs/records.json")
    write("logs/half.json", data=ours[:10])
    write("logs/one-line.json", data=b'{"schema": "attribute.result/1"}\n')
    write("logs/app.log", data=ours)
    found = discover(["logs", "named.json"])
    assert names(found) == ["logs/app.log", "logs/half.json", "logs/one-line.json", "logs/records.json"]
    assert skipped(found) == dict.fromkeys(["logs/ours.json", "named.json"], SkipReason.OWN_RESULT)


def test_file_that_loses_its_permission_after_it_was_found_yields_nothing(
    open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """F4: the same between finding and opening."""
    write(f"{open_folder}/a.log")
    (source,) = discover([str(open_folder)]).sources
    (open_folder / "a.log").chmod(0)
    reader = ChunkReader(source)
    with as_nobody():
        chunks = list(reader)
    assert (chunks, reader.outcome.problem) == ([], Problem.NO_PERMISSION)


def test_file_removed_after_it_was_found_yields_nothing(inside: Path) -> None:
    """F4: a file that is gone when its turn comes costs no other its place."""
    write("a.log")
    (source,) = discover(["a.log"]).sources
    Path("a.log").unlink()
    reader = ChunkReader(source)
    assert (list(reader), reader.outcome.problem) == ([], Problem.VANISHED)


def test_file_replaced_after_it_was_found_is_read_and_reported(inside: Path) -> None:
    """F12: what is there under the name now is read, and the outcome says that it is not what was found."""
    write("a.log", "b.log")
    (source,) = discover(["a.log"]).sources
    Path("b.log").replace("a.log")
    reader = ChunkReader(source)
    assert ([chunk.data for chunk in reader], reader.outcome.problem) == ([LINE], Problem.REPLACED)


# --- names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"new\nline.log", "new\\u{a}line.log"),
        (b"\x1b[2Jesc.log", "\\u{1b}[2Jesc.log"),
        (b"caf\xe9.log", "caf\\xe9.log"),
        ("\u202egol.log".encode(), "\\u{202e}gol.log"),
        (b"-rf.log", "-rf.log"),
        (b"back\\slash.log", "back\\\\slash.log"),
        ("서울.log".encode(), "서울.log"),
        (b"n" * 251 + b".log", "n" * 251 + ".log"),
    ],
)
def test_any_name_is_read_and_shown_safely(inside: Path, name: bytes, expected: str) -> None:
    """F5: newlines, escapes, bytes that are no UTF-8: the file is read, and its printed name is harmless."""
    Path(os.fsdecode(name)).write_bytes(LINE)
    found = discover(["."])
    assert (names(found), [text_of(source) for source in found.sources]) == ([expected], [LINE])


PATHS = st.binary(max_size=20).map(os.fsdecode)


@given(PATHS, PATHS)
def test_shown_names_are_printable_and_differ_where_paths_differ(one: str, other: str) -> None:
    """No path prints a control character, and no two paths print alike."""
    assert shown(one).isprintable()
    assert (shown(one) == shown(other)) == (one == other)


# --- mistakes


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("logs/ap.log", "`logs/ap.log` does not exist\n  hint: did you mean `logs/app.log`?"),
        ("lgos", "`lgos` does not exist\n  hint: did you mean `logs`?"),
        (
            "nowhere/x",
            "`nowhere/x` does not exist\n  hint: name a file, a folder, a glob pattern, or `-` for standard input",
        ),
        ("", "`` does not exist\n  hint: name a file, a folder, a glob pattern, or `-` for standard input"),
        ("a\0b", "`a\\u{0}b` does not exist\n  hint: name a file, a folder, a glob pattern, or `-` for standard input"),
        (
            "logs/app.log/x",
            "`logs/app.log/x` does not exist\n  hint: name a file, a folder, a glob pattern, or `-` for standard input",
        ),
    ],
)
def test_missing_path_is_an_error_that_names_its_neighbours(inside: Path, path: str, message: str) -> None:
    """A path that does not exist is a mistake of the command line: exit code 2, and what was meant."""
    write("logs/app.log")
    with pytest.raises(SourceError) as caught:
        discover([path])
    assert (str(caught.value), caught.value.exit_code) == (message, 2)


# --- size


def test_four_thousand_files_are_found_and_read_with_few_descriptors(inside: Path) -> None:
    """F14: many files cost a list, not descriptors. The campaign form takes a hundred thousand."""
    _many_files(4_000)


@pytest.mark.campaign
def test_hundred_thousand_files_are_found_and_read_with_few_descriptors(inside: Path) -> None:
    """F14: the same at full size."""
    _many_files(100_000)


def _many_files(count: int) -> None:
    Path("logs").mkdir()
    for number in range(count):
        os.close(os.open(f"logs/{number:06}.log", os.O_CREAT | os.O_WRONLY))
    found = discover(["logs"])
    assert names(found) == [f"logs/{number:06}.log" for number in range(count)]
    before = open_descriptors()
    problems: Counter[Problem | None] = Counter()
    most_open = 0
    for number, source in enumerate(found.sources):
        reader = ChunkReader(source)
        assert list(reader) == []
        problems[reader.outcome.problem] += 1
        if number % 1000 == 0:
            most_open = max(most_open, open_descriptors())
    assert (problems, most_open) == ({None: count}, before)


@pytest.fixture
def deep_folder(inside: Path) -> Iterator[int]:
    depth = 3000
    top = os.open(".", os.O_RDONLY)
    at = top
    opened = []
    for _ in range(depth):
        os.mkdir("d", dir_fd=at)
        at = os.open("d", os.O_RDONLY, dir_fd=at)
        opened.append(at)
        if len(opened) > 1:
            os.close(opened.pop(0))
    os.close(os.open("x.log", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    yield depth
    os.unlink("x.log", dir_fd=at)
    for _ in range(depth - 1):  # pytest would remove the tree by recursion, and fail
        above = os.open("..", os.O_RDONLY, dir_fd=at)
        os.close(at)
        os.rmdir("d", dir_fd=above)
        at = above
    os.close(at)
    os.rmdir("d", dir_fd=top)
    os.close(top)


def test_folders_deeper_than_a_path_may_be_are_skipped_where_they_become_so(deep_folder: int) -> None:
    """F14: thousands of folders in each other end the search there, with a reason and without recursion."""
    Path("a.log").write_bytes(LINE)
    found = discover(["."])
    assert names(found) == ["a.log"]
    assert [each.reason for each in found.skipped] == [SkipReason.TOO_DEEP]
    Path("a.log").unlink()


def test_skipped_sorts_by_name() -> None:
    """What is listed is listed in one order."""
    one, two = Skipped(name="a", reason=SkipReason.VANISHED), Skipped(name="b", reason=SkipReason.HIDDEN)
    assert sorted([two, one]) == [one, two]
