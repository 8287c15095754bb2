"""Rows into the tables of the projections, many at a time.

Owns how a row comes in: new, in place of the one with its key, or away with it; the same in SQLite and in PostgreSQL.
Never decides what is written. Each statement takes at most ROWS_AT_ONCE rows, so that what runs beside is not held up.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from server.projection import limits, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.projection.turns import Turns

Row = dict[str, Any]
_INSERTS: Final[Mapping[str, Callable[[sa.Table], sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def parted(names: Collection[str]) -> Iterator[list[str]]:
    """In order, as many as one statement asks for."""
    ordered = sorted(names)
    for start in range(0, len(ordered), limits.ATTEMPTS_AT_ONCE):
        yield ordered[start : start + limits.ATTEMPTS_AT_ONCE]


async def insert_rows(db: AsyncConnection, table: sa.Table, rows: Sequence[Row], turns: Turns | None = None) -> None:
    """All of them are new."""
    await _many(db, _inserting(table), rows, turns)


async def upsert_rows(db: AsyncConnection, table: sa.Table, rows: Sequence[Row], turns: Turns | None = None) -> None:
    """Each in place of the one with its key, if there is one. No key may be among them twice."""
    await _many(db, _upserting(table, db.dialect.name), rows, turns)


async def _many(db: AsyncConnection, statement: sa.Insert, rows: Sequence[Row], turns: Turns | None) -> None:
    for start in range(0, len(rows), limits.ROWS_AT_ONCE):
        await db.execute(statement, rows[start : start + limits.ROWS_AT_ONCE])
        if turns is not None and turns.over:
            await turns.give_way()


@cache
def _inserting(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


@cache
def _upserting(table: sa.Table, dialect: str) -> sa.Insert:
    statement = _INSERTS[dialect](table)
    keys = [column.name for column in table.primary_key]
    rest = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


# -- alerts --------------------------------------------------------------------------------------------------------


async def replace_alerts(db: AsyncConnection, scopes: set[str], rows: Sequence[Row]) -> None:
    """All alerts of these scopes are now exactly these."""
    for part in parted(scopes):
        await db.execute(sa.delete(schema.alerts).where(schema.alerts.c.scope.in_(part)))
    await upsert_rows(db, schema.alerts, list({row["id"]: row for row in rows}.values()))


async def alerts_in(db: AsyncConnection, scopes: Collection[str]) -> dict[str, dict[str, Row]]:
    """What stands in these scopes: by scope, by id."""
    found: dict[str, dict[str, Row]] = {}
    for part in parted(scopes):
        query = sa.select(schema.alerts).where(schema.alerts.c.scope.in_(part))
        for row in (await db.execute(query)).mappings():
            found.setdefault(row["scope"], {})[row["id"]] = dict(row)
    return found


async def drop_alerts(db: AsyncConnection, gone: Mapping[str, str]) -> None:
    """These ids (with their scopes) stand no more; one that has moved to another scope since stays there."""
    if gone:
        table = schema.alerts.c
        statement = sa.delete(schema.alerts).where(
            table.id == sa.bindparam("an_id"), table.scope == sa.bindparam("its")
        )
        await db.execute(statement, [{"an_id": one, "its": scope} for one, scope in sorted(gone.items())])
