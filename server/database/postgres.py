"""The PostgreSQL form of a database: a pool of connections, write transactions whose outcome is always said.

    read    REPEATABLE READ, READ ONLY: one snapshot, as a SQLite reader has it
    write   READ COMMITTED: whoever changes a log locks its row first (server/evidence/locks.py)

A connection may break at any time. Before the commit that means that nothing was stored: the work is run once more.
During the commit nobody knows: `Unsettled`, nothing is acknowledged, the sender asks again and the row's size tells.
PostgreSQL itself goes down when a sync of its log fails and recovers from it, so a broken connection, unlike a failed
SQLite write, does not end this process. A database that would not keep what it acknowledges is refused (`Unsafe`).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import sqlalchemy as sa
import structlog
from psycopg.pq import TransactionStatus
from sqlalchemy.ext.asyncio import create_async_engine

from scorelog.journal.failpoints import failpoint
from server.database import limits
from server.database.location import shown
from server.errors import Unsafe, Unsettled
from server.failpoints import BEGIN, COMMIT
from server.projection.engine import Engines

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

log = structlog.get_logger()
T = TypeVar("T")

# synchronous_commit: with these a commit that returns is on the disk, and on the standby that was asked for.
DURABLE: Final = frozenset({"on", "remote_apply"})
# Rolled back by the server for sure: serialization, deadlock, shutdown, crash of another backend, starting up.
_AGAIN: Final = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})
_SETTINGS: Final = ("fsync", "full_page_writes", "synchronous_commit", "server_encoding", "server_version_num")

# Entries are compressed by what costs the database least where it has it (14 and newer, as most are built): the CPU of
# a stored upload is halved. What is stored already stays as it is; both are read alike.
_COMPRESSION: Final = (
    "SELECT set_config(name, 'lz4', false) FROM pg_settings"
    " WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)"
)


class RolledBackError(Exception):
    """Nothing of this transaction is stored; it may be run again."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """The connections of one process to one database."""

    url: sa.URL
    writer: sa.Engine
    reader: sa.Engine

    def database(self, schema: str) -> PostgresDatabase:
        """One schema of it."""
        translate = {"schema_translate_map": {None: schema}}
        return PostgresDatabase(
            self.writer.execution_options(**translate), self.reader.execution_options(**translate), schema
        )

    def views(self, schema: str, connections: int) -> Engines:
        """One schema of it for the rooms that work with asyncio connections."""
        translate = {"schema_translate_map": {None: schema}}
        made = [
            create_async_engine(
                self.url,
                pool_size=size,
                max_overflow=0,
                pool_timeout=limits.POOL_TIMEOUT_S,
                pool_pre_ping=True,  # these rooms do not try again: a connection that broke meanwhile is not given out
                connect_args=_connect_args(),
                execution_options=translate,
            )
            for size in (connections, limits.VIEW_READERS)
        ]
        for engine in made:
            _on_connect(engine.sync_engine)
        return Engines(*made)

    def dispose(self) -> None:
        """Close every connection; idempotent."""
        self.writer.dispose()
        self.reader.dispose()


def connect(url: sa.URL, *, readers: int = limits.READERS, writers: int = limits.WRITERS) -> Postgres:
    """Open the pools and look at the database once; Unsafe when it must not hold evidence."""
    writer = _engine(url, writers, isolation_level="READ COMMITTED")
    reader = _engine(url, readers, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True})
    made = Postgres(url, writer, reader)
    try:
        with writer.connect() as connection:
            connection.execute(sa.select(1))
    except sa.exc.SQLAlchemyError as error:
        made.dispose()
        raise Unsettled(f"{shown(url)}: {first_line(error)}") from error
    except BaseException:
        made.dispose()
        raise
    return made


class PostgresDatabase:
    """One schema; the threads wait for the server."""

    def __init__(self, writer: sa.Engine, reader: sa.Engine, name: str) -> None:
        self._writer = writer
        self._reader = reader
        self._writing = ThreadPoolExecutor(limits.WRITERS, f"{name}-writer")
        self._reading = ThreadPoolExecutor(limits.READERS, f"{name}-reader")

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run in one read transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._tried, self._read, work)

    def version(self) -> int | None:
        """A change can only be seen by asking the server."""
        return None

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run in one write transaction: durable when it returns. A thread is never cancelled half-way."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._tried, self._transaction, work)

    async def close(self) -> None:
        """Let the last write end; the pools are closed by whoever opened them."""
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()

    def _tried(self, step: Callable[[Callable[[sa.Connection], T]], T], work: Callable[[sa.Connection], T]) -> T:
        for _ in range(limits.TRIES - 1):
            try:
                return step(work)
            except RolledBackError:
                continue
        try:
            return step(work)
        except RolledBackError as error:
            raise Unsettled(f"the database cannot be reached: {error}") from error

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._reader.connect() as connection:
                return work(connection)
        except sa.exc.SQLAlchemyError as error:
            raise _meant(error) from error

    def _transaction(self, work: Callable[[sa.Connection], T]) -> T:
        committing = False
        try:
            with self._writer.connect() as connection:
                with failpoint(BEGIN):
                    connection.begin()
                result = work(connection)
                _refuse_failed(connection)
                committing = True
                with failpoint(COMMIT):
                    connection.commit()
                return result
        except (sa.exc.SQLAlchemyError, OSError) as error:
            if committing:
                log.warning("commit outcome unknown", error=first_line(error))
                raise Unsettled(f"whether it was stored is not known: {first_line(error)}") from error
            raise _meant(error) from error


def _refuse_failed(connection: sa.Connection) -> None:
    """COMMIT of a transaction in which a statement failed is a quiet ROLLBACK: it must not pass as stored."""
    status = connection.connection.dbapi_connection.info.transaction_status  # type: ignore[union-attr]
    if status not in {TransactionStatus.INTRANS, TransactionStatus.IDLE}:
        raise Unsettled(f"the transaction had failed before its commit ({status.name})")


def _meant(error: Exception) -> Exception:
    """What an error before the commit means: run it again, or come back later. Never fatal: nothing was stored."""
    if isinstance(error, sa.exc.DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        gone = state is None and isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
        if error.connection_invalidated or gone or state in _AGAIN:
            return RolledBackError(first_line(error))
    if not isinstance(error, sa.exc.TimeoutError):
        log.error("statement failed", error=first_line(error))
    return Unsettled(f"the database did not do it: {type(getattr(error, 'orig', None) or error).__name__}")


def first_line(error: BaseException) -> str:
    """Never the statement with its parameters: they hold entries."""
    origin = getattr(error, "orig", None) or error
    return f"{type(origin).__name__}: {str(origin).splitlines()[0][:200] if str(origin) else ''}"


# -- engines -------------------------------------------------------------------------------------------------------


def _connect_args() -> dict[str, Any]:
    return {
        "connect_timeout": limits.CONNECT_TIMEOUT_S,
        "application_name": "kaofen",
        "keepalives_idle": limits.TCP_SILENT_S // 3,
        "keepalives_interval": limits.TCP_SILENT_S // 3,
        "keepalives_count": 2,
        "tcp_user_timeout": limits.TCP_SILENT_S * 1000,
    }


def _engine(url: sa.URL, connections: int, **options: Any) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=limits.POOL_TIMEOUT_S,
        connect_args=_connect_args(),
        **options,
    )
    _on_connect(engine)
    return engine


def _on_connect(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for name, value in (
            ("statement_timeout", f"{limits.STATEMENT_TIMEOUT_S}s"),
            ("lock_timeout", f"{limits.LOCK_TIMEOUT_S}s"),
            ("idle_in_transaction_session_timeout", f"{limits.IDLE_IN_TRANSACTION_S}s"),
            ("timezone", "UTC"),
        ):
            cursor.execute(f"SET {name} = '{value}'")
        cursor.execute(_COMPRESSION)
        cursor.execute(f"SELECT {', '.join(f'current_setting($${name}$$)' for name in _SETTINGS)}, pg_is_in_recovery()")
        row = cursor.fetchone()
        cursor.close()
        connection.commit()
        refuse_unsafe(dict(zip((*_SETTINGS, "standby"), row or (), strict=True)))


def refuse_unsafe(found: dict[str, Any]) -> None:
    """Looked at on every new connection: a setting that was changed meanwhile counts as well."""
    if found["standby"]:
        raise Unsettled("the database is a standby: it takes no writes")
    if int(found["server_version_num"]) < limits.SERVER_VERSION_MIN:
        raise Unsafe(f"PostgreSQL {found['server_version_num']}, expected 13 or newer")
    if found["fsync"] != "on" or found["full_page_writes"] != "on":
        raise Unsafe(
            f"fsync={found['fsync']} full_page_writes={found['full_page_writes']}, expected on: this database may lose "
            "what it acknowledged"
        )
    if found["synchronous_commit"] not in DURABLE:
        raise Unsafe(f"synchronous_commit={found['synchronous_commit']}, expected {' or '.join(sorted(DURABLE))}")
    if found["server_encoding"] != "UTF8":
        raise Unsafe(
            f"server_encoding={found['server_encoding']}, expected UTF8: create the database with ENCODING 'UTF8'"
        )
