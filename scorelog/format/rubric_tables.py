"""Reading TOML tables strictly: every key is taken, bounded and accounted for, and errors say where.

Owns the how of reading a rubric; rubric.py owns the what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorelog.format.errors import RubricError

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Text:
    """A name or sentence in Chinese and English."""

    zh: str
    en: str


class Table:
    """One TOML table being read: every key must be taken, none may be left over."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise RubricError(f"a {type(value).__name__}", where=where, expected="a table")
        self._left = dict(value)
        self.where = where

    def take(self, key: str, kind: type, expected: str) -> Any:
        """The value of a required key."""
        if key not in self._left:
            raise RubricError(f"no {key}", where=self.where, expected=expected)
        value = self._left.pop(key)
        if type(value) is not kind:
            raise RubricError(f"{key} = {_show(value)}", where=self.where, expected=expected)
        return value

    def number(self, key: str, low: int, high: int) -> int:
        """An integer within bounds."""
        value: int = self.take(key, int, f"an integer from {low} to {high}")
        if not low <= value <= high:
            raise RubricError(f"{key} = {_show(value)}", where=self.where, expected=f"an integer from {low} to {high}")
        return value

    def word(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        """A string of a pattern."""
        value: str = self.take(key, str, expected)
        if pattern.match(value) is None:
            raise RubricError(f"{key} = {value!r:.60}", where=self.where, expected=expected)
        return value

    def choice(self, key: str, words: tuple[str, ...]) -> str:
        """One of some words."""
        value: str = self.take(key, str, " or ".join(words))
        if value not in words:
            raise RubricError(f"{key} = {value!r:.60}", where=self.where, expected=" or ".join(words))
        return value

    def text(self, key: str) -> Text:
        """A table { zh, en }."""
        inner = Table(self.take(key, dict, "{ zh = …, en = … }"), f"{self.where}, {key}")
        text = Text(inner.take("zh", str, "a string"), inner.take("en", str, "a string"))
        inner.done()
        if not text.zh or not text.en:
            raise RubricError("an empty text", where=inner.where, expected="both zh and en")
        return text

    def tables(self, key: str) -> list[Any]:
        """A list of tables, not empty."""
        value: list[Any] = self.take(key, list, "at least one table")
        if not value:
            raise RubricError(f"{key} is empty", where=self.where, expected="at least one table")
        return value

    def done(self) -> None:
        """Refuse what nobody took."""
        if self._left:
            raise RubricError(f"unknown key {min(self._left)!r:.60}", where=self.where)


class Places:
    """In which line of the file each table begins, so that an error can say so."""

    def __init__(self, data: bytes) -> None:
        self._at: dict[str, Iterator[int]] = {}
        lines = data.decode().split("\n")
        for header in ("[[subject]]", "[[subject.item]]", "[[subject.item.line]]"):
            self._at[header] = iter([number for number, line in enumerate(lines, 1) if _header(line) == header])

    def next(self, header: str, what: str) -> str:
        """The place of the next table of this kind; without a number if it was written in another way."""
        number = next(self._at[header], None)
        return what if number is None else f"{what} (file line {number})"


def _header(line: str) -> str:
    return line.partition("#")[0].replace(" ", "").replace("\t", "").rstrip("\r")


def _show(value: Any) -> str:
    try:
        return f"{value!r:.60}"
    except ValueError:  # Python refuses to print integers of thousands of digits, and TOML has them in hex
        return "a huge integer"
