"""A TOML file of the simulators' own, read strictly: every finding names file and line, and no key is passed over.

Owns: where a key stands, and the checks of kind and range. What the keys mean, their readers know.
"""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from simulators.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_HEAD = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"([^"]*)"|'([^']*)'""")
_BYTES_MAX = 65_536
_NEEDED: Any = object()

Path_ = tuple[str | int, ...]


class Table:
    """One table of such a file. Whoever has read what it knows calls `done`."""

    def __init__(self, file: str, lines: Mapping[Path_, int], path: Path_, values: Mapping[str, Any]) -> None:
        self._file = file
        self._lines = lines
        self._path = path
        self._values = values
        self._read: set[str] = set()

    @property
    def keys(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def wrong(self, key: str, what: str) -> InputError:
        """The finding about this key; about the table itself when the key is not there."""
        path: Path_ = (*self._path, key)
        while path and path not in self._lines:
            path = path[:-1]
        return InputError(f"{self._file}:{self._lines.get(path, 1)}: {what}")

    def text(self, key: str, default: Any = _NEEDED, *, one_of: tuple[str, ...] = ()) -> str:
        """A text."""
        value = self._value(key, default, str, "a text")
        if one_of and value not in one_of:
            raise self.wrong(key, f"{key} = {value!r}: one of {', '.join(one_of)}")
        return str(value)

    def number(self, key: str, default: Any = _NEEDED, *, low: int = 0, high: int = 2**32) -> int:
        """A whole number."""
        value = self._value(key, default, int, "a whole number")
        if isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"{key} = {value!r}: a whole number from {low} to {high}")
        return int(value)

    def share(self, key: str, default: Any = _NEEDED, *, low: float = 0.0, high: float = 1.0) -> float:
        """A number with a fraction."""
        value = self._value(key, default, (int, float, Decimal), "a number")
        if isinstance(value, bool) or not low <= value <= high:  # nan is in no range
            raise self.wrong(key, f"{key} = {value}: a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, key: str, default: Any = _NEEDED) -> bool:
        """True or false."""
        return bool(self._value(key, default, bool, "true or false"))

    def texts(self, key: str, default: Any = _NEEDED) -> tuple[str, ...]:
        """A list of texts, or a single one."""
        value = self._value(key, default, (str, list, tuple), "a text or a list of them")
        found = (value,) if isinstance(value, str) else tuple(value)
        if not all(isinstance(each, str) for each in found):
            raise self.wrong(key, f"{key}: texts only")
        return found

    def table(self, key: str) -> Table:
        """A table that must be there."""
        return self._table((*self._path, key), self._value(key, _NEEDED, dict, "a table"))

    def tables(self, key: str) -> tuple[Table, ...]:
        """A list of tables, perhaps empty."""
        found = self._value(key, [], list, "a list of tables")
        if not all(isinstance(each, dict) for each in found):
            raise self.wrong(key, f"{key}: tables only")
        return tuple(self._table((*self._path, key, index), each) for index, each in enumerate(found))

    def done(self) -> None:
        """Nothing else stands here."""
        for key in self._values:
            if key not in self._read:
                raise self.wrong(key, f"there is no key {key!r} here; known: {', '.join(sorted(self._read))}")

    def _table(self, path: Path_, values: Mapping[str, Any]) -> Table:
        return Table(self._file, self._lines, path, values)

    def _value(self, key: str, default: Any, kind: type | tuple[type, ...], what: str) -> Any:
        self._read.add(key)
        if key not in self._values:
            if default is _NEEDED:
                raise self.wrong(key, f"the key {key!r} is missing: {what}")
            return default
        if not isinstance(self._values[key], kind):
            raise self.wrong(key, f"{key} is not {what}")
        return self._values[key]


def toml_table(path: Path) -> Table:
    """The whole file as a table; InputError when it is no TOML in UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return table_of(data, str(path))


def table_of(data: bytes, name: str) -> Table:
    """The same for bytes; `name` is what findings call them."""
    if len(data) > _BYTES_MAX:
        raise InputError(f"{name}: {len(data)} bytes, at most {_BYTES_MAX}")
    try:
        text = data.decode()
        document = tomllib.loads(text, parse_float=_decimal)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not TOML in UTF-8: {error}") from error
    return Table(name, _lines_of(text), (), document)


def _decimal(text: str) -> Decimal:
    return Decimal(text)


def _lines_of(text: str) -> dict[Path_, int]:
    """Where each key begins. Good enough for findings: a key inside an inline table has the line of the table."""
    lines: dict[Path_, int] = {}
    counts: dict[Path_, int] = {}
    here: Path_ = ()
    for number, line in enumerate(text.splitlines(), 1):
        head, key = _HEAD.fullmatch(line), _KEY.match(line)
        if head is not None:
            here = _place(_parts(head[2]), counts, is_list=head[1] == "[[")
            lines.setdefault(here, number)
        elif key is not None:
            lines.setdefault((*here, *_parts(key[1])), number)
    return lines


def _parts(text: str) -> Path_:
    return tuple(match[1] or match[2] or match[0] for match in _PART.finditer(text))


def _place(names: Path_, counts: dict[Path_, int], *, is_list: bool) -> Path_:
    """The path of a head: below a list it is the list's newest table that is meant."""
    here: Path_ = ()
    for index, name in enumerate(names):
        here = (*here, name)
        if index == len(names) - 1 and is_list:
            counts[here] = counts.get(here, -1) + 1
        if here in counts:
            here = (*here, counts[here])
    return here


def reader(read: Callable[[Table], Any]) -> Callable[[bytes], Any]:
    """The reader of tables as a reader of bytes, for the fuzzer."""
    return lambda data: read(table_of(data, "input"))
