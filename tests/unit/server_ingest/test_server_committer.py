"""Group commit and the mirror's time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from sample_uploads import SampleLog
from server_bench import MIRROR_VERIFIER, bench

from scorelog.format.cosignature import verify_cosignature
from server.errors import Busy, Damaged, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.evidence.store import Bundle, Cosigned


class CountingStore(FakeEntryStore):
    """Counts transactions, and finds one log damaged when told."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.damaged = ""

    async def append_many(
        self, bundles: Sequence[Bundle], cosigned: Sequence[Cosigned] = (), again: Sequence[Cosigned] = ()
    ) -> list[bool]:
        if any(bundle.origin == self.damaged for bundle in bundles):
            raise Damaged("a row is in the way")
        await asyncio.sleep(0)
        self.batches.append(len(bundles))
        return await super().append_many(bundles, cosigned, again)


def fleet(count: int) -> list[SampleLog]:
    return [SampleLog(f"gw-{number:02}").grow(2) for number in range(count)]


async def test_waiting_uploads_share_a_transaction() -> None:
    """Uploads of many logs at once cost few transactions, and each has its own receipt."""
    store, logs = CountingStore(), fleet(20)
    async with bench(store) as made:
        for log in logs:
            await made.enrol(log)
        lines = await asyncio.gather(*(made.send(log, 0) for log in logs))
        for log, line in zip(logs, lines, strict=True):
            assert log.receipt_time(2, line, MIRROR_VERIFIER)
        assert sum(store.batches) == 20
        assert len([size for size in store.batches if size]) <= 3


async def test_one_damaged_log_stays_alone() -> None:
    """P8: the others of its batch are stored; it is alarmed."""
    store, logs = CountingStore(), fleet(5)
    store.damaged = logs[2].origin
    async with bench(store) as made:
        for log in logs:
            await made.enrol(log)
        answers: list[Any] = await asyncio.gather(*(made.send(log, 0) for log in logs), return_exceptions=True)
        assert [isinstance(answer, Damaged) for answer in answers] == [False, False, True, False, False]
        assert await made.kinds() == ["tampered"]


async def test_the_time_never_goes_back() -> None:
    """S9: wall clock jumps back, also over a restart: no cosignature is earlier than one before."""
    store, clock, log = FakeEntryStore(), FakeClock(), SampleLog().grow(6)
    times = []
    for part in range(3):
        async with bench(store, clock, close=False) as made:
            if not part:
                await made.enrol(log)
            for index in (2 * part, 2 * part + 1):
                line = await made.send(log, index, index + 1)
                times.append(log.receipt_time(index + 1, line, MIRROR_VERIFIER))
                line = await made.send(log, index + 1, index + 1)
                times.append(log.receipt_time(index + 1, line, MIRROR_VERIFIER))
                clock.step_wall(-3600)
    assert times == sorted(times)


async def test_a_note_that_was_not_kept_is_made_again() -> None:
    """A crash between receipt and note: the next start makes the same line again, of the same time."""
    store, clock, log = FakeEntryStore(), FakeClock(), SampleLog().grow(2)
    async with bench(store, clock) as made:
        await made.enrol(log)
        line = await made.send(log, 0)
        kept = store._logs[log.origin]
        store._logs[log.origin] = type(kept)(
            **{name: getattr(kept, name) for name in kept.__slots__} | {"cosigned": None, "cosigned_size": 0}
        )
        clock.step_wall(500)
        await made.committer.recover()
        state = await store.log(log.origin)
        assert state is not None
        assert state.cosigned is not None
        assert state.cosigned.endswith(line)
        assert verify_cosignature(state.cosigned, MIRROR_VERIFIER) == log.receipt_time(2, line, MIRROR_VERIFIER)


async def test_the_note_is_kept_soon() -> None:
    """The read side and the proofs follow within the next transaction."""
    store, log = FakeEntryStore(), SampleLog().grow(2)
    async with bench(store) as made:
        await made.enrol(log)
        await made.send(log, 0)
        async with asyncio.timeout(5):
            while (state := await store.log(log.origin)) is None or state.cosigned_size < 2:
                await asyncio.sleep(0)


async def test_everybody_waiting_learns_of_a_failed_write() -> None:
    """P1: nobody hangs, nobody gets a receipt, and later uploads are told to come back."""
    store, logs = CountingStore(), fleet(6)
    async with bench(store) as made:
        for log in logs:
            await made.enrol(log)
        store.fail_next = True
        answers: list[Any] = await asyncio.gather(*(made.send(log, 0) for log in logs), return_exceptions=True)
        assert all(isinstance(answer, StoreFailed | Busy) for answer in answers)
        with pytest.raises(Busy):
            await made.send(logs[0], 0)


async def test_stopping_stores_what_waits() -> None:
    """An orderly stop answers what is under way and refuses what comes later."""
    store, logs = CountingStore(), fleet(3)
    async with bench(store) as made:
        for log in logs:
            await made.enrol(log)
        sending = [asyncio.ensure_future(made.send(log, 0)) for log in logs]
        async with asyncio.timeout(5):
            while not any(store.batches):
                await asyncio.sleep(0)
        made.committer.stop()
        for answer in await asyncio.gather(*sending, return_exceptions=True):
            assert isinstance(answer, bytes | Busy)
        with pytest.raises(Busy):
            await made.send(logs[0], 2)
