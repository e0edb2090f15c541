"""What the pages tell a reader to type is what the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from attribute.cli.group import LazyGroup, attribute
from attribute.cli.main import run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)(```+)[^\n]*\n(.*?)^\1\2", re.MULTILINE | re.DOTALL)
MENTION = re.compile(r"`(attribute [^`]+)`")
OPERATORS = "|&;<>"


def commands(line: str) -> Iterator[list[str]]:
    """The words of every command of ours in a line of a shell."""
    words = shlex.shlex(line, posix=True, punctuation_chars=OPERATORS)
    words.whitespace_split, words.commenters = True, "#"
    command: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= set(OPERATORS):
            if command and re.fullmatch(r"(\S*/)?attribute", command[0]):
                yield command[1:]
            command = []
        elif command or word != "$":
            command.append(word)


def typed(page: Path) -> Iterator[list[str]]:
    """Every command that a page shows as a whole, in a block of its own."""
    for _, _, block in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            if re.match(r"\s*(\$ )?(\S*/)?attribute ", line) or re.search(r"[|&] *(\S*/)?attribute( |$)", line):
                yield from commands(line)


def mentioned(page: Path) -> Iterator[list[str]]:
    """Every command that a page names in a sentence, which may leave out what is clear."""
    for words in MENTION.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        yield from commands(
            re.sub(r"<[^>]*>", "./folder", " ".join(words.split())).removesuffix("…").removesuffix("...")
        )


def parse(words: list[str]) -> None:
    """
    Have click take a command line, and run nothing.

    Raises:
        click.UsageError: it would be refused as it stands, whatever is on the disk.
    """
    command: click.Command = attribute
    context, given = click.Context(command), words
    while isinstance(command, click.Group) and given:
        name = given[0]
        if name.startswith("-") and name in {option for each in command.get_params(context) for option in each.opts}:
            return
        found = command.get_command(context, name)
        if found is None and isinstance(command, LazyGroup) and re.search(r"[-./:*]|^[A-Z_]+$", name):
            found = command.get_command(context, command.default)  # a path is for the main job
        elif found is not None:
            given = given[1:]
        if found is None:
            raise click.UsageError(f"there is no command `{name}`")
        command = found
    if not isinstance(command, click.Group):
        command.make_context(command.name, list(given))


@pytest.fixture
def every_path_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a page names are the reader's."""
    monkeypatch.setattr(click.Path, "convert", lambda _self, value, _parameter, _context: value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_every_command_that_it_shows_is_taken(page: Path, every_path_is_there: None) -> None:
    """Each line of a block can be typed: the command is there, with its options, and lacks nothing."""
    refused = []
    for words in typed(page):
        try:
            parse(words)
        except click.UsageError as error:
            refused.append((" ".join(words), error.format_message()))
    assert refused == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_every_command_that_it_names_is_there(page: Path, every_path_is_there: None) -> None:
    """A sentence names commands and options that there are; what it leaves out or stands for is the reader's."""
    refused = []
    for words in mentioned(page):
        try:
            parse(words)
        except (click.BadParameter, click.BadOptionUsage):
            continue
        except click.UsageError as error:
            refused.append((" ".join(words), error.format_message()))
    assert refused == []


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("attribute rules list --rules acme.toml", None),
        ("$ zcat a.gz | ./bin/attribute --since 1h > out", None),
        ("attribute logs/ -o json | jq .verdict && attribute --version", None),
        ("attribute explian vendor logs/", "there is no command `explian`"),
        ("attribute rules dif old new", "there is no command `dif`"),
        ("attribute logs/ --sinse 1h", "No such option '--sinse'."),
        ("attribute logs/ -o yaml", "Invalid value for '-o' / '--output'"),
        ("attribute rules diff builtin", "Missing argument 'NEW'."),
        ("attribute config show more", "Got unexpected extra argument (more)"),
    ],
)
def test_command_that_would_be_refused_is_told_from_one_that_would_not(line: str, refused: str | None) -> None:
    """The judge of the pages is judged: by lines that hold, and by one slip of each kind."""
    for words in commands(line):
        if refused is None:
            parse(words)
        else:
            with pytest.raises(click.UsageError) as raised:
                parse(words)
            assert raised.value.format_message().startswith(refused)


def test_page_about_writing_rules_can_be_followed_to_the_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its whole file, under the name that it gives it, goes through both of its commands."""
    page = ROOT / "docs" / "writing-rules.md"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    whole = next(block for _, _, block in FENCE.findall(page.read_text(encoding="utf-8")) if "version =" in block)
    Path("acme.toml").write_text(whole, encoding="utf-8")
    Path("logs").symlink_to(ROOT / "fixtures" / "vendor-outage" / "logs")
    check, diff = typed(page)
    assert (run(check), run(diff)) == (0, 0)
    shown = capfd.readouterr()
    assert shown.err == ""
    checked, *compared = shown.out.splitlines()
    assert re.fullmatch(r"acme\.toml: version m1/1\+acme/1, 5 rules, \d+ examples: ok", checked)
    assert compared[-2:] == ["0 of 1,179 incident requests would change", "0 of them their class"]
