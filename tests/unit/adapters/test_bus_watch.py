"""Readings of a unit on a bus that take no turn of a task, on virtual time: what they share with other requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from dst_loop import SimLoop
from rig_profiles import fast_v1
from scripted_bus import ScriptedBus, seal
from scripted_rig import ScriptedRig

from device_adapters.errors import BackOff, NotConnected
from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.bus_wire import BusWire
from device_adapters.modbus.framing import RtuFraming
from device_adapters.modbus.wire import OddReply, Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from scripted_rig import Answer

PROFILE = fast_v1(400)


def on_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(work)


class Copper(ScriptedBus):
    """Two units, and the bus of ours that asks them."""

    def __init__(self) -> None:
        super().__init__(ScriptedRig(), ScriptedRig("LV-0002", unit=2))
        self.out = self.line()
        self.bus = Bus(self.out, RtuFraming(), BusTimes())

    async def connected(self, unit: int) -> BusWire:
        wire = BusWire.of(self.bus, unit, PROFILE)
        await wire.connect()
        return wire

    def next_answer(self, fault: Callable[[bytes, bytes], Answer]) -> None:
        self.faults[len(self.requests) + 1] = fault


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_watched_unit_is_read_at_the_times_that_its_judge_tells() -> None:
    """P8: two units in their own time over one line, until their judges have no next time."""

    async def work() -> None:
        copper = Copper()
        wires = [await copper.connected(unit) for unit in (1, 2)]
        assert all(isinstance(wire, Watching) for wire in wires)
        seen: list[list[float]] = [[], []]

        async def follow(number: int, every_s: float, times: int) -> bytes:
            began = now()

            def judge(found: bytes) -> float | None:
                assert found == b"KF"
                seen[number].append(now() - began)
                return None if len(seen[number]) == times else began + len(seen[number]) * every_s

            return await wires[number].watch(0, 1, began, judge)

        assert await asyncio.gather(follow(0, 0.25, 4), follow(1, 0.1, 10)) == [b"KF", b"KF"]
        for times, every_s in zip(seen, (0.25, 0.1), strict=True):
            assert all(0 <= at - number * every_s < 0.03 for number, at in enumerate(times))
        await copper.bus.close()

    on_virtual_time(work())


def test_a_watched_unit_has_one_place_in_the_queue() -> None:
    """P8, R5: its own write waits for the answer under way, and its next reading for the write."""

    async def work() -> None:
        copper = Copper()
        one = await copper.connected(1)
        judged: list[int] = []
        copper.next_answer(lambda _, reply: [0.2, reply])
        watching = asyncio.create_task(
            one.watch(0, 1, now(), lambda _: judged.append(1) or (None if judged[1:] else now()))
        )  # type: ignore[func-returns-value]
        await asyncio.sleep(0.05)
        await one.write(102, [7], one.connection)
        assert await watching == b"KF"
        assert [request[1] for request in copper.requests[1:]] in ([3, 16, 3], [3, 3, 16])
        assert copper.units[1].ready == [7]
        await copper.bus.close()

    on_virtual_time(work())


BROKEN: dict[str, tuple[Callable[[bytes, bytes], Answer], type[Exception], str]] = {
    "silent": (lambda *_: [], NotConnected, "no reply within 400 ms, reading 1 words at 0"),
    "odd": (lambda _, reply: [reply[:-1] + bytes((reply[-1] ^ 1,))], OddReply, "wrong checksum"),
    "lost": (lambda *_: [None], NotConnected, "the line was lost"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_watched_reading_fails_like_any_other(name: str) -> None:
    """P5, R5: it ends the connection of its unit at once, and only that; the next one is good."""
    fault, error, why = BROKEN[name]

    async def work() -> None:
        copper = Copper()
        one = await copper.connected(1)
        copper.faults[len(copper.requests) + 3] = fault
        with pytest.raises(error, match=why):
            await one.watch(0, 1, now(), lambda _: now())
        assert not one.connected
        with pytest.raises(NotConnected, match="not connected, before reading 1 words at 0"):
            await one.watch(0, 1, now(), lambda _: None)
        await one.connect()
        assert await one.watch(0, 1, now(), lambda _: None) == b"KF"
        await copper.bus.close()

    on_virtual_time(work())


def test_busy_is_an_answer_and_a_judge_that_raises_is_heard() -> None:
    """R4, P8: neither costs the connection; what the judge raises reaches the task of its own rig."""

    async def work() -> None:
        copper = Copper()
        one = await copper.connected(1)
        copper.next_answer(lambda request, _: [seal(bytes((request[0], request[1] | 0x80, 6)))])
        with pytest.raises(BackOff, match="exception 6"):
            await one.watch(0, 1, now(), lambda _: None)

        def judge(_: bytes) -> float | None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await one.watch(0, 1, now(), judge)
        assert one.connected
        assert await one.read(0, 1) == b"KF"
        await copper.bus.close()

    on_virtual_time(work())


def test_a_watched_reading_that_is_given_up_ends_its_connection_and_no_other() -> None:
    """Contract 8, P5: its transaction goes on alone, and its late answer is nobody's."""

    async def work() -> None:
        copper = Copper()
        one, two = await copper.connected(1), await copper.connected(2)
        copper.next_answer(lambda _, reply: [0.2, reply])
        task = asyncio.create_task(one.watch(0, 1, now(), lambda _: None))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (one.connected, two.connected) == (False, True)
        assert await two.read(0, 1) == b"KF"
        assert copper.bus.counts.strays == copper.bus.counts.odd == 0
        waiting = asyncio.create_task(two.watch(0, 1, now() + 1, lambda _: None))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert two.connected, "nothing was under way"
        await copper.bus.close()

    on_virtual_time(work())
