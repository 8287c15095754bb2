"""How the server opens the SQLite files that hold no evidence (projections, people).

One connection writes and checkpoints; readers are told to do neither (SQLite before 3.51.3 can damage a WAL that two
connections checkpoint at once). The same tables open on PostgreSQL by its engines (server/database/postgres.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

READERS = 4
BUSY_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Engines:
    """One writer, some readers."""

    writer: AsyncEngine
    reader: AsyncEngine

    async def dispose(self) -> None:
        """Close every connection; idempotent."""
        await self.reader.dispose()
        await self.writer.dispose()


def _on_connect(engine: AsyncEngine, pragmas: tuple[str, ...]) -> None:
    @sa.event.listens_for(engine.sync_engine, "connect")
    def _(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


async def open_engines(path: Path, metadata: sa.MetaData, *, synchronous: str = "FULL") -> Engines:
    """Open or make the file with these tables."""
    url = sa.URL.create("sqlite+aiosqlite", database=str(path))
    writer = create_async_engine(url, pool_size=1, max_overflow=0)
    _on_connect(writer, ("journal_mode=WAL", f"synchronous={synchronous}"))
    async with writer.begin() as db:
        await db.run_sync(metadata.create_all)
    path.chmod(0o600)  # noqa: ASYNC240  one system call, at start
    reader = create_async_engine(url, pool_size=READERS, max_overflow=0)
    _on_connect(reader, ("query_only=1", "wal_autocheckpoint=0"))
    return Engines(writer, reader)
