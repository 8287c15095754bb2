"""The way back from the writer's thread: nothing is lost, little is called, and a loop that is gone stops nobody."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from scorelog.journal.loopcalls import LoopCalls


@dataclass
class Work:
    """A job as the writer sees it."""

    number: int
    future: Future[object] = field(default_factory=Future)


class Counted(asyncio.SelectorEventLoop):
    """Counts how often another thread woke it."""

    calls = 0

    def call_soon_threadsafe(self, callback, *args, context=None):  # type: ignore[no-untyped-def]
        self.calls += 1
        return super().call_soon_threadsafe(callback, *args, context=context)


class Thread:
    """Answers jobs in groups, as the writer does."""

    def __init__(self, calls: LoopCalls) -> None:
        self.jobs: list[Work] = []
        self.calls = calls

    def submit(self, job: Work) -> None:
        """Wait for the group."""
        self.jobs.append(job)

    def answer(self) -> None:
        """Release the head, then answer all of them, in a thread of its own."""

        def group() -> None:
            self.calls.tell()
            for job in self.jobs:
                if job.future.set_running_or_notify_cancel():
                    job.future.set_result(job.number) if job.number else job.future.set_exception(OSError("told to"))

        worker = threading.Thread(target=group)
        worker.start()
        worker.join()


async def waiting(calls: LoopCalls, writer: Thread, numbers: range) -> list[asyncio.Task[object]]:
    """Callers that wait for their answers."""
    tasks = [asyncio.ensure_future(calls.answer(Work(number), writer.submit)) for number in numbers]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    return tasks


def test_a_group_of_answers_comes_in_one_call() -> None:
    """P1: each caller gets its own answer, after the release and in one wake-up."""
    woken: list[int] = []
    calls = LoopCalls(lambda: woken.append(1))
    loop = Counted()

    async def run() -> list[object]:
        writer = Thread(calls)
        tasks = await waiting(calls, writer, range(1, 257))
        writer.answer()
        return await asyncio.gather(*tasks)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(run()) == list(range(1, 257))
    assert loop.calls == len(woken) == 1


def test_an_error_goes_to_its_caller_and_a_cancelled_one_gives_up_its_answer_only() -> None:
    """P1, P8: the others are answered; the job that nobody waits for any more is not begun."""
    calls = LoopCalls(lambda: None)

    async def run() -> None:
        writer = Thread(calls)
        tasks = await waiting(calls, writer, range(3))
        tasks[1].cancel()
        await asyncio.sleep(0)
        assert writer.jobs[1].future.cancelled()
        writer.answer()
        with pytest.raises(OSError, match="told to"):
            await tasks[0]
        assert await tasks[2] == 2
        assert tasks[1].cancelled()

    asyncio.run(run())


def test_answers_under_way_during_a_delivery_are_not_left_behind() -> None:
    """P1: a writer that answers one by one while the loop gives out: every caller hears."""
    calls = LoopCalls(lambda: None)

    async def run() -> None:
        for _ in range(20):
            writer = Thread(calls)
            tasks = await waiting(calls, writer, range(1, 60))
            worker = threading.Thread(
                target=lambda jobs=writer.jobs: [job.future.set_result(job.number) for job in jobs]
            )
            worker.start()
            assert await asyncio.wait_for(asyncio.gather(*tasks), 10) == list(range(1, 60))
            worker.join()

    asyncio.run(run())


def test_a_loop_that_is_gone_holds_nothing_up() -> None:
    """A new loop hears its own answers, whatever the last one left."""
    calls = LoopCalls(lambda: None)

    async def leave() -> Thread:
        writer = Thread(calls)
        await waiting(calls, writer, range(1, 2))
        calls.tell()
        return writer

    left = asyncio.run(leave())
    left.answer()  # nobody is there

    async def run() -> object:
        writer = Thread(calls)
        (task,) = await waiting(calls, writer, range(7, 8))
        writer.answer()
        return await task

    assert asyncio.run(run()) == 7


def test_a_job_that_the_writer_gives_up_gives_up_its_caller() -> None:
    """P2: a job that was cancelled on the writer's side answers nobody's silence: its caller is cancelled too."""
    calls = LoopCalls(lambda: None)

    async def run() -> None:
        writer = Thread(calls)
        given_up, kept = await waiting(calls, writer, range(1, 3))
        assert writer.jobs[0].future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(given_up, 10)
        writer.answer()
        assert await kept == 2

    asyncio.run(run())


def test_what_an_older_loop_still_delivers_opens_no_second_call_to_the_newer_one() -> None:
    """One call under way per loop, whatever an older loop does late: the call to the newer one is told of once."""
    woken: list[str] = []
    calls = LoopCalls(lambda: woken.append("woken"))
    older, newer = asyncio.new_event_loop(), Counted()

    async def attach() -> None:
        calls.attach()

    async def turn() -> None:
        await asyncio.sleep(0)

    try:
        older.run_until_complete(attach())
        calls.tell()
        newer.run_until_complete(attach())
        calls.tell()
        older.run_until_complete(turn())
        calls.tell()
        assert (newer.calls, woken) == (1, ["woken"])
        newer.run_until_complete(turn())
        assert woken == ["woken", "woken"]
    finally:
        older.close()
        newer.close()
