"""What an entry does that its log's own plan does not allow (docs/formats/plan.md B7, S3). Pure.

Judged by the plan that the same log had adopted before the entry, so that neither the order of arrival nor what another
gateway adopted changes an alarm. Owns the rules; a plan is read in plans.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scorelog.format import types
from server.projection.alerts import Alert
from server.projection.errors import Unreadable
from server.projection.facts import optional_text, text, time_us

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.projection.facts import Fact
    from server.projection.plans import PlanFacts

TRAINING_RIG: Final = "training_rig"
EXAM: Final = "exam"
_EXAM_TYPES: Final = frozenset({*types.CLOSING, types.IDENTITY_CHECKED, types.ITEM_FINISHED})


def notes_on(fact: Fact, plan: PlanFacts | None) -> tuple[str, ...]:
    """What stands beside an exam record because of where it was made."""
    exam = fact.type in _EXAM_TYPES and fact.entry.document.get("mode", EXAM) == EXAM
    return (TRAINING_RIG,) if plan and exam and plan.training(fact.rig) else ()


def owner_of(fact: Fact, plan: PlanFacts | None) -> str | None:
    """The gateway to which the plan gives this rig, if it is another one (B7)."""
    found = plan.rigs.get(fact.rig or "") if plan else None
    return found.gateway if found and found.gateway != fact.place.gateway else None


def plan_alerts(fact: Fact, plan: PlanFacts | None, nonces: Mapping[str, str | None]) -> list[Alert]:
    """The alarms of one entry."""
    if not fact.counts:
        return []
    if fact.type == types.SESSION_OPENED:
        return _nonce(fact, nonces)
    return _practice(fact, plan) if plan else []


def _nonce(fact: Fact, nonces: Mapping[str, str | None]) -> list[Alert]:
    """A nonce that this server did not tell proves nothing, and somebody made it up."""
    session, nonce = text(fact.fields, "session"), optional_text(fact.fields, "nonce")
    if nonce is None or session not in nonces or nonces[session] == nonce:
        return []
    reason = "unknown" if nonces[session] is None else "another"
    return [_alert(fact, "session_nonce_wrong", {"session": session, "reason": reason})]


def _practice(fact: Fact, plan: PlanFacts) -> list[Alert]:
    """Practice or maintenance while a session has the station: exam rigs are used for something else."""
    if fact.type == types.RIG_MODE:
        mode = optional_text(fact.fields, "new")
    elif fact.type == types.PRACTICE_SUMMARY:
        mode = optional_text(fact.fields, "mode")
    else:
        return []
    station = plan.station_of(fact.rig, fact.entry.station)
    spans = [("read", fact.read_us, fact.read_us), *_told(fact)] if mode not in (None, EXAM) else []
    found = {(one.id, by): None for by, first, last in spans for one in plan.sessions_at(station, first, last)}
    if not found:
        return []
    detail: dict[str, Any] = {"mode": mode, "station": station, "session": sorted({session for session, _ in found})}
    return [_alert(fact, "practice_in_session", detail | {"by": sorted({by for _, by in found})})]


def _told(fact: Fact) -> list[tuple[str, int, int]]:
    """When the rig says that it was: a run that a gateway read late may lie inside a window all the same."""
    try:
        first, last = (time_us(optional_text(fact.fields, name)) for name in ("started", "finished"))
    except Unreadable:
        return []
    return [("rig", first, last)] if first is not None and last is not None else []


def _alert(fact: Fact, kind: str, detail: Mapping[str, Any]) -> Alert:
    place = fact.place
    return Alert(kind, "alarm", place.origin, place.index, fact.rig, fact.attempt, place.received_us, detail)
