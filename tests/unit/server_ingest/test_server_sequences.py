"""Random and racing uploads against a model: what was receipted stays, sizes never shrink, one root per size."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from hypothesis import given, settings
from hypothesis import strategies as st
from long_times import times
from sample_uploads import SampleLog
from server_bench import MIRROR_VERIFIER, bench, make_sqlite_store

from scorelog.format.checkpoint import parse_checkpoint
from server.errors import Behind, Busy, Refused

if TYPE_CHECKING:
    from pathlib import Path

TRUE = SampleLog().grow(40)
FORKS = {at: TRUE.fork(at).grow(40 - at, seed=f"fork {at}") for at in (0, 7, 20)}

steps = st.lists(
    st.tuples(
        st.sampled_from(["true", "fork 0", "fork 7", "fork 20"]),
        st.integers(-3, 3),  # where the upload starts, against the held size
        st.integers(0, 9),  # how many entries
        st.booleans(),  # restart first
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(steps)
async def test_any_sequence_of_uploads_keeps_the_first_history(sequence: list[tuple[str, int, int, bool]]) -> None:
    """P3: the server follows exactly one tree; it answers 200 only for it, and its size is what the model says."""
    store, clock = FakeEntryStore(), FakeClock()
    followed: SampleLog | None = None
    size = 0
    async with bench(store, clock) as made:
        await made.enrol(TRUE)
        for name, shift, count, restart in sequence:
            if restart:
                await made.committer.recover()
            log = TRUE if name == "true" else FORKS[int(name.split()[1])]
            start = min(max(0, size + shift), 40)
            stop = min(start + count, 40)
            same = followed is None or log.entries[:size] == followed.entries[:size]
            try:
                line = await made.send(log, start, stop)
            except Behind as behind:
                said = behind.size
            except Refused as refused:
                said = -refused.status
            else:
                said = None
            if said is not None:
                assert (said == size and start != size) or (said == -422 and not same)
            else:
                assert same
                assert start == size
                assert log.receipt_time(stop, line, MIRROR_VERIFIER)
                followed, size = (log, stop) if stop else (followed, size)
            state = await store.log(TRUE.origin)
            assert (state.size if state else 0) == size
        stored = [each.data for each in await store.entries(TRUE.origin, 0, 99)]
        assert stored == (followed.entries[:size] if followed else [])


@pytest.mark.parametrize("rounds", [150, pytest.param(times(1000), marks=pytest.mark.long)])
async def test_racing_uploads_of_one_log(tmp_path: Path, rounds: int) -> None:
    """B17, S7: sizes of one log race each other and a fork; never a smaller size after a larger, never two roots."""
    rng = random.Random(7)
    store = make_sqlite_store(tmp_path)
    log = SampleLog()
    fork: SampleLog | None = None
    receipts: dict[int, bytes] = {}
    largest = 0
    async with bench(store) as made:
        await made.enrol(log)
        for _ in range(rounds):
            size = log.size
            log.grow(rng.randint(1, 3))
            fork = log.fork(size).grow(log.size - size, seed="fork")
            racing = [
                made.send(rng.choice((log, fork)) if rng.random() < 0.2 else log, size, rng.randint(size, log.size))
                for _ in range(rng.randint(2, 6))
            ]
            await asyncio.gather(*racing, return_exceptions=True)
            state = await store.log(log.origin)
            held = state.size if state else 0
            assert held >= largest
            largest = held
            if state is not None:
                assert receipts.setdefault(held, state.root) == state.root
                log = log.fork(held) if log.root(held) == state.root else fork.fork(held)
                assert log.root(held) == state.root
        stored = [each.data for each in await store.entries(log.origin, 0, log.size)]
        assert stored == log.entries


async def test_two_stores_on_one_database_never_split_a_log(tmp_path: Path) -> None:
    """The old size in the WHERE clause decides between two writers that both judged from the same state."""
    store = make_sqlite_store(tmp_path)
    log = SampleLog().grow(30)
    async with bench(store) as one, bench(store, close=False) as two:
        await one.enrol(log)
        for size in range(0, 30, 3):
            answers = await asyncio.gather(
                one.send(log, size, size + 3), two.send(log, size, size + 3), return_exceptions=True
            )
            good = [each for each in answers if isinstance(each, bytes)]
            assert good
            assert all(isinstance(each, bytes | Behind | Busy) for each in answers)
        state = await store.log(log.origin)
        assert state is not None
        assert state.root == log.root(30)
        assert parse_checkpoint(state.checkpoint)[0].size == 30
