"""Reading the objects of a plan strictly: every known key is taken and bounded, and errors say where.

Owns the how of reading a plan; plan.py owns the what. Unknown keys are ignored, and refused only in a plan that is
being written (rule 1 of docs/formats/plan.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scorelog.format.errors import FormatError, PlanError
from scorelog.format.rubric_tables import Text
from scorelog.format.text import is_hex, utc_us

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator


class Part:
    """One object of the plan being read."""

    def __init__(self, value: Any, where: str, *, strict: bool) -> None:
        if not isinstance(value, dict):
            raise PlanError(f"a {type(value).__name__}", where=where, expected="an object")
        self._left = dict(value)
        self._strict = strict
        self.where = where

    def take(self, key: str, kind: type, expected: str) -> Any:
        """The value of a required key."""
        if key not in self._left:
            raise PlanError(f"no {key}", where=self.where, expected=expected)
        value = self._left.pop(key)
        if type(value) is not kind:
            raise self.refused(key, value, expected)
        return value

    def number(self, key: str, low: int, high: int) -> int:
        """An integer within bounds."""
        expected = f"an integer from {low} to {high}"
        value: int = self.take(key, int, expected)
        if not low <= value <= high:
            raise self.refused(key, value, expected)
        return value

    def word(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        """A string of a pattern."""
        value: str = self.take(key, str, expected)
        if pattern.match(value) is None:
            raise self.refused(key, value, expected)
        return value

    def choice(self, key: str, words: tuple[str, ...]) -> str:
        """One of some words."""
        value: str = self.take(key, str, " or ".join(words))
        if value not in words:
            raise self.refused(key, value, " or ".join(words))
        return value

    def hex(self, key: str, length: int) -> str:
        """The lower-case hex of so many bytes. What stands there instead is not shown: it could be personal."""
        value = self._left.pop(key, None)
        if not isinstance(value, str) or not is_hex(value, length):
            raise PlanError(f"no {key}", where=self.where, expected=f"{length} bytes in hex")
        return value

    def time(self, key: str) -> str:
        """A time in UTC."""
        value: str = self.take(key, str, "a UTC time")
        try:
            utc_us(value)
        except FormatError as error:
            raise PlanError(f"{key}: {error.what}", where=self.where, expected=error.expected) from None
        return value

    def text(self, key: str) -> Text:
        """A name in both languages."""
        inner = self.part(key)
        text = Text(inner.take("zh", str, "a string"), inner.take("en", str, "a string"))
        inner.done()
        if not text.zh or not text.en:
            raise PlanError("an empty text", where=inner.where, expected="both zh and en")
        return text

    def words(self, key: str, pattern: re.Pattern[str], expected: str) -> tuple[str, ...]:
        """A list of strings of a pattern, in its order."""
        found: list[Any] = self.take(key, list, f"a list, each {expected}")
        for place, value in enumerate(found):
            if not isinstance(value, str) or pattern.match(value) is None:
                raise self.refused(f"{key}[{place}]", value, expected)
        return tuple(found)

    def names(self, key: str, pattern: re.Pattern[str], expected: str) -> tuple[str, ...]:
        """The same, each once."""
        found, seen = self.words(key, pattern, expected), set[str]()
        for value in found:
            self.new(value, seen, key)
        return found

    def new(self, value: str, seen: set[str], what: str) -> None:
        """Take a value into those that were seen; PlanError if it was there."""
        if value in seen:
            raise PlanError(f"{what} {value!r} twice", where=self.where, expected="each once")
        seen.add(value)

    def part(self, key: str) -> Part:
        """An object inside this one."""
        return Part(self.take(key, dict, "an object"), f"{self.where}, {key}", strict=self._strict)

    def parts(self, key: str, name: str) -> Iterator[Part]:
        """The objects of a list, each with its place (from 1) in `where`."""
        for number, value in enumerate(self.take(key, list, "a list of objects"), 1):
            yield Part(value, f"{self.where}, {name} {number}", strict=self._strict)

    def refused(self, key: str, value: Any, expected: str) -> PlanError:
        """The error for a value that does not fit."""
        return PlanError(f"{key} = {value!r:.80}", where=self.where, expected=expected)

    def done(self) -> None:
        """Refuse what nobody took, if the plan is being written."""
        if self._strict and self._left:
            raise PlanError(f"unknown key {min(self._left)!r:.60}", where=self.where, expected="the keys of version 1")
