"""The transactions over the evidence, as plain functions of a SQLAlchemy connection.

Owns the SQL and its order. Never opens, begins or commits: the caller does (server/evidence/database.py), in a thread
for SQLite, in a greenlet for an async driver. Only SQLAlchemy Core and RETURNING, which SQLite >= 3.35 has as well.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, bindparam, exists, func, insert, select, update

from scorelog.format.commitment import Opening
from scorelog.format.errors import TileError
from scorelog.format.tiles import unframe_entries
from server import limits
from server.errors import Damaged
from server.evidence import rows
from server.evidence.counts import count_up
from server.evidence.locks import lock_beside
from server.evidence.schema import alarms, bundles, logs, openings, refusals
from server.evidence.store import StoredEntry
from server.evidence.tiles import grow

if TYPE_CHECKING:
    from server.evidence.seal import Sealer
    from server.evidence.store import Alarm, Bundle, BundleRef, Cosigned, LogState, Refusal, StoredBundle

# Statements are built once: making the object costs more than running it (stack.md section 7).
_CHANGING: Final = ("size", "root", "range_hashes", "checkpoint", "cosigned_s", "updated_us")
_REGAIN: Final = (
    update(logs)
    .where(
        logs.c.origin == bindparam("at_origin"),
        logs.c.size == bindparam("at_size"),
        logs.c.cosigned_s <= bindparam("not_before"),
    )
    .values({name: bindparam(name) for name in _CHANGING})
    .returning(logs.c.id)
)
_ADVANCE: Final = _REGAIN.where(logs.c.frozen.is_(None))
_LOG: Final = select(logs).where(logs.c.origin == bindparam("origin"))
_REF: Final = select(bundles.c.seq, logs.c.origin, bundles.c.start, bundles.c.stop, bundles.c.received_us).join_from(
    bundles, logs
)

_LOG_ID: Final = select(logs.c.id).where(logs.c.origin == bindparam("origin")).scalar_subquery()
# Bundles that overlap `[start, stop)`; the lower bound on `start` lets the (log_id, start) index do the work.
_WITHIN: Final = (
    select(bundles.c.start, bundles.c.received_us, bundles.c.entries)
    .where(
        bundles.c.log_id == _LOG_ID,
        bundles.c.start < bindparam("stop"),
        bundles.c.stop > bindparam("start"),
        bundles.c.start > bindparam("lowest"),
    )
    .order_by(bundles.c.start)
)
_OPENED: Final = (
    select(openings.c.entry_index, openings.c.field, openings.c.blind, openings.c.value)
    .where(
        openings.c.log_id == _LOG_ID,
        openings.c.entry_index >= bindparam("start"),
        openings.c.entry_index < bindparam("stop"),
    )
    .order_by(openings.c.entry_index, openings.c.field)
)
# The same for bundles by their number, whatever their logs.
_NUMBERED: Final = bundles.c.seq.between(bindparam("first"), bindparam("last"))
_ARRIVED: Final = (
    select(logs.c.origin, bundles.c.start, bundles.c.received_us, bundles.c.entries)
    .join_from(bundles, logs)
    .where(_NUMBERED)
    .order_by(bundles.c.seq)
)
_ARRIVED_OPENED: Final = (
    select(logs.c.origin, openings.c.entry_index, openings.c.field, openings.c.blind, openings.c.value)
    .join_from(bundles, logs)
    .join(
        openings,
        (openings.c.log_id == bundles.c.log_id)
        & (openings.c.entry_index >= bundles.c.start)
        & (openings.c.entry_index < bundles.c.stop),
    )
    .where(_NUMBERED)
    .order_by(bundles.c.seq, openings.c.entry_index, openings.c.field)
)


def append(connection: Connection, bundle: Bundle, sealer: Sealer) -> bool:
    """One upload. False, and nothing changed: its log is not at `old_size`, frozen, or cosigned at a later time."""
    log_id = _advance(connection, bundle)
    if log_id is None and bundle.old_size == 0:
        log_id = _create_log(connection, bundle)
    if log_id is None:
        return False
    connection.execute(insert(bundles), rows.bundle_values(log_id, bundle, sealer))
    if bundle.openings:
        connection.execute(insert(openings), [rows.opening_values(log_id, each) for each in bundle.openings])
    grow(connection, log_id, bundle.old_size, bundle.new_size)
    return True


def _advance(connection: Connection, bundle: Bundle) -> int | None:
    at = {"at_origin": bundle.origin, "at_size": bundle.old_size, "not_before": bundle.cosigned_s}
    values = {**at, **rows.log_values(bundle)}
    statement = _REGAIN if bundle.regained else _ADVANCE
    found: int | None = connection.execute(statement, values).scalar_one_or_none()
    return found


def _create_log(connection: Connection, bundle: Bundle) -> int | None:
    """The first bundle of a generation: it freezes the lower ones, and comes too late when a higher one is there.

    A regained one is never too late, and frozen from the beginning.
    """
    others = logs.c.gateway_id == bundle.gateway_id
    higher = others & (logs.c.generation > bundle.generation)
    overtaken = connection.execute(select(exists().where(higher))).scalar_one()
    there = connection.execute(select(exists().where(logs.c.origin == bundle.origin))).scalar_one()
    if there or (overtaken and not bundle.regained):
        return None
    lower = others & (logs.c.generation < bundle.generation) & logs.c.frozen.is_(None)
    reason = f"generation {bundle.generation} was opened"
    connection.execute(update(logs).where(lower).values(frozen=reason))
    created = insert(logs).values(
        origin=bundle.origin,
        gateway_id=bundle.gateway_id,
        generation=bundle.generation,
        cosigned_size=0,
        frozen="a later generation was open" if overtaken else None,
        **rows.log_values(bundle),
    )
    return int(connection.execute(created.returning(logs.c.id)).scalar_one())


def log(connection: Connection, origin: str) -> LogState | None:
    """One log's state."""
    row = connection.execute(_LOG, {"origin": origin}).one_or_none()
    return rows.log_state(row) if row else None


def all_logs(connection: Connection) -> list[LogState]:
    """Every log's state."""
    return [rows.log_state(row) for row in connection.execute(select(logs).order_by(logs.c.origin))]


def cosign_again(connection: Connection, cosigned: Cosigned) -> bool:
    """Keep a later note of the size at which the log stands. False, and nothing kept: it has moved on meanwhile."""
    there = logs.c.origin == cosigned.origin
    if not cosigned.size:
        return not connection.execute(select(exists().where(there))).scalar_one()
    still = (logs.c.size == cosigned.size) & logs.c.frozen.is_(None) & (logs.c.cosigned_s <= cosigned.cosigned_s)
    values = {"cosigned": cosigned.note, "cosigned_size": cosigned.size, "cosigned_s": cosigned.cosigned_s}
    return bool(connection.execute(update(logs).where(there, still).values(values)).rowcount)


def entries(connection: Connection, origin: str, start: int, stop: int) -> list[StoredEntry]:
    """The stored entries of `[start, stop)` with their openings."""
    opened: dict[int, list[Opening]] = {}
    for each in stored_openings(connection, origin, start, stop):
        opened.setdefault(each.index, []).append(each)
    found = []
    asked = {"origin": origin, "start": start, "stop": stop, "lowest": start - limits.BUNDLE_ENTRIES_MAX}
    for row in connection.execute(_WITHIN, asked):
        for index, data in enumerate(_unframe(origin, row.start, row.entries), row.start):
            if start <= index < stop:
                found.append(StoredEntry(origin, index, data, row.received_us, tuple(opened.get(index, ()))))
    return found


def arrived(connection: Connection, first: int, last: int) -> list[StoredEntry]:
    """The stored entries of the bundles of these numbers with their openings: two statements for many logs."""
    asked = {"first": first, "last": last}
    opened: dict[tuple[str, int], list[Opening]] = {}
    for origin, *opening in connection.execute(_ARRIVED_OPENED, asked):
        opened.setdefault((origin, opening[0]), []).append(Opening(*opening))
    return [
        StoredEntry(row.origin, index, data, row.received_us, tuple(opened.get((row.origin, index), ())))
        for row in connection.execute(_ARRIVED, asked)
        for index, data in enumerate(_unframe(row.origin, row.start, row.entries), row.start)
    ]


def _unframe(origin: str, start: int, joined: bytes) -> list[bytes]:
    try:
        return unframe_entries(joined)
    except TileError as error:
        raise Damaged(f"{origin}: bundle at index {start}: {error}") from error


def bundles_after(connection: Connection, seq: int, limit: int, until: int | None = None) -> list[BundleRef]:
    """References in the order of arrival, as far as the order is certain (server/evidence/locks.py)."""
    later = _REF.where(bundles.c.seq > seq).order_by(bundles.c.seq).limit(limit)
    if until is not None:
        later = later.where(bundles.c.seq <= until)
    return [rows.bundle_ref(row) for row in connection.execute(later)]


def stored_bundles(connection: Connection, origin: str, start: int, limit: int, sealer: Sealer) -> list[StoredBundle]:
    """Whole rows, as they lie there."""
    columns = (bundles.c.cosigned_s, bundles.c.seal, bundles.c.entries, bundles.c.leaves, bundles.c.checkpoint)
    whole = _REF.add_columns(*columns)
    from_start = whole.where(logs.c.origin == origin, bundles.c.stop > start)
    ordered = from_start.order_by(bundles.c.start, bundles.c.seq).limit(limit)
    return [rows.stored_bundle(row, sealer) for row in connection.execute(ordered)]


def stored_openings(connection: Connection, origin: str, start: int, stop: int) -> list[Opening]:
    """Openings that are still there, by (index, field)."""
    asked = {"origin": origin, "start": start, "stop": stop}
    return [Opening(*row) for row in connection.execute(_OPENED, asked)]


def refuse(connection: Connection, refusal: Refusal, sealer: Sealer) -> None:
    """Keep the body once, count its repetitions; new bodies only up to the bound per origin."""
    lock_beside(connection)
    digest = hashlib.sha256(refusal.body).digest()
    same = (
        (refusals.c.origin == refusal.origin)
        & (refusals.c.status == refusal.status)
        & (refusals.c.body_sha256 == digest)
    )
    again = update(refusals).where(same).values(times=refusals.c.times + 1)
    if connection.execute(again).rowcount:
        return
    kept = select(func.count()).select_from(refusals).where(refusals.c.origin == refusal.origin)
    if connection.execute(kept).scalar_one() >= limits.REFUSALS_PER_ORIGIN_MAX:
        return
    connection.execute(
        insert(refusals).values(
            origin=refusal.origin,
            gateway_id=refusal.gateway_id,
            status=refusal.status,
            reason=refusal.reason,
            at_us=refusal.at_us,
            times=refusal.times,
            body_sha256=digest,
            seal=refusal_seal(sealer, refusal),
            body=refusal.body,
        )
    )
    count_up(connection, refusals, sealer)


def refusal_seal(sealer: Sealer, refusal: Refusal) -> bytes:
    """Everything but the count of repetitions."""
    return sealer.seal(refusal.origin, refusal.gateway_id, refusal.status, refusal.reason, refusal.at_us, refusal.body)


def kept_refusals(connection: Connection, origin: str | None) -> list[Refusal]:
    """Refusals, oldest first."""
    chosen = select(refusals).order_by(refusals.c.id)
    if origin is not None:
        chosen = chosen.where(refusals.c.origin == origin)
    return [rows.refusal(row) for row in connection.execute(chosen)]


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm that is to be raised."""

    kind: str
    origin: str | None
    index: int | None
    detail: str
    evidence: bytes
    now_us: int


def raise_alarm(connection: Connection, raised: Raised, sealer: Sealer) -> int:
    """A new alarm, or one more time of the same one."""
    lock_beside(connection)
    kind, origin, index, detail, now_us = raised.kind, raised.origin, raised.index, raised.detail, raised.now_us
    identity = rows.alarm_identity(kind, origin, index, detail)
    again = update(alarms).where(alarms.c.identity == identity).values(times=alarms.c.times + 1, last_us=now_us)
    known: int | None = connection.execute(again.returning(alarms.c.id)).scalar_one_or_none()
    if known is None:
        known = _crowded(connection, kind, origin, now_us)
    if known is not None:
        return known
    new = insert(alarms).values(
        identity=identity,
        kind=kind,
        origin=origin,
        entry_index=index,
        detail=detail,
        first_us=now_us,
        last_us=now_us,
        times=1,
        seal=sealer.seal(kind, origin, index, detail, now_us, raised.evidence),
        evidence=raised.evidence,
    )
    number = int(connection.execute(new.returning(alarms.c.id)).scalar_one())
    count_up(connection, alarms, sealer)
    return number


def _crowded(connection: Connection, kind: str, origin: str | None, now_us: int) -> int | None:
    """The newest alarm of this kind and log, counted up, when there are too many different ones already."""
    alike = (alarms.c.kind == kind) & (alarms.c.origin == origin if origin is not None else alarms.c.origin.is_(None))
    count, newest = connection.execute(select(func.count(), func.max(alarms.c.id)).where(alike)).one()
    if count < limits.ALARMS_PER_KIND_MAX:
        return None
    again = update(alarms).where(alarms.c.id == newest).values(times=alarms.c.times + 1, last_us=now_us)
    connection.execute(again)
    return int(newest)


def alarms_after(connection: Connection, after: int, limit: int) -> list[Alarm]:
    """Alarms in order of id."""
    later = select(alarms).where(alarms.c.id > after).order_by(alarms.c.id).limit(limit)
    return [rows.alarm(row) for row in connection.execute(later)]
