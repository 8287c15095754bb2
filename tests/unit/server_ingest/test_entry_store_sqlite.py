"""The SQLite form of EntryStore keeps the contract; opening it is safe or refused."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from entry_store_contract import EntryStoreContract, bundle_of
from sample_uploads import SampleLog
from server_bench import make_sqlite_store

from scorelog.journal.failpoints import armed
from server.errors import AlreadyThere, Damaged, Missing, StoreFailed, Unsafe
from server.evidence.database import create, lock, open_evidence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.evidence.sql import SqlEntryStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlEntryStore]:
    made = make_sqlite_store(tmp_path)
    yield made
    await made.close()


class TestSqliteContract(EntryStoreContract):
    """All laws of the contract."""


async def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    """P1: a store that was closed and opened again holds what it acknowledged."""
    log = SampleLog().grow(2)
    store = make_sqlite_store(tmp_path)
    assert await store.append(bundle_of(log, 0, 2))
    await store.close()
    again = make_sqlite_store(tmp_path)
    assert [each.data for each in await again.entries(log.origin, 0, 9)] == log.entries
    await again.close()


def test_init_never_overwrites(tmp_path: Path) -> None:
    """A fresh database in place of an old one would deny everything that was receipted."""
    create(tmp_path)
    with pytest.raises(AlreadyThere):
        create(tmp_path)


def test_run_never_creates(tmp_path: Path) -> None:
    """A missing database is a refusal."""
    with pytest.raises(Missing):
        lock(tmp_path)


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """One writer per evidence database."""
    create(tmp_path)
    held = lock(tmp_path)
    with pytest.raises(Unsafe):
        lock(tmp_path)
    held.release()
    lock(tmp_path).release()


def test_another_schema_is_refused(tmp_path: Path) -> None:
    """A database of a later program is not written by this one."""
    create(tmp_path)
    with sqlite3.connect(tmp_path / "evidence.db") as connection:
        connection.execute("UPDATE meta SET value = '99'")
    connection.close()
    with pytest.raises(Unsafe, match="schema 99"):
        open_evidence(tmp_path)


@pytest.mark.parametrize("point", ["server.begin", "server.insert", "server.commit"])
@pytest.mark.parametrize("action", ["error", "error-after"])
async def test_a_failed_write_is_final(tmp_path: Path, point: str, action: str) -> None:
    """After a failed step nothing is acknowledged any more, whether it was persisted or not; a restart knows (P1)."""
    log = SampleLog().grow(2)
    store = make_sqlite_store(tmp_path)
    with armed(f"{point}={action}"), pytest.raises(StoreFailed):
        await store.append(bundle_of(log, 0, 1))
    with pytest.raises(StoreFailed):
        await store.append(bundle_of(log, 0, 1))
    await store.close()
    again = make_sqlite_store(tmp_path)
    state = await again.log(log.origin)
    persisted = (point, action) == ("server.commit", "error-after")
    assert (state.size if state else 0) == (1 if persisted else 0)
    await again.close()


async def test_a_row_in_the_way_damages_one_log_only(tmp_path: Path) -> None:
    """P8: a bundle that somebody inserted ahead stops that log with Damaged, not the store."""
    one, two = SampleLog("gw-01").grow(2), SampleLog("gw-02").grow(1)
    store = make_sqlite_store(tmp_path)
    assert await store.append(bundle_of(one, 0, 1))
    with sqlite3.connect(tmp_path / "evidence.db") as connection:
        connection.execute("INSERT INTO bundles SELECT 99, log_id, 1, 2, 1, 1, x'', x'', x'', x'' FROM bundles")
    connection.close()
    with pytest.raises(Damaged):
        await store.append(bundle_of(one, 1, 2))
    assert await store.append(bundle_of(two, 0, 1))
    await store.close()
