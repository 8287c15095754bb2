"""How the evidence is opened, read and written in its SQLite form: threads, pragmas, the lock, the recovery at start.

    evidence.db   WAL, synchronous=FULL. One connection of one process writes and checkpoints; readers are told to do
                  neither (SQLite before 3.51.3 can damage a WAL that two connections checkpoint at once)
    registry.db   rollback journal. Written by the operator's commands too while the server runs; a few rows

Owns when something is durable. Knows no table. The functions it runs take a SQLAlchemy connection; the form for
PostgreSQL (server/database/postgres.py) runs the same ones.
"""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from scorelog.journal.errors import LogLocked
from scorelog.journal.failpoints import failpoint
from scorelog.journal.files import DirectoryLock, drop_cached, sync_directory
from server.database import revisions
from server.database.tables import KEPT
from server.errors import AlreadyThere, Missing, ServerError, StoreFailed, Unsafe
from server.evidence.schema import SCHEMA_VERSION, meta
from server.failpoints import BEGIN, COMMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from server.database.tables import Kind

T = TypeVar("T")

EVIDENCE_FILE: Final = "evidence.db"
REGISTRY_FILE: Final = "registry.db"
PEOPLE_FILE: Final = "people.db"
PROJECTIONS_FILE: Final = "projections.db"
FILES: Final[dict[str, Kind]] = {EVIDENCE_FILE: "evidence", REGISTRY_FILE: "registry", PEOPLE_FILE: "people"}
LOCK_FILE: Final = "evidence.lock"
MOVED_FILE: Final = "moved-to-postgresql"
READERS_FILE: Final = "evidence.readers"
READERS_WAIT_S: Final = 30.0
READERS: Final = 4
BUSY_TIMEOUT_MS: Final = 10_000
SYNCHRONOUS_FULL: Final = 2
_COUNT_AT: Final = slice(24, 28)


class SqliteDatabase:
    """One database that one writer thread and a few reader threads share."""

    def __init__(self, writer: sa.Engine, reader: sa.Engine, name: str, watched: Path | None = None) -> None:
        self._writer = writer
        self._reader = reader
        self._count = _ChangeCount(watched) if watched else None
        self._writing = ThreadPoolExecutor(1, f"{name}-writer")
        self._reading = ThreadPoolExecutor(READERS, f"{name}-reader")
        self._failed: StoreFailed | None = None

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run in one read transaction."""

        def step() -> T:
            with self._reader.connect() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._reading, step)

    def version(self) -> int | None:
        """The file's count of changes; inside a read transaction, that of the state which it reads."""
        return self._count.now() if self._count is not None else None

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run in one write transaction: durable when it returns. A thread is never cancelled half-way.

        Any failure of the database is final (StoreFailed): whether the transaction is on the disk is not known, so
        no later write may be acknowledged either. Refusals of our own roll back and change nothing.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._step, work)

    def _step(self, work: Callable[[sa.Connection], T]) -> T:
        if self._failed is not None:
            raise self._failed
        try:
            return self._transaction(work)
        except ServerError:
            raise
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._failed = StoreFailed(f"a write failed: {_first_line(error)}")
            raise self._failed from error

    def _transaction(self, work: Callable[[sa.Connection], T]) -> T:
        with self._writer.connect() as connection:
            with failpoint(BEGIN):
                connection.begin()
            result = work(connection)
            with failpoint(COMMIT):
                connection.commit()
            return result

    async def close(self) -> None:
        """Let the last write end, then close every connection; idempotent."""
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        self._reader.dispose()
        self._writer.dispose()
        if self._count is not None:
            self._count.close()


class _ChangeCount:
    """The file change counter of a database in rollback-journal mode (sqlite.org/fileformat2.html, offset 24).

    Every transaction raises it when it writes its pages, before it is over; a rollback puts it back. So a count that
    is the same means that nothing was committed since. Read from the mapped page: no lock, no call, no waiting. Mapped
    for as long as the database is open: closing a file takes the process's locks on it away.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._page = mmap.mmap(self._file.fileno(), _COUNT_AT.stop, prot=mmap.PROT_READ)

    def now(self) -> int:
        """The count as it stands in the file."""
        return int.from_bytes(self._page[_COUNT_AT], "big")

    def close(self) -> None:
        """After every connection is closed; idempotent."""
        self._page.close()
        self._file.close()


def _first_line(error: BaseException) -> str:
    """Never the statement with its parameters: they hold entries."""
    origin = getattr(error, "orig", None) or error
    return f"{type(origin).__name__}: {str(origin).splitlines()[0][:200] if str(origin) else ''}"


def create(directory: Path) -> None:
    """Make both empty databases; what is there is never overwritten."""
    for name in (EVIDENCE_FILE, REGISTRY_FILE):
        if (directory / name).exists():
            raise AlreadyThere(
                f"{directory / name}: already there; a fresh one would deny everything that was receipted"
            )
    _create(directory / EVIDENCE_FILE, "evidence", "journal_mode=WAL")
    _create(directory / REGISTRY_FILE, "registry", "journal_mode=DELETE")
    sync_directory(directory)


def _create(path: Path, kind: Kind, pragma: str) -> None:
    path.touch(0o600, exist_ok=False)
    engine = _engine(path, (pragma, "synchronous=EXTRA"))
    with engine.begin() as connection:
        KEPT[kind].create_all(connection)
        revisions.stamp(connection, kind)
        if kind == "evidence":
            connection.execute(sa.insert(meta).values(key="schema", value=str(SCHEMA_VERSION)))
    engine.dispose()


def create_people(directory: Path) -> None:
    """The empty people database; one that is there must be of our revision."""
    path = directory / PEOPLE_FILE
    if not path.exists():
        _create(path, "people", "journal_mode=WAL")
        return
    engine = _engine(path, ("query_only=1",))
    with _opening(path), engine.connect() as connection:
        revisions.check(connection, "people", path)
    engine.dispose()


def migrate(directory: Path) -> list[str]:
    """Bring every kept database to our revision; what was run. The caller holds the lock."""
    done = []
    for name, kind in FILES.items():
        path = directory / name
        if path.exists():
            engine = _engine(path, ("synchronous=EXTRA",))
            with engine.begin() as connection:
                done += [f"{name} {revision}" for revision in revisions.upgrade(connection, kind)]
            engine.dispose()
    return done


def lock(directory: Path, *, empty: bool = False) -> DirectoryLock:
    """One server per evidence database; `empty` when it is about to be put there."""
    refuse_moved(directory)
    if not empty and not (directory / EVIDENCE_FILE).exists():
        raise Missing(f"{directory / EVIDENCE_FILE}: no evidence database; `kaofen-server init` makes one, once")
    try:
        return DirectoryLock(directory / LOCK_FILE)
    except LogLocked as error:
        raise Unsafe(f"{directory}: another process has this evidence open; stop it first") from error


class DatabaseFiles:
    """The names of everything that belongs to the databases of a data folder."""

    KEPT: Final = (EVIDENCE_FILE, REGISTRY_FILE, PEOPLE_FILE, PROJECTIONS_FILE)
    BESIDE: Final = ("", "-wal", "-shm", "-journal")

    @classmethod
    def all(cls, directory: Path) -> list[str]:
        """Those that are there."""
        names = [name + end for name in cls.KEPT for end in cls.BESIDE]
        return [name for name in names if (directory / name).exists()]


@contextmanager
def reading(directory: Path) -> Iterator[None]:
    """Held while a command reads beside the server: a server that starts now waits before it drops shared memory."""
    fd = os.open(directory / READERS_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def _drop_what_is_only_in_memory(directory: Path) -> None:
    """After a failed fsync the kernel calls the lost page clean: read back from the disk, not from memory."""
    path = directory / EVIDENCE_FILE
    fd = os.open(directory / READERS_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + READERS_WAIT_S
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unsafe(f"{path}: a command (backup, fsck) is still reading it") from None
                time.sleep(0.1)
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        drop_cached(path, path.with_name(path.name + "-wal"))
    finally:
        os.close(fd)


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    """A database that cannot be read at start ends it in words. SQLite says "malformed" of a failed read as well."""
    try:
        yield
    except (sa.exc.DatabaseError, OSError) as error:
        raise Unsafe(
            f"{path} cannot be opened: {_first_line(error)}; nothing was changed. Start again: if it was a read that "
            "failed, the next may not. If it stays, save a copy of the data folder; `kaofen-server fsck` names what is "
            "damaged, `kaofen-server restore` puts a backup in its place and the gateways refill it"
        ) from error


def open_evidence(directory: Path) -> SqliteDatabase:
    """For the one process that holds the lock."""
    path = directory / EVIDENCE_FILE
    writer = _engine(path, ("journal_mode=WAL", "synchronous=FULL"))
    with _opening(path):
        _drop_what_is_only_in_memory(directory)
    with _opening(path), writer.connect() as connection:
        _refuse_unsafe(connection, path)
    return SqliteDatabase(writer, _reader_engine(path), "evidence")


def refuse_moved(directory: Path) -> None:
    """Evidence that went on in PostgreSQL must not go on here as well: two servers would sign two histories."""
    marker = directory / MOVED_FILE
    if marker.exists():
        raise Unsafe(
            f"{marker}: this evidence was moved ({marker.read_text('utf-8').strip()}); set database.url. "
            "To go back to the state before the move, remove that file"
        )


def read_evidence(directory: Path) -> SqliteDatabase:
    """For a command beside a running server: reads, never writes."""
    refuse_moved(directory)
    path = directory / EVIDENCE_FILE
    if not path.exists():
        raise Missing(f"{path}: no evidence database")
    reader = _reader_engine(path)
    with _opening(path), reader.connect() as connection:
        revisions.check(connection, "evidence", path)
    return SqliteDatabase(reader, reader, "evidence")


def kept_reader(path: Path) -> sa.Engine:
    """One connection that reads one of the files, for `move`."""
    return _engine(path, ("query_only=1", "wal_autocheckpoint=0"))


def open_registry(directory: Path) -> SqliteDatabase:
    """For the server and for the operator's commands, also at the same time."""
    refuse_moved(directory)
    path = directory / REGISTRY_FILE
    if not path.exists():
        raise Missing(f"{path}: no registry; `kaofen-server init` makes one, once")
    pragmas = ("journal_mode=DELETE", "synchronous=EXTRA")
    reader = _engine(path, ("query_only=1",), READERS)
    with _opening(path), reader.connect() as connection:
        revisions.check(connection, "registry", path)
    return SqliteDatabase(_engine(path, pragmas), reader, "registry", watched=path)


def sqlite_is_old() -> bool:
    """Whether this SQLite has the WAL bug that the one-writer rule keeps away."""
    return sqlite3.sqlite_version_info < (3, 51, 3)


def _reader_engine(path: Path) -> sa.Engine:
    return _engine(path, ("query_only=1", "wal_autocheckpoint=0"), READERS)


def _engine(path: Path, pragmas: tuple[str, ...], connections: int = 1) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite+pysqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=1", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if "query_only=1" in pragmas else "BEGIN IMMEDIATE")

    return engine


def _refuse_unsafe(connection: sa.Connection, path: Path) -> None:
    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    if mode != "wal" or synchronous < SYNCHRONOUS_FULL:
        raise Unsafe(f"{path}: journal_mode={mode} synchronous={synchronous}, expected wal and FULL (2)")
    version = connection.execute(sa.select(meta.c.value).where(meta.c.key == "schema")).scalar_one_or_none()
    if version != str(SCHEMA_VERSION):
        raise Unsafe(f"{path}: schema {version}, this program knows {SCHEMA_VERSION}")
    revisions.check(connection, "evidence", path)
