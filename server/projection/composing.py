"""Attempts composed again, whenever something that they rest on has changed; each once a batch.

    touched by a batch · named by a new plan · waiting for a rubric · in a session that closed · matched ─▶ recompose

Owns what an attempt rests on and the row of `attempts`; the result itself is computed in compose.py. A match brings the
records of a staged attempt to a planned one: both are composed again, and the staged one says where its records went.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from server.projection import schema
from server.projection.compose import Composed, Matching, compose
from server.projection.scores import Result
from server.projection.working import WorkingSet, scope_of
from server.projection.writing import drop_alerts, parted, upsert_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.projection.rubrics import Adopted
    from server.projection.runs import Planned
    from server.projection.turns import Turns

Row = dict[str, Any]


@dataclass(slots=True)
class Recomposed:
    """What came of it: how the attempts stand, by id, and the tickets that may be shown beside their scores."""

    results: list[Result] = field(default_factory=list)
    tickets: dict[str, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class Composing:
    """What composing needs of the projector. `matched`: whether there are matches at all."""

    adopted: Adopted
    work: WorkingSet
    matched: bool = False
    turns: Turns | None = None

    async def recompose(self, db: AsyncConnection, attempts: Collection[str]) -> Recomposed:
        """Compose these again, and those to which their records are matched."""
        found = set(attempts)
        if self.matched:
            for part in parted(attempts):
                found |= await _beside(db, part)
        done = Recomposed()
        for part in parted(found):
            matchings = await _matchings(db, part) if self.matched else {}
            staged = {one["staged"] for matching in matchings.values() for one in matching.here}
            await self.work.load(db, {*part, *staged})
            planned = await self.work.plan(db, part) if self.adopted.plans else {}
            composed = []
            for attempt in part:
                composed.append(self._one(attempt, planned.get(attempt), matchings.get(attempt, Matching())))
                if self.turns is not None and self.turns.over:
                    await self.turns.give_way()
            await self._write(db, part, composed, done)
            self.work.trim()
        return done

    def _one(self, attempt: str, planned: Planned | None, matching: Matching) -> Composed | None:
        own = self.work.of(attempt)
        items, marks, tickets = own.items, own.marks, own.tickets
        if matching.here:
            others = [self.work.of(one["staged"]) for one in matching.here]
            items = [*items, *(row for other in others for row in other.items)]
            marks = [*marks, *(row for other in others for row in other.marks)]
            tickets = tickets or {value for other in others for value in other.tickets}
        if not items and not marks:
            return None
        values = sorted(tickets)
        return compose(attempt, items, marks, values, self.adopted.book, planned=planned, matching=matching)

    async def _write(
        self, db: AsyncConnection, part: Sequence[str], composed: Sequence[Composed | None], done: Recomposed
    ) -> None:
        await upsert_rows(db, schema.attempts, [one.row for one in composed if one])
        empty = [attempt for attempt, one in zip(part, composed, strict=True) if one is None]
        if empty:  # matched and nothing there, say
            await db.execute(sa.delete(schema.attempts).where(schema.attempts.c.attempt.in_(empty)))
        changed: dict[str, Row] = {}
        gone: dict[str, str] = {}
        for attempt, one in zip(part, composed, strict=True):
            held, scope = self.work.of(attempt), scope_of(attempt)
            now = {row["id"]: row for alert in (one.alerts if one else ()) for row in (alert.to_row(scope),)}
            changed |= {key: row for key, row in now.items() if held.alerts.get(key) != row}
            gone |= dict.fromkeys(held.alerts.keys() - now.keys(), scope)
            held.alerts = now
            self.work.composed(attempt, over=one is not None and one.row["state"] != "open")
            if one:
                done.results.append(result_of(one.row))
                done.tickets[attempt] = one.row["ticket"]
        await drop_alerts(db, gone)
        await upsert_rows(db, schema.alerts, list(changed.values()))


async def affected(
    db: AsyncConnection, *, plans: Collection[str], rubrics: Collection[str], sessions: Collection[str]
) -> set[str]:
    """Attempts with records that new plans name, new rubrics score, or whose session opened or closed somewhere."""
    table, planned = schema.attempts.c, schema.planned_attempts.c
    here = sa.select(table.attempt)
    queries = [
        here.where(table.attempt.in_(sa.select(planned.attempt).where(planned.sha256.in_(part))))
        for part in parted(plans)
    ]
    queries += [here.where(table.rubric.in_(part)) for part in parted(rubrics)]
    queries += [here.where(table.session.in_(part)) for part in parted(sessions)]
    return {attempt for query in queries for attempt in (await db.execute(query)).scalars()}


async def _beside(db: AsyncConnection, attempts: Sequence[str]) -> set[str]:
    table = schema.matched.c
    query = sa.select(table.planned).where(sa.or_(table.staged.in_(attempts), table.planned.in_(attempts)))
    return set((await db.execute(query)).scalars())


async def _matchings(db: AsyncConnection, attempts: Sequence[str]) -> dict[str, Matching]:
    table = schema.matched.c
    query = sa.select(schema.matched).where(sa.or_(table.staged.in_(attempts), table.planned.in_(attempts)))
    rows = (await db.execute(query.order_by(table.number))).mappings().all()
    return {attempt: _matching(attempt, rows) for attempt in attempts}


def _matching(attempt: str, rows: Sequence[Mapping[Any, Any]]) -> Matching:
    to = next((row["planned"] for row in rows if row["staged"] == attempt), None)
    kept = ("staged", "account", "why", "at_us")
    here = tuple({name: row[name] for name in kept} for row in rows if row["planned"] == attempt)
    return Matching(here, to)


def result_of(row: Mapping[str, Any]) -> Result:
    """What the live board needs of a row of `attempts`."""
    return Result(row["attempt"], row["total_e6"], row["passed"], row["verdict"], row["state"] != "open")
