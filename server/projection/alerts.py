"""Alerts that follow from evidence. Their ids follow from it too, so an acknowledgement survives a rebuild."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from scorelog.format import types
from server.projection.relogged import DIFFERS, DISPLACED, DOUBTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.projection.facts import Fact
    from server.projection.judge import Judgement

Severity = Literal["alarm", "warning", "notice"]

# Entries that a person should see because of their type alone.
_BY_TYPE: Final[Mapping[str, tuple[str, Severity]]] = {
    types.SEQUENCE_GAP: ("sequence_gap", "alarm"),
    types.READING_REFUSED: ("reading_refused", "warning"),
    types.GENERATION_OPENED: ("generation_opened", "alarm"),
    types.CLOCK_STEPPED: ("clock_stepped", "warning"),
    types.RIG_REBOOTED: ("rig_rebooted", "notice"),
}
_BY_FLAG: Final[Mapping[str, tuple[str, Severity]]] = {
    "conflict": ("conflict", "alarm"),
    "wrong_opening": ("wrong_opening", "warning"),
    "unknown_type": ("unknown_type", "notice"),
}
_ALTERED, _UNPROVEN = DOUBTS["altered"], DOUBTS["unproven"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that a person should see, with the entry that it rests on."""

    kind: str
    severity: Severity
    origin: str | None
    index: int | None
    rig: str | None
    attempt: str | None
    at_us: int
    detail: Mapping[str, Any]
    level: str = "entry"

    @property
    def id(self) -> str:
        """From kind and place: the same alert is the same id after a rebuild."""
        name = f"{self.kind}\n{self.origin}\n{self.index}\n{self.rig}\n{self.level}"
        return "p" + hashlib.sha256(name.encode()).hexdigest()[:24]

    def to_row(self, scope: str) -> dict[str, Any]:
        """For the table; all alerts of a scope are replaced together."""
        return {
            "id": self.id,
            "scope": scope,
            "kind": self.kind,
            "severity": self.severity,
            "origin": self.origin,
            "index": self.index,
            "rig": self.rig,
            "attempt": self.attempt,
            "at_us": self.at_us,
            "detail": dict(self.detail),
        }


def alerts_of(fact: Fact, judged: Judgement) -> list[Alert]:
    """The alerts of one entry."""
    found = _doubts(fact)
    if not fact.counts:
        return [_alert(fact, DIFFERS, "alarm", {"type": fact.type})] if DIFFERS in fact.flags else []
    if fact.type in _BY_TYPE:
        kind, severity = _BY_TYPE[fact.type]
        if fact.type != types.RIG_REBOOTED or fact.fields.get("previous_epoch") is not None:
            found.append(_alert(fact, kind, severity, _short(fact.fields)))
    for flag in fact.flags:
        if flag in _BY_FLAG:
            kind, severity = _BY_FLAG[flag]
            found.append(_alert(fact, kind, severity, {"type": fact.type}))
    if judged.verdict == "mismatch":
        differences = [one.to_json() for one in judged.differences]
        found.append(_alert(fact, "recompute_mismatch", "alarm", {"type": fact.type, "differences": differences}))
    if judged.verdict == "impossible":
        found.append(_alert(fact, "not_recomputable", "warning", {"type": fact.type, "notes": list(judged.notes)}))
    return found


def _doubts(fact: Fact) -> list[Alert]:
    """What is altered is told entry by entry; what is only unproven once a log, for there may be thousands."""
    if fact.counts and _ALTERED in fact.flags:
        return [_alert(fact, _ALTERED, "alarm", {"type": fact.type})]
    if fact.counts and DISPLACED in fact.flags:
        return [_alert(fact, DISPLACED, "alarm", {"type": fact.type})]
    if fact.counts and _UNPROVEN in fact.flags:
        place = fact.place
        return [Alert(_UNPROVEN, "warning", place.origin, None, None, None, place.received_us, {}, level="origin")]
    return []


def _alert(fact: Fact, kind: str, severity: Severity, detail: Mapping[str, Any]) -> Alert:
    place = fact.place
    return Alert(kind, severity, place.origin, place.index, fact.rig, fact.attempt, place.received_us, detail)


def _short(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if isinstance(value, int | str | bool)}
