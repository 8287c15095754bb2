"""One scheduler for all polls: order, the alone-ness of a bad turn, and the reading that takes no turn of a task."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
import uvloop
from rig_profiles import adapter_for, fast_v1
from scripted_rig import ScriptedRig

from device_adapters.contract import NotConnected, RigStatus
from device_adapters.language.profile import Poll
from device_adapters.latching.pace import Pace
from device_adapters.modbus.polls import Polls
from device_adapters.modbus.tcp import ModbusWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_adapters.contract import Adapter

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
SOON_S = 0.004


async def turned(polls: Polls, loop: asyncio.AbstractEventLoop) -> None:
    """Return after everything that was planned until now."""
    over = loop.create_future()
    polls.at(loop.time() + 5 * SOON_S, lambda: over.set_result(None))
    await over


@pytest.mark.parametrize("name", LOOPS)
def test_turns_are_taken_in_the_order_of_their_times_and_never_after_they_were_cancelled(name: str) -> None:
    """One timer serves all: a later plan for an earlier time goes first, one that is over is taken at once."""
    taken: list[str] = []

    async def main() -> None:
        loop, polls = asyncio.get_running_loop(), Polls()
        now = loop.time()
        polls.at(now + 3 * SOON_S, lambda: taken.append("third"))
        polls.at(now + SOON_S, lambda: taken.append("second"))
        polls.at(now + 2 * SOON_S, lambda: taken.append("never")).cancel()
        polls.at(now - 1, lambda: taken.append("first"))
        await turned(polls, loop)

    with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
        runner.run(main())
    assert taken == ["first", "second", "third"]


@pytest.mark.parametrize("name", LOOPS)
def test_a_turn_that_raises_stays_alone(name: str) -> None:
    """P8: what one rig's turn raises is reported by the loop; those behind it, of the same moment too, are taken."""
    taken: list[str] = []
    reported: list[str] = []

    def broken() -> None:
        raise RuntimeError("one rig's turn")

    async def main() -> None:
        loop, polls = asyncio.get_running_loop(), Polls()
        loop.set_exception_handler(lambda _, context: reported.append(str(context["exception"])))
        when = loop.time() + SOON_S
        for due in (broken, lambda: taken.append("same moment"), broken):
            polls.at(when, due)
        polls.at(when + SOON_S, lambda: taken.append("later"))
        await turned(polls, loop)

    with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
        runner.run(main())
    assert taken == ["same moment", "later"]
    assert reported == ["one rig's turn"] * 2


def test_another_loop_begins_anew() -> None:
    """What waited in a loop that is gone is not taken in the next one, and holds nothing up there."""
    polls, taken = Polls(), []

    async def plan(name: str) -> None:
        polls.at(asyncio.get_running_loop().time() + SOON_S, lambda: taken.append(name))

    async def main() -> None:
        await plan("new")
        await turned(polls, asyncio.get_running_loop())

    asyncio.run(plan("old"))
    asyncio.run(main())
    assert taken == ["new"]


async def test_a_watched_reading_and_a_write_never_share_the_socket() -> None:
    """R5, P5: one request in flight; a write waits for the answer under way and goes before the next reading."""
    async with ScriptedRig() as rig:
        polls = Polls()
        wire = ModbusWire("127.0.0.1", rig.port, 1, fast_v1(500).transport, polls)
        await wire.connect()
        loop, judged = asyncio.get_running_loop(), 0

        def judge(found: bytes) -> float | None:
            nonlocal judged
            judged += 1
            assert found == b"KF"
            return loop.time() if len(rig.ready) < 4 else None

        watching = asyncio.create_task(wire.watch(0, 1, 0.0, judge))
        for value in (1, 2, 3, 4):
            await wire.write(102, [value], wire.connection)
        assert await watching == b"KF"
        assert rig.ready == [1, 2, 3, 4]
        assert judged >= 1
        assert wire.connected


async def test_a_write_that_waited_does_not_take_the_reply_of_the_reading_before() -> None:
    """P5: what a watched reading brought is its own, also when the next request is sent before its task runs."""
    async with ScriptedRig() as rig:
        asked = asyncio.Event()
        rig.faults = {1: lambda _, reply: [0.01, reply]}
        rig.on_every_request = lambda _: asked.set()
        wire = ModbusWire("127.0.0.1", rig.port, 1, fast_v1(500).transport)
        await wire.connect()
        watching = asyncio.create_task(wire.watch(0, 1, 0.0, lambda _: None))
        await asked.wait()
        writing = asyncio.create_task(wire.write(102, [7], wire.connection))
        assert await watching == b"KF"
        await writing
        assert rig.ready == [7]


async def test_a_watched_reading_that_is_given_up_takes_its_socket_with_it() -> None:
    """Contract 8: cancelled while a reply is under way, no later request can get that reply."""
    async with ScriptedRig() as rig:
        asked = asyncio.Event()
        rig.faults = {1: lambda *_: []}
        rig.on_every_request = lambda _: asked.set()
        wire = ModbusWire("127.0.0.1", rig.port, 1, fast_v1(2000).transport)
        await wire.connect()
        task = asyncio.create_task(wire.watch(0, 1, 0.0, lambda _: None))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not wire.connected
        with pytest.raises(NotConnected):
            await wire.read(0, 1)


@pytest.mark.parametrize("break_it", ["silent", "closed", "odd"])
async def test_a_watched_reading_fails_like_any_other(break_it: str) -> None:
    """P5, R6: silence, a closed socket and a wrong byte end the watching at once; the next connection is good."""
    answers: dict[str, Callable[[bytes, bytes], list[bytes | float | None]]] = {
        "silent": lambda *_: [],
        "closed": lambda *_: [None],
        "odd": lambda _, reply: [b"\0\0" + reply[2:]],
    }
    async with ScriptedRig() as rig:
        rig.faults = {3: answers[break_it]}  # two good readings first
        wire = ModbusWire("127.0.0.1", rig.port, 1, fast_v1(40).transport)
        await wire.connect()
        with pytest.raises(Exception, match=r"no reply within|closed|lost|wrong transaction id"):
            await wire.watch(0, 1, 0.0, lambda _: 0.0)
        assert not wire.connected
        await wire.connect()
        assert await wire.watch(0, 1, 0.0, lambda _: None) == b"KF"


async def test_what_a_judge_raises_reaches_the_task_that_waits() -> None:
    """P8: a bug met where a reply arrives, outside of any task, still comes to the one rig's supervisor, at once."""
    async with ScriptedRig() as rig:
        wire = ModbusWire("127.0.0.1", rig.port, 1, fast_v1(500).transport)
        await wire.connect()

        def judge(_: bytes) -> float | None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await wire.watch(0, 1, 0.0, judge)
        assert await wire.read(0, 1) == b"KF"


async def shown(adapter: Adapter) -> RigStatus:
    """The next live status; whatever comes before it is acked."""
    while True:
        reading, ack = await adapter.read()
        await ack()
        if isinstance(reading, RigStatus):
            return reading


async def test_a_rig_that_says_the_same_is_read_on_without_a_word_and_news_come_at_once() -> None:
    """Contract 6, P6: unchanged readings yield nothing; what changes is told with the reading that shows it."""
    async with ScriptedRig() as rig:
        rig.refresh()
        adapter = adapter_for(rig)
        await adapter.connect()
        assert (await shown(adapter)).state == "idle"
        began = len(rig.requests)

        def later(number: int) -> None:
            rig.heartbeat += 1  # alone it is no news
            rig.state = 2 if number > began + 20 else 0
            rig.refresh()

        rig.on_every_request = later
        told = [await shown(adapter)]
        while told[-1].state != "running":
            told.append(await shown(adapter))
        assert len(told) <= len(rig.requests) - began - 10, "most readings said nothing new"
        assert len(rig.requests) <= began + 22
        await adapter.close()


async def test_a_running_time_alone_is_no_news_at_every_reading() -> None:
    """Contract 6: readings that differ in `elapsed_s` only are shown as rarely as those that say the same."""
    every_s = 0.2  # of the profile; shorter than the half second of any
    async with ScriptedRig() as rig:
        rig.state = 2
        rig.refresh()
        adapter = adapter_for(rig)
        await adapter.connect()
        first = await shown(adapter)
        loop = asyncio.get_running_loop()
        began, asked = loop.time(), len(rig.requests)

        def later(_: int) -> None:
            rig.live.elapsed_s += 1
            rig.refresh()

        rig.on_every_request = later
        told = [await shown(adapter), await shown(adapter)]
        assert loop.time() - began >= every_s
        assert [first.elapsed_s < told[0].elapsed_s < told[1].elapsed_s, len(rig.requests) > asked] == [True, True]
        await adapter.close()


def test_the_pace_of_a_rig_keeps_its_times_on_a_moved_clock() -> None:
    """Contract 6: shown again after half a second when time ran, after `status_every_ms` always; polls never drift."""
    now = 10.0
    pace = Pace(Poll(2000, {"idle": 250, "running": 100}), random.Random(3), lambda: now)
    pace.shown()
    now = 10.499
    assert pace.again("running", ticks=True) is not None
    now = 10.5
    assert pace.again("running", ticks=True) is None
    now = 11.999
    assert (pace.again("running") is None, pace.stale) == (False, False)
    now = 12.0
    assert (pace.again("running"), pace.stale) == (None, True)
    pace.shown()
    pace.looked(now, "running")
    for _ in range(50):
        before = pace.next
        later = pace.again("running")
        assert later is not None
        assert 0.09 <= later - before <= 0.11, "from the time that was due, not from when it was taken"
    now += 60
    pace.shown()
    assert pace.again("idle") == now, "what was missed is not made up for"
    pace.at_once()
    assert pace.next == float("-inf")
