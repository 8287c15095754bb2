"""Attempts composed again from the tables, whenever something that they rest on has changed.

    touched by a bundle · named by a new plan · waiting for a rubric · in a session that closed · matched ─▶ recompose

Owns what an attempt rests on and the row of `attempts`; the result itself is computed in compose.py. A match brings the
records of a staged attempt to a planned one: both are composed again, and the staged one says where its records went.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scorelog.format import types
from server.projection import limits, schema
from server.projection.compose import Matching, compose
from server.projection.runs import Planned
from server.projection.scores import Result

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.projection.alerts import Alert
    from server.projection.rubrics import Adopted

Row = dict[str, Any]


async def affected(
    db: AsyncConnection, *, plans: Collection[str], rubrics: Collection[str], sessions: Collection[str]
) -> set[str]:
    """Attempts with records that new plans name, new rubrics score, or whose session opened or closed somewhere."""
    table, planned = schema.attempts.c, schema.planned_attempts.c
    here = sa.select(table.attempt)
    queries = [
        here.where(table.attempt.in_(sa.select(planned.attempt).where(planned.sha256.in_(part))))
        for part in _parts(plans)
    ]
    queries += [here.where(table.rubric.in_(part)) for part in _parts(rubrics)]
    queries += [here.where(table.session.in_(part)) for part in _parts(sessions)]
    return {attempt for query in queries for attempt in (await db.execute(query)).scalars()}


def _parts(names: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(names)
    for start in range(0, len(ordered), limits.ATTEMPTS_AT_ONCE):
        yield ordered[start : start + limits.ATTEMPTS_AT_ONCE]


async def recompose(db: AsyncConnection, attempts: Collection[str], adopted: Adopted) -> list[Result]:
    """Compose these again, and those to which their records are matched."""
    table = schema.matched.c
    found, matched = set(attempts), False
    for part in _parts(attempts):
        query = sa.select(table.planned).where(sa.or_(table.staged.in_(part), table.planned.in_(part)))
        there = set((await db.execute(query)).scalars())
        found, matched = found | there, matched or bool(there)
    results = []
    for attempt in sorted(found):
        results += await _one(db, attempt, adopted, await _matching(db, attempt) if matched else Matching())
    return results


async def _one(db: AsyncConnection, attempt: str, adopted: Adopted, matching: Matching) -> list[Result]:
    own = [attempt, *(one["staged"] for one in matching.here)]
    items, marks, tickets = [
        [dict(row) for row in (await db.execute(sa.select(table).where(table.c.attempt.in_(own)))).mappings()]
        for table in (schema.items, schema.marks, schema.tickets)
    ]
    await db.execute(sa.delete(schema.attempts).where(schema.attempts.c.attempt == attempt))
    scope, results = f"attempt/{attempt}", []
    alerts: tuple[Alert, ...] = ()
    if items or marks:
        planned = await planned_of(db, attempt) if adopted.plans else None
        values = [row["value"] for row in tickets if row["attempt"] == attempt] or [row["value"] for row in tickets]
        composed = compose(attempt, items, marks, values, adopted.book, planned=planned, matching=matching)
        await db.execute(sa.insert(schema.attempts).values(composed.row))
        alerts, results = composed.alerts, [result_of(composed.row)]
    await replace_alerts(db, {scope}, [alert.to_row(scope) for alert in alerts])
    return results


async def _matching(db: AsyncConnection, attempt: str) -> Matching:
    table = schema.matched.c
    query = sa.select(schema.matched).where(sa.or_(table.staged == attempt, table.planned == attempt))
    rows = (await db.execute(query.order_by(table.number))).mappings().all()
    to = next((row["planned"] for row in rows if row["staged"] == attempt), None)
    kept = ("staged", "account", "why", "at_us")
    here = tuple({name: row[name] for name in kept} for row in rows if row["planned"] == attempt)
    return Matching(here, to)


async def planned_of(db: AsyncConnection, attempt: str) -> Planned | None:
    """The attempt in the newest plan that has it; one that this server did not publish only where there is no other."""
    planned, plans = schema.planned_attempts.c, schema.adopted_plans.c
    joined = schema.planned_attempts.join(schema.adopted_plans, planned.sha256 == plans.sha256)
    query = (
        sa.select(schema.planned_attempts, plans.known, plans.gateways)
        .select_from(joined)
        .where(planned.attempt == attempt)
    )
    rows = (await db.execute(query)).mappings().all()
    if not rows:
        return None
    row = max(rows, key=lambda one: (one["known"] is not False, one["version"], one["sha256"]))
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
        over=await _over(db, row["session"]),
    )


async def _over(db: AsyncConnection, session: str) -> bool:
    table = schema.session_marks
    rows = (await db.execute(sa.select(table).where(table.c.session == session))).mappings().all()
    return session_over([dict(row) for row in rows])


def session_over(marks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every gateway that opened the session has closed it since."""
    newest: dict[str, tuple[int, int, str]] = {}
    for mark in marks:
        generation = mark["origin"].rpartition("/")[2]
        here = (int(generation) if generation.isdecimal() else -1, mark["index"], mark["type"])
        newest[mark["gateway"]] = max(here, newest.get(mark["gateway"], here))
    return bool(newest) and all(kind == types.SESSION_CLOSED for _, _, kind in newest.values())


def result_of(row: Mapping[str, Any]) -> Result:
    """What the live board needs of a row of `attempts`."""
    return Result(row["attempt"], row["total_e6"], row["passed"], row["verdict"], row["state"] != "open")


async def replace_alerts(db: AsyncConnection, scopes: set[str], rows: Sequence[Row]) -> None:
    """All alerts of these scopes are now exactly these."""
    for scope in sorted(scopes):
        await db.execute(sa.delete(schema.alerts).where(schema.alerts.c.scope == scope))
    by_id = {row["id"]: row for row in rows}
    if by_id:
        await db.execute(sa.delete(schema.alerts).where(schema.alerts.c.id.in_(by_id)))
        await db.execute(sa.insert(schema.alerts), list(by_id.values()))
