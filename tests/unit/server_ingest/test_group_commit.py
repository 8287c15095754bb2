"""A group of uploads costs as many statements as one upload, in both forms."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from entry_store_contract import bundle_of
from sample_uploads import SampleLog
from server_bench import make_sqlite_store, postgres_store

from server.evidence.store import Cosigned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from server.evidence.sql import SqlEntryStore

# Two updates of the logs, one insert of bundles, PostgreSQL's two locks; openings: the ids, and the rows in pieces.
STATEMENTS_MAX = 5
OPENINGS_MAX = 5


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlEntryStore]:
    if request.param == "sqlite":
        made = make_sqlite_store(tmp_path)
        yield made
        await made.close()
        return
    with postgres_store(request.getfixturevalue("postgres_url")) as made:
        yield made
        await made.close()


@contextmanager
def statements(store: SqlEntryStore) -> Iterator[list[str]]:
    """What the writing connection runs, without BEGIN."""
    ran: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            ran.append(statement)

    engine = store._evidence._writer  # type: ignore[attr-defined]
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield ran
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("count", [1, 32])
async def test_a_group_costs_what_one_upload_costs(store: SqlEntryStore, count: int) -> None:
    """One statement a table, however many uploads wait, and the notes of the group before with them."""
    logs = [SampleLog(f"gw-{number:02}").grow(12, openings=True) for number in range(count)]
    assert all(await store.append_many([bundle_of(log, 0, 1) for log in logs]))
    notes = [Cosigned(log.origin, 1, b"note", 1) for log in logs]
    plain = [bundle_of(SampleLog(log.gateway_id).grow(2), 1, 2) for log in logs]
    with statements(store) as ran:
        assert await store.append_many(plain, notes) == [True] * count
    assert len(ran) <= STATEMENTS_MAX, ran
    assert {state.cosigned_size for state in await store.logs()} == {1}


async def test_openings_of_a_group_go_in_few_pieces(store: SqlEntryStore) -> None:
    """Many rows, few statements, nothing lost at the borders of the pieces."""
    logs = [SampleLog(f"gw-{number:02}").grow(160, openings=True) for number in range(2)]
    assert all(await store.append_many([bundle_of(log, 0, 1) for log in logs]))
    with statements(store) as ran:
        assert await store.append_many([bundle_of(log, 1, 160) for log in logs]) == [True, True]
    assert len(ran) <= STATEMENTS_MAX + OPENINGS_MAX, ran
    for log in logs:
        assert await store.openings(log.origin, 0, 160) == log.openings


async def test_a_log_that_has_moved_makes_the_group_go_one_by_one(store: SqlEntryStore) -> None:
    """Nothing of the first try stays, and each has its own verdict."""
    logs = [SampleLog(f"gw-{number:02}").grow(3) for number in range(3)]
    assert all(await store.append_many([bundle_of(log, 0, 1) for log in logs]))
    assert await store.append(bundle_of(logs[1], 1, 2))
    with statements(store) as ran:
        assert await store.append_many([bundle_of(log, 1, 3) for log in logs]) == [True, False, True]
    assert len(ran) > STATEMENTS_MAX
    assert [ref.stop for ref in await store.bundles_after(0, 99)] == [1, 1, 1, 2, 3, 3]
