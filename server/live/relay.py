"""Live fan-out between server processes by PostgreSQL notifications: hints, throttled, never in an ingest transaction.

    process A (leads)   board ─ rows ─▶ kaofen_live.rows ──┐                ┌─▶ rows ─▶ hub ─▶ browsers    process B
                          ▲                                ├─ NOTIFY ───────┤
                          └── beats, sizes ◀───────────────┘                └── kaofen_live.beats, sizes ◀─ its gateways

One process leads (server/database/leader.py): it alone has a board that computes. What reaches another process, it
passes on: sizes of logs in the notification itself, heartbeats as one row a gateway. The leader's rows go back the same
way, one row a key. Both tables are unlogged, bounded, and worth nothing after a restart: each side reads the other's
whole state when it has missed something. A notification holds origins, sizes and numbers, nothing personal.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import psycopg
import sqlalchemy as sa
import structlog

from server.database import limits
from server.database.leader import Leadership, plain_connection
from server.database.names import CHANNEL, LIVE
from server.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from scorelog.journal.clock import Clock
    from server.live.board import LiveBoard
    from server.live.hub import Hub
    from server.projection.projector import Projector
    from server.projection.rubrics import RubricBook
    from server.projection.store import ProjectionStore

    Connection = psycopg.AsyncConnection[tuple[Any, ...]]
    Taken = Callable[[str, Mapping[str, Any], int, int], Awaitable[None]]

log = structlog.get_logger()

_TABLES: Final = (
    f"CREATE SCHEMA IF NOT EXISTS {LIVE}",
    f"""CREATE UNLOGGED TABLE IF NOT EXISTS {LIVE}.beats (gateway_id text COLLATE "C" PRIMARY KEY,
        at timestamptz NOT NULL, heard_us bigint NOT NULL, stored bigint NOT NULL, body text NOT NULL)""",
    f"""CREATE UNLOGGED TABLE IF NOT EXISTS {LIVE}.rows (key text COLLATE "C" PRIMARY KEY,
        epoch text NOT NULL, version bigint NOT NULL, data text NOT NULL)""",
)
# ruff: noqa: S608  # the only thing that is put into these statements is the name of our schema
_BEAT: Final = f"""INSERT INTO {LIVE}.beats VALUES (%s, clock_timestamp(), %s, %s, %s) ON CONFLICT (gateway_id)
    DO UPDATE SET at = excluded.at, heard_us = excluded.heard_us, stored = excluded.stored, body = excluded.body"""
_ROW: Final = f"""INSERT INTO {LIVE}.rows VALUES (%s, %s, %s, %s) ON CONFLICT (key)
    DO UPDATE SET epoch = excluded.epoch, version = excluded.version, data = excluded.data"""
# A little of what was read before is read again: a row may become visible after one that says a later time.
_BEATS_SINCE: Final = f"""SELECT gateway_id, heard_us, stored, body, at FROM {LIVE}.beats
    WHERE at > COALESCE(%s::timestamptz - interval '1 second', clock_timestamp() - interval '10 seconds') ORDER BY at"""
_ROWS_SINCE: Final = f"""SELECT key, epoch, version, data FROM {LIVE}.rows WHERE epoch <> %s OR version > %s
    ORDER BY version LIMIT {limits.ROWS_AT_ONCE}"""


def prepare(connection: sa.Connection) -> None:
    """Make both tables where they are not there."""
    for statement in _TABLES:
        connection.exec_driver_sql(statement)


class Relay:
    """The Fanout of one of several processes."""

    def __init__(
        self,
        url: sa.URL,
        clock: Clock,
        *,
        hub: Hub,
        board: LiveBoard,
        projector: Projector,
        projections: ProjectionStore,
        book: RubricBook,
    ) -> None:
        self._url = url
        self._clock = clock
        self._hub = hub
        self._board = board
        self._projector = projector
        self._projections = projections
        self._book = book
        self._leadership = Leadership(url, clock)
        self.leads = False
        self.take: Taken | None = None  # a heartbeat that came to another process
        self._outbox = _Outbox()
        self._wake = asyncio.Event()
        self._terms = 0
        self._heard: dict[str, int] = {}
        self._heard_until: object = None
        self._seen = _Seen()
        hub.published = self._published

    # -- what this process has to tell -----------------------------------------------------------------------------

    def stored(self, origin: str, size: int) -> None:
        """Called by the committer after its commit."""
        if self.leads:
            self._board.stored(origin, size)
            self._projector.notify()
        else:
            self._outbox.stored[origin] = max(size, self._outbox.stored.get(origin, 0))
            self._wake.set()

    def cosigned(self) -> None:
        """The leader looks for cosignatures by itself."""
        if self.leads:
            self._projector.notify()

    def matched(self) -> None:
        """The leader projects whenever it hears anything; the match itself stands in the registry."""
        if self.leads:
            self._projector.notify()
        else:
            self._wake.set()

    def beat(self, gateway_id: str, body: Mapping[str, Any], stored: int, now_us: int) -> bool:
        """Kept as one row a gateway, the newest one."""
        if self.leads:
            return False
        text = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
        self._outbox.beats[gateway_id] = (gateway_id, now_us, stored, text)
        self._wake.set()
        return True

    def _published(self, key: str, data: str) -> None:
        if self.leads:
            self._outbox.rows[key] = data
            self._wake.set()

    # -- leading ---------------------------------------------------------------------------------------------------

    async def gain(self) -> None:
        """Until this process leads; then everything that another one had found out is found out again."""
        await self._leadership.gain()
        self._terms += 1
        self._outbox.begin(f"{self._hub.instance}-{self._terms}")
        self._heard, self._heard_until = {}, None
        self._board.forget_all()
        self._projector.forget()
        self.leads = True
        log.info("this process leads")

    async def lost(self) -> None:
        """Until it leads no more."""
        try:
            await self._leadership.lost()
        finally:
            self.leads = False
            self._seen = _Seen()
            self._board.forget_all()

    async def close(self) -> None:
        """Another process may take over at once."""
        self.leads = False
        self._hub.published = None
        await self._leadership.give_up()

    # -- both directions -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; a lost connection is opened again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again("tell", self._tell))
            tasks.create_task(self._again("hear", self._hear))

    async def _again(self, what: str, work: Callable[[Connection], Awaitable[None]]) -> None:
        while True:
            try:
                async with await plain_connection(self._url) as connection:
                    await work(connection)
            except (psycopg.Error, sa.exc.SQLAlchemyError, OSError, Busy) as error:
                log.warning("live connection lost", what=what, error=type(error).__name__)
            await self._clock.sleep(limits.RECONNECT_S)

    async def _tell(self, connection: Connection) -> None:
        # Nothing that this connection writes must outlive a crash.
        await connection.execute("SET synchronous_commit = off")
        while True:
            await self._wake.wait()
            self._wake.clear()
            taken = self._outbox.take()
            try:
                await self._flush(connection, taken)
            except BaseException:
                self._outbox.put_back(taken)
                self._wake.set()
                raise
            await self._clock.sleep(limits.TELL_EVERY_S)

    async def _flush(self, connection: Connection, taken: _Outbox) -> None:
        async with connection.transaction(), connection.cursor() as cursor:
            if taken.fresh:
                await cursor.execute(f"DELETE FROM {LIVE}.rows")
            if taken.beats:
                await cursor.executemany(_BEAT, sorted(taken.beats.values()))
            if taken.rows:
                await cursor.executemany(_ROW, taken.numbered())
            for notice in taken.notices(self._hub.instance):
                await cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, notice))

    async def _hear(self, connection: Connection) -> None:
        await connection.execute(f"LISTEN {CHANNEL}")
        while True:
            await self._look(connection)
            async for notice in connection.notifies(timeout=limits.LOOK_EVERY_S, stop_after=1):
                self._noticed(notice.payload)

    def _noticed(self, payload: str) -> None:
        said = json.loads(payload)
        if self.leads and said["from"] != self._hub.instance:
            for origin, size in said["stored"].items():
                self._board.stored(origin, size)

    async def _look(self, connection: Connection) -> None:
        """Also without a notification: one may have been missed."""
        if self.leads:
            self._projector.notify()
            await self._take_beats(connection)
        else:
            await self._mirror(connection)

    async def _take_beats(self, connection: Connection) -> None:
        cursor = await connection.execute(_BEATS_SINCE, (self._heard_until,))
        for gateway_id, heard_us, stored, body, at in await cursor.fetchall():
            self._heard_until = at
            if self._heard.get(gateway_id) != heard_us and self.take is not None:
                self._heard[gateway_id] = heard_us
                await self.take(gateway_id, json.loads(body), stored, heard_us)

    async def _mirror(self, connection: Connection) -> None:
        rows: list[tuple[Any, ...]] = []
        while True:
            cursor = await connection.execute(_ROWS_SINCE, (self._seen.epoch, self._seen.version))
            rows = await cursor.fetchall()
            if rows and not self.leads:
                await self._learn()
            for key, epoch, version, data in rows:
                if self.leads:
                    return
                self._seen.row(key, epoch, version, self._clock.mono_us())
                self._board.mirror(key, json.loads(data)["row"])
            if len(rows) < limits.ROWS_AT_ONCE:
                break
        for key in self._seen.stale(self._clock.mono_us()):
            self._board.mirror(key, {"key": key, "gone": True})

    async def _learn(self) -> None:
        """The names and rules that pages say come from adopted texts, which the leader has projected."""
        for row in await self._projections.adoptions_beside(self._seen.hashes):
            self._book.take(row["index"], row["kind"], row["sha256"], row["text"])
            self._seen.hashes.add(row["sha256"])


class _Outbox:
    """What waits to be told: by key, the newest only, so that it is bounded by what there is."""

    def __init__(self) -> None:
        self.stored: dict[str, int] = {}
        self.beats: dict[str, tuple[str, int, int, str]] = {}
        self.rows: dict[str, str] = {}
        self.epoch = ""
        self.version = 0
        self.fresh = False

    def begin(self, epoch: str) -> None:
        """From now on this process leads: the rows of the one before are not ours."""
        self.epoch, self.version, self.fresh = epoch, 0, True
        self.rows = {}

    def take(self) -> _Outbox:
        """Everything that waits; numbers go on here."""
        taken = _Outbox()
        taken.stored, taken.beats, taken.rows = self.stored, self.beats, self.rows
        taken.epoch, taken.version, taken.fresh = self.epoch, self.version, self.fresh
        self.stored, self.beats, self.rows, self.fresh = {}, {}, {}, False
        self.version += len(taken.rows)
        return taken

    def put_back(self, taken: _Outbox) -> None:
        """It was not told; what came meanwhile is newer."""
        self.stored = {**taken.stored, **self.stored}
        self.beats = {**taken.beats, **self.beats}
        if taken.epoch == self.epoch:
            self.rows = {**taken.rows, **self.rows}
            self.fresh = self.fresh or taken.fresh

    def numbered(self) -> list[tuple[str, str, int, str]]:
        """Rows with their versions."""
        return [
            (key, self.epoch, number, data) for number, (key, data) in enumerate(self.rows.items(), self.version + 1)
        ]

    def notices(self, instance: str) -> Iterator[str]:
        """One, or more when the sizes do not fit into one."""
        part: dict[str, int] = {}
        length = 0
        for origin, size in self.stored.items():
            length += len(origin) + 24
            if length > limits.NOTICE_BYTES_MAX:
                yield json.dumps({"from": instance, "stored": part})
                part, length = {}, len(origin) + 24
            part[origin] = size
        yield json.dumps({"from": instance, "stored": part})


class _Seen:
    """How far the leader's rows were read."""

    def __init__(self) -> None:
        self.epoch = ""
        self.version = 0
        self.hashes: set[str] = set()
        self._epochs: dict[str, str] = {}
        self._since_us = 0

    def row(self, key: str, epoch: str, version: int, mono_us: int) -> None:
        """One was read."""
        if epoch != self.epoch:
            self.epoch, self._since_us = epoch, mono_us
        self.version = version
        self._epochs[key] = epoch

    def stale(self, mono_us: int) -> list[str]:
        """Keys that the leader has not made again since it leads."""
        if mono_us - self._since_us < limits.STALE_AFTER_S * 1e6:
            return []
        found = [key for key, epoch in self._epochs.items() if epoch != self.epoch]
        for key in found:
            del self._epochs[key]
        return found
