"""What a verification found: one finding a check, one line a finding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scorelog.format.wrapped import inside

if TYPE_CHECKING:
    from scorelog.format.entry import Entry

_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it holds, what was checked, and the sentence that says so."""

    ok: bool
    check: str
    text: str
    origin: str | None = None
    index: int | None = None

    @property
    def line(self) -> str:
        """The finding as one line of output."""
        return f"{'proven' if self.ok else 'not proven'}: {self.text}"

    def to_json(self) -> dict[str, Any]:
        """The finding as an object."""
        return {"check": self.check, "index": self.index, "ok": self.ok, "origin": self.origin, "text": self.text}


@dataclass(frozen=True, slots=True)
class Report:
    """All findings on one attempt."""

    attempt: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(one.ok for one in self.findings)

    @property
    def summary(self) -> Finding:
        """The last line."""
        failed = sum(not one.ok for one in self.findings)
        entries = sum(one.check == "entry" for one in self.findings)
        if failed:
            text = f"attempt {self.attempt}: {failed} of {len(self.findings)} checks failed"
        else:
            text = f"attempt {self.attempt} as a whole, {entries} entries"
        return Finding(failed == 0, "attempt", text)

    def to_json(self) -> dict[str, Any]:
        """The report as an object."""
        return {
            "attempt": self.attempt,
            "findings": [one.to_json() for one in self.findings],
            "proven": self.ok,
            "v": 1,
        }


def describe(entry: Entry) -> str:
    """What an entry is about, in a few words and without personal data: `item.finished K21 87.50`."""
    inner = inside(entry)
    if inner is not None:
        return f"{entry.type}: {describe(inner)}"
    item, score = entry.fields.get("item"), entry.fields.get("score")
    words = [entry.type]
    if isinstance(item, str) and item.isalnum():
        words.append(item[:8])
    if type(score) is int and score >= 0:
        words.append(f"{score // 100}.{score % 100:02}")
    return " ".join(words)


def cosigned(cosigned_by: tuple[tuple[str, int], ...]) -> str:
    """Who vouches for a checkpoint since when."""
    if not cosigned_by:
        return "cosigned by nobody, as the policy allows"
    return "stored by " + ", ".join(f"{name} at {utc_seconds(time_s)}" for name, time_s in cosigned_by)


def utc_seconds(time_s: int) -> str:
    """A POSIX time in UTC; the bare number if no calendar holds it."""
    if time_s > _LAST_SECOND:
        return f"second {time_s}"
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
