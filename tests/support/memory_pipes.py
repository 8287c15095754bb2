"""TCP without sockets, on virtual time: servers and connections of this process, for code that speaks through streams.

    loop = PipeLoop(); await loop.create_server(factory, "127.0.0.1", 8441); await asyncio.open_connection("gw", 8441)

What is written arrives TRAVEL_S later, in order; an abort is a reset at the other end.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dst_loop import SimLoop

if TYPE_CHECKING:
    from collections.abc import Callable

TRAVEL_S = 0.001


class _Listening:
    """What `create_server` returns."""

    def __init__(self, loop: PipeLoop, port: int) -> None:
        self._loop, self._port = loop, port
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def close(self) -> None:
        self._loop.servers.pop(self._port, None)


class PipeLoop(SimLoop):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.servers: dict[int, Callable[[], Any]] = {}

    async def create_server(self, factory: Callable[[], Any], _host: Any, port: int, **_more: Any) -> Any:  # type: ignore[override]
        """One per port."""
        if port in self.servers:
            raise OSError(98, "Address already in use")
        self.servers[port] = factory
        return _Listening(self, port)

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int, **_more: Any) -> Any:  # type: ignore[override]
        """To whatever listens there; the host is not looked at."""
        await asyncio.sleep(TRAVEL_S)
        serve = self.servers.get(port)
        if serve is None:
            raise ConnectionRefusedError(f"nothing listens on {host} port {port}")
        near, far = Pipe(self), Pipe(self)
        near.other, far.other = far, near
        near.set_protocol(factory())
        far.set_protocol(serve())
        far.get_protocol().connection_made(far)
        near.get_protocol().connection_made(near)
        return near, near.get_protocol()


class Pipe(asyncio.Transport):
    """One end of a connection."""

    other: Pipe

    def __init__(self, loop: PipeLoop) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000)})
        self._loop = loop
        self._protocol: Any = None
        self._open = True
        self._paused = False
        self._late: list[bytes] = []

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def is_closing(self) -> bool:
        return not self._open

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        while self._late and self._open and not self._paused:
            self._protocol.data_received(self._late.pop(0))

    def is_reading(self) -> bool:
        return self._open and not self._paused

    def write(self, data: Any) -> None:
        if self._open and data:
            self._loop.call_later(TRAVEL_S, self.other._arrive, bytes(data))

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        """What was written arrives first."""
        self._end(None)

    def abort(self) -> None:
        self._end(ConnectionResetError("reset"))

    def _end(self, why: Exception | None) -> None:
        if self._open:
            self._open = False
            self._loop.call_soon(self._protocol.connection_lost, None)
            self._loop.call_later(TRAVEL_S, self.other._lost, why)

    def _arrive(self, data: bytes) -> None:
        if self._open and self._paused:
            self._late.append(data)
        elif self._open:
            self._protocol.data_received(data)

    def _lost(self, why: Exception | None) -> None:
        if self._open:
            self._open = False
            if why is None:
                self._protocol.eof_received()
            self._loop.call_soon(self._protocol.connection_lost, why)  # what came before it is dealt with first
