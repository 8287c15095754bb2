"""The wall's places: exam points, rooms, stations and rigs as the newest plans have them, and who sits where.

Owns how plans look on the live page. What happens at a rig comes from the board, by gateway and serial; a rig that no
plan names stands by itself. Names go to operators who ask for them, and never into the shared stream (P7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.errors import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scorelog.format.plan import Room, Session
    from server.plan.store import PlanStore, StoredPlan


class Wall:
    """Reads plans; keeps nothing."""

    def __init__(self, plans: PlanStore) -> None:
        self._plans = plans

    async def points(self) -> list[dict[str, Any]]:
        """Every point with its rooms. One whose plan cannot be read says so and does not hide the others (P8)."""
        return [await self._point(point) for point in await self._plans.points()]

    async def named(self) -> dict[str, str]:
        """Point → hash of its newest plan: when this changes, the places are read again."""
        newest: dict[str, tuple[int, str]] = {}
        for head in await self._plans.heads():
            newest[head.point] = max(newest.get(head.point, (0, "")), (head.version, head.sha256))
        return {point: sha256 for point, (_, sha256) in newest.items()}

    async def candidates(self, attempts: Iterable[str]) -> dict[str, dict[str, str]]:
        """Attempt → what opens its commitments, as far as it is still there. Personal."""
        return await self._plans.openings(attempts)

    async def _point(self, point: str) -> dict[str, Any]:
        try:
            stored = await self._plans.current(point)
        except Damaged:
            stored = None
        if stored is None:
            return {"id": point, "name": {"zh": point, "en": point}, "version": None, "sessions": [], "rooms": []}
        return _of(stored)


def _of(stored: StoredPlan) -> dict[str, Any]:
    plan = stored.plan
    return {
        "id": plan.point,
        "name": {"zh": plan.name.zh, "en": plan.name.en},
        "version": stored.version,
        "sessions": [_session(one) for one in plan.sessions],
        "rooms": [_room(room) for room in plan.rooms],
    }


def _session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "occupation": session.occupation,
        "opens_ms": session.opens_us // 1000,
        "closes_ms": session.closes_us // 1000,
        "candidates": len(session.candidates),
    }


def _room(room: Room) -> dict[str, Any]:
    return {
        "id": room.id,
        "name": {"zh": room.name.zh, "en": room.name.en},
        "stations": [
            {
                "id": station.id,
                "rigs": [{"rig": rig.serial, "gateway": rig.gateway, "purpose": rig.purpose} for rig in station.rigs],
            }
            for station in room.stations
        ],
    }
