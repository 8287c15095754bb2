"""The evidence as the commands and `run` open it: keys, lock, both databases, in the right order and closed again."""

from __future__ import annotations

from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.journal.clock import SystemClock
from server.evidence.database import lock, open_evidence, open_registry, read_evidence, reading
from server.evidence.sql import SqlEntryStore
from server.keys import Keys, load_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scorelog.journal.clock import Clock
    from server.config import Config
    from server.database.seam import Database


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works with."""

    config: Config
    keys: Keys
    store: SqlEntryStore
    clock: Clock
    registry: Database  # tables of the `registry` MetaData: `await registry.read/write(fn(connection))`


@asynccontextmanager
async def opened(config: Config, *, write: bool, clock: Clock | None = None) -> AsyncIterator[Opened]:
    """With `write` the only process on this evidence (Unsafe when there is another); without, a reader beside it."""
    clock = clock or SystemClock()
    keys = load_keys(config)
    held = lock(config.data) if write else None
    stack = ExitStack()
    try:
        if not write:
            stack.enter_context(reading(config.data))
        evidence = open_evidence(config.data) if write else read_evidence(config.data)
        registry = open_registry(config.data)
        store = SqlEntryStore(evidence, registry, clock, keys.sealer)
        try:
            yield Opened(config, keys, store, clock, registry)
        finally:
            await store.close()
    finally:
        stack.close()
        if held is not None:
            held.release()
