"""Sealed counts of tables whose rows are never deleted: a deleted alarm or refusal is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, insert, select, update

from server.evidence.schema import counts

if TYPE_CHECKING:
    from server.evidence.seal import Sealer


def count_up(connection: Connection, table: Table, sealer: Sealer) -> None:
    """One more row."""
    before = connection.execute(select(counts.c.rows_ever).where(counts.c.name == table.name)).scalar_one_or_none()
    count = (before or 0) + 1
    values = {"rows_ever": count, "seal": sealer.seal("count", table.name, count)}
    if before is None:
        connection.execute(insert(counts).values(name=table.name, **values))
    else:
        connection.execute(update(counts).where(counts.c.name == table.name).values(values))
