"""`kaofen-server move`: everything that is kept goes from the SQLite files into an empty PostgreSQL database.

    registry.db, people.db, evidence.db ─ row by row, one transaction ─▶ PostgreSQL ─ the same rows? ─▶ commit

Compared before the commit: the SHA-256 over all rows of each table, in the order of its key, on both sides. The files
stay as they are, with a marker beside them: evidence that goes on in two places would be two histories under one key.
The marker is written before the commit. Never moves projections: they are made again.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scorelog.journal.files import sync_directory, sync_file
from server.database import kept, limits, names, revisions
from server.database.location import shown
from server.database.schemas import create_kept, in_schema, refuse_taken
from server.database.tables import KEPT
from server.errors import Damaged
from server.evidence.database import FILES, MOVED_FILE, kept_reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.database.postgres import Postgres
    from server.database.tables import Kind


def move(data: Path, postgres: Postgres, mirror_vkey: str) -> dict[str, int]:
    """All rows, or nothing; how many of each table. The caller holds the folder's lock and checks the result."""
    moved: dict[str, int] = {}

    def work(target: sa.Connection) -> None:
        # A long copy is one statement after the other, none of them long; nobody else is here yet.
        refuse_taken(target, shown(postgres.url))
        create_kept(target)
        for file, kind in FILES.items():
            if (data / file).exists():
                with _reading(data / file, kind) as source:
                    moved.update(_copy(source, target, kind))
        kept.own(target, mirror_vkey)
        mark(data, postgres)

    try:
        kept.run(postgres, work)
    except BaseException:
        unmark(data)
        raise
    return moved


def mark(data: Path, postgres: Postgres) -> None:
    """From now on no program of ours opens these files."""
    marker = data / MOVED_FILE
    marker.write_text(f"to {shown(postgres.url)}\n", "utf-8")
    sync_file(marker)
    sync_directory(data)


def unmark(data: Path) -> None:
    """The files are the evidence again."""
    (data / MOVED_FILE).unlink(missing_ok=True)
    sync_directory(data)


@contextmanager
def _reading(path: Path, kind: Kind) -> Iterator[sa.Connection]:
    engine = kept_reader(path)
    try:
        with engine.connect() as connection:
            revisions.check(connection, kind, path)
            yield connection
    finally:
        engine.dispose()


def _copy(source: sa.Connection, target: sa.Connection, kind: Kind) -> dict[str, int]:
    moved: dict[str, int] = {}
    there = in_schema(KEPT[kind], names.SCHEMAS[kind])
    for table in KEPT[kind].sorted_tables:
        into = there.tables[f"{names.SCHEMAS[kind]}.{table.name}"]
        digest = hashlib.sha256()
        moved[table.name] = 0
        for rows in _rows(source, table):
            target.execute(sa.insert(into), [dict(row._mapping) for row in rows])  # noqa: SLF001  # a public name of rows
            moved[table.name] += len(rows)
            _take(digest, rows)
        _go_on_counting(target, into)
        if _digest(target, into) != digest.digest():
            raise Damaged(f"{kind}.{table.name}: the rows that arrived are not the rows that were sent")
    return moved


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[list[sa.Row[Any]]]:
    query = sa.select(table).order_by(*table.primary_key.columns)
    result = connection.execute(query, execution_options={"yield_per": limits.COPY_ROWS})
    for rows in result.partitions():
        yield list(rows)


def _digest(connection: sa.Connection, table: sa.Table) -> bytes:
    digest = hashlib.sha256()
    for rows in _rows(connection, table):
        _take(digest, rows)
    return digest.digest()


def _take(digest: hashlib._Hash, rows: list[sa.Row[Any]]) -> None:
    for row in rows:
        digest.update(repr(tuple(row)).encode())


def _go_on_counting(connection: sa.Connection, table: sa.Table) -> None:
    """The next number is above every one that is there."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = sa.func.pg_get_serial_sequence(f"{table.schema}.{table.name}", column.name)
    highest = connection.execute(sa.select(sa.func.max(column))).scalar_one()
    if highest is not None:
        connection.execute(sa.select(sa.func.setval(sequence, highest)))
