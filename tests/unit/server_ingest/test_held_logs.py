"""What the ingest remembers of a log saves the question, never decides a refusal, and is worth nothing after doubt."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from entry_store_contract import bundle_of
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from sample_uploads import SampleLog
from server_bench import Bench, bench

from server.errors import Behind, Damaged, Refused
from server.ingest.held import HeldLogs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from server.evidence.store import Bundle, Cosigned, LogState


class AskedStore(FakeEntryStore):
    """Counts how often it is asked where a log stands; finds the next bundle damaged when told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.damaged = False

    async def log(self, origin: str) -> LogState | None:
        self.asked += 1
        return await super().log(origin)

    async def append_many(
        self, bundles: Sequence[Bundle], cosigned: Sequence[Cosigned] = (), again: Sequence[Cosigned] = ()
    ) -> list[bool]:
        if bundles and self.damaged:
            self.damaged = False
            raise Damaged("a row is in the way")
        return await super().append_many(bundles, cosigned, again)


@asynccontextmanager
async def two_processes(log: SampleLog) -> AsyncIterator[tuple[AskedStore, Bench, Bench]]:
    """Two ingests over one store; the first has just stored entry 0."""
    store, clock = AskedStore(), FakeClock()
    async with bench(store, clock, close=False) as one, bench(store, clock, close=False) as other:
        await one.enrol(log)
        await one.send(log, 0, 1)
        store.asked = 0
        yield store, one, other


async def test_a_log_that_goes_on_is_asked_for_once() -> None:
    """The next upload is judged by what the last one left."""
    log = SampleLog().grow(20)
    async with two_processes(log) as (store, one, _):
        for index in range(1, 20):
            await one.send(log, index, index + 1)
        assert store.asked == 0
        assert (await store.entries(log.origin, 0, 99))[-1].data == log.entries[-1]


async def test_a_size_that_another_process_moved_is_told_as_it_is() -> None:
    """S7: whoever repeats gets 409 with the size that is stored, not the one that is remembered."""
    log = SampleLog().grow(4)
    async with two_processes(log) as (_, one, other):
        await other.send(log, 1, 3)
        for start, stop in ((1, 3), (1, 2), (0, 4), (1, 4)):
            with pytest.raises(Behind) as behind:
                await one.send(log, start, stop)
            assert behind.value.size == 3
            await other.send(log, 3, 3)
        assert await one.send(log, 3, 4)
        assert await one.kinds() == []


async def test_a_fork_is_found_against_what_is_stored() -> None:
    """P3: the first process remembers a shorter log, on which both histories would go on."""
    log = SampleLog().grow(3)
    async with two_processes(log) as (_, one, other):
        forged = log.fork(1).grow(2, seed="another history")
        await other.send(log, 1, 3)
        with pytest.raises(Refused) as refused:
            await one.send(forged, 1, 3)
        assert refused.value.status == 422
        assert await one.kinds() == ["forked"]


async def test_an_honest_upload_is_never_refused_by_memory() -> None:
    """No false alarm: what does not fit what is remembered is looked up."""
    log = SampleLog().grow(5)
    async with two_processes(log) as (_, one, other):
        await other.send(log, 1, 3)
        assert await one.send(log, 3, 5)
        assert await other.send(log.grow(2), 5, 7)
        assert await one.send(log, 7, 7)
        assert await one.kinds() == []


async def test_a_generation_that_another_process_opened_freezes_the_remembered_one() -> None:
    """Design section 6: the older log takes nothing more, whoever remembers it as open."""
    log = SampleLog().grow(3)
    async with two_processes(log) as (_, one, other):
        await other.send(SampleLog(log.gateway_id, 1, log.key).grow(1), 0, 1)
        with pytest.raises(Refused) as refused:
            await one.send(log, 1, 3)
        assert refused.value.status == 403


async def test_after_doubt_the_database_is_asked() -> None:
    """P1: a write that failed leaves nothing behind that a later upload would be judged by."""
    log = SampleLog().grow(3)
    async with two_processes(log) as (store, one, _):
        store.damaged = True
        with pytest.raises(Damaged):
            await one.send(log, 1, 2)
        assert store.asked == 0
        await one.send(log, 1, 2)
        assert store.asked == 1


def test_the_memory_is_bounded() -> None:
    """At the limit it begins anew; what was taken is gone until it is put back."""
    held = HeldLogs(most=3)
    logs = [SampleLog(f"gw-{number:02}").grow(1) for number in range(4)]
    for number, log in enumerate(logs, 1):
        held.put(bundle_of(log, 0, 1), 5)
        assert len(held) == (number if number <= 3 else 1)
    assert held.take(logs[0].origin, 1) is None
    assert held.take(logs[3].origin, 1) is not None
    assert held.take(logs[3].origin, 1) is None
