"""The simulation's own ground: virtual time, simulated threads, and the real journal running on both."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from dst_clock import SimClock
from dst_loop import SimLoop, Stalled
from dst_threads import rest
from log_entries import plain
from log_harness import new_log, signer_for

from scorelog.journal import failpoints
from scorelog.journal.sqlite import open_log

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path
    from types import TracebackType


def run(work: Awaitable[object], loop: SimLoop) -> object:
    try:
        with loop.threads():
            return loop.run_until_complete(work)
    finally:
        loop.close()


def test_a_day_passes_in_no_time_and_sleepers_wake_in_order() -> None:
    """B6: time jumps; an hour of waiting costs one turn of the loop."""
    loop, woken = SimLoop(), []

    async def sleeper(hours: int) -> None:
        await asyncio.sleep(hours * 3600)
        woken.append((hours, loop.time()))

    async def day() -> None:
        await asyncio.gather(*(sleeper(hours) for hours in (24, 1, 7)))

    began = time.process_time()
    run(day(), loop)
    assert woken == [(1, 3600.0), (7, 25200.0), (24, 86400.0)]
    assert time.process_time() - began < 5.0
    assert loop.jumps == 3


def test_waiting_for_what_never_comes_is_named() -> None:
    """A deadlock of the house is a finding, not a hang of the test."""
    loop = SimLoop()

    async def for_ever() -> None:
        await loop.create_future()

    with pytest.raises(Stalled):
        run(for_ever(), loop)


def test_threads_take_turns_where_they_block_and_nowhere_else() -> None:
    """Queue, condition, event and join of the standard library: the same order in each run."""
    said: list[str] = []

    async def main() -> None:
        box: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        over = threading.Event()

        def reader() -> None:
            while (item := box.get()) is not None:
                said.append(item)
                rest(2.0)
            said.append("timed out" if not over.wait(0.5) else "told")

        thread = threading.Thread(target=reader, name="reader", daemon=True)
        thread.start()
        for item in ("a", "b", None):
            box.put(item)
        await asyncio.sleep(4.2)
        over.set()
        await asyncio.to_thread(thread.join)
        assert not thread.is_alive()

    run(main(), loop := SimLoop())
    assert said == ["a", "b", "told"]
    assert loop.time() == pytest.approx(4.2)


class _Free:
    """A step to which nothing happens."""

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class _Slow(_Free):
    """Takes a second of virtual time."""

    def __enter__(self) -> None:
        rest(1.0)


def test_the_real_journal_runs_on_simulated_time_and_shares_its_commits(tmp_path: Path) -> None:
    """P1, group commit: while one transaction is on its way to the disk the others wait, and then share the next."""
    loop, commits = SimLoop(), []

    def step(name: str) -> _Free:
        if name == "journal.commit":
            commits.append(round(loop.time(), 3))
            return _Slow()
        return _Free()

    async def main() -> list[int]:
        log = open_log(new_log(tmp_path), signer_for, SimClock(loop, Random(1)), tmp_path / "state")
        found = await asyncio.gather(*(log.append_many([plain(f"entry {n}")]) for n in range(20)))
        size = log.size
        await log.close()
        return [size, *(one[0].index for one in found)]

    with failpoints.observed(step):
        assert run(main(), loop) == [20, *range(20)]
    assert len(commits) < 4, "twenty waiting appends share few transactions"
    assert (tmp_path / "state").exists()
