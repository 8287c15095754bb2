"""On which line of a TOML file a value stands, so that a finding can name it.

Owns: a map from path (table names, keys, array positions) to line number. The standard parser gives none. Profiles
are looked up in it here, plans by the server: one scanner. Reads only text that `tomllib` has accepted, so it knows
where things are and never has to say what is wrong with them.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

from device_adapters.limits import NESTING_MAX

Path: TypeAlias = "tuple[str | int, ...]"
_BLANK = " \t\r\n"


def too_deep(document: dict[str, object]) -> bool:
    """Whether more lies inside each other than we read: recursion ends there, and a path costs as much as it is long.

    Asked before `lines_of` and before anything walks down the values. A dotted key nests without any recursion of the
    parser's own, so a document that it took may be thousands deep.
    """
    level: list[object] = [document]
    for _ in range(NESTING_MAX):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def lines_of(text: str) -> dict[Path, int]:
    """Line (from 1) of every table, key and array element; never of a document that is `too_deep`."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text + "\n"
        self._at = 0
        self._breaks = [offset for offset, char in enumerate(self._text) if char == "\n"]
        self._lines: dict[Path, int] = {(): 1}
        self._counts: dict[Path, int] = {}

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip_blank():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _mark(self, path: Path) -> None:
        self._lines.setdefault(path, bisect_left(self._breaks, self._at) + 1)

    def _skip_blank(self, also: str = "") -> bool:
        """Move to the next thing that is neither white space nor comment; False at the end."""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "#":
                self._at = self._text.index("\n", self._at)
            elif char in _BLANK or char in also:
                self._at += 1
            else:
                return True
        return False

    def _header(self) -> Path:
        double = self._text.startswith("[[", self._at)
        self._at += 2 if double else 1
        names = self._key("]")
        path: Path = ()
        for depth, name in enumerate(names, start=1):
            path = (*path, name)
            if path in self._counts and depth < len(names):
                path = (*path, self._counts[path] - 1)
        if double:
            count = self._counts.get(path, 0)
            self._counts[path] = count + 1
            path = (*path, count)
        self._mark(path)
        self._at += 2 if double else 1
        return path

    def _key(self, end: str) -> list[str]:
        """Dotted key up to `end`, which is not consumed."""
        names: list[str] = []
        while True:
            self._skip_blank(".")
            char = self._text[self._at]
            if char == end:
                return names
            start = self._at
            if char in "\"'":
                self._string()
                names.append(self._text[start + 1 : self._at - 1])
                continue
            while self._text[self._at] not in _BLANK + "." + end:
                self._at += 1
            names.append(self._text[start : self._at])

    def _pair(self, table: Path) -> None:
        path = (*table, *self._key("="))
        for depth in range(len(table) + 1, len(path) + 1):
            self._mark(path[:depth])
        self._at += 1
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip_blank()
        char = self._text[self._at]
        if char in "\"'":
            self._string()
        elif char == "[":
            self._array(path)
        elif char == "{":
            self._inline(path)
        else:
            while self._text[self._at] not in ",]}#\n":
                self._at += 1

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._skip_blank(",") and self._text[self._at] != "]":
            self._mark((*path, index))
            self._value((*path, index))
            index += 1
        self._at += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        while self._skip_blank(",") and self._text[self._at] != "}":
            self._pair(path)
        self._at += 1

    def _string(self) -> None:
        quote = self._text[self._at]
        mark = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._at += len(mark)
        while not self._text.startswith(mark, self._at):
            self._at += 2 if quote == '"' and self._text[self._at] == "\\" else 1
        self._at += len(mark)
        while len(mark) > 1 and self._text.startswith(quote, self._at):  # """" closes with a quote inside
            self._at += 1
