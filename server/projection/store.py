"""The projections: opened, thrown away and read here. Written only by the projector.

projections.db may be deleted at any time, so it is written without waiting for the disk, and a file that SQLite cannot
read or that another version has made is replaced by an empty one. In PostgreSQL they are a schema of their own, which
the leading process prepares and all processes read. The row of the cursor makes sure of one writer there: whoever
projects a bundle first looks, under its lock, whether it still stands where this projector does.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from server.projection import limits, schema
from server.projection.engine import Engines, open_engines
from server.projection.errors import MovedOn
from server.projection.rigfold import RigState
from server.projection.writing import upsert_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.evidence.store import BundleRef

_VERSION, _CURSOR, _MATCHES = "schema_version", "cursor", "matches"


class ProjectionStore:
    """The projections' database."""

    def __init__(self, engines: Engines, tables: sa.MetaData = schema.metadata) -> None:
        self._engines = engines
        self._tables = tables

    @classmethod
    async def open(cls, path: Path) -> ProjectionStore:
        """Open the file; a broken or older one is replaced by an empty one, which the projector then fills."""
        try:
            engines = await open_engines(path, schema.metadata, synchronous="OFF")
            store = cls(engines)
            await store.prepare()
        except sa.exc.DBAPIError:
            _remove(path)
            store = cls(await open_engines(path, schema.metadata, synchronous="OFF"))
            await store.reset()
        return store

    async def prepare(self) -> None:
        """Tables of another version are replaced by empty ones."""
        async with self.reading() as db:
            version = await _meta(db, _VERSION)
        if version != str(limits.SCHEMA_VERSION):
            await self.reset()

    async def close(self) -> None:
        """Close the database; idempotent."""
        await self._engines.dispose()

    async def reset(self) -> None:
        """Forget everything: the next run of the projector rebuilds it from the evidence."""
        async with self._engines.writer.begin() as db:
            await db.run_sync(self._tables.drop_all)
            await db.run_sync(self._tables.create_all)
            row = {"name": _VERSION, "value": str(limits.SCHEMA_VERSION)}
            await db.execute(sa.insert(schema.meta).values(row))

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """The one writing transaction."""
        async with self._engines.writer.begin() as db:
            yield db

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A reading connection."""
        async with self._engines.reader.connect() as db:
            yield db

    async def rigs(self) -> dict[tuple[str, str], RigState]:
        """All rigs by gateway and serial."""
        async with self.reading() as db:
            rows = (await db.execute(sa.select(schema.rigs))).all()
        return {(row.gateway, row.rig): RigState.from_json(row.body) for row in rows}

    async def adoptions(self) -> list[dict[str, Any]]:
        """All adopted texts in log order."""
        query = sa.select(schema.adoptions).order_by(schema.adoptions.c.origin, schema.adoptions.c.index)
        async with self.reading() as db:
            return [dict(row) for row in (await db.execute(query)).mappings()]

    async def adoptions_beside(self, known: set[str]) -> list[dict[str, Any]]:
        """Adopted texts that are not among these hashes, one row each place."""
        query = sa.select(schema.adoptions).where(schema.adoptions.c.sha256.not_in(sorted(known)))
        async with self.reading() as db:
            return [dict(row) for row in (await db.execute(query)).mappings()]

    async def cursor(self) -> dict[str, Any]:
        """The last bundle that was projected; `seq` 0 when there is none."""
        async with self.reading() as db:
            kept = await _meta(db, _CURSOR)
        return dict(json.loads(kept)) if kept else {"seq": 0}

    async def matches_taken(self) -> int:
        """Up to which number the kept matches are in the tables."""
        async with self.reading() as db:
            return int(await _meta(db, _MATCHES) or 0)


async def expect_cursor(db: AsyncConnection, seq: int) -> None:
    """First in the transaction that projects: MovedOn when another process has projected meanwhile."""
    query = sa.select(schema.meta.c.value).where(schema.meta.c.name == _CURSOR).with_for_update()
    kept = (await db.execute(query)).scalar_one_or_none()
    if (json.loads(kept)["seq"] if kept else 0) != seq:
        raise MovedOn("another process has projected meanwhile")


async def set_cursor(db: AsyncConnection, ref: BundleRef) -> None:
    """Part of the transaction that projects the batch; the last bundle of it."""
    await upsert_rows(db, schema.meta, [{"name": _CURSOR, "value": json.dumps(cursor_of(ref))}])


async def set_matches_taken(db: AsyncConnection, number: int) -> None:
    """Part of the transaction that takes the matches up."""
    await upsert_rows(db, schema.meta, [{"name": _MATCHES, "value": str(number)}])


def cursor_of(ref: BundleRef) -> dict[str, Any]:
    """What identifies a bundle: its number alone would fit another bundle after a restore from backup."""
    return {
        "seq": ref.seq,
        "origin": ref.origin,
        "start": ref.start,
        "stop": ref.stop,
        "received_us": ref.received_us,
    }


async def _meta(db: AsyncConnection, name: str) -> str | None:
    value: str | None = (
        await db.execute(sa.select(schema.meta.c.value).where(schema.meta.c.name == name))
    ).scalar_one_or_none()
    return value


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
