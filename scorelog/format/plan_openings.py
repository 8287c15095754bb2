"""The openings that travel beside a plan, and whether they open its commitments (rule 3 of docs/formats/plan.md).

Owns their JSON form and the comparison. They are personal: no repr, error or finding here holds a value or a blind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scorelog.format.commitment import commit
from scorelog.format.errors import PlanError
from scorelog.format.limits import ATTEMPT_BYTES, BLIND_BYTES, OPENING_VALUE_BYTES_MAX
from scorelog.format.text import is_hex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scorelog.format.canonical import JsonObject
    from scorelog.format.plan import Plan

TICKET: Final = "ticket"
FIELDS: Final = ("masked_id", "name", TICKET)
"""The personal fields of a plan."""

MISSING: Final = "missing"
"""A commitment without an opening: erased, or never sent."""

WRONG: Final = "wrong"
"""An opening that does not open its commitment."""

UNKNOWN: Final = "unknown"
"""An opening of no commitment of the plan."""

TWICE: Final = "twice"
"""Two openings of one commitment; each is checked."""


@dataclass(frozen=True, slots=True)
class PlanOpening:
    """What opens one commitment of an attempt. Personal: never in an entry, a log line or an error."""

    attempt: str
    field: str
    blind: bytes
    value: str

    def __repr__(self) -> str:
        return f"PlanOpening(attempt={self.attempt!r}, field={self.field!r})"

    @property
    def sha256(self) -> str:
        """The commitment (hex) that this opens."""
        return commit(self.blind, self.field, self.value.encode()).hex()

    def to_json(self) -> JsonObject:
        """One element of the answer's `openings`."""
        return {"attempt": self.attempt, "blind": self.blind.hex(), "field": self.field, "value": self.value}


@dataclass(frozen=True, slots=True, order=True)
class OpeningFinding:
    """One way in which openings and commitments do not fit; `kind` is one of MISSING, WRONG, UNKNOWN, TWICE."""

    attempt: str
    field: str
    kind: str


def parse_openings(values: Any) -> tuple[PlanOpening, ...]:
    """The openings of an answer, as its JSON holds them; unknown keys are ignored."""
    if not isinstance(values, list):
        raise PlanError(f"a {type(values).__name__}", where="plan openings", expected="a list")
    return tuple(_opening(value, f"plan opening {number}") for number, value in enumerate(values, 1))


def check_openings(plan: Plan, openings: Iterable[PlanOpening]) -> list[OpeningFinding]:
    """Every commitment of the plan against its opening; sorted, and empty if each is opened by exactly one."""
    stated = {
        (candidate.attempt, one.field): one.sha256
        for session in plan.sessions
        for candidate in session.candidates
        for one in candidate.commitments
    }
    seen: set[tuple[str, str]] = set()
    found: set[OpeningFinding] = set()
    for opening in openings:
        key = (opening.attempt, opening.field)
        if key not in stated:
            found.add(OpeningFinding(*key, UNKNOWN))
        elif opening.sha256 != stated[key]:
            found.add(OpeningFinding(*key, WRONG))
        if key in seen:
            found.add(OpeningFinding(*key, TWICE))
        seen.add(key)
    return sorted(found | {OpeningFinding(*key, MISSING) for key in stated.keys() - seen})


def _opening(value: Any, where: str) -> PlanOpening:
    if not isinstance(value, dict):
        raise PlanError(f"a {type(value).__name__}", where=where, expected="an object")
    attempt, field, blind, word = (value.get(name) for name in ("attempt", "field", "blind", "value"))
    if not isinstance(attempt, str) or not is_hex(attempt, ATTEMPT_BYTES):
        raise PlanError("no attempt", where=where, expected=f"{ATTEMPT_BYTES} bytes in hex")
    if field not in FIELDS:
        raise PlanError("another field", where=where, expected=" or ".join(FIELDS))
    if not isinstance(blind, str) or not is_hex(blind, BLIND_BYTES):
        raise PlanError("no blind", where=where, expected=f"{BLIND_BYTES} bytes in hex")
    return PlanOpening(attempt, field, bytes.fromhex(blind), _value(word, where))


def _value(word: Any, where: str) -> str:
    try:
        if isinstance(word, str) and len(word.encode()) <= OPENING_VALUE_BYTES_MAX:
            return word
    except UnicodeEncodeError:
        pass  # a lone surrogate; the error below must not show the value
    raise PlanError("no value", where=where, expected=f"a text of at most {OPENING_VALUE_BYTES_MAX} bytes")
