"""Raw RTU units on one line that do exactly what a test tells them: own framing, own checksum, no code of ours.

The units are `ScriptedRig`s that never listen by themselves. A `ScriptedBus` is the copper between them: `steps` says
what comes back for a request, `serve_tcp`, `serve_pty` and `call` put it behind a socket or a terminal.

    bus = ScriptedBus(ScriptedRig(unit=1), ScriptedRig("LV-0002", unit=2))
    bus.faults[4] = lambda request, reply: [0.5, reply]        # request number 4 (from 1) is answered late
"""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from fake_line import FakeLine
from scripted_rig import ScriptedRig, crc16

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from scripted_rig import Answer, Fault


def seal(frame: bytes) -> bytes:
    """With its CRC, low byte first."""
    crc = crc16(frame)
    return frame + bytes((crc & 0xFF, crc >> 8))


def request_length(data: bytes) -> int:
    """Of the request that begins here, as far as that can be told."""
    return 9 + data[6] if len(data) > 6 and data[1] in {15, 16} else 8


class ScriptedBus:
    """Units by their number."""

    def __init__(self, *rigs: ScriptedRig, echo: bool = False) -> None:
        self.units = {rig.unit: rig for rig in rigs}
        self.echo = echo
        self.dead: set[int] = set()
        self.faults: dict[int, Fault] = {}
        self.requests: list[bytes] = []
        self.connections = 0
        self._open: list[_Outlet | _Foreign] = []

    def steps(self, request: bytes) -> Answer:
        """What the line carries after this request: bytes and pauses."""
        assert seal(request[:-2]) == request, f"a request with a wrong checksum: {request.hex()}"
        self.requests.append(request)
        number = len(self.requests)
        rig = self.units.get(request[0])
        before: Answer = [request] if self.echo else []
        if rig is None or rig.unit in self.dead or rig.silent:
            return before
        head = b"\0\1\0\0" + (len(request) - 2).to_bytes(2, "big")
        rig.requests.append((request[1], int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")))
        reply = seal(rig.reply(head + request[:-2])[6:])
        fault = self.faults.get(number)
        return before + (fault(request, reply) if fault else [reply])

    # ------------------------------------------------------------------ outlets

    def line(self, *, renewable: bool = False, byte_s: float = 0.0) -> FakeLine:
        """On virtual time, without any socket."""
        return FakeLine(self.steps, renewable=renewable, byte_s=byte_s)

    @asynccontextmanager
    async def serve_tcp(self, port: int = 0) -> AsyncIterator[int]:
        """As a serial server that is called."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            self.cut()
            await server.wait_closed()

    async def call(self, port: int) -> None:
        """As a serial server that calls, until the connection ends."""
        await self._converse(*await asyncio.open_connection("127.0.0.1", port))

    def hang_on(self, transport: asyncio.Transport) -> None:
        """Another connection that `cut` ends."""
        self.connections += 1
        self._open.append(_Foreign(transport))

    @asynccontextmanager
    async def serve_pty(self, path: Path) -> AsyncIterator[Path]:
        """As a serial port at `path`; `cut` unplugs the converter and plugs it in again."""
        self._pty = path
        self._plug()
        try:
            yield path
        finally:
            self._pty = None
            self.cut()

    def cut(self) -> None:
        """Every outlet breaks off."""
        outlets, self._open = self._open, []
        for outlet in outlets:
            outlet.end()

    _pty: Path | None = None

    def _plug(self) -> None:
        if self._pty is None:
            return
        master, slave = os.openpty()
        tty.setraw(slave)
        self._pty.unlink(missing_ok=True)
        self._pty.symlink_to(os.ttyname(slave))
        self.connections += 1
        self._open.append(_Terminal(self, master, slave))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """In a task of the server, which nobody awaits."""
        with suppress(asyncio.CancelledError):
            await self._converse(reader, writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        outlet = _Socket(self, writer)
        self._open.append(outlet)
        try:
            while data := await reader.read(4096):
                outlet.take(data)
        except ConnectionError:
            pass
        finally:
            outlet.end()
            with suppress(Exception):
                await writer.wait_closed()


class _Foreign:
    """A connection that somebody else serves."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def end(self) -> None:
        self._transport.abort()


class _Outlet:
    """Requests out of a stream of bytes, and answers into it."""

    def __init__(self, bus: ScriptedBus) -> None:
        self._bus = bus
        self._rest = b""
        self._ended = False

    def take(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= (length := request_length(self._rest)):
            request, self._rest = self._rest[:length], self._rest[length:]
            later_s = 0.0
            for step in self._bus.steps(request):
                if isinstance(step, float):
                    later_s += step
                elif later_s:
                    asyncio.get_running_loop().call_later(later_s, self._step, step)
                else:
                    self._step(step)

    def _step(self, step: bytes | None) -> None:
        if self._ended:
            return
        if step is None:
            self.end()
        else:
            self.send(step)

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self._ended = True


class _Socket(_Outlet):
    def __init__(self, bus: ScriptedBus, writer: asyncio.StreamWriter) -> None:
        super().__init__(bus)
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def end(self) -> None:
        super().end()
        self._writer.transport.abort()


class _Terminal(_Outlet):
    def __init__(self, bus: ScriptedBus, master: int, slave: int) -> None:
        super().__init__(bus)
        self._master, self._slave = master, slave
        asyncio.get_running_loop().add_reader(master, self._readable)

    def _readable(self) -> None:
        self.take(os.read(self._master, 4096))

    def send(self, data: bytes) -> None:
        os.write(self._master, data)

    def end(self) -> None:
        if self._ended:
            return
        super().end()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._bus._plug()
