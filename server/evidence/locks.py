"""Who waits for whom when several processes write one PostgreSQL database. In SQLite one writer waits for itself.

An upload locks the row of its log and nothing that another log needs. All locks of a transaction are taken at its
beginning and in one order, so that two batches cannot wait for each other:

    1. gateways whose log may begin here (by id)      2. rows of the logs (by origin)      3. its mark as a writer

The mark is what makes `seq` a cursor. Numbers are handed out before commits, so a lower number can become visible after
a higher one. A transaction that inserts bundles holds, shared and until its end, an advisory lock that says "my numbers
are above n". A reader first asks which number was handed out last, then for the lowest n that is still held: every
bundle up to the smaller of the two is there or never will be (docs/formats/evidence-store.md rule 13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select, text

from server.database import names
from server.evidence.schema import logs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.evidence.store import Bundle

_HANDED_OUT = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS n FROM {names.EVIDENCE}.bundles_seq_seq"  # noqa: S608
_MARK = text(f"SELECT pg_advisory_xact_lock_shared({names.WRITER_BASE} + n) FROM ({_HANDED_OUT}) AS handed_out")  # noqa: S608
_LAST = text(_HANDED_OUT)
_MARKED = text(
    f"""SELECT min(held.key) - {names.WRITER_BASE} FROM (
        SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND mode = 'ShareLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS held
    WHERE held.key BETWEEN {names.WRITER_BASE} AND {names.WRITER_BASE + names.WRITER_SPAN - 1}"""  # noqa: S608
)


def several_writers(connection: Connection) -> bool:
    """Whether other transactions may write at the same time."""
    return connection.dialect.name == "postgresql"


def lock_logs(connection: Connection, bundles: Sequence[Bundle], others: Iterable[str]) -> None:
    """Everything that one batch of uploads changes."""
    if not several_writers(connection):
        return
    beginning = sorted({bundle.gateway_id for bundle in bundles if bundle.old_size == 0})
    for gateway_id in beginning:
        _advisory(connection, names.GATEWAY_CLASS, gateway_id)
    origins = sorted({bundle.origin for bundle in bundles} | set(others))
    mine = logs.c.origin.in_(origins) | logs.c.gateway_id.in_(beginning)
    connection.execute(select(logs.c.id).where(mine).order_by(logs.c.origin).with_for_update(key_share=True)).all()
    if bundles:
        connection.execute(_MARK)


def lock_witnessed(connection: Connection, origin: str) -> None:
    """One comparison of the witness at a time for an origin, also of one that has no row yet."""
    if several_writers(connection):
        _advisory(connection, names.WITNESS_CLASS, origin)


def lock_gateway(connection: Connection, gateway_id: str) -> None:
    """One change of a gateway's certificates at a time."""
    if several_writers(connection):
        _advisory(connection, names.GATEWAY_CLASS, gateway_id)


def lock_beside(connection: Connection) -> None:
    """Alarms and refusals are counted, so they are written one after the other; no upload waits for them."""
    if several_writers(connection):
        _advisory(connection, names.BESIDE_CLASS, "")


def _advisory(connection: Connection, kind: int, name: str) -> None:
    connection.execute(select(func.pg_advisory_xact_lock(kind, func.hashtext(name))))


def horizon(connection: Connection) -> int | None:
    """Up to which bundle number nothing can come any more; None: every number. Needs a later transaction to read."""
    if not several_writers(connection):
        return None
    last = int(connection.execute(_LAST).scalar_one())
    marked = connection.execute(_MARKED).scalar_one_or_none()
    return last if marked is None else min(last, int(marked))
