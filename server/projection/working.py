"""The attempts that were touched lately, as the tables have them, so that composing one again reads nothing back.

    rows about to be written ─ add ─▶ Held per attempt ─▶ compose        not held? ─ load ─▶ read from the tables first

Bounded: the least lately touched are let go. What makes it stale:
- a transaction that was rolled back, rows written again, matches, another process: all of it is forgotten;
- a plan that is adopted: what plans say of attempts is asked anew;
- a session that is opened or closed somewhere: whether it is over is asked anew.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scorelog.format import types
from server.projection import limits, schema
from server.projection.runs import Planned
from server.projection.writing import alerts_in, parted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]


@dataclass(slots=True)
class Held:
    """One attempt: its rows, and its own alerts by id."""

    items: list[Row] = field(default_factory=list)
    marks: list[Row] = field(default_factory=list)
    tickets: set[str] = field(default_factory=set)
    alerts: dict[str, Row] = field(default_factory=dict)


class WorkingSet:
    """Rows by attempt; always the same as the tables inside the running transaction."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()  # those of them that are over, least lately composed first
        self._planned: dict[str, Planned | None] = {}
        self._over: dict[str, bool] = {}

    def __len__(self) -> int:
        return len(self._held)

    def forget(self) -> None:
        """The tables may have changed by another way."""
        self._held.clear()
        self._ended.clear()
        self._planned.clear()
        self._over.clear()

    def replanned(self) -> None:
        """A plan was adopted."""
        self._planned.clear()

    def sessions_moved(self, sessions: Iterable[str]) -> None:
        """A gateway opened or closed these."""
        for session in sessions:
            self._over.pop(session, None)

    def of(self, attempt: str) -> Held:
        """An attempt that was loaded."""
        self._held.move_to_end(attempt)
        return self._held[attempt]

    def composed(self, attempt: str, *, over: bool) -> None:
        """How it stands now."""
        self._ended.pop(attempt, None)
        if over:
            self._ended[attempt] = None

    def trim(self) -> None:
        """Let go what is over, then what was not touched for longest; everything held is in the tables."""
        while len(self._ended) > limits.ATTEMPTS_OVER_HELD:
            self._let_go(next(iter(self._ended)))
        while len(self._held) > limits.ATTEMPTS_HELD:
            self._let_go(next(iter(self._held)))
        if len(self._over) > limits.SESSIONS_KNOWN:
            self._over.clear()

    def _let_go(self, attempt: str) -> None:
        self._held.pop(attempt, None)
        self._ended.pop(attempt, None)
        self._planned.pop(attempt, None)

    def add(self, items: Iterable[Row], marks: Iterable[Row], tickets: Iterable[tuple[str, str]]) -> list[Row]:
        """Rows that are written now, of attempts that were loaded before; the rows of tickets that are new."""
        for row in items:
            if row["attempt"]:
                self._held[row["attempt"]].items.append(row)
        for row in marks:
            self._held[row["attempt"]].marks.append(row)
        new = [(attempt, value) for attempt, value in sorted(tickets) if value not in self._held[attempt].tickets]
        for attempt, value in new:
            self._held[attempt].tickets.add(value)
        return [{"attempt": attempt, "value": value} for attempt, value in new]

    async def load(self, db: AsyncConnection, attempts: Collection[str]) -> None:
        """Make sure that these are held."""
        for part in parted([attempt for attempt in attempts if attempt not in self._held]):
            new = {attempt: Held() for attempt in part}
            for row in await _of(db, schema.items, part):
                new[row["attempt"]].items.append(row)
            for row in await _of(db, schema.marks, part):
                new[row["attempt"]].marks.append(row)
            for row in await _of(db, schema.tickets, part):
                new[row["attempt"]].tickets.add(row["value"])
            for scope, alerts in (await alerts_in(db, [scope_of(attempt) for attempt in part])).items():
                new[scope.partition("/")[2]].alerts = alerts
            self._held |= new

    async def plan(self, db: AsyncConnection, attempts: Collection[str]) -> dict[str, Planned]:
        """Of those that a plan names: the attempt in the newest plan that has it."""
        for part in parted([attempt for attempt in attempts if attempt not in self._planned]):
            self._planned |= dict.fromkeys(part) | await _planned(db, part)
        found = {attempt: planned for attempt in attempts if (planned := self._planned[attempt]) is not None}
        for part in parted({planned.session for planned in found.values()} - set(self._over)):
            self._over |= await _over(db, part)
        return {
            attempt: replace(planned, over=True) if self._over[planned.session] else planned
            for attempt, planned in found.items()
        }


def scope_of(attempt: str) -> str:
    """Of the alerts that only the whole attempt shows."""
    return f"attempt/{attempt}"


async def _of(db: AsyncConnection, table: sa.Table, attempts: Sequence[str]) -> list[Row]:
    return [dict(row) for row in (await db.execute(sa.select(table).where(table.c.attempt.in_(attempts)))).mappings()]


async def _planned(db: AsyncConnection, attempts: Sequence[str]) -> dict[str, Planned | None]:
    """One that this server did not publish counts only where there is no other."""
    planned, plans = schema.planned_attempts, schema.adopted_plans.c
    query = sa.select(planned, plans.known, plans.gateways).select_from(
        planned.join(schema.adopted_plans, planned.c.sha256 == plans.sha256)
    )
    best: dict[str, Mapping[Any, Any]] = {}
    for row in (await db.execute(query.where(planned.c.attempt.in_(attempts)))).mappings():
        other = best.get(row["attempt"])
        if other is None or _counts_before(row) > _counts_before(other):
            best[row["attempt"]] = row
    return {attempt: _from(row) for attempt, row in best.items()}


def _counts_before(row: Mapping[Any, Any]) -> tuple[bool, int, str]:
    return row["known"] is not False, row["version"], row["sha256"]


def _from(row: Mapping[Any, Any]) -> Planned:
    return Planned(
        session=row["session"],
        point=row["point"],
        plan=row["sha256"],
        version=row["version"],
        try_no=row["try_no"],
        rubric=row["rubric"],
        items=tuple(row["items"]),
        places=tuple(row["places"]),
        gateways=frozenset(row["gateways"]),
        known=row["known"],
    )


async def _over(db: AsyncConnection, sessions: Sequence[str]) -> dict[str, bool]:
    table = schema.session_marks
    marks: dict[str, list[Row]] = {session: [] for session in sessions}
    for row in (await db.execute(sa.select(table).where(table.c.session.in_(sessions)))).mappings():
        marks[row["session"]].append(dict(row))
    return {session: session_over(found) for session, found in marks.items()}


def session_over(marks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every gateway that opened the session has closed it since."""
    newest: dict[str, tuple[int, int, str]] = {}
    for mark in marks:
        generation = mark["origin"].rpartition("/")[2]
        here = (int(generation) if generation.isdecimal() else -1, mark["index"], mark["type"])
        newest[mark["gateway"]] = max(here, newest.get(mark["gateway"], here))
    return bool(newest) and all(kind == types.SESSION_CLOSED for _, _, kind in newest.values())
