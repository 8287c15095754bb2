"""A profile that extends another: both are merged into one flat file before anything else is done with it.

Owns: `extends` and `without`, the merge, and the flat text. The flat text is what is hashed, adopted whole into the log
and decoded with (docs/formats/profile.md rules 29 to 32), so an entry never depends on a second file. Pure: whoever
calls says how a base is found.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from device_adapters.errors import ProfileError
from device_adapters.language.tables import Finding
from device_adapters.language.toml_lines import lines_of, too_deep
from device_adapters.limits import EXTENDS_MAX, NESTING_MAX, PROFILE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from device_adapters.language.toml_lines import Path

BaseOf: TypeAlias = "Callable[[str], bytes | None]"
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDE = 110
_DEEP = f"tables or lists lie more than {NESTING_MAX} deep inside each other"


@dataclass(frozen=True, slots=True)
class Flat:
    """One profile in one text; `lines` and `files` say where each of its values was written."""

    text: bytes
    lines: Mapping[Path, int] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Source:
    values: dict[str, Any]
    lines: dict[Path, int]
    files: dict[Path, str]


def read_toml(data: bytes, file: str = "") -> tuple[str, dict[str, Any]]:
    """Text and values of one file. Raises ProfileError with the one finding."""
    if len(data) > PROFILE_BYTES_MAX:
        why = f"the file has {len(data)} bytes; a profile has at most {PROFILE_BYTES_MAX}"
        raise ProfileError((Finding(1, why, file),))
    try:
        text = data.decode()
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProfileError((Finding(line, "the file is not UTF-8", file),)) from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+)", str(error))
        line = int(place[1]) if place else data.count(b"\n") + 1
        raise ProfileError((Finding(line, f"not TOML: {error}", file),)) from None
    except RecursionError:
        raise ProfileError((Finding(1, _DEEP, file),)) from None
    if too_deep(values):
        raise ProfileError((Finding(1, _DEEP, file),))
    return text, values


def flatten(file: str, data: bytes, base_of: BaseOf) -> Flat:
    """The flat form. A profile that extends nothing is its own, byte for byte. Raises ProfileError."""
    text, values = read_toml(data, file)
    if "extends" not in values:
        lines = lines_of(text)
        return Flat(data, lines, dict.fromkeys(lines, file))
    merged = _merged(file, data, base_of, ())
    told = f"# Flat form of a variant: {values.get('id', '?')}. Written by the program; extends {values['extends']}.\n"
    flat = (told + "".join(_tables(merged.values, ()))).encode()
    return Flat(flat, merged.lines, merged.files)


def _merged(file: str, data: bytes, base_of: BaseOf, above: tuple[str, ...]) -> _Source:
    text, values = read_toml(data, file)
    lines = lines_of(text)
    own = _Source(values, lines, dict.fromkeys(lines, file))
    base = values.pop("extends", None)
    without = values.pop("without", [])
    if base is None:
        if without:
            _refuse(own, "without", "only a profile that extends another can leave something out")
        return own
    if not isinstance(base, str):
        _refuse(own, "extends", "must be the name of a profile, or a path that ends in .toml")
    if base in above or len(above) >= EXTENDS_MAX:
        _refuse(own, "extends", f"{base} extends itself, or more than {EXTENDS_MAX} profiles lie behind each other")
    found = base_of(base)
    if found is None:
        _refuse(own, "extends", f'there is no profile "{base}"')
    under = _merged(base, found, base_of, (*above, base))
    if not isinstance(without, list) or not all(isinstance(name, str) for name in without):
        _refuse(own, "without", "must be a list of texts like codes.mode.3")
    for name in without:
        if not _dropped(under, tuple(name.split("."))):
            _refuse(own, "without", f'{base} has no "{name}"')
    return _Source(_over(under.values, own.values), {**under.lines, **own.lines}, {**under.files, **own.files})


def _refuse(source: _Source, key: str, reason: str) -> NoReturn:
    raise ProfileError((Finding(source.lines[key,], f"{key}: {reason}", source.files[key,]),))


def _dropped(source: _Source, path: tuple[str, ...]) -> bool:
    table: Any = source.values
    for step in path[:-1]:
        table = table.get(step) if isinstance(table, dict) else None
    if not isinstance(table, dict) or path[-1] not in table:
        return False
    del table[path[-1]]
    for place in [place for place in source.lines if place[: len(path)] == path]:
        del source.lines[place], source.files[place]
    return True


def _over(under: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged, key by key; anything else of the variant stands for what the base has there."""
    made = dict(under)
    for key, value in own.items():
        below = made.get(key)
        made[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return made


# ---------------------------------------------------------------- writing TOML


def _tables(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """A table's own values first, then the tables inside it, each under its header."""
    inner: dict[str, dict[str, Any]] = {}
    lines = []
    for key, value in table.items():
        if isinstance(value, dict) and (not path or _has_tables(value) or len(_value(value)) > _WIDE):
            inner[key] = value
        else:
            lines.append(f"{_key(key)} = {_value(value)}\n")
    if path and (lines or not inner):
        yield f"\n[{'.'.join(map(_key, path))}]\n"
    yield from lines
    for key, value in inner.items():
        yield from _tables(value, (*path, key))


def _has_tables(table: Mapping[str, Any]) -> bool:
    return any(isinstance(value, dict) for value in table.values())


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    return str(value)  # a number; a date is a finding in any case
