"""Sealed counts of tables whose rows are never deleted: a deleted alarm or refusal is missed.

A count that somebody changed is never sealed again: what fsck and the audit say about it stays true.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, insert, select, update

from server.evidence.schema import counts

if TYPE_CHECKING:
    from server.evidence.seal import Sealer


def count_up(connection: Connection, table: Table, sealer: Sealer) -> None:
    """One more row."""
    row = connection.execute(select(counts).where(counts.c.name == table.name)).one_or_none()
    if row is None:
        connection.execute(
            insert(counts).values(name=table.name, rows_ever=1, seal=sealer.seal("count", table.name, 1))
        )
        return
    count = row.rows_ever + 1
    good = compare_digest(row.seal, sealer.seal("count", table.name, row.rows_ever))
    # Not the old seal: one more row would make it true again after a row was taken away.
    seal = sealer.seal("count", table.name, count) if good else b"broken"
    connection.execute(update(counts).where(counts.c.name == table.name).values(rows_ever=count, seal=seal))
