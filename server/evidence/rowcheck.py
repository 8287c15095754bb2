"""Checks of rows that no log's signature covers: seals, counts, rows that hang in the air. For fsck and the audit.

What is wrong inside a log, server/evidence/check.py finds.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, func, select

from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.errors import FormatError
from server import limits
from server.evidence import rows
from server.evidence.locks import several_writers
from server.evidence.schema import alarms, bundles, counts, logs, openings, refusals, tiles, witnessed
from server.evidence.statements import refusal_seal
from server.evidence.store import RowFinding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.evidence.seal import Sealer


def findings(connection: Connection, sealer: Sealer) -> list[RowFinding]:
    """Everything of that sort, bounded."""
    found = [
        *_alarms(connection, sealer),
        *_refusals(connection, sealer),
        *(each for table in (alarms, refusals) for each in _count(connection, table, sealer)),
        *_orphans(connection),
        *_order(connection),
        *_witnessed(connection),
    ]
    return found[: limits.FINDINGS_PER_LOG_MAX]


def _alarms(connection: Connection, sealer: Sealer) -> Iterator[RowFinding]:
    for row in connection.execute(select(alarms).order_by(alarms.c.id)):
        seal = sealer.seal(row.kind, row.origin, row.entry_index, row.detail, row.first_us, row.evidence)
        identity = rows.alarm_identity(row.kind, row.origin, row.entry_index, row.detail)
        if not compare_digest(seal, row.seal) or identity != row.identity:
            yield RowFinding(row.origin, row.entry_index, f"alarm {row.id} is not as the server raised it")


def _refusals(connection: Connection, sealer: Sealer) -> Iterator[RowFinding]:
    for row in connection.execute(select(refusals).order_by(refusals.c.id)):
        kept = rows.refusal(row)
        if not compare_digest(refusal_seal(sealer, kept), row.seal):
            yield RowFinding(row.origin, None, f"refused upload {row.id} is not as the server kept it")


def _count(connection: Connection, table: Table, sealer: Sealer) -> Iterator[RowFinding]:
    there = connection.execute(select(func.count()).select_from(table)).scalar_one()
    row = connection.execute(select(counts).where(counts.c.name == table.name)).one_or_none()
    if row is None:
        if there:
            yield RowFinding(None, None, f"{there} rows in {table.name}, and no count of them")
    elif not compare_digest(row.seal, sealer.seal("count", table.name, row.rows_ever)):
        yield RowFinding(None, None, f"the count of {table.name} is not as the server wrote it")
    elif row.rows_ever != there:
        # Not the numbers: the alarm about alarms is one more of them, and would be another alarm at every pass.
        more = there - row.rows_ever
        what = f"{more} rows more than" if more > 0 else f"{-more} rows fewer than"
        yield RowFinding(None, None, f"{table.name}: {what} the server wrote")


def _orphans(connection: Connection) -> Iterator[RowFinding]:
    """Rows whose log has no row: its bundles still say which log it was."""
    lost = bundles.c.log_id.not_in(select(logs.c.id))
    columns = select(bundles.c.start, bundles.c.stop, bundles.c.checkpoint).where(lost)
    for row in connection.execute(columns.order_by(bundles.c.seq).limit(limits.FINDINGS_PER_LOG_MAX)):
        origin = _origin_of(row.checkpoint)
        yield RowFinding(origin, row.start, f"the entries [{row.start}, {row.stop}) belong to no log")
    for table in (openings, tiles):
        alone = select(func.count()).select_from(table).where(table.c.log_id.not_in(select(logs.c.id)))
        count = connection.execute(alone).scalar_one()
        if count:
            yield RowFinding(None, None, f"{count} rows of {table.name} belong to no log")


def _order(connection: Connection) -> Iterator[RowFinding]:
    """Bundles are numbered in the order in which they were stored, and the mirror's time never goes back.

    Over all logs where one process writes; with several, each with its own clock, within a log.
    """
    latest_s: dict[str, int] = {}
    ordered = select(bundles.c.seq, logs.c.origin, bundles.c.start, bundles.c.cosigned_s).join_from(bundles, logs)
    for row in connection.execute(ordered.order_by(bundles.c.seq)):
        clock = row.origin if several_writers(connection) else ""
        if row.cosigned_s < latest_s.get(clock, 0):
            yield RowFinding(row.origin, row.start, f"bundle {row.seq} was stored before one of a lower number")
        latest_s[clock] = max(latest_s.get(clock, 0), row.cosigned_s)


def _witnessed(connection: Connection) -> Iterator[RowFinding]:
    """Rows of logs that are here are checked with their keys; here only that none is under another name."""
    for row in connection.execute(select(witnessed.c.origin, witnessed.c.size, witnessed.c.note)):
        if _origin_of(row.note) != row.origin:
            yield RowFinding(row.origin, row.size, "the witness's row is of another log than its note")


def _origin_of(checkpoint: bytes) -> str | None:
    try:
        return parse_checkpoint(checkpoint)[0].origin
    except FormatError:
        return None
