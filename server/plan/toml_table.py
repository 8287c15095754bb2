"""Reading one TOML table of a plan: every key is taken, what is wrong is noted, and reading goes on.

A value that does not fit is never shown: a person could have put a candidate there (P7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from server.plan.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from device_adapters.language.toml_lines import Path

_SHOWN_KEY: Final = re.compile(r"[a-z_]{1,32}\Z")
_WHEN: Final = "a time with its offset, like 2026-11-23T08:30:00+08:00"
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table stands in its file."""

    lines: Mapping[Path, int]
    path: Path = ()

    def of(self, key: str) -> int:
        """The line of a key, else that of its table; 0 where neither is written."""
        return self.lines.get((*self.path, key), self.lines.get(self.path, 0) if self.path else 0)

    def inside(self, *steps: str | int) -> Place:
        """Of a table of this one."""
        return Place(self.lines, (*self.path, *steps))


class Table:
    """One table being read. What was refused is read as an empty value, and the findings tell."""

    def __init__(self, value: Any, name: str, place: Place, findings: list[Finding]) -> None:
        self.place = place
        self._name = name
        self._findings = findings
        self._left: dict[str, Any] = dict(value) if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.wrong("", "not a table", f"write it below a line [[{name}]]")

    def wrong(self, key: str, problem: str, remedy: str) -> None:
        """Note what is wrong with a key."""
        column = f"{self._name}.{key}" if key else self._name
        self._findings.append(Finding(self.place.of(key), column, problem, remedy, unit="line"))

    def take(self, key: str, kind: type | tuple[type, ...], remedy: str, default: Any = None) -> Any:
        """The value of a key; None when it is not there or of another kind."""
        if key not in self._left:
            if default is None:
                self.wrong(key, "missing", f"write {remedy}")
            return default
        value = self._left.pop(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            self.wrong(key, "not of the right kind", f"write {remedy}")
            return None
        return value

    def word(self, key: str, pattern: re.Pattern[str], remedy: str, default: str | None = None) -> str:
        """A string of a pattern."""
        value = self.take(key, str, remedy, default)
        if value is not None and value != default and not pattern.match(value):
            self.wrong(key, "not in the right form", f"write {remedy}")
            return ""
        return value or ""

    def choice(self, key: str, words: tuple[str, ...], default: str | None = None) -> str:
        """One of some words."""
        value = self.take(key, str, " or ".join(words), default)
        if value is not None and value not in words:
            self.wrong(key, "another word", f"write {' or '.join(words)}")
            return words[0]
        return value or words[0]

    def text(self, key: str) -> dict[str, str]:
        """A name in both languages."""
        remedy = '{ zh = "…", en = "…" }'
        value = self.take(key, dict, remedy)
        if value is None:
            return {"en": "", "zh": ""}
        words = [value.get(language) for language in ("en", "zh")]
        if len(value) != len(words) or not all(isinstance(one, str) and one.strip() for one in words):
            self.wrong(key, "not a name in both languages", f"write {remedy}")
            return {"en": "", "zh": ""}
        return {"en": words[0], "zh": words[1]}

    def words(self, key: str, pattern: re.Pattern[str], remedy: str) -> list[str]:
        """A list of strings of a pattern, each once."""
        found = self.take(key, list, f"a list, each {remedy}")
        kept: list[str] = []
        for place, value in enumerate(found or [], 1):
            if not isinstance(value, str) or not pattern.match(value):
                self.wrong(key, f"number {place} is not in the right form", f"write {remedy}")
            elif value in kept:
                self.wrong(key, f"number {place} stands twice", "write it once")
            else:
                kept.append(value)
        return kept

    def time(self, key: str) -> datetime:
        """A point in time, in UTC."""
        value = self.take(key, (str, datetime), _WHEN)
        if value is None:
            return NEVER
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
            if moment.tzinfo is None:
                self.wrong(key, "a time without its offset", f"write {_WHEN}")
                return NEVER
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.wrong(key, "no time", f"write {_WHEN}")
            return NEVER

    def tables(self, key: str, name: str, *, least: int = 1) -> Iterator[Table]:
        """The tables of a list."""
        values = self.take(key, list, f"[[{name}]]", None if least else [])
        if values is not None and len(values) < least:
            self.wrong(key, "none", f"write [[{name}]]")
        for index, value in enumerate(values or []):
            yield Table(value, name, self.place.inside(key, index), self._findings)

    def new(self, key: str, value: str, seen: set[str]) -> None:
        """Take an id into those that were seen; it stands once."""
        if value and value in seen:
            self.wrong(key, "stands twice in the plan", "give each its own")
        seen.add(value)

    def done(self) -> None:
        """Name what nobody took."""
        for key in self._left:
            shown = key if _SHOWN_KEY.match(key) else ""
            self.wrong(shown, "an unknown key", "take it out; docs/formats/plan.md has the keys")
