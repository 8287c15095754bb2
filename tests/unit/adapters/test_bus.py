"""A bus on virtual time: order, gaps, quiet, neighbours. Units answer by their own framing (scripted_bus)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from dst_loop import SimLoop
from rig_profiles import fast_v1
from scripted_bus import ScriptedBus, seal
from scripted_rig import ScriptedRig

from device_adapters.errors import BackOff, NotConnected
from device_adapters.limits import BUS_NOISE_S, HELD_MAX_S, HELD_MIN_S
from device_adapters.modbus.breaker import Breakers
from device_adapters.modbus.bus import NOISY, Bus, BusTimes
from device_adapters.modbus.bus_wire import BusWire
from device_adapters.modbus.framing import RtuFraming
from device_adapters.modbus.wire import ExceptionReply, OddReply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fake_line import FakeLine
    from scripted_rig import Answer

T = TypeVar("T")
TIMEOUT_S = 0.4
TRANSPORT = fast_v1(400).transport
BYTE_S = 10 / 9600


def on_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(work)


def now() -> float:
    return asyncio.get_running_loop().time()


class Point:
    """Units 1 to `count` on one line, register n of unit u holding 1000 u + n."""

    def __init__(self, count: int = 2, times: BusTimes | None = None, *, renewable: bool = False) -> None:
        self.copper = ScriptedBus(*(ScriptedRig(f"LV-{n:04d}", unit=n) for n in range(1, count + 1)))
        for unit, rig in self.copper.units.items():
            rig.registers[:100] = [1000 * unit + at for at in range(100)]
        self.copper.echo = times is not None and times.echo
        self.line: FakeLine = self.copper.line(renewable=renewable, byte_s=BYTE_S)
        self.bus = Bus(self.line, RtuFraming(), times or BusTimes())

    def wire(self, unit: int, **changes: int) -> BusWire:
        return BusWire(self.bus, unit, replace(TRANSPORT, **changes), (0, 1))

    async def connected(self, unit: int, **changes: int) -> BusWire:
        wire = self.wire(unit, **changes)
        await wire.connect()
        return wire

    def next_fault(self, fault: Callable[[bytes, bytes], Answer]) -> None:
        self.copper.faults[len(self.copper.requests) + 1] = fault


def value(data: bytes) -> int:
    return int.from_bytes(data, "big")


def test_units_are_read_in_turn_with_a_gap_between_all_frames() -> None:
    """P8: one place in the queue per rig; 3.5 characters of silence and the profile's own gap lie between frames."""

    async def work() -> None:
        point = Point(3)
        wires = [await point.connected(unit, min_gap_ms=30 if unit == 2 else 0) for unit in (1, 2, 3)]
        point.copper.requests.clear()
        point.line.sent.clear()

        async def often(wire: BusWire, unit: int) -> None:
            for at in range(5):
                assert value(await wire.read(at, 1)) == 1000 * unit + at

        await asyncio.gather(*(often(wire, unit) for unit, wire in enumerate(wires, 1)))
        units = [request[0] for request in point.copper.requests]
        assert units == [1, 2, 3] * 5
        frames_s = (8 + 7) * BYTE_S
        for (one, first), (two, _) in zip(point.line.sent, point.line.sent[1:], strict=False):
            silence_s = two - one - frames_s
            assert silence_s >= (0.03 if first[0] == 2 else 3.5 * BYTE_S) - 0.0011
            assert silence_s < 0.04
        await point.bus.close()

    on_virtual_time(work())


LATE: Callable[[bytes, bytes], Answer] = lambda _, reply: [0.5, reply]  # noqa: E731  (like the other faults of tests)


@pytest.mark.parametrize("renewable", [False, True])
def test_a_late_reply_is_waited_out_and_answers_nothing(renewable: bool) -> None:
    """P5, R5: 0.5 s late on a 0.4 s line, as in the bare library's test; a serial server hands it on all the same."""

    async def work() -> None:
        point = Point(renewable=renewable)
        one, two = await point.connected(1), await point.connected(2)
        point.next_fault(LATE)
        with pytest.raises(NotConnected, match="no reply within 400 ms, reading 1 words at 10"):
            await one.read(10, 1)
        failed_at = now()
        assert value(await two.read(20, 1)) == 2020
        assert point.line.sent[-1][0] - failed_at >= TIMEOUT_S - 0.0011
        await one.connect()
        assert [value(await one.read(at, 1)) for at in (30, 40)] == [1030, 1040]
        assert point.line.opened == (2 if renewable else 1)
        assert point.bus.counts.strays == 1
        await point.bus.close()

    on_virtual_time(work())


def test_a_cancelled_request_goes_on_alone_to_its_end() -> None:
    """P5: whoever leaves in mid-transaction leaves no reply behind for somebody else."""

    async def work() -> None:
        point = Point()
        one, two = await point.connected(1), await point.connected(2)
        point.next_fault(lambda _, reply: [0.2, reply])
        reading = asyncio.create_task(one.read(10, 1))
        waiting = asyncio.create_task(two.read(20, 1))
        await asyncio.sleep(0.1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert not one.connected
        assert value(await waiting) == 2020
        assert two.connected
        assert len(point.copper.requests) == 4, "nothing was asked twice"
        with pytest.raises(NotConnected, match="not connected, before reading"):
            await one.read(10, 1)
        await one.connect()
        assert value(await one.read(10, 1)) == 1010
        await point.bus.close()

    on_virtual_time(work())


def test_who_leaves_the_queue_is_not_asked_for() -> None:
    """A request that was cancelled before its turn never goes out."""

    async def work() -> None:
        point = Point()
        one, two = await point.connected(1), await point.connected(2)
        first = asyncio.create_task(one.read(1, 1))
        second = asyncio.create_task(two.read(99, 1))
        await asyncio.sleep(0)
        second.cancel()
        await first
        await asyncio.sleep(1)
        assert [request[0] for request in point.copper.requests] == [1, 2, 1]
        await point.bus.close()

    on_virtual_time(work())


FOREIGN = seal(bytes.fromhex("0203020bb8"))
ODD: dict[str, tuple[Callable[[bytes, bytes], Answer], str]] = {
    "another unit answers": (lambda _, __: [FOREIGN], "wrong unit"),
    "another unit's talk before the reply": (lambda _, reply: [FOREIGN + reply], "wrong unit"),
    "another function": (lambda r, _: [seal(r[:1] + b"\x04\x02\x00\x07")], "wrong function"),
    "a word less": (lambda r, _: [seal(r[:1] + b"\x03\x00")], "another count"),
    "a word more": (lambda r, _: [seal(r[:1] + b"\x03\x04\x00\x07\x00\x08")], "another count"),
    "echo": (lambda r, reply: [r, reply], "echo of the own request"),
    "wrong checksum": (lambda _, reply: [reply[:-1] + bytes((reply[-1] ^ 1,))], "wrong checksum"),
    "a bit of the value": (lambda _, r: [r[:4] + bytes((r[4] ^ 4,)) + r[5:]], "wrong checksum"),
    "noise before": (lambda _, reply: [b"\xff\x00" + reply], "noise before a frame"),
    "noise only": (lambda _, __: [b"\x00\xff\x00"], "noise or a damaged frame"),
    "two replies": (lambda _, reply: [reply + reply], "bytes after the end"),
    "the next frame merged": (lambda _, reply: [reply + FOREIGN[:3]], "bytes after the end"),
    "one byte too many": (lambda _, reply: [reply + b"\0"], "bytes after the end"),
}


TWICE = {"another unit answers", "another unit's talk before the reply", "noise before", "noise only"}


@pytest.mark.parametrize("name", ODD)
def test_what_is_not_the_answer_is_refused_with_its_reason_and_the_line_recovers(name: str) -> None:
    """P5, R5: evidence holds what came; the neighbour reads right words next, and so does the unit after `connect`."""
    fault, why = ODD[name]

    async def work() -> None:
        point = Point()
        one, two = await point.connected(1), await point.connected(2)
        point.next_fault(fault)
        if name in TWICE:  # it may be a neighbour's, once
            point.copper.faults[len(point.copper.requests) + 2] = fault
        with pytest.raises(OddReply, match=why) as caught:
            await one.read(7, 1)
        assert caught.value.frame
        assert caught.value.frame.hex() not in str(caught.value), "P7"
        assert not one.connected
        assert value(await two.read(8, 1)) == 2008
        await one.connect()
        assert value(await one.read(9, 1)) == 1009
        await point.bus.close()

    on_virtual_time(work())


@pytest.mark.parametrize("cut", range(7))
def test_a_truncated_reply_is_silence(cut: int) -> None:
    """P5, R5: at every byte; and its missing half, if it comes, is waited out."""

    async def work() -> None:
        point = Point()
        one, two = await point.connected(1), await point.connected(2)
        point.next_fault(lambda _, reply: [reply[:cut], 0.6, reply[cut:]])
        with pytest.raises(NotConnected, match="no reply within 400 ms"):
            await one.read(7, 1)
        assert value(await two.read(8, 1)) == 2008
        await point.bus.close()

    on_virtual_time(work())


def test_a_reply_may_come_byte_by_byte() -> None:
    """R5: converters hand on in bursts; only length and checksum end a frame."""

    async def work() -> None:
        point = Point()
        one = await point.connected(1)
        point.next_fault(lambda _, reply: [part for byte in reply for part in (0.016, bytes((byte,)))])
        assert value(await one.read(7, 1)) == 1007
        await point.bus.close()

    on_virtual_time(work())


def test_an_echoing_line_is_read_when_it_is_said_and_checked() -> None:
    """R5: the echo must be the request itself: another sender at the same time is found by it."""

    async def work() -> None:
        point = Point(times=BusTimes(echo=True))
        one = await point.connected(1)
        assert value(await one.read(7, 1)) == 1007
        await one.write(50, [5], one.connection)
        point.copper.echo = False
        with pytest.raises(OddReply, match="no echo of the own request"):
            await one.read(8, 1)
        await point.bus.close()

    on_virtual_time(work())


def test_exceptions_are_answers_and_the_connection_stays() -> None:
    """R4: busy is BackOff, others tell their code; neither needs a new connection."""

    async def work() -> None:
        point = Point()
        one = await point.connected(1)
        for code, error in ((6, BackOff), (2, ExceptionReply)):
            point.next_fault(lambda r, _, code=code: [seal(bytes((r[0], r[1] | 0x80, code)))])  # type: ignore[misc]
            with pytest.raises(error, match=f"exception {code}"):
                await one.read(7, 1)
            assert one.connected
        assert value(await one.read(7, 1)) == 1007
        await point.bus.close()

    on_virtual_time(work())


def test_nothing_is_written_on_another_connection_than_meant() -> None:
    """A ready word for the rig that was there before must not reach the one that is there now."""

    async def work() -> None:
        point = Point()
        one = await point.connected(1)
        before = one.connection
        point.line.unplug()
        assert not one.connected
        await one.connect()
        with pytest.raises(NotConnected, match="another connection"):
            await one.write(50, [5], before)
        assert all(request[1] == 3 for request in point.copper.requests)
        await point.bus.close()

    on_virtual_time(work())


def test_a_dead_unit_costs_its_neighbours_a_ninth_of_the_line() -> None:
    """P8, pain 18: three of four units dead, asked as fast as allowed; the fourth keeps eight ninths of the time."""

    async def work() -> None:
        point = Point(4)
        good = await point.connected(4)
        point.copper.dead = {1, 2, 3}

        async def insist(wire: BusWire) -> None:
            while True:
                with suppress(NotConnected):
                    await wire.connect()
                await asyncio.sleep(0.25)

        tasks = [asyncio.create_task(insist(point.wire(unit))) for unit in (1, 2, 3)]
        await asyncio.sleep(30)
        point.line.sent.clear()
        until = now() + 30
        reads = 0
        while now() < until:
            await good.read(1, 1)
            reads += 1
        dead_s = sum(2 * TIMEOUT_S for _, request in point.line.sent if request[0] != 4)
        assert 0 < dead_s <= 30 / 9 + 3 * 2 * TIMEOUT_S, "one more of each may fall into the time"
        assert reads * (15 + 3.5) * BYTE_S > 30 * 0.7
        point.copper.dead = set()
        await asyncio.sleep(HELD_MAX_S + 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert {request[0] for request in point.copper.requests[-20:]} == {1, 2, 3}, "the dead came back by themselves"
        await point.bus.close()

    on_virtual_time(work())


def test_the_breaker_holds_after_three_failures_and_forgets_with_the_first_answer() -> None:
    """P8: at the limits: two failures hold nothing, the hold lies between its bounds."""
    breakers = Breakers()
    breakers.failed(1, 10.0, 0.001)
    breakers.failed(1, 10.0, 0.001)
    assert breakers.left_s(1, 10.0) == 0
    breakers.failed(1, 10.0, 0.001)
    assert breakers.left_s(1, 10.0) == HELD_MIN_S
    breakers.failed(1, 20.0, 1e6)
    assert breakers.left_s(1, 20.0) == HELD_MAX_S
    assert breakers.left_s(2, 20.0) == 0
    breakers.good(1)
    assert breakers.left_s(1, 20.0) == 0


def test_a_line_that_cannot_be_opened_is_tried_once_a_second_for_all() -> None:
    """P8: and no unit is blamed for it."""

    async def work() -> None:
        point = Point(8)
        point.line.absent = True
        for unit in range(1, 9):
            with pytest.raises(NotConnected, match="nothing there"):
                await point.wire(unit).connect()
        assert point.line.identity == 1, "one try for all"
        point.line.absent = False
        await asyncio.sleep(1.1)
        assert (await point.connected(1)).connected
        await point.bus.close()

    on_virtual_time(work())


def test_a_line_that_is_never_quiet_is_given_up_and_opened_again() -> None:
    """P5: another master on the line: nothing is sent into its talk."""

    async def work() -> None:
        point = Point()
        one = await point.connected(1)
        began = now()
        for tick in range(400):
            asyncio.get_running_loop().call_later(tick * 0.01, point.line.say, b"\x05")
        await asyncio.sleep(0.005)
        sent = len(point.line.sent)
        with pytest.raises(NotConnected, match=NOISY):
            await one.read(1, 1)
        assert now() - began >= BUS_NOISE_S
        assert len(point.line.sent) == sent
        await asyncio.sleep(3)
        await one.connect()
        assert value(await one.read(1, 1)) == 1001
        await point.bus.close()

    on_virtual_time(work())


def test_a_closed_bus_answers_everybody_who_waits() -> None:
    """Nobody waits for ever at the end of the program, and the bus can be used again."""

    async def work() -> None:
        point = Point()
        one, two = await point.connected(1), await point.connected(2)
        point.copper.dead = {1, 2}
        waiting = [asyncio.create_task(wire.read(1, 1)) for wire in (one, two)]
        await asyncio.sleep(0.1)
        await point.bus.close()
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, NotConnected)
        point.copper.dead = set()
        assert (await point.connected(1)).connected
        await point.bus.close()

    on_virtual_time(work())
