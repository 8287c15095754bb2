"""What a bus expects of its line, over the real lines and the strict fake that stands for them on virtual time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from scripted_bus import ScriptedBus
from scripted_rig import ScriptedRig

from device_adapters.errors import NotConnected
from device_adapters.modbus.lines import DialInLine, TcpLine
from device_adapters.modbus.serial_line import SerialLine, SerialPort

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from device_adapters.modbus.lines import Line

REQUEST = bytes.fromhex("010300000001840a")  # unit 1 reads 1 word at 0
REPLY_BYTES = 7
KINDS = ("fake", "serial", "tcp", "dial-in")


@pytest.fixture
def copper() -> ScriptedBus:
    return ScriptedBus(ScriptedRig())


@pytest.fixture(params=KINDS)
async def line(request: pytest.FixtureRequest, copper: ScriptedBus, tmp_path: Path) -> AsyncIterator[Line]:
    """Open, with one unit at its other end."""
    async with AsyncExitStack() as stack:
        made: Line
        if request.param == "fake":
            made = copper.line(renewable=True)
            copper._open.append(_Unplug(made))
        elif request.param == "serial":
            made = SerialLine(
                SerialPort(str(await stack.enter_async_context(copper.serve_pty(tmp_path / "tty"))), 9600)
            )
        elif request.param == "tcp":
            made = TcpLine("127.0.0.1", await stack.enter_async_context(copper.serve_tcp()))
        else:
            made = DialInLine("127.0.0.1", 0, "127.0.0.1")
            with pytest.raises(NotConnected, match=r"no serial server 127\.0\.0\.1 has called port"):
                await made.open(0.05)
            call = asyncio.create_task(copper.call(made.port))
            stack.push_async_callback(asyncio.wait, {call})
        await made.open(1)
        stack.callback(made.close)
        yield made


class _Unplug:
    def __init__(self, line: object) -> None:
        self._line = line

    def end(self) -> None:
        self._line.unplug()  # type: ignore[attr-defined]


async def answered(line: Line) -> bytes:
    line.clear()
    line.write(REQUEST)
    async with asyncio.timeout(2):
        while len(line.received) < REPLY_BYTES:
            await line.wait(1)
    return line.received


async def test_bytes_go_out_and_come_in_with_their_time(line: Line) -> None:
    """What a bus judges silence by."""
    before = asyncio.get_running_loop().time()
    assert (await answered(line))[:3] == b"\x01\x03\x02"
    assert before <= line.last_at <= asyncio.get_running_loop().time()
    line.clear()
    assert line.received == b""
    assert not await line.wait(0.01)


async def test_only_a_loss_is_another_identity(line: Line, copper: ScriptedBus) -> None:
    """Closing and opening again is the same line; being cut off may be another one, and wakes whoever waits."""
    identity = line.identity
    waiting = asyncio.create_task(line.wait(2))
    await asyncio.sleep(0)
    copper.cut()
    assert await waiting
    assert not line.is_open
    assert line.identity > identity


async def test_a_closed_line_takes_nothing(line: Line, request: pytest.FixtureRequest) -> None:
    """And where it can be called again, the same devices answer on it."""
    identity = line.identity
    line.close()
    assert not line.is_open
    if "dial-in" in request.node.name:
        return
    await line.open(1)
    assert (await answered(line))[:3] == b"\x01\x03\x02"
    assert line.identity == identity


async def test_only_the_named_address_may_call(copper: ScriptedBus) -> None:
    """A stranger who dials in is not the line."""
    line = DialInLine("127.0.0.1", 0, "127.0.0.9")
    with pytest.raises(NotConnected, match=r"127\.0\.0\.9"):
        await line.open(0.01)
    async with asyncio.timeout(2):
        await copper.call(line.port)
    assert not line.is_open
    line.close()


async def test_a_serial_port_is_there_ours_alone_and_a_serial_port(tmp_path: Path, copper: ScriptedBus) -> None:
    """Each refusal names the device and what is wrong with it."""
    with pytest.raises(NotConnected, match=r"no serial port .*: No such file"):
        await SerialLine(SerialPort(str(tmp_path / "tty"))).open(1)
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(NotConnected, match="is it a serial port"):
        await SerialLine(SerialPort(str(tmp_path / "plain"))).open(1)
    async with copper.serve_pty(tmp_path / "tty") as device:
        first, second = (SerialLine(SerialPort(str(device))) for _ in range(2))
        await first.open(1)
        with pytest.raises(NotConnected, match="another program has it"):
            await second.open(1)
        first.close()
        await second.open(1)
        second.close()


@pytest.mark.parametrize(("port", "seconds"), [(SerialPort("", 9600), 10), (SerialPort("", 9600, "even", 2), 12)])
def test_a_byte_takes_its_bits(port: SerialPort, seconds: int) -> None:
    """Start, 8 data, parity, stop: the silence between frames is counted in these."""
    assert port.byte_s == seconds / 9600
