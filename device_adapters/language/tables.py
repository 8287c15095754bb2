"""Strict reading of one TOML table: every key is asked for by kind, and what nobody asked for is a finding.

Owns: `Report`, which collects findings with their place, and `Table`. A wrong value is reported and replaced by a
harmless one, so that one pass names everything that is wrong. Nothing built from a reported table is ever used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from device_adapters.language.toml_lines import Path


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong with a profile: where, and why."""

    line: int
    reason: str
    file: str = ""  # where a profile extends another, and so is written in several
    path: Path = field(default=(), compare=False)  # what it is about, as the keys of the file lead there

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}" if self.file else f"line {self.line}: {self.reason}"


class Report:
    """Findings so far."""

    def __init__(self, lines: Mapping[Path, int], files: Mapping[Path, str] | None = None) -> None:
        self._lines = lines
        self._files = files or {}
        self._findings: set[Finding] = set()

    def add(self, path: Path, reason: str) -> None:
        """Something at `path` is wrong; a path that the file does not hold is shown at its nearest parent."""
        known = path
        while known not in self._lines:
            known = known[:-1]
        name = ".".join(str(part) for part in path)
        told = f"{name}: {reason}" if name else reason
        self._findings.add(Finding(self._lines[known], told, self._files.get(known, ""), path))

    def findings(self) -> list[Finding]:
        """All of them, by line."""
        return sorted(self._findings)


class Table:
    """One table of the file, being read."""

    def __init__(self, values: Mapping[str, object], path: Path, report: Report) -> None:
        self.path = path
        self.report = report
        self._values = values
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def wrong(self, key: str, reason: str) -> None:
        """Report the value of `key`."""
        self.report.add((*self.path, key), reason)

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """An integer within [low, high]."""
        value = self._take(key, default)
        if type(value) is not int:
            self._wrong_kind(key, value, "a whole number")
            return low
        if not low <= value <= high:
            self.wrong(key, f"{value} is outside {low} to {high}")
            return low
        return value

    def maybe_number(self, key: str) -> int | None:
        """An integer, or None when the key is not there."""
        self._asked.add(key)
        return self.number(key, -(2**63), 2**64) if key in self else None

    def text(self, key: str, default: str | None = None, among: Collection[str] | None = None) -> str:
        """A string; one of `among` when given."""
        value = self._take(key, default)
        if not isinstance(value, str):
            self._wrong_kind(key, value, "text")
            return ""
        if among is not None and value not in among:
            self.wrong(key, f'"{value}" is not one of {", ".join(sorted(among))}')
            return ""
        return value

    def maybe_text(self, key: str) -> str | None:
        """A string, or None when the key is not there."""
        self._asked.add(key)
        return self.text(key) if key in self else None

    def flag(self, key: str) -> bool:
        """True or false; absent is false."""
        value = self._take(key, default=False)
        if not isinstance(value, bool):
            self._wrong_kind(key, value, "true or false")
        return value is True

    def value(self, key: str) -> object:
        """Whatever stands there; None when nothing does."""
        self._asked.add(key)
        return self._values.get(key)

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        value = self._take(key, None)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._wrong_kind(key, value, "a list of texts")
            return []
        return cast("list[str]", value)

    def table(self, key: str, *, optional: bool = False) -> Table:
        """A table; an empty one stands in for a missing one, and says nothing more of what it lacks."""
        value = self._take(key, {} if optional else None)
        if not isinstance(value, dict):
            self._wrong_kind(key, value, "a table")
            return Table({}, (*self.path, key), Report({(): 1}))
        return Table(value, (*self.path, key), self.report)

    def tables(self, key: str) -> list[Table]:
        """A list of tables; absent is empty."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._wrong_kind(key, value, "a list of tables")
            return []
        return [Table(item, (*self.path, key, index), self.report) for index, item in enumerate(value)]

    def done(self) -> None:
        """Everything known was asked for: the rest is unknown."""
        for key in self._values.keys() - self._asked:
            self.wrong(key, "unknown key")

    def _take(self, key: str, default: object) -> object:
        self._asked.add(key)
        return self._values.get(key, default)

    def _wrong_kind(self, key: str, value: object, wanted: str) -> None:
        self.wrong(key, f"is missing; it must be {wanted}" if value is None else f"must be {wanted}")
