"""Which of several server processes leads: projects, watches for silence and audits. Exactly one, by an advisory lock.

The lock belongs to a connection of its own. When the process dies, PostgreSQL gives it back at once; when the process
hangs or its machine goes away, after LEADER_IDLE_S (idle_session_timeout, TCP keepalive). A process that lost the
connection stops leading before it does anything else; what it had under way cannot do harm, because the cursor of the
projections is compared in each transaction (server/projection/store.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import psycopg
import structlog

from server.database import limits, names

if TYPE_CHECKING:
    import sqlalchemy as sa

    from scorelog.journal.clock import Clock

log = structlog.get_logger()


async def plain_connection(url: sa.URL) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """One connection outside of every pool, each statement a transaction of its own."""
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await psycopg.AsyncConnection.connect(
        conninfo,
        autocommit=True,
        connect_timeout=limits.CONNECT_TIMEOUT_S,
        application_name="kaofen",
        keepalives_idle=limits.TCP_SILENT_S // 3,
        keepalives_interval=limits.TCP_SILENT_S // 3,
        keepalives_count=2,
        tcp_user_timeout=limits.TCP_SILENT_S * 1000,
    )


class Leadership:
    """Tries to lead until it does; says when it does no more."""

    def __init__(self, url: sa.URL, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None

    async def gain(self) -> None:
        """Until this process leads."""
        while True:
            try:
                if await self._holds():
                    return
            except (psycopg.Error, OSError) as error:
                log.warning("cannot ask who leads", error=type(error).__name__)
                await self.give_up()
            await self._clock.sleep(limits.LEADER_LOOK_S)

    async def lost(self) -> None:
        """Until it leads no more."""
        while self._connection is not None:
            await self._clock.sleep(limits.LEADER_LOOK_S)
            try:
                async with asyncio.timeout(limits.LEADER_IDLE_S):
                    await self._connection.execute("SELECT 1")
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("leadership lost", error=type(error).__name__)
                await self.give_up()

    async def give_up(self) -> None:
        """Let another process lead; idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()

    async def _holds(self) -> bool:
        if self._connection is None:
            self._connection = await plain_connection(self._url)
            if self._connection.info.server_version >= limits.IDLE_TIMEOUT_VERSION:
                await self._connection.execute(f"SET idle_session_timeout = '{limits.LEADER_IDLE_S}s'")
        cursor = await self._connection.execute(f"SELECT pg_try_advisory_lock({names.LEADER})")
        row = await cursor.fetchone()
        return row is not None and bool(row[0])
