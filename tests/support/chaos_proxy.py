"""A bad line between two real ends: a TCP proxy that cuts, swallows, drips and changes bytes. TLS stays inside.

    async with chaos_proxy(server_port) as proxy:
        proxy.next(Fault(up=Cut(after=700)))        # the next connection is reset when 700 bytes went to the server
        proxy.now(Fault(down=Cut(after=0, how="swallow")))   # those that are open: no reply comes back any more
        proxy.reset_all()                           # as a router that restarts

It counts bytes from a connection's beginning, the handshake included, and knows nothing of what they mean: whoever
changes or repeats a byte here is somebody on the line without a key (reliability.md N3-N5, N9, N10, N12).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_LINGER_NOT = struct.pack("ii", 1, 0)  # close() then sends a reset, not a FIN
_READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Cut:
    """What happens in one direction when `after` bytes have gone through."""

    after: int
    how: Literal["reset", "close", "swallow"] = "reset"


@dataclass(frozen=True, slots=True)
class Fault:
    """What one connection suffers. `bytes_a_turn` drips; `change(offset, part)` rewrites what goes down."""

    up: Cut | None = None
    down: Cut | None = None
    bytes_a_turn: int | None = None
    change_up: Callable[[int, bytes], bytes] | None = None
    change_down: Callable[[int, bytes], bytes] | None = None


NO_FAULT = Fault()


@dataclass(slots=True, eq=False)
class Line:
    """One connection: how many bytes went each way, and its two sockets."""

    fault: Fault
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter | None = None
    up: int = 0
    down: int = 0
    over: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def reset(self) -> None:
        """Both ends learn it by a reset."""
        self.over = True
        for each in (self.near, self.far):
            if each is not None:
                each.transport.abort()


class ChaosProxy:
    """Passes connections on to `target` on loopback. `refusing`: every new one is reset at once (the line is down)."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.refusing = False
        self.lines: list[Line] = []
        self.past: list[Line] = []
        self._armed: deque[Fault] = deque()

    def next(self, *faults: Fault) -> None:
        """The next connections suffer these, one each; those after them nothing."""
        self._armed.extend(faults)

    def now(self, fault: Fault) -> None:
        """Every open connection suffers this from here on; its bytes are counted from now."""
        for line in self.lines:
            line.fault, line.up, line.down = fault, 0, 0

    def reset_all(self) -> None:
        """Every open connection ends by a reset."""
        for line in list(self.lines):
            line.reset()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its first byte to its end."""
        line = Line(self._armed.popleft() if self._armed else NO_FAULT, writer)
        _never_linger(writer)
        if self.refusing:
            writer.transport.abort()
            return
        self.lines.append(line)
        try:
            far_reader, line.far = await asyncio.open_connection("127.0.0.1", self.target)
            _never_linger(line.far)
            line.tasks = [
                asyncio.ensure_future(self._pump(line, reader, line.far, up=True)),
                asyncio.ensure_future(self._pump(line, far_reader, writer, up=False)),
            ]
            await asyncio.gather(*line.tasks)
        except OSError:
            line.reset()
        finally:
            await self._end(line)

    async def _end(self, line: Line) -> None:
        self.lines.remove(line)
        self.past.append(line)
        for task in line.tasks:
            task.cancel()
        await asyncio.gather(*line.tasks, return_exceptions=True)
        for each in (line.near, line.far):
            if each is not None:
                each.transport.abort()
                with suppress(OSError):
                    await each.wait_closed()

    async def _pump(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        while part := await reader.read(line.fault.bytes_a_turn or _READ_BYTES):
            fault = line.fault
            gone = line.up if up else line.down
            cut, change = (fault.up, fault.change_up) if up else (fault.down, fault.change_down)
            room = len(part) if cut is None else max(0, min(len(part), cut.after - gone))
            passed = part[:room]
            if up:
                line.up += room
            else:
                line.down += room
            if passed:
                writer.write(change(gone, passed) if change else passed)
                await writer.drain()
            if cut is not None and gone + len(part) >= cut.after and not await self._cut(line, cut, reader):
                return
        with suppress(OSError):
            writer.write_eof()

    async def _cut(self, line: Line, cut: Cut, reader: asyncio.StreamReader) -> bool:
        """Whether the pump goes on: it does for nobody, but it drains what is swallowed."""
        if cut.how == "swallow":
            while await reader.read(_READ_BYTES):
                pass
            return False
        if cut.how == "close":  # what was passed on arrives, and then an orderly end
            line.over = True
            for each in (line.near, line.far):
                if each is not None and each.can_write_eof():
                    with suppress(OSError):
                        each.write_eof()
            return False
        line.reset()
        return False


def _never_linger(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@asynccontextmanager
async def chaos_proxy(target: int) -> AsyncIterator[ChaosProxy]:
    """Serves on a free loopback port until the block ends."""
    proxy = ChaosProxy(target)
    running: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(proxy.serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.reset_all()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        with contextlib.suppress(OSError):
            await server.wait_closed()
