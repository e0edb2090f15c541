from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.cli.config import find, load
from attribute.cli.settings import SETTINGS, ConfigError, check_table
from tests.cli.conftest import CommandLine


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_find_closest_file_wins_in_the_promised_order(tmp_path: Path) -> None:
    """One file, the closest one: a setting has exactly one place to look for it."""
    home, repository = tmp_path / "home", tmp_path / "home" / "repository"
    folder = repository / "a" / "b"
    folder.mkdir(parents=True)
    (repository / ".git").mkdir()
    environ = {"HOME": str(home), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}

    def found() -> Path | None:
        return find(folder=folder, environ=environ)

    assert found() is None
    expected = [
        write(tmp_path / "xdg" / "attribute" / "config.toml", ""),
        write(repository / "pyproject.toml", "[tool.attribute]\n"),
        write(repository / ".attribute.toml", ""),
        write(repository / "attribute.toml", ""),
        write(repository / "a" / "pyproject.toml", "[tool.attribute]\n"),
        write(folder / "attribute.toml", ""),
    ]
    for path in expected:
        path.unlink()
    for path, text in zip(expected, ("", "[tool.attribute]\n", "", "", "[tool.attribute]\n", ""), strict=True):
        write(path, text)
        assert found() == path
    named = write(tmp_path / "named.toml", "")
    environ["ATTRIBUTE_CONFIG"] = str(named)
    assert found() == named


def test_find_other_peoples_files_are_passed_over(tmp_path: Path) -> None:
    """A `pyproject.toml` without our table is none of ours, nor is one that does not parse, or above the repository."""
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / ".git").mkdir()
    write(tmp_path / "attribute.toml", "")
    write(repository / "pyproject.toml", "[tool.other]\n")
    assert find(folder=repository, environ={"HOME": str(tmp_path / "home")}) is None
    write(repository / "pyproject.toml", "not = [toml\n")
    assert find(folder=repository, environ={"HOME": str(tmp_path / "home")}) is None


def test_find_outside_a_repository_looks_no_further_than_home(tmp_path: Path) -> None:
    """A file that somebody left in a shared folder above ours decides nothing."""
    write(tmp_path / "attribute.toml", "")
    folder = tmp_path / "home" / "project"
    folder.mkdir(parents=True)
    assert find(folder=folder, environ={"HOME": str(tmp_path / "elsewhere")}) is None
    assert find(folder=folder, environ={"HOME": str(tmp_path / "home")}) is None
    mine = write(tmp_path / "home" / "attribute.toml", "")
    assert find(folder=folder, environ={"HOME": str(tmp_path / "home")}) == mine


def test_load_flag_over_environment_over_file_over_default(tmp_path: Path) -> None:
    """Each value is the nearest one, and says where it came from."""
    path = write(
        tmp_path / "attribute.toml", 'slow_ms = 500\ntz = "Asia/Seoul"\nexclude = ["old"]\nrules = "ours.toml"\n'
    )
    environ = {"HOME": str(tmp_path), "ATTRIBUTE_TZ": "Europe/Paris", "ATTRIBUTE_EXCLUDE": "a:b"}
    config = load(folder=tmp_path, environ=environ, flags={"exclude": ("x",), "tz": None, "rules": None})
    got = {name: (setting.value, setting.origin) for name, setting in config.settings.items()}
    assert got == {
        "slow_ms": (500.0, f"file: {path}"),
        "upstream_low_share": (0.2, "default"),
        "upstream_dominant_share": (0.8, "default"),
        "clock_tolerance_ms": (5.0, "default"),
        "clock_tolerance_share": (0.01, "default"),
        "rules": (str(tmp_path / "ours.toml"), f"file: {path}"),
        "tz": ("Europe/Paris", "environment: ATTRIBUTE_TZ"),
        "exclude": (("x",), "flag: --exclude"),
        "engine": ("local", "default"),
        "engine_address": (None, "default"),
        "engine_options": ((), "default"),
        "engine_timeout_s": (600.0, "default"),
        "engine_parallel": (0.0, "default"),
    }


def test_load_isolated_reads_no_file(tmp_path: Path) -> None:
    """`--isolated` gives the same answer on every machine."""
    write(tmp_path / "attribute.toml", "slow_ms = 500\n")
    config = load(isolated=True, folder=tmp_path, environ={"HOME": str(tmp_path)})
    assert config.path is None
    assert {setting.origin for setting in config.settings.values()} == {"default"}


def test_load_tables_of_functions_runbook_and_gate(tmp_path: Path) -> None:
    """Limits of one function, texts for the night shift, and the gate's tables as they stand."""
    path = write(
        tmp_path / "pyproject.toml",
        '[tool.attribute.functions."pay/eu"]\nslow_ms = 2000\n'
        '[tool.attribute.runbook]\nvendor = "https://status.example"\n"vendor/quote" = "call them"\n'
        '[[tool.attribute.gate]]\nclass = "UNKNOWN"\nmax = 0.1\n',
    )
    config = load(folder=tmp_path, environ={"HOME": str(tmp_path)})
    assert config.path == path
    assert config.functions == {"pay/eu": {"slow_ms": 2000.0}}
    assert config.runbook == {"vendor": "https://status.example", "vendor/quote": "call them"}
    assert config.gates == ({"class": "UNKNOWN", "max": 0.1},)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\n", "f.toml:1: unknown key `a`"),
        ("\n\nslow_mss = 1\n", "f.toml:3: unknown key `slow_mss`\n  hint: did you mean `slow_ms`?"),
        ('slow_ms = "1"\n', "f.toml:1: `slow_ms` is '1', expected a number from 0.001 to 1e+09"),
        ("slow_ms = true\n", "f.toml:1: `slow_ms` is true, expected a number from 0.001 to 1e+09"),
        ("slow_ms = nan\n", "f.toml:1: `slow_ms` is nan, expected a number from 0.001 to 1e+09"),
        ("slow_ms = 0\n", "f.toml:1: `slow_ms` is 0, expected a number from 0.001 to 1e+09"),
        ("upstream_low_share = 1.5\n", "f.toml:1: `upstream_low_share` is 1.5, expected a number from 0 to 1"),
        ("exclude = 'x'\n", "f.toml:1: `exclude` is 'x', expected a list of texts"),
        ("tz = ''\n", "f.toml:1: `tz` is '', expected a text"),
        ("# x\n[functions]\nquote = 1\n", "f.toml:3: `quote` is 1, expected a table of limits"),
        ("[functions.quote]\nslow = 1\n", "f.toml:2: unknown key `slow`\n  hint: did you mean `slow_ms`?"),
        ("functions.quote.slow = 1\n", "f.toml:1: unknown key `slow`\n  hint: did you mean `slow_ms`?"),
        ("[functions]\nquote = { slow = 1 }\n", "f.toml:2: unknown key `slow`\n  hint: did you mean `slow_ms`?"),
        ("[runbook]\nvendr = 'x'\n", "f.toml:2: unknown key `vendr`\n  hint: did you mean `vendor`?"),
        ("[runbook]\nvendor = 1\n", "f.toml:2: `vendor` is 1, expected one line of at most 500 characters"),
        ("gate = 1\n", "f.toml:1: `gate` is 1, expected tables [[gate]]"),
        ("[functions\n", "f.toml:1: not TOML: Expected ']' at the end of a table declaration (at line 1, column 11)"),
    ],
)
def test_check_table_mistakes_name_the_line_and_what_was_expected(text: str, said: str) -> None:
    """A typo in the configuration is never passed over in silence, and takes one look to find."""
    with pytest.raises(ConfigError) as caught:
        check_table(text, file="f.toml")
    assert str(caught.value).startswith(said)
    assert caught.value.exit_code == 2


@settings(deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["[", "]", "=", '"', "\n", "slow_ms", "functions.", "{}"])).map("".join)
)
def test_check_table_any_text_is_a_table_or_an_error_that_can_be_mended(text: str) -> None:
    """Nothing that can be typed into a configuration file crashes."""
    try:
        check_table(text, file="f.toml")
    except ConfigError as error:
        message = error.message
    else:
        message = "f.toml"
    assert message.startswith("f.toml")


def test_load_deeply_nested_file_is_an_error_that_can_be_mended(tmp_path: Path) -> None:
    """A file made to exhaust the parser does not."""
    path = write(tmp_path / "deep.toml", "a = " + "[" * 100_000)
    with pytest.raises(ConfigError, match="not TOML"):
        load(file=str(path), environ={})


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"ATTRIBUTE_SLOW_MS": "fast"}, "ATTRIBUTE_SLOW_MS: `slow_ms` is 'fast'"),
        ({"ATTRIBUTE_SLOW_MS": "-1"}, "ATTRIBUTE_SLOW_MS: `slow_ms` is '-1'"),
        ({"ATTRIBUTE_CONFIG": "gone.toml"}, "ATTRIBUTE_CONFIG names `gone.toml`, which is not a file"),
        ({"ATTRIBUTE_UPSTREAM_LOW_SHARE": "0.9"}, "`upstream_low_share` is 0.9, above `upstream_dominant_share` 0.8"),
    ],
)
def test_load_mistakes_in_the_environment_name_the_variable(environ: dict[str, str], said: str, tmp_path: Path) -> None:
    """An environment variable that cannot be used is an error like any other."""
    with pytest.raises(ConfigError) as caught:
        load(folder=tmp_path, environ={"HOME": str(tmp_path), **environ})
    assert caught.value.message.startswith(said)


def test_load_files_that_are_no_text_are_errors_that_can_be_mended(tmp_path: Path) -> None:
    """A folder, a binary, a file that is far too large: one line each."""
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "large.toml").write_bytes(b"#" * (2**20 + 1))
    for name, why in (("binary.toml", "not UTF-8"), ("large.toml", "larger than"), ("gone.toml", "not a file")):
        with pytest.raises(ConfigError, match=why):
            load(file=str(tmp_path / name), environ={})
    with pytest.raises(ConfigError, match="not a file"):
        load(file=str(tmp_path), environ={})


def test_load_place_closed_to_us_is_an_error_that_can_be_mended(
    open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """Settings that nobody can see might change a verdict: the run ends, and says where it was not let in."""
    closed = open_folder / "closed"
    closed.mkdir(mode=0)
    searched = (
        ({"HOME": str(open_folder), "XDG_CONFIG_HOME": str(closed)}, closed / "attribute" / "config.toml"),
        ({"HOME": str(closed)}, closed / ".config" / "attribute" / "config.toml"),
    )
    hint = "mend that, or run without any configuration file: `--isolated`"
    with as_nobody():
        for environ, place in searched:
            with pytest.raises(ConfigError) as caught:
                load(folder=open_folder, environ=environ)
            said = f"{place}: whether there is configuration cannot be seen: Permission denied"
            assert (caught.value.message, caught.value.hint) == (said, hint)
            load(folder=open_folder, environ=environ, isolated=True)
        with pytest.raises(ConfigError, match=r"closed/\.git: whether there is configuration"):
            load(folder=closed, environ={"HOME": str(open_folder)})
        named = str(closed / "own.toml")
        for file, environ in ((named, {}), (None, {"ATTRIBUTE_CONFIG": named})):
            with pytest.raises(ConfigError) as caught:
                load(file=file, environ=environ)
            assert caught.value.message == f"{named}: the configuration cannot be read: Permission denied"


def test_config_name_too_long_for_a_file_is_a_usage_error(attribute: CommandLine) -> None:
    """A name that no file can have is a mistake on the command line, and no bug of ours."""
    done = attribute("config", "show", "--config", "a" * 300)
    assert done.code == 2
    assert done.err.splitlines() == [
        f"attribute: error: {'a' * 300}: the configuration cannot be read: File name too long",
        "  hint: mend that, or run without any configuration file: `--isolated`",
    ]


def test_load_crossed_shares_of_one_function_are_refused(tmp_path: Path) -> None:
    """No latency may be both low and dominant, also where only one function has limits of its own."""
    path = write(tmp_path / "attribute.toml", "[functions.quote]\nupstream_low_share = 0.9\n")
    with pytest.raises(ConfigError) as caught:
        load(file=str(path), environ={})
    assert caught.value.message == (
        f"{path}: [functions.quote] `upstream_low_share` is 0.9, above `upstream_dominant_share` 0.8"
    )


def test_config_show_prints_each_value_with_its_origin(attribute: CommandLine, home: Path) -> None:
    """`attribute config show` answers the question where a number comes from."""
    write(home / "attribute.toml", 'slow_ms = 250\n[functions.quote]\nslow_ms = 500\n[runbook]\nvendor = "call"\n')
    shown = attribute("config", "show")
    assert shown.code == 0
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.out.splitlines() if line}
    assert rows["slow_ms"] == f"250 file: {home / 'attribute.toml'}"
    assert rows["functions.quote.slow_ms"] == f"500 file: {home / 'attribute.toml'}"
    assert rows["runbook.vendor"] == f'"call" file: {home / "attribute.toml"}'
    assert rows["tz"] == '"UTC" default'
    document = json.loads(attribute("config", "show", "--json").out)
    assert document["schema"] == "attribute.config/1"
    assert document["settings"]["slow_ms"] == {"value": 250.0, "origin": f"file: {home / 'attribute.toml'}"}


def test_config_show_hostile_file_reaches_the_terminal_escaped(attribute: CommandLine, home: Path) -> None:
    """A cloned repository's configuration cannot write to the terminal."""
    write(home / "attribute.toml", 'tz = "\\u001b[2J"\n')
    shown = attribute("config", "show")
    assert "\x1b" not in shown.out
    write(home / "attribute.toml", '"\\u001b[2J" = 1\n')
    shown = attribute("config", "show")
    assert shown.code == 2
    assert "\x1b" not in shown.err


def test_settings_defaults_are_those_of_the_rules() -> None:
    """The limits have one default, wherever it is asked for."""
    from attribute.rules.thresholds import Limits

    for name in Limits.__dataclass_fields__:
        assert SETTINGS[name].default == getattr(Limits(), name)
