"""What the doctor found, step by step: level, plain words and advice in both languages. Prints nothing itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Level = Literal["ok", "warn", "FAIL"]
LANGUAGES: Final = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Finding:
    """One step. Words name files, addresses and serial numbers; never a key and never anything personal (P7)."""

    step: str
    level: Level
    en: str
    zh: str


def good(step: str, en: str, zh: str) -> Finding:
    """As it should be."""
    return Finding(step, "ok", en, zh)


def warn(step: str, en: str, zh: str) -> Finding:
    """Works, or cannot be told; somebody should look."""
    return Finding(step, "warn", en, zh)


def fail(step: str, en: str, zh: str) -> Finding:
    """Does not work until somebody acts."""
    return Finding(step, "FAIL", en, zh)


def failed(findings: Sequence[Finding]) -> bool:
    """Whether anything must be done."""
    return any(finding.level == "FAIL" for finding in findings)


def as_text(findings: Sequence[Finding], languages: Sequence[str]) -> str:
    """For a terminal: one line a step and language."""
    lines = []
    for finding in findings:
        words = [finding.zh if language == "zh" else finding.en for language in languages]
        lines.append(f"{finding.level:5} {finding.step}: {words[0]}")
        lines += [f"      {text}" for text in words[1:]]
    return "\n".join(lines)


def as_document(findings: Sequence[Finding]) -> dict[str, Any]:
    """For a program."""
    return {"ok": not failed(findings), "steps": [asdict(finding) for finding in findings]}
