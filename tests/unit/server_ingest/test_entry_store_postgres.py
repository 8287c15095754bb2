"""The PostgreSQL form of EntryStore keeps the same contract; what it must not hold evidence in is refused."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from entry_store_contract import EntryStoreContract, bundle_of
from sample_uploads import SampleLog
from server_bench import SEALER, postgres_store

from scorelog.journal.failpoints import armed
from server.database.postgres import connect, refuse_unsafe
from server.errors import Unsafe, Unsettled
from server.evidence import statements
from server.evidence.locks import lock_logs
from server.evidence.store import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from server.evidence.sql import SqlEntryStore


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[SqlEntryStore]:
    with postgres_store(postgres_url) as made:
        yield made
        await made.close()


class TestPostgresContract(EntryStoreContract):
    """All laws of the contract."""


@contextmanager
def two_stores(url: str) -> Iterator[tuple[SqlEntryStore, SqlEntryStore]]:
    """As two processes have them: pools of their own on one database."""
    with postgres_store(url) as one, postgres_store(url) as other:
        yield one, other


async def test_what_was_appended_is_there_for_another_process(postgres_url: str) -> None:
    """P1: what one store acknowledged, another one holds, also after the database crashed."""
    log = SampleLog().grow(4, openings=True)
    with two_stores(postgres_url) as (one, other):
        assert await one.append(bundle_of(log, 0, 2))
        assert not await other.append(bundle_of(log, 0, 2))
        assert await other.append(bundle_of(log, 2, 4))
        assert [each.data for each in await one.entries(log.origin, 0, 9)] == log.entries
        assert await one.row_findings() == []


async def test_entries_are_compressed_by_what_costs_least(postgres_url: str) -> None:
    """Where the database has lz4, uploads use it; nobody has to change a setting of the database."""
    log = SampleLog().grow(40, pad=400)
    with postgres_store(postgres_url) as store:
        assert await store.append(bundle_of(log, 0, 40))
        assert [each.data for each in await store.entries(log.origin, 0, 99)] == log.entries
    with psycopg.connect(postgres_url) as connection:
        can = connection.execute(
            "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name LIKE '%toast_comp%'"
        ).fetchone()
        if can is None:  # PostgreSQL 13
            return
        assert connection.execute("SHOW default_toast_compression").fetchone() == ("pglz",)
        used = connection.execute("SELECT pg_column_compression(entries) FROM kaofen_evidence.bundles").fetchone()
        assert used == (("lz4",) if can == (True,) else ("pglz",))


@pytest.mark.parametrize("point", ["server.begin", "server.insert", "server.commit"])
@pytest.mark.parametrize("action", ["error", "error-after"])
async def test_an_unknown_outcome_is_not_acknowledged_and_not_final(postgres_url: str, point: str, action: str) -> None:
    """P1: nobody gets an answer that says stored; the store goes on, and the log's size tells what happened."""
    log = SampleLog().grow(2)
    with postgres_store(postgres_url) as store:
        with armed(f"{point}={action}"), pytest.raises(Unsettled):
            await store.append(bundle_of(log, 0, 1))
        state = await store.log(log.origin)
        persisted = (point, action) == ("server.commit", "error-after")
        assert (state.size if state else 0) == (1 if persisted else 0)
        assert await store.append(bundle_of(log, 0, 1)) is not persisted
        assert await store.append(bundle_of(log, 1, 2))


async def test_a_failed_statement_never_passes_as_committed(postgres_url: str) -> None:
    """P1: PostgreSQL answers the COMMIT of a failed transaction with a quiet ROLLBACK; that is not stored."""

    def work(connection: sa.Connection) -> str:
        with suppress(sa.exc.DBAPIError):
            connection.execute(sa.text("SELECT 1 / 0"))
        return "stored"

    with postgres_store(postgres_url) as store, pytest.raises(Unsettled, match="before its commit"):
        await store._evidence.write(work)


async def test_a_cursor_never_passes_a_bundle_that_is_still_being_written(postgres_url: str) -> None:
    """The projector's law: numbers are handed out before commits, so a later number waits for an earlier one."""
    slow, fast = SampleLog("gw-01").grow(1), SampleLog("gw-02").grow(1)
    with two_stores(postgres_url) as (one, other):
        engine = one._evidence._writer  # type: ignore[attr-defined]
        with engine.connect() as connection:
            bundles = [bundle_of(slow, 0, 1)]
            lock_logs(connection, bundles, ())
            assert statements.append(connection, bundles[0], SEALER)
            assert await other.append(bundle_of(fast, 0, 1))
            assert await other.bundles_after(0, 10) == []
            connection.commit()
        assert [ref.origin for ref in await other.bundles_after(0, 10)] == [slow.origin, fast.origin]
        with engine.connect() as connection:
            lock_logs(connection, [bundle_of(SampleLog("gw-03").grow(1), 0, 1)], ())
            connection.rollback()
        assert len(await other.bundles_after(0, 10)) == 2, "a number that was never used holds nothing up"


async def test_generations_that_open_at_once_leave_one_open(postgres_url: str) -> None:
    """S7: whatever the order, every lower generation is frozen."""
    with two_stores(postgres_url) as stores:
        for round_ in range(5):
            logs = [SampleLog(f"gw-{round_}", generation).grow(1) for generation in range(4)]
            await asyncio.gather(*(stores[i % 2].append(bundle_of(log, 0, 1)) for i, log in enumerate(logs)))
            states = [state for state in await stores[0].logs() if state.gateway_id == f"gw-{round_}"]
            newest = max(state.generation for state in states)
            assert newest == 3
            assert [state.generation for state in states if not state.frozen] == [newest]


async def test_many_writers_of_many_logs_wait_for_nobody_for_ever(postgres_url: str) -> None:
    """P8: batches that touch the same logs in any order end, each bundle is stored once, alarms are all counted."""
    logs = [SampleLog(f"gw-{number:02}").grow(8) for number in range(6)]
    with two_stores(postgres_url) as stores:
        for start in range(0, 8, 2):
            batch = [bundle_of(log, start, start + 2, cosigned_s=start + 1) for log in logs]
            both = await asyncio.gather(
                stores[0].append_many(batch),
                stores[1].append_many(batch[::-1]),
                *(stores[n % 2].alarm("kind", None, n // 2, "same") for n in range(8)),
            )
            won = list(zip(both[0], both[1][::-1], strict=True))
            assert all(one != other for one, other in won)
        assert {state.size for state in await stores[0].logs()} == {8}
        assert sum(alarm.times for alarm in await stores[0].alarms()) == 32
        assert await stores[0].row_findings() == []
        refs = await stores[0].bundles_after(0, 100)
        assert len(refs) == 24


async def test_a_nul_in_a_reason_is_no_obstacle(postgres_url: str) -> None:
    """P8: PostgreSQL keeps no NUL in a text; what a sender writes must not stop an alarm."""
    with postgres_store(postgres_url) as store:
        await store.alarm("kind", None, None, "a\0b")
        await store.refuse(Refusal("o", "gw-01", 422, "a\0b", b"\0", 5))
        assert [alarm.detail for alarm in await store.alarms()] == ["a\N{REPLACEMENT CHARACTER}b"]
        assert await store.row_findings() == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("synchronous_commit", "off"),
        ("synchronous_commit", "local"),
        ("server_encoding", "LATIN1"),
        ("server_version_num", "120000"),
    ],
)
def test_a_database_that_may_lose_what_it_acknowledged_is_refused(setting: str, value: str) -> None:
    """P1: as an unsafe journal mode is in the SQLite form."""
    good = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "server_encoding": "UTF8"}
    good |= {"server_version_num": "150000", "standby": False}  # type: ignore[dict-item]
    refuse_unsafe(good)
    with pytest.raises(Unsafe, match=value if setting != "server_version_num" else "PostgreSQL 12"):
        refuse_unsafe(good | {setting: value})
    with pytest.raises(Unsettled, match="standby"):
        refuse_unsafe(good | {"standby": True})  # type: ignore[dict-item]


def test_an_unsafe_setting_of_the_role_is_seen(postgres_url: str) -> None:
    """P1: what counts is what the connection has, wherever it was set."""
    url = sa.make_url(postgres_url).set(drivername="postgresql+psycopg")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {url.database} SET synchronous_commit = off")  # type: ignore[call-overload]
    with pytest.raises(Unsafe, match="synchronous_commit=off"):
        connect(url)


async def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    """P7: host and database, never the password."""
    url = sa.make_url("postgresql+psycopg://kaofen:geheim@127.0.0.1:1/none")
    with pytest.raises(Unsettled, match=r"127\.0\.0\.1:1/none") as told:
        connect(url)
    assert "geheim" not in str(told.value)


async def test_seals_and_counts_hold_with_several_writers(postgres_url: str) -> None:
    """P3: a deleted alarm, a changed time of arrival and a moved bundle are named, whoever wrote them."""
    log = SampleLog().grow(2)
    with two_stores(postgres_url) as (one, other):
        assert await one.append(bundle_of(log, 0, 1))
        assert await other.append(bundle_of(log, 1, 2))
        for store in (one, other):
            await store.alarm("kind", None, None, f"of {id(store)}")
        for change in (
            "DELETE FROM kaofen_evidence.alarms WHERE id = 1",
            "UPDATE kaofen_evidence.alarms SET detail = 'other'",
            "UPDATE kaofen_evidence.counts SET rows_ever = 1",
        ):
            with psycopg.connect(postgres_url) as admin:
                admin.execute(change)  # type: ignore[call-overload]
            assert await one.row_findings(), change
        with psycopg.connect(postgres_url) as admin:
            admin.execute("UPDATE kaofen_evidence.bundles SET received_us = received_us - 1 WHERE start = 1")
        assert [each.sealed for each in await one.stored_bundles(log.origin, 0, 9)] == [True, False]
