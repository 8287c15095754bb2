"""Rigs on a shared line, byte by byte, with framing of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

import pytest
from scripted_bus import seal
from sim_parts import rubric

from simulators.bus.host import BusHost
from simulators.bus.line import BusLine
from simulators.bus.outlets import opener_of
from simulators.device.clock import FleetTime
from simulators.device.rig import Rig
from simulators.errors import InputError
from simulators.faults import FaultSpec
from simulators.faults.bus import FAULTS
from simulators.fleet import FleetSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

READ_MAGIC = seal(bytes.fromhex("010300000001"))
MAGIC = seal(bytes.fromhex("0103024b46"))


class Line:
    """Two rigs, units 1 and 2, behind one listening port; `talk` is one conversation with them."""

    def __init__(self, *, seed: int = 0) -> None:
        self.line = BusLine(1, opener_of("tcp", "127.0.0.1", 0))
        self.hosts = [
            BusHost(Rig(f"LV-000{unit}", rubric(), FleetTime()), self.line, unit, seed=seed) for unit in (1, 2)
        ]

    async def __aenter__(self) -> Self:
        for host in self.hosts:
            await host.start()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", int(str(self.line.where()["port"])))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        for host in self.hosts:
            await host.stop()

    async def ask(self, request: bytes, count: int = 1000, within_s: float = 0.05) -> bytes:
        """What comes back until `count` bytes are there or the line is silent."""
        self.writer.write(request)
        got = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s if count == 1000 else 2):
                while len(got) < count and (data := await self.reader.read(4096)):
                    got += data
        return got

    def fault(self, name: str, **more: object) -> None:
        self.hosts[0].set_fault(FaultSpec(name, probability=1, **more))  # type: ignore[arg-type]


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with Line() as made:
        yield made


async def test_each_unit_answers_its_own_requests(line: Line) -> None:
    """Units 1 and 2 on one line, by address, with their own serial numbers and a right checksum."""
    assert await line.ask(READ_MAGIC, 7) == MAGIC
    for unit, serial in ((1, b"LV-0001\0"), (2, b"LV-0002\0")):
        reply = await line.ask(seal(bytes((unit, 3, 0, 4, 0, 4))), 13)
        assert reply == seal(bytes((unit, 3, 8)) + serial)
    ready = seal(bytes.fromhex("02100066000102002a"))
    assert await line.ask(ready, 8) == seal(bytes.fromhex("021000660001"))
    assert line.hosts[1].rig.control_block()[1] == 42
    assert line.hosts[0].rig.control_block()[1] == 0


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (seal(bytes.fromhex("030300000001")), "no such unit"),
        (seal(bytes.fromhex("000300000001")), "broadcast"),
        (READ_MAGIC[:-1] + b"\0", "wrong checksum"),
        (READ_MAGIC[:5], "half a request"),
    ],
)
async def test_a_line_says_no_by_silence(line: Line, request_: bytes, why: str) -> None:
    """And the next right request is answered, after a pause where bytes were left over."""
    assert await line.ask(request_) == b"", why
    await asyncio.sleep(0.55 if why == "half a request" else 0)
    assert await line.ask(READ_MAGIC, 7) == MAGIC


async def test_a_unit_without_power_is_silent_and_its_neighbour_is_not(line: Line) -> None:
    """P8: no connection breaks."""
    line.hosts[1].power_cut()
    assert await line.ask(seal(bytes.fromhex("020300000001"))) == b""
    assert await line.ask(READ_MAGIC, 7) == MAGIC
    await line.hosts[1].power_up()
    assert (await line.ask(seal(bytes.fromhex("020300000001")), 7))[:3] == b"\x02\x03\x02"


async def test_requests_in_pieces_and_wrong_ones_are_answered_as_on_tcp(line: Line) -> None:
    """Function 1 is exception 1, an address outside is exception 2; a request may come byte by byte."""
    assert await line.ask(seal(bytes.fromhex("010100000001")), 5) == seal(b"\x01\x81\x01")
    assert await line.ask(seal(bytes.fromhex("0103ffff0001")), 5) == seal(b"\x01\x83\x02")
    for byte in READ_MAGIC[:-1]:
        line.writer.write(bytes((byte,)))
        await asyncio.sleep(0.001)
    assert await line.ask(READ_MAGIC[-1:], 7) == MAGIC


def one_bit_wrong(got: bytes) -> bool:
    return len(got) == 7 and sum((a ^ b).bit_count() for a, b in zip(got, MAGIC, strict=True)) == 1


def foreign_first(got: bytes) -> bool:
    other = got[: -len(MAGIC)]
    return got.endswith(MAGIC) and other[0] == 2 and seal(other[:-2]) == other


ON_THE_LINE: dict[str, Callable[[bytes], bool]] = {
    "bad-crc": one_bit_wrong,
    "echo": lambda got: got == READ_MAGIC + MAGIC,
    "foreign-frame": foreign_first,
    "merged-frames": lambda got: got.startswith(MAGIC) and len(MAGIC) < len(got) <= len(MAGIC) + 4,
    "wrong-unit": lambda got: got == seal(b"\x02" + MAGIC[1:-2]),
    "wrong-function": lambda got: got == seal(b"\x01\x04" + MAGIC[2:-2]),
    "short-count": lambda got: got == seal(b"\x01\x03\x00"),
    "long-count": lambda got: got == seal(b"\x01\x03\x04" + MAGIC[3:5] + b"\0\0"),
    "exception-6": lambda got: got == seal(b"\x01\x83\x06"),
    "duplicate-reply": lambda got: got == MAGIC + MAGIC,
    "trailing-bytes": lambda got: got.startswith(MAGIC) and len(got) == 12,
    "garbage-before": lambda got: got.endswith(MAGIC) and len(got) == 14,
    "half-frame": lambda got: got == MAGIC[:3],
    "drip": lambda got: got == MAGIC,
    "silent": lambda got: got == b"",
    "late-reply": lambda got: got == b"",
    "wrong-tid": lambda got: got == MAGIC,
    "length-65535": lambda got: got == MAGIC,
}


@pytest.mark.parametrize("name", ON_THE_LINE)
async def test_r5_faults_on_a_line(line: Line, name: str) -> None:
    """R4, R5: as the catalogue says; those of the TCP header do nothing; the neighbour is not concerned."""
    line.fault(name, times=1)
    got = await line.ask(READ_MAGIC)
    assert ON_THE_LINE[name](got), got.hex()
    assert await line.ask(seal(bytes.fromhex("020300000001")), 7) == seal(bytes.fromhex("0203024b46"))


async def test_r5_one_behind_has_no_name_to_be_known_by(line: Line) -> None:
    """R5: the hazard of the bus, served: the answer to the question before, right in every byte."""
    line.fault("one-behind", times=1)
    assert await line.ask(READ_MAGIC) == b""
    assert (await line.ask(seal(bytes.fromhex("010300010001")), 14))[:7] == MAGIC


async def test_bus_faults_compose_and_do_nothing_on_a_socket_of_its_own(line: Line) -> None:
    """Echo and noise together, in the order given; each fault of the bus is in the list above."""
    assert {kind.name for kind in FAULTS} <= set(ON_THE_LINE)
    line.fault("garbage-before")
    line.fault("echo")
    got = await line.ask(READ_MAGIC)
    assert got.startswith(READ_MAGIC)
    assert got.endswith(MAGIC)
    assert len(got) == len(READ_MAGIC) + 7 + len(MAGIC)


@pytest.mark.parametrize("wrong", ["udp", "host", ":502", "h:0", "h:70000"])
def test_a_wrong_bus_is_refused_in_words(wrong: str) -> None:
    """At the command line, before anything opens."""
    with pytest.raises(InputError, match=r"tcp, pty, or HOST:PORT"):
        FleetSettings(bus=wrong)
    for count in (0, 248):
        with pytest.raises(InputError, match="1 to 247"):
            FleetSettings(bus="tcp", per_bus=count)


async def test_a_terminal_is_there_while_it_is_open() -> None:
    """The device of ready.json can be opened, and is gone afterwards."""
    line = BusLine(1, opener_of("pty", "", 0))
    host = BusHost(Rig("LV-0001", rubric(), FleetTime()), line, 1)
    await host.start()
    with await asyncio.to_thread(open, str(host.where()["device"]), "rb", buffering=0) as device:
        assert device.isatty()
    await host.stop()
    assert host.where()["device"] == ""
