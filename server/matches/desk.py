"""The desk at which a person matches: lists what is staged, offers who it may be, stores what was decided.

    page or API ─ match, undo ─▶ rules ─▶ MatchStore ─ nudge ─▶ projector of the process that leads ─▶ attempts

Owns the order of those steps. Personal values come from the plan's openings at the page, never through here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.errors import Refused
from server.matches import limits
from server.matches.rules import Objection, objection
from server.matches.store import Match
from server.projection import queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scorelog.journal.clock import Clock
    from server.matches.store import MatchStore
    from server.projection.rubrics import RubricBook
    from server.projection.store import ProjectionStore

Row = dict[str, Any]


class Objected(Refused):
    """A match that does not fit; carries why."""

    def __init__(self, why: Objection) -> None:
        super().__init__(409 if why.code == "changed" else 422, str(why))
        self.why = why


class MatchDesk:
    """One per process."""

    def __init__(
        self,
        store: MatchStore,
        projections: ProjectionStore,
        book: RubricBook,
        clock: Clock,
        nudge: Callable[[], Awaitable[object]],
    ) -> None:
        self._store = store
        self._projections = projections
        self._book = book
        self._clock = clock
        self._nudge = nudge

    async def staged(self) -> list[Row]:
        """What waits for a person, newest first."""
        async with self._projections.reading() as db:
            return await queries.staged(db, limits.STAGED_SHOWN)

    async def _learn(self, rubrics: set[str]) -> None:
        """A process that does not project has not read every rubric yet."""
        if all(self._book.rubric(one) for one in rubrics):
            return
        for row in await self._projections.adoptions():
            if row["sha256"] in rubrics:
                self._book.take(row["index"], row["kind"], row["sha256"], row["text"])

    async def offers(self, attempt: str) -> list[Row]:
        """Planned attempts to which it may be given, as planned rows; sessions nearest in time first."""
        async with self._projections.reading() as db:
            staged = await queries.attempt(db, attempt)
            if staged is None:
                return []
            gateways = {run["gateway"] for run in staged["runs"]}
            plans = [plan for plan in await queries.plans(db) if gateways <= set(plan["gateways"])]
            await self._learn({session["rubric"] for plan in plans for session in plan["sessions"]})
            sessions = [
                (_distance(session, staged), session["id"], plan) for plan in plans for session in plan["sessions"]
            ]
            found: list[Row] = []
            for _, session, plan in sorted(sessions, key=lambda one: one[:2]):
                rows = await queries.session_attempts(db, plan["sha256"], session)
                found += [row for row in rows if self._fits(staged, row, plan)]
                if len(found) >= limits.OFFERED:
                    break
        return found[: limits.OFFERED]

    def _fits(self, staged: Row, planned: Row, plan: Row) -> bool:
        return objection(staged, planned, planned["attempt_row"], plan["gateways"], self._book) is None

    async def match(self, staged: str, planned: str, account: str, why: str) -> Match:
        """Give the records of a staged attempt to a planned one; Objected says why not."""
        why = _reason(why)
        current = await self._store.current(staged)
        async with self._projections.reading() as db:
            row = await queries.attempt(db, staged)
            if row is None or not row["staged"] or (current is not None and current.planned is not None):
                raise Objected(Objection("not_staged", {"attempt": staged}))
            detail = await queries.attempt_detail(db, planned)
            plan = await queries.plan_by(db, detail["planned"]["sha256"]) if detail and detail["planned"] else None
        if detail is None or plan is None:
            raise Objected(Objection("not_planned", {"attempt": planned}))
        await self._learn({detail["planned"]["rubric"]})
        against = objection(row, detail["planned"], detail["attempt"], plan["gateways"], self._book)
        if against is not None:
            raise Objected(against)
        return await self._keep(staged, planned, account, why, current)

    async def undo(self, staged: str, account: str, why: str) -> Match:
        """Take a match back; the row that was is kept."""
        why = _reason(why)
        current = await self._store.current(staged)
        if current is None or current.planned is None:
            raise Objected(Objection("not_matched", {"attempt": staged}))
        return await self._keep(staged, None, account, why, current)

    async def _keep(self, staged: str, planned: str | None, account: str, why: str, current: Match | None) -> Match:
        made = Match(0, staged, planned, account, why, self._clock.now_us())
        stored = await self._store.add(made, current.number if current else None)
        if stored is None:
            raise Objected(Objection("changed"))
        await self._nudge()
        await self._shown(stored.number)
        return stored

    async def _shown(self, number: int) -> None:
        """Wait a moment for the projections, so that the next page shows it; it counts in any case."""
        until_us = self._clock.mono_us() + int(limits.SHOWN_WITHIN_S * 1e6)
        while await self._projections.matches_taken() < number and self._clock.mono_us() < until_us:
            await self._clock.sleep(limits.LOOK_EVERY_S)


def _reason(why: str) -> str:
    why = why.strip()
    if not why:
        raise Objected(Objection("no_why"))
    if len(why) > limits.WHY_MAX:
        raise Objected(Objection("why_too_long", {"limit": limits.WHY_MAX}))
    return why


def _distance(session: Row, staged: Row) -> int:
    """How far the records lie outside the session's window, µs."""
    return int(max(0, session["opens_us"] - staged["last_us"], staged["first_us"] - session["closes_us"]))
