"""Lines that carry a bus: bytes out, bytes in, and when the last one came. They know no frames.

    Line ── TcpLine      we call a serial server or a bridge
         ├─ DialInLine   a serial server calls us
         └─ SerialLine   serial_line.py

Owns: one connection at a time. What comes is kept until `clear`, at most REPLY_BYTES_KEPT of it; a Line never sends
by itself, never waits for an answer and never reconnects.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from device_adapters.errors import NotConnected
from device_adapters.limits import REPLY_BYTES_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable


class Line(Protocol):
    """One line. `identity` counts what may be another device at the other end."""

    renewable: bool  # whether closing and opening again throws away what waits on the way
    byte_s: float  # how long one byte travels; 0 where nobody knows
    heard: Callable[[], None] | None  # called at once, in no task, when bytes came or the line was lost

    @property
    def is_open(self) -> bool:
        """Whether bytes can be sent."""

    @property
    def identity(self) -> int:
        """Changes when the other end may be another one than before."""

    @property
    def received(self) -> bytes:
        """What came since `clear`."""

    @property
    def last_at(self) -> float:
        """When the last byte came, by the loop's clock."""

    async def open(self, timeout_s: float) -> None:
        """Open it. Raises NotConnected."""

    def close(self) -> None:
        """At once; nothing more is taken from this connection."""

    def clear(self) -> None:
        """Forget what came."""

    def write(self, data: bytes) -> None:
        """Send."""

    async def wait(self, timeout_s: float) -> bool:
        """Until something came or the line was lost (True), or the time is over."""


class Received:
    """The receiving half that every line has."""

    def __init__(self) -> None:
        self.received = b""
        self.last_at = float("-inf")
        self.heard: Callable[[], None] | None = None
        self._came = False  # since somebody waited, or cleared
        self._waiter: asyncio.Future[bool] | None = None  # at most one: the bus

    def clear(self) -> None:
        """Forget what came."""
        self.received = b""
        self._came = False

    async def wait(self, timeout_s: float) -> bool:
        """Until something came, or the time is over."""
        if not self._came:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(timeout_s, _wake, waiter, False)
            try:
                if not await waiter:
                    return False
            finally:
                timer.cancel()
                self._waiter = None
        self._came = False
        return True

    def take(self, data: bytes) -> None:
        """Bytes came."""
        self.received = (self.received + data)[:REPLY_BYTES_KEPT]
        self.last_at = asyncio.get_running_loop().time()
        self.wake()

    def wake(self) -> None:
        """Whoever waits looks again: bytes came, or the line was lost."""
        self._came = True
        if self._waiter is not None:
            _wake(self._waiter, True)
        if self.heard is not None:
            self.heard()


def _wake(waiter: asyncio.Future[bool], came: bool) -> None:
    if not waiter.done():
        waiter.set_result(came)


class _Socket(asyncio.Protocol):
    """One TCP connection of a line."""

    def __init__(self, line: SocketLine) -> None:
        self._line = line
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Offer it to the line."""
        self.transport = cast("asyncio.Transport", transport)
        self._line.made(self)

    def data_received(self, data: bytes) -> None:
        """Hand it on."""
        self._line.came(self, data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (however it ended)
        """Tell the line."""
        self._line.lost(self)

    def abort(self) -> None:
        """Close now."""
        if self.transport is not None:
            self.transport.abort()


class SocketLine(Received):
    """What both lines over TCP have."""

    renewable = True
    byte_s = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.identity = 0
        self._socket: _Socket | None = None

    @property
    def is_open(self) -> bool:
        """Whether bytes can be sent."""
        return self._socket is not None

    def write(self, data: bytes) -> None:
        """Send."""
        if self._socket is not None and self._socket.transport is not None:
            self._socket.transport.write(data)

    def drop(self) -> None:
        """End the connection."""
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.abort()
            self.wake()

    def made(self, socket: _Socket) -> None:
        """The newest connection is the line; the other end of an older one has forgotten it."""
        self.drop()
        self.clear()
        self._socket = socket

    def came(self, socket: _Socket, data: bytes) -> None:
        """Bytes of the present connection only."""
        if socket is self._socket:
            self.take(data)

    def lost(self, socket: _Socket) -> None:
        """The other side ended it: who answers next may be another one."""
        if socket is self._socket:
            self._socket = None
            self.identity += 1
            self.wake()


class TcpLine(SocketLine):
    """A serial server or bridge that we call."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._host, self._port = host, port

    async def open(self, timeout_s: float) -> None:
        """Connect. Raises NotConnected."""
        socket = _Socket(self)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().create_connection(lambda: socket, self._host, self._port)
        except UnicodeError:
            raise NotConnected(f"{self._host} is not a host name") from None
        except OSError:  # a TimeoutError is one
            socket.abort()
            self.identity += 1
            raise NotConnected(f"no connection to {self._host} port {self._port}") from None
        except BaseException:
            socket.abort()
            raise

    def close(self) -> None:
        """End the connection."""
        self.drop()


class DialInLine(SocketLine):
    """A serial server that calls us, from one known address."""

    renewable = False  # it calls again when it likes: draining is sooner

    def __init__(self, host: str, port: int, peer: str) -> None:
        super().__init__()
        self.host, self.port = host, port
        self._peer = peer
        self._server: asyncio.Server | None = None

    async def open(self, timeout_s: float) -> None:
        """Listen, from the first time on, and wait for the call; nobody can be made to. Raises NotConnected."""
        if self._server is None:
            try:
                async with asyncio.timeout(timeout_s):
                    loop = asyncio.get_running_loop()
                    self._server = await loop.create_server(lambda: _Socket(self), self.host, self.port)
            except OSError as error:
                raise NotConnected(f"cannot listen on {self.host} port {self.port}: {error.strerror}") from None
            self.port = self._server.sockets[0].getsockname()[1]
        if not self.is_open and not (await self.wait(timeout_s) and self.is_open):
            raise NotConnected(f"no serial server {self._peer} has called port {self.port}")

    def made(self, socket: _Socket) -> None:
        """Only the address that is named may be this line."""
        transport = socket.transport
        if transport is None or (transport.get_extra_info("peername") or ("",))[0] != self._peer:
            socket.abort()
            return
        super().made(socket)
        self.identity += 1
        self.wake()

    def close(self) -> None:
        """End the connection and listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.drop()
