"""The evidence as the commands and `run` open it: keys, locks, databases, in the right order and closed again.

The one place that knows both forms: SQLite files in `server.data`, or one PostgreSQL database when there is a URL. In
the SQLite form a writer is the only process; in the PostgreSQL form there may be any number.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.journal.clock import SystemClock
from scorelog.journal.errors import LogLocked
from scorelog.journal.files import DirectoryLock
from server.database import kept
from server.database.names import SCHEMAS
from server.database.postgres import Postgres, connect
from server.errors import Unsafe
from server.evidence.database import (
    PEOPLE_FILE,
    PROJECTIONS_FILE,
    create_people,
    lock,
    open_evidence,
    open_registry,
    read_evidence,
    reading,
)
from server.evidence.seal import Sealer
from server.evidence.sql import SqlEntryStore
from server.keys import Keys, load_keys
from server.people.accounts import AccountStore
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from scorelog.journal.clock import Clock
    from server.config import Config
    from server.database.seam import Database

FOLDER_LOCK = "server.lock"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works with."""

    config: Config
    keys: Keys
    store: SqlEntryStore
    clock: Clock
    registry: Database  # tables of the `registry` MetaData: `await registry.read/write(fn(connection))`
    postgres: Postgres | None = None  # None: the SQLite form

    async def accounts(self) -> AccountStore:
        """The people's database; the caller closes it."""
        return await _accounts(self.config, self.postgres, self.clock)

    async def projections(self) -> ProjectionStore:
        """The projections; the caller closes it."""
        if self.postgres is None:
            return await ProjectionStore.open(self.config.data / PROJECTIONS_FILE)
        return await asyncio.to_thread(kept.open_projections, self.postgres)


@asynccontextmanager
async def opened(config: Config, *, write: bool, clock: Clock | None = None) -> AsyncIterator[Opened]:
    """SQLite: with `write` the only process on this evidence (Unsafe when there is another); without, a reader."""
    clock = clock or SystemClock()
    keys = load_keys(config)
    with ExitStack() as stack:
        if config.database is not None:
            postgres = stack.enter_context(_connected(config))
            await asyncio.to_thread(kept.check, postgres, keys.mirror.vkey)
            evidence: Database = postgres.database(SCHEMAS["evidence"])
            registry: Database = postgres.database(SCHEMAS["registry"])
        else:
            postgres = None
            stack.enter_context(_alone(config) if write else reading(config.data))
            evidence = open_evidence(config.data) if write else read_evidence(config.data)
            registry = open_registry(config.data)
        store = SqlEntryStore(evidence, registry, clock, keys.sealer)
        try:
            yield Opened(config, keys, store, clock, registry, postgres)
        finally:
            await store.close()


@asynccontextmanager
async def opened_registry(config: Config) -> AsyncIterator[SqlEntryStore]:
    """The registry alone, beside running servers; the evidence is not opened."""
    async with opened_registry_database(config) as database:
        yield SqlEntryStore(database, database, SystemClock(), Sealer(b""))


@asynccontextmanager
async def opened_registry_database(config: Config) -> AsyncIterator[Database]:
    """The same for the rooms that have tables of their own in it."""
    with ExitStack() as stack:
        if config.database is None:
            database: Database = open_registry(config.data)
        else:
            postgres = stack.enter_context(_connected(config))
            await asyncio.to_thread(kept.check, postgres, None)
            database = postgres.database(SCHEMAS["registry"])
        try:
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def opened_accounts(config: Config) -> AsyncIterator[AccountStore]:
    """The people's database alone. SQLite: no server may run."""
    with ExitStack() as stack:
        postgres = None
        if config.database is None:
            lock(config.data).release()
        else:
            postgres = stack.enter_context(_connected(config))
            await asyncio.to_thread(kept.check, postgres, None)
        accounts = await _accounts(config, postgres, SystemClock())
        try:
            yield accounts
        finally:
            await accounts.close()


@contextmanager
def folder_held(config: Config) -> Iterator[None]:
    """For `run` in the PostgreSQL form: the control socket in this folder is this process's own."""
    if config.database is None:
        yield
        return
    config.data.mkdir(0o700, parents=True, exist_ok=True)
    try:
        held = DirectoryLock(config.data / FOLDER_LOCK)
    except LogLocked as error:
        raise Unsafe(
            f"{config.data}: another server process uses this folder; give each its own server.data"
        ) from error
    try:
        yield
    finally:
        held.release()


@contextmanager
def _alone(config: Config) -> Iterator[None]:
    held = lock(config.data)
    try:
        yield
    finally:
        held.release()


@contextmanager
def _connected(config: Config) -> Iterator[Postgres]:
    assert config.database is not None  # noqa: S101  # the caller has looked
    postgres = connect(config.database)
    try:
        yield postgres
    finally:
        postgres.dispose()


async def _accounts(config: Config, postgres: Postgres | None, clock: Clock) -> AccountStore:
    if postgres is None:
        await asyncio.to_thread(create_people, config.data)
        return await AccountStore.open(config.data / PEOPLE_FILE, clock)
    return await AccountStore.over(kept.people_engines(postgres), clock)
