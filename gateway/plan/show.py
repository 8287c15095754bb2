"""What a person on the box may see of the plan: the public text only, never an opening (P7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scorelog.format.text import utc_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scorelog.format.plan import Plan, PlannedRig, Session


def as_status(plan: Plan | None, refused: str | None, opened: Iterable[str]) -> dict[str, Any]:
    """The part of the box's status: the plan in use, why a newer one is not, and its sessions."""
    known = set(opened)
    held = None if plan is None else {"point": plan.point, "version": plan.version, "sha256": plan.sha256}
    sessions = [] if plan is None else [_session(one, one.id in known) for one in _by_time(plan)]
    return {"plan": held, "plan_refused": refused, "sessions": sessions}


def as_document(plan: Plan, gateway_id: str) -> dict[str, Any]:
    """The kept plan as a document."""
    return {
        **as_status(plan, None, ()),
        "published": plan.published,
        "name": {"zh": plan.name.zh, "en": plan.name.en},
        "gateways": list(plan.gateways),
        "rigs": [_rig(rig, gateway_id) for rig in plan.rigs],
    }


def as_text(plan: Plan, gateway_id: str) -> str:
    """The same for a terminal."""
    return "\n".join(_lines(plan, gateway_id))


def _lines(plan: Plan, gateway_id: str) -> Iterator[str]:
    yield f"{plan.point}  {plan.name.zh} / {plan.name.en}"
    yield f"version {plan.version}, published {plan.published}"
    yield f"sha256 {plan.sha256}"
    for session in _by_time(plan):
        placed = sum(bool(one.places) for one in session.candidates)
        yield (
            f"  session {session.id}  {session.opens} to {session.closes}  {session.occupation}  "
            f"{len(session.candidates)} candidates, {placed} with places"
        )
    for rig in plan.rigs:
        owner = "" if rig.gateway == gateway_id else f"  of {rig.gateway}"
        yield f"  {rig.station:12} {rig.serial:16} {rig.purpose:17} {' '.join(rig.items)}{owner}"


def _session(session: Session, is_open: bool) -> dict[str, Any]:
    return {
        "id": session.id,
        "opens": session.opens,
        "closes": session.closes,
        "open": is_open,
        "occupation": session.occupation,
        "candidates": len(session.candidates),
    }


def _rig(rig: PlannedRig, gateway_id: str) -> dict[str, Any]:
    return {
        "rig": rig.serial,
        "station": rig.station,
        "room": rig.room,
        "purpose": rig.purpose,
        "items": list(rig.items),
        "gateway": rig.gateway,
        "ours": rig.gateway == gateway_id,
    }


def _by_time(plan: Plan) -> list[Session]:
    return sorted(plan.sessions, key=lambda one: utc_us(one.opens))
