"""One exchange on a bus, on virtual time: what may still come behind a whole answer, and what happens in no task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from dst_loop import SimLoop
from fake_line import FakeLine
from rig_profiles import fast_v1
from scripted_bus import ScriptedBus
from scripted_rig import ScriptedRig

from device_adapters.errors import NotConnected
from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.framing import RtuFraming
from device_adapters.modbus.pdu import read_body
from device_adapters.modbus.wire import OddReply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from scripted_rig import Answer

TRANSPORT = fast_v1(400).transport
SLOW = fast_v1(4000).transport
GAP_S = 0.01
BODY = read_body(0, 1)


def on_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(work)


class Copper(ScriptedBus):
    """Two units, and the bus of ours that asks them."""

    def __init__(self) -> None:
        super().__init__(ScriptedRig(), ScriptedRig("LV-0002", unit=2))
        self.out = self.line()
        self.bus = Bus(self.out, RtuFraming(), BusTimes(gap_s=GAP_S))

    def next_answer(self, fault: Callable[[bytes, bytes], Answer]) -> None:
        self.faults[len(self.requests) + 1] = fault


def test_a_byte_in_the_silence_behind_an_answer_refuses_it() -> None:
    """P5, R5: an answer is proven by the silence behind it; what comes just before its end is evidence, too."""

    async def work() -> None:
        copper = Copper()
        copper.next_answer(lambda _, reply: [reply, GAP_S * 0.9, b"\x05"])
        with pytest.raises(OddReply, match="bytes after the end of the reply") as caught:
            await copper.bus.ask(1, BODY, TRANSPORT)
        assert caught.value.frame[-1:] == b"\x05"
        await copper.bus.ask(2, BODY, TRANSPORT)
        assert (copper.bus.counts.odd, copper.bus.counts.answered) == (1, 1)
        await copper.bus.close()

    on_virtual_time(work())


def test_a_byte_behind_the_silence_is_a_stray_and_nothing_is_sent_into_it() -> None:
    """P5: the answer stands; who is asked next waits a whole response time."""

    async def work() -> None:
        copper, loop = Copper(), asyncio.get_running_loop()
        copper.next_answer(lambda _, reply: [reply, GAP_S * 1.5, b"\x05"])
        await copper.bus.ask(1, BODY, TRANSPORT)
        await asyncio.sleep(GAP_S)
        heard_at = copper.out.last_at
        await copper.bus.ask(2, BODY, TRANSPORT)
        assert copper.out.sent[-1][0] >= heard_at + 0.4 - 0.0011
        assert copper.bus.counts.strays == 1
        assert loop.time() - heard_at < 0.5
        await copper.bus.close()

    on_virtual_time(work())


def test_a_stray_in_the_gap_before_a_request_holds_it_back() -> None:
    """P5: the pause before a request ends with a look at the line, not with the request."""

    async def work() -> None:
        copper, loop = Copper(), asyncio.get_running_loop()
        slow_gap = fast_v1(400, min_gap_ms=50).transport
        await copper.bus.ask(1, BODY, slow_gap)
        loop.call_later(0.02, copper.out.say, b"\x05")
        asked_at = loop.time()
        await copper.bus.ask(2, BODY, slow_gap)
        assert copper.out.sent[-1][0] >= asked_at + 0.02 + 0.4 - 0.0011
        assert copper.bus.counts.strays == 1
        await copper.bus.close()

    on_virtual_time(work())


def test_a_line_that_is_lost_behind_a_whole_answer_does_not_take_it_along() -> None:
    """What was proven stands; half of it does not, and is told at once and not at the deadline."""

    async def work() -> None:
        copper, loop = Copper(), asyncio.get_running_loop()
        copper.next_answer(lambda _, reply: [reply, None])
        assert len(await copper.bus.ask(1, BODY, TRANSPORT)) == 4
        copper.next_answer(lambda _, reply: [reply[:3], None])
        began = loop.time()
        with pytest.raises(NotConnected, match="the line was lost, reading 1 words at 0"):
            await copper.bus.ask(1, BODY, TRANSPORT)
        assert loop.time() - began < 0.1
        await copper.bus.close()

    on_virtual_time(work())


def test_the_deadline_is_that_of_the_unit_asked_whoever_was_asked_before() -> None:
    """R5, P8: one timer serves all requests; a patient unit before does not lengthen the wait for another one."""

    async def work() -> None:
        copper, loop = Copper(), asyncio.get_running_loop()
        await copper.bus.ask(1, BODY, SLOW)
        copper.dead = {2}
        began = loop.time()
        with pytest.raises(NotConnected, match="no reply within 400 ms"):
            await copper.bus.ask(2, BODY, TRANSPORT)
        assert 0.4 - 0.0011 <= loop.time() - began <= 0.4 + 2 * GAP_S
        copper.next_answer(lambda _, reply: [3.0, reply])
        assert len(await copper.bus.ask(1, BODY, SLOW)) == 4, "nor does a hasty one before shorten it"
        await copper.bus.close()

    on_virtual_time(work())


def test_while_all_is_well_nothing_is_a_task() -> None:
    """What makes a bus cheap: answers lead to the next request where they arrive."""

    async def work() -> None:
        copper, loop = Copper(), asyncio.get_running_loop()
        await copper.bus.ask(1, BODY, TRANSPORT)  # opens the line, which is the task's business
        made: list[object] = []

        def counted(_: object, work: Coroutine[Any, Any, Any], **_named: object) -> asyncio.Task[Any]:
            made.append(work)
            return asyncio.Task(work, loop=loop)

        answers = [copper.bus.asked(unit, BODY, TRANSPORT) for unit in (1, 2, 1, 2)]
        loop.set_task_factory(counted)  # type: ignore[arg-type]
        await answers[-1]
        loop.set_task_factory(None)
        assert all(answer.done() for answer in answers)
        assert made == []
        await copper.bus.close()

    on_virtual_time(work())


class BuggyLine(FakeLine):
    """`open` raises what no line may raise."""

    well = False

    async def open(self, timeout_s: float) -> None:
        if not self.well:
            raise ZeroDivisionError
        await super().open(timeout_s)


def test_a_line_that_breaks_otherwise_than_it_may_leaves_nobody_waiting() -> None:
    """P8: a bug below the bus is told to the ones that wait, and the bus goes on with the next request."""

    async def work() -> None:
        copper = Copper()
        line = BuggyLine(copper.steps)
        bus = Bus(line, RtuFraming(), BusTimes())
        waiting = [bus.asked(unit, BODY, TRANSPORT) for unit in (1, 2)]
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, NotConnected)
        line.well = True
        assert len(await bus.ask(1, BODY, TRANSPORT)) == 4
        await bus.close()

    on_virtual_time(work())
