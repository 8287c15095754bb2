"""What the pages and the API read from the projections. Read only; cursors are keys, never offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from server.projection import schema
from server.projection.scores import ScoreRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]


async def _rows(db: AsyncConnection, query: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in (await db.execute(query)).mappings()]


def _scores() -> sa.Select[Any]:
    ticket = schema.attempts.c.ticket
    joined = schema.items.outerjoin(schema.attempts, schema.items.c.attempt == schema.attempts.c.attempt)
    return sa.select(schema.items, ticket).select_from(joined)


async def scores_after(db: AsyncConnection, bundle: int, index: int, limit: int) -> list[ScoreRow]:
    """Finished items after a place in the order of arrival: the API's cursor."""
    items = schema.items.c
    later = sa.or_(items.bundle > bundle, sa.and_(items.bundle == bundle, items.index > index))
    query = _scores().where(later).order_by(items.bundle, items.index).limit(limit)
    return [ScoreRow(**row) for row in await _rows(db, query)]


async def newest_scores(db: AsyncConnection, limit: int) -> list[ScoreRow]:
    """The newest finished items, oldest of them first."""
    items = schema.items.c
    query = _scores().order_by(items.bundle.desc(), items.index.desc()).limit(limit)
    return [ScoreRow(**row) for row in reversed(await _rows(db, query))]


async def score_count(db: AsyncConnection) -> int:
    """How many finished items there are."""
    return int((await db.execute(sa.select(sa.func.count()).select_from(schema.items))).scalar_one())


async def attempts_of(db: AsyncConnection, ids: Sequence[str]) -> list[Row]:
    """Attempts by id."""
    return await _rows(db, sa.select(schema.attempts).where(schema.attempts.c.attempt.in_(ids)))


async def attempt(db: AsyncConnection, attempt_id: str) -> Row | None:
    """One attempt."""
    found = await _rows(db, sa.select(schema.attempts).where(schema.attempts.c.attempt == attempt_id))
    return found[0] if found else None


async def attempts(
    db: AsyncConnection,
    *,
    search: str = "",
    state: str = "",
    before: tuple[int, str] | None = None,
    limit: int = 50,
    tickets: bool = True,
) -> list[Row]:
    """Attempts, the one with the newest entry first. `search` finds ticket (if `tickets`), attempt id, rig, station."""
    table = schema.attempts.c
    query = sa.select(schema.attempts).order_by(table.last_us.desc(), table.attempt.desc()).limit(limit)
    query = query.where(table.matched_to.is_(None))  # its records stand at another attempt
    if before is not None:
        last_us, attempt_id = before
        query = query.where(
            sa.or_(table.last_us < last_us, sa.and_(table.last_us == last_us, table.attempt < attempt_id)),
        )
    if search:
        like = f"%{_escaped(search)}%"
        query = query.where(
            sa.or_(
                *((table.ticket.like(like, escape="\\"),) if tickets else ()),
                table.attempt.like(f"{_escaped(search)}%", escape="\\"),
                sa.cast(table.rigs, sa.Text).like(like, escape="\\"),
                sa.cast(table.stations, sa.Text).like(like, escape="\\"),
            ),
        )
    conditions = {
        "open": table.state == "open",
        "passed": table.passed.is_(True),
        "failed": _failed(),
        "aborted": table.state == "aborted",
        "mismatch": table.verdict == "mismatch",
        "staged": table.staged.is_(True),
    }
    if state in conditions:
        query = query.where(conditions[state])
    return await _rows(db, query)


def _failed() -> sa.ColumnElement[bool]:
    """An aborted attempt is neither passed nor failed."""
    return sa.and_(schema.attempts.c.passed.is_(False), schema.attempts.c.state != "aborted")


def _escaped(search: str) -> str:
    return search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def items_of(db: AsyncConnection, attempt_id: str) -> list[ScoreRow]:
    """The items of an attempt by ordinal."""
    items = schema.items.c
    query = _scores().where(items.attempt == attempt_id).order_by(items.ordinal, items.origin, items.index)
    return [ScoreRow(**row) for row in await _rows(db, query)]


async def timeline(db: AsyncConnection, attempt_id: str, limit: int) -> list[Row]:
    """All entries of an attempt by log and index: within a log that is their order."""
    table = schema.entries.c
    query = sa.select(schema.entries).where(table.attempt == attempt_id).order_by(table.origin, table.index)
    return await _rows(db, query.limit(limit))


async def entry(db: AsyncConnection, origin: str, index: int) -> Row | None:
    """One projected entry."""
    table = schema.entries.c
    found = await _rows(db, sa.select(schema.entries).where(table.origin == origin, table.index == index))
    return found[0] if found else None


async def anchors(db: AsyncConnection, origin: str, first: int, last: int, limit: int) -> list[Row]:
    """Anchors of a log around the entries `first` to `last`: the nearest before, between, and the nearest after."""
    table = schema.entries.c
    mine = sa.select(schema.entries).where(table.origin == origin, table.anchor.is_not(None))
    before = mine.where(table.index < last).order_by(table.index.desc()).limit(limit)
    after = mine.where(table.index > first).order_by(table.index).limit(limit)
    found = {row["index"]: row for query in (before, after) for row in await _rows(db, query)}
    return [found[index] for index in sorted(found)]


async def alerts(db: AsyncConnection, limit: int, *, attempt_id: str | None = None) -> list[Row]:
    """Alerts, newest first."""
    table = schema.alerts.c
    query = sa.select(schema.alerts).order_by(table.at_us.desc(), table.id.desc()).limit(limit)
    return await _rows(db, query.where(table.attempt == attempt_id) if attempt_id else query)


async def alert_ids(db: AsyncConnection, severities: Sequence[str]) -> list[str]:
    """Ids of all alerts of these severities."""
    query = sa.select(schema.alerts.c.id).where(schema.alerts.c.severity.in_(severities))
    return list((await db.execute(query)).scalars())


async def adopted_at(db: AsyncConnection, origin: str, hashes: Sequence[str]) -> list[int]:
    """Indices at which a log adopted these profiles, rubrics and plans, every part of them."""
    found: set[int] = set()
    for table in (schema.adoptions.c, schema.plan_parts.c):
        query = sa.select(table.index).where(table.origin == origin, table.sha256.in_(hashes))
        found.update((await db.execute(query)).scalars())
    return sorted(found)


async def quarantined(db: AsyncConnection, limit: int) -> list[Row]:
    """What could not be read."""
    table = schema.quarantine.c
    return await _rows(db, sa.select(schema.quarantine).order_by(table.origin, table.index).limit(limit))


async def totals(db: AsyncConnection) -> dict[str, int]:
    """How much there is, for the list's head."""
    table = schema.attempts.c
    count = sa.func.count()
    query = sa.select(
        count.label("attempts"),
        count.filter(table.state == "open").label("open"),
        count.filter(table.passed.is_(True)).label("passed"),
        count.filter(_failed()).label("failed"),
        count.filter(table.state == "aborted").label("aborted"),
        count.filter(table.verdict == "mismatch").label("mismatch"),
        count.filter(table.staged.is_(True)).label("staged"),
    ).where(table.matched_to.is_(None))
    return dict((await db.execute(query)).mappings().one())


# -- plans ---------------------------------------------------------------------------------------------------------


async def plans(db: AsyncConnection) -> list[Row]:
    """Of each point the plan that counts (a row of adopted_plans), by point."""
    newest: dict[str, Row] = {}
    for row in await _rows(db, sa.select(schema.adopted_plans)):
        other = newest.get(row["point"])
        if other is None or _counts_before(row) > _counts_before(other):
            newest[row["point"]] = row
    return [newest[point] for point in sorted(newest)]


async def plan_of(db: AsyncConnection, point: str) -> Row | None:
    """The plan of a point that counts; None where no gateway of it adopted one."""
    found = await _rows(db, sa.select(schema.adopted_plans).where(schema.adopted_plans.c.point == point))
    return max(found, key=_counts_before, default=None)


async def plan_by(db: AsyncConnection, sha256: str) -> Row | None:
    """The adopted plan of this hash."""
    found = await _rows(db, sa.select(schema.adopted_plans).where(schema.adopted_plans.c.sha256 == sha256))
    return found[0] if found else None


def _counts_before(row: Row) -> tuple[bool, int, str]:
    """The newest; one that this server did not publish only where there is no other."""
    return row["known"] is not False, row["version"], row["sha256"]


async def session_attempts(db: AsyncConnection, plan: str, session: str) -> list[Row]:
    """The planned attempts of a session in the order of the plan, each with `attempt_row`: None without a record.

    A row has the columns of planned_attempts; `attempt_row` those of attempts, `runs` and running result included.
    """
    table = schema.planned_attempts
    query = sa.select(table).where(table.c.sha256 == plan, table.c.session == session).order_by(table.c.position)
    planned = await _rows(db, query)
    there = {row["attempt"]: row for row in await _rows(db, _of_session(plan, session))}
    return [{**row, "attempt_row": there.get(row["attempt"])} for row in planned]


def _of_session(plan: str, session: str) -> sa.Select[Any]:
    table = schema.planned_attempts.c
    mine = sa.select(table.attempt).where(table.sha256 == plan, table.session == session)
    return sa.select(schema.attempts).where(schema.attempts.c.attempt.in_(mine))


async def session_marks(db: AsyncConnection, session: str) -> list[Row]:
    """When which gateway opened and closed a session, by log and index."""
    table = schema.session_marks
    return await _rows(db, sa.select(table).where(table.c.session == session).order_by(table.c.origin, table.c.index))


async def attempt_detail(db: AsyncConnection, attempt_id: str) -> Row | None:
    """An attempt over all rigs and gateways; None when neither a plan nor a record knows it.

    `attempt`: the row of attempts or None; `planned`: the newest row of planned_attempts or None; `running`: the states
    (as RigState.to_json) of rigs that are at this attempt or at one matched to it, with items that have not ended yet.
    """
    row = await attempt(db, attempt_id)
    table = schema.planned_attempts
    joined = table.join(schema.adopted_plans, table.c.sha256 == schema.adopted_plans.c.sha256)
    query = sa.select(table, schema.adopted_plans.c.known).select_from(joined).where(table.c.attempt == attempt_id)
    planned = max(await _rows(db, query), key=_counts_before, default=None)
    if row is None and planned is None:
        return None
    own = [attempt_id, *(one["staged"] for one in (row["matches"] if row else ()))]
    rigs = await _rows(db, sa.select(schema.rigs).where(schema.rigs.c.attempt.in_(own)))
    running = [one["body"] for one in sorted(rigs, key=lambda one: (one["gateway"], one["rig"]))]
    return {"attempt": row, "planned": planned, "running": running}


async def staged(db: AsyncConnection, limit: int) -> list[Row]:
    """Attempts bound to nobody or outside any session that no match has brought home, newest first."""
    table = schema.attempts.c
    query = sa.select(schema.attempts).where(table.staged.is_(True))
    return await _rows(db, query.order_by(table.last_us.desc(), table.attempt.desc()).limit(limit))


async def matched(db: AsyncConnection, limit: int) -> list[Row]:
    """Matches that stand, newest first."""
    table = schema.matched
    return await _rows(db, sa.select(table).order_by(table.c.number.desc()).limit(limit))


async def match_of(db: AsyncConnection, staged_id: str) -> Row | None:
    """The match that stands of a staged attempt."""
    found = await _rows(db, sa.select(schema.matched).where(schema.matched.c.staged == staged_id))
    return found[0] if found else None
