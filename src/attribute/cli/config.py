"""
Settings: found in one file, checked, and each with its origin.

The closest file wins and files are never merged, so that a setting has one place to look for it. Flag over environment
over file over default.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from attribute.cli.places import config_folder
from attribute.cli.settings import LIMIT_KEYS, SETTINGS, ConfigError, Value, check_table, from_text

__all__ = ["FILE_NAMES", "Config", "Setting", "find", "load"]

FILE_NAMES: Final = ("attribute.toml", ".attribute.toml", "pyproject.toml")
"""What is looked for in each folder, in this order; `pyproject.toml` only counts with `[tool.attribute]`."""

SYSTEM_FILE: Final = Path("/etc/attribute/config.toml")
MAX_FILE_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """
    One value and where it comes from.

    Attributes:
        value: the value that holds.
        origin: `default`, `environment: NAME`, `flag: --name` or `file: PATH`.
    """

    value: Value
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """
    All settings of one run.

    Attributes:
        path: the file that was read, or nothing.
        settings: every simple setting by name, each with its origin.
        functions: limits of single functions, by function and key.
        goals: what is said of each goal, by name and key.
        runbook: texts by `class` or `class/function`.
        gates: the tables of the gate as they stand in the file; the gate checks them.
    """

    path: Path | None = None
    settings: Mapping[str, Setting] = field(default_factory=lambda: MappingProxyType({}))
    functions: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: MappingProxyType({}))
    goals: Mapping[str, Mapping[str, Value]] = field(default_factory=lambda: MappingProxyType({}))
    runbook: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    gates: tuple[Mapping[str, object], ...] = ()

    def value(self, name: str) -> Value:
        """Return the value of one simple setting."""
        return self.settings[name].value

    def number(self, name: str) -> float:
        """Return the value of a setting that is a number."""
        value = self.value(name)
        assert isinstance(value, int | float)
        return float(value)

    def text(self, name: str) -> str | None:
        """Return the value of a setting that is a text, or nothing where it is not set."""
        value = self.value(name)
        assert value is None or isinstance(value, str)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the value of a setting that is a list of texts."""
        value = self.value(name)
        assert isinstance(value, tuple)
        return value


def find(*, folder: Path, environ: Mapping[str, str]) -> Path | None:
    """
    Return the configuration file that holds for a run in *folder*, the closest one.

    `$ATTRIBUTE_CONFIG`; then `FILE_NAMES` in *folder* and upward to the root of its repository (outside of one, to the
    home folder where *folder* lies in it, and else in *folder* alone: what others left further up is not ours); then
    the user's and the system's own.

    Raises:
        ConfigError: `$ATTRIBUTE_CONFIG` names no file, or a place is closed to us: what may stand there could change a
            verdict, and nobody would know.
    """
    named = environ.get("ATTRIBUTE_CONFIG")
    if named:
        return _named(named, said_by="ATTRIBUTE_CONFIG")
    try:
        for place in _upward(folder, environ):
            for name in FILE_NAMES:
                path = place / name
                if stat.S_ISREG(_mode(path)) and (name != "pyproject.toml" or _speaks_of_us(path)):
                    return path
        for path in (config_folder(environ) / "config.toml", SYSTEM_FILE):
            if stat.S_ISREG(_mode(path)):
                return path
    except OSError as error:
        raise ConfigError.not_searchable(str(error.filename), error.strerror or str(error)) from error
    return None


def _named(file: str, *, said_by: str) -> Path:
    path = Path(file)
    try:
        is_file = stat.S_ISREG(_mode(path))
    except OSError as error:
        raise ConfigError.not_readable(file, error.strerror or str(error)) from error
    if not is_file:
        raise ConfigError.not_there(file, said_by=said_by)
    return path


def _mode(path: Path) -> int:
    """Return what kind of file stands there, 0 for none; `Path.is_file` also says False of what is closed to us."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _upward(folder: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    chain = (folder, *folder.parents)
    for depth, place in enumerate(chain):
        if _mode(place / ".git"):
            return chain[: depth + 1]
    home = environ.get("HOME", "")
    if home.startswith("/") and Path(home) in chain:
        return chain[: chain.index(Path(home)) + 1]
    return chain[:1]


def _speaks_of_us(path: Path) -> bool:
    """Whether a `pyproject.toml` has our table. One that does not parse is somebody else's to mend."""
    try:
        document = tomllib.loads(_read(path))
    except (tomllib.TOMLDecodeError, ConfigError):
        return False
    tool = document.get("tool")
    return isinstance(tool, dict) and "attribute" in tool


def load(
    *,
    file: str | None = None,
    isolated: bool = False,
    flags: Mapping[str, Value] = MappingProxyType({}),
    folder: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """
    Return the settings that hold.

    Args:
        file: the file named on the command line.
        isolated: whether to read no file at all.
        flags: values given on the command line by name of setting; None and the empty tuple mean not given.
        folder: where the search starts; the current folder where not given.
        environ: the environment.

    Raises:
        ConfigError: a file is not there, not readable or not TOML, or a key or value in it or in the environment is not
            known.
    """
    path: Path | None = None
    if file is not None:
        path = _named(file, said_by="--config")
    elif not isolated:
        path = find(folder=_current() if folder is None else folder, environ=environ)
    settings = {name: Setting(value=setting.default, origin="default") for name, setting in SETTINGS.items()}
    config = Config(path=path)
    if path is not None:
        table = check_table(_read(path), file=str(path), inside=_table_path(path))
        origin = f"file: {path}"
        for name, value in table.settings.items():
            settings[name] = Setting(value=_beside(path, name, value), origin=origin)
        config = Config(
            path=path, functions=table.functions, goals=table.goals, runbook=table.runbook, gates=table.gates
        )
    for name, setting in SETTINGS.items():
        variable = f"ATTRIBUTE_{name.upper()}"
        if environ.get(variable):
            settings[name] = Setting(
                value=from_text(setting, environ[variable], said_by=variable), origin=f"environment: {variable}"
            )
        given = flags.get(name)
        if given is not None and given != ():
            settings[name] = Setting(value=given, origin=f"flag: --{name.replace('_', '-')}")
    _check_shares(settings, config.functions, path)
    return Config(
        path=path,
        settings=MappingProxyType(settings),
        functions=config.functions,
        goals=config.goals,
        runbook=config.runbook,
        gates=config.gates,
    )


def _current() -> Path:
    try:
        return Path.cwd()
    except OSError as error:  # it was removed, or a folder above it is closed
        raise ConfigError.not_searchable("the current folder", error.strerror or str(error)) from error


def _table_path(path: Path) -> tuple[str, ...]:
    return ("tool", "attribute") if path.name == "pyproject.toml" else ()


def _beside(path: Path, name: str, value: Value) -> Value:
    """Resolve a path in a file against the file's own folder, whatever the current one is."""
    return str(path.parent / value) if SETTINGS[name].is_path and isinstance(value, str) else value


def _check_shares(
    settings: Mapping[str, Setting], functions: Mapping[str, Mapping[str, float]], path: Path | None
) -> None:
    """Refuse limits by which one latency would be both low and dominant, for all functions and for single ones."""
    common = {name: settings[name].value for name in LIMIT_KEYS}
    for function, own in ((None, {}), *functions.items()):
        limits = {**common, **own}
        low, dominant = limits["upstream_low_share"], limits["upstream_dominant_share"]
        assert isinstance(low, int | float)
        assert isinstance(dominant, int | float)
        if low > dominant:
            raise ConfigError.shares_crossed(low, dominant, path=path, function=function)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError.not_readable(str(path), "it is not a regular file")
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError.not_readable(str(path), error.strerror or "it cannot be read") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError.not_readable(str(path), f"it is larger than {MAX_FILE_BYTES:,} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError.not_readable(str(path), f"it is not UTF-8 (byte {error.start:,})") from error


assert set(LIMIT_KEYS) <= set(SETTINGS)
