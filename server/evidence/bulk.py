"""The rows of one group commit in a few statements, whatever the number of uploads: one for each table.

    UPDATE logs ... WHERE size = old     all logs of the group at once; as many rows as uploads, or nothing is stored
    INSERT INTO bundles, openings        all rows at once
    UPDATE logs SET cosigned ...         the notes of the group before

What a statement means stands in statements.py, which does the same one by one when a log is in the way. Each statement
gives up Python's lock once while it runs, so the writer's thread seldom waits for the event loop. Text of the driver,
not of SQLAlchemy: building the objects cost more than the rows. SQLite has VALUES, PostgreSQL arrays.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from server.database import names
from server.errors import Overtaken
from server.evidence import rows
from server.evidence.locks import several_writers
from server.evidence.schema import logs
from server.evidence.tiles import grow, grows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from server.evidence.seal import Sealer
    from server.evidence.store import Bundle, Cosigned

# Rows in one SQLite statement, which takes 32,766 values. Few different numbers of them: each text is made once.
_ROWS_MAX: Final = 256
_ROWS_EXACT: Final = 32

_LOG: Final = {
    "origin": "text",
    "old": "bigint",
    "size": "bigint",
    "root": "bytea",
    "range_hashes": "bytea",
    "checkpoint": "bytea",
    "cosigned_s": "bigint",
    "updated_us": "bigint",
}
_BUNDLE: Final = {
    "origin": "text",
    "start": "bigint",
    "stop": "bigint",
    "received_us": "bigint",
    "cosigned_s": "bigint",
    "seal": "bytea",
    "checkpoint": "bytea",
    "leaves": "bytea",
    "entries": "bytea",
}
_OPENING: Final = {"log_id": "bigint", "entry_index": "bigint", "field": "text", "blind": "bytea", "value": "bytea"}
_NOTE: Final = {"origin": "text", "size": "bigint", "note": "bytea", "cosigned_s": "bigint"}

_NEWER: Final = (
    "(logs.size >= v.size AND (logs.cosigned_size < v.size"
    " OR (logs.cosigned_size = v.size AND logs.cosigned_s <= v.cosigned_s)))"
)
# Each begins with what it does, not with WITH: else Python's driver does not say how many rows a statement changed.
_ADVANCE: Final = """UPDATE {logs} AS logs
    SET size = v.size, root = v.root, range_hashes = v.range_hashes, checkpoint = v.checkpoint,
        cosigned_s = v.cosigned_s, updated_us = v.updated_us
    FROM ({values}) AS v WHERE logs.origin = v.origin AND logs.size = v.old AND logs.cosigned_s <= v.cosigned_s
        AND logs.frozen IS NULL"""
_INSERT_BUNDLES: Final = """INSERT INTO {bundles}
        (log_id, start, stop, received_us, cosigned_s, seal, checkpoint, leaves, entries)
    SELECT logs.id, v.start, v.stop, v.received_us, v.cosigned_s, v.seal, v.checkpoint, v.leaves, v.entries
    FROM ({values}) AS v CROSS JOIN {logs} AS logs WHERE logs.origin = v.origin"""
_INSERT_OPENINGS: Final = "INSERT INTO {openings} ({columns}) {values}"
_KEEP: Final = f"""UPDATE {{logs}} AS logs
    SET cosigned = CASE WHEN {_NEWER} THEN v.note ELSE logs.cosigned END,
        cosigned_size = CASE WHEN {_NEWER} THEN v.size ELSE logs.cosigned_size END,
        cosigned_s = CASE WHEN logs.cosigned_s < v.cosigned_s THEN v.cosigned_s ELSE logs.cosigned_s END
    FROM ({{values}}) AS v WHERE logs.origin = v.origin"""  # noqa: S608  # our own words


def fits(bundles: Sequence[Bundle]) -> bool:
    """Whether these can go together: logs that are there, each once, nothing that was lost before."""
    return bool(bundles) and (
        all(bundle.old_size and not bundle.regained for bundle in bundles)
        and len({bundle.origin for bundle in bundles}) == len(bundles)
    )


def append_all(connection: Connection, bundles: Sequence[Bundle], sealer: Sealer) -> None:
    """Every one of these uploads, or Overtaken: then the caller's transaction must be rolled back."""
    advanced = _run(connection, _ADVANCE, _LOG, [_log_row(each) for each in bundles])
    if advanced != len(bundles):
        raise Overtaken("a log of this group does not stand where it did")
    _run(connection, _INSERT_BUNDLES, _BUNDLE, [_bundle_row(each, sealer) for each in bundles])
    whole = [each for each in bundles if each.openings or grows(each.old_size, each.new_size)]
    if not whole:
        return
    ids = _ids(connection, [each.origin for each in whole])
    opened = [(ids[each.origin], one.index, one.field, one.blind, one.value) for each in whole for one in each.openings]
    if opened:
        _run(connection, _INSERT_OPENINGS, _OPENING, opened)
    for each in whole:
        grow(connection, ids[each.origin], each.old_size, each.new_size)


def keep_all(connection: Connection, notes: Sequence[Cosigned]) -> None:
    """Keep the newest note of each log; an older size or time is ignored."""
    if len({note.origin for note in notes}) < len(notes):
        for note in notes:
            keep_all(connection, [note])
    elif notes:
        _run(connection, _KEEP, _NOTE, [(note.origin, note.size, note.note, note.cosigned_s) for note in notes])


def _log_row(bundle: Bundle) -> tuple[Any, ...]:
    return (bundle.origin, bundle.old_size, *rows.log_values(bundle).values())


def _bundle_row(bundle: Bundle, sealer: Sealer) -> tuple[Any, ...]:
    values = rows.bundle_values(0, bundle, sealer)
    return (bundle.origin, *(values[name] for name in _BUNDLE if name != "origin"))


def _ids(connection: Connection, origins: Iterable[str]) -> dict[str, int]:
    found = connection.execute(select(logs.c.origin, logs.c.id).where(logs.c.origin.in_(sorted(origins))))
    return {row.origin: row.id for row in found}


# -- the two forms -------------------------------------------------------------------------------------------------


def _run(connection: Connection, statement: str, columns: dict[str, str], values: Sequence[tuple[Any, ...]]) -> int:
    """How many rows were changed."""
    if several_writers(connection):
        arrays = tuple(list(column) for column in zip(*values, strict=True))
        return connection.exec_driver_sql(_postgres(statement, tuple(columns.items())), arrays).rowcount
    changed, at = 0, 0
    while at < len(values):
        part = values[at : at + _piece(len(values) - at)]
        text = _sqlite(statement, tuple(columns), len(part))
        changed += connection.exec_driver_sql(text, tuple(chain.from_iterable(part))).rowcount
        at += len(part)
    return changed


def _piece(left: int) -> int:
    return left if left <= _ROWS_EXACT else min(_ROWS_MAX, 1 << (left.bit_length() - 1))


@cache
def _postgres(statement: str, columns: tuple[tuple[str, str], ...]) -> str:
    arrays = ", ".join(f"%b::{kind}[]" for _, kind in columns)
    tables = {table: f"{names.EVIDENCE}.{table}" for table in ("logs", "bundles", "openings")}
    named = _named(name for name, _ in columns)
    values = f"SELECT * FROM unnest({arrays}) AS u({named})"  # noqa: S608  # our own words
    return statement.format(columns=named, values=values, **tables)


@cache
def _sqlite(statement: str, columns: tuple[str, ...], count: int) -> str:
    places = ", ".join([f"({', '.join('?' * len(columns))})"] * count)
    chosen = ", ".join(f'column{at} AS "{name}"' for at, name in enumerate(columns, 1))
    values = f"SELECT {chosen} FROM (VALUES {places})"  # noqa: S608  # our own words
    return statement.format(columns=_named(columns), values=values, logs="logs", bundles="bundles", openings="openings")


def _named(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
