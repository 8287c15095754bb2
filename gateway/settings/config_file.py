"""The configuration file: read, parsed, and every complaint with the file's name and the line that it is about."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from device_adapters.language.toml_lines import lines_of
from gateway.errors import ConfigError
from gateway.settings.config import parse_config

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings.config import Config

# As config.py and texts.py name a place: `[[rig]] 3 unit …`, `[[rig]] LV-0001 …`, `[[bus]] id 'x' …`, `[server] url …`.
_REPEATED: Final = re.compile(r"\[\[(?P<table>\w+)\]\] (?:(?P<number>\d+)(?![^\s:]) ?)?(?P<rest>.*)", re.DOTALL)
_ONE: Final = re.compile(r"\[(?P<table>\w+)\](?: (?P<key>\w+))?")
_NAMES: Final = {"rig": "serial"}  # by which key a block is named in a complaint
_WORD: Final = re.compile(r"(?P<key>\w+)(?: (?P<quote>')?(?P<value>[^\s':]+))?")


def load(config_file: Path) -> Config:
    """The settings. Raises ConfigError."""
    return parse(config_file, read_file(config_file))


def parse(config_file: Path, data: bytes) -> Config:
    """The same, of bytes at hand."""
    try:
        return parse_config(data, config_file.absolute().parent)
    except ConfigError as error:
        raise located(error, config_file, data) from None


def located(error: ConfigError, config_file: Path, data: bytes) -> ConfigError:
    """The same complaint with file and, where it can be told, line."""
    line = line_of(str(error), data)
    return type(error)(f"{config_file}: {f'line {line}: ' if line else ''}{error}")


def read_file(path: Path) -> bytes:
    """Raises ConfigError in words."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def line_of(complaint: str, data: bytes) -> int | None:
    """Where the thing stands that a complaint begins with; the line of its table if it is missing itself."""
    with suppress(ValueError, IndexError, RecursionError):  # text that is no TOML names its own line
        text = data.decode("utf-8")
        lines = lines_of(text)
        if (found := _REPEATED.match(complaint)) is not None:
            return _repeated(found, lines, text.splitlines())
        if (found := _ONE.match(complaint)) is not None:
            table, key = found["table"], found["key"] or ""
            return lines.get((table, key)) or lines.get((table,))
    return None


def _repeated(found: re.Match[str], lines: dict[tuple[str | int, ...], int], texts: list[str]) -> int | None:
    table, word = found["table"], _WORD.match(found["rest"])
    if found["number"]:
        number = int(found["number"]) - 1
        return lines.get((table, number, word["key"] if word else "")) or lines.get((table, number))
    quoted = word is not None and word["quote"] is not None
    value = word["value"] if word and quoted else found["rest"].split(" ")[0].rstrip(":")
    key = word["key"] if word and quoted else _NAMES.get(table, "id")
    named = [at for path, at in lines.items() if path[:1] == (table,) and path[2:] == (key,)]
    holding = [at for at in named if f'"{value}"' in texts[at - 1] or f"'{value}'" in texts[at - 1]]
    return max(holding, default=None)  # of two, the second one is the one too many
