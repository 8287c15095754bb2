"""Where a line ends: a listening port (a serial server), a pseudo-terminal (a serial port), or a call to a gateway.

Owns sockets and terminals. What the bytes mean is line.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from typing import TYPE_CHECKING, Protocol, cast

from simulators.errors import InputError
from simulators.limits import CALL_AGAIN_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.bus.line import Conversation, Outlet

    Talk = Callable[[Outlet], Conversation]

_READ_BYTES = 4096


class Opener(Protocol):
    """Opens and closes the end of a line."""

    def where(self) -> dict[str, object]:
        """How to reach it."""
        ...

    async def open(self, talk: Talk) -> None:
        """Once; again is nothing."""
        ...

    async def close(self) -> None:
        """For good."""
        ...


class Socket(asyncio.Protocol):
    """One connection."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._transport: asyncio.Transport | None = None
        self._conversation: Conversation | None = None
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a conversation."""
        self._transport = cast("asyncio.Transport", transport)
        self._conversation = self._talk(self)

    def data_received(self, data: bytes) -> None:
        """Hand it on."""
        if self._conversation is not None:
            self._conversation.take(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter to a line
        """It is over."""
        self._transport = None
        self.over.set()
        if self._conversation is not None:
            self._conversation.end()

    def write(self, data: bytes) -> None:
        """Send."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_writing(self) -> None:
        """Who takes nothing any more is not waited for."""
        self.reset()

    def reset(self) -> None:
        """Break off."""
        if self._transport is not None:
            self._transport.abort()


class Listening:
    """A serial server that waits to be called."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._server: asyncio.Server | None = None

    def where(self) -> dict[str, object]:
        """Address and port."""
        return {"kind": "rtu-over-tcp", "host": self._address, "port": self._port}

    async def open(self, talk: Talk) -> None:
        """Listen."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Socket(talk), self._address, self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None


class Calling:
    """A serial server that calls a gateway, again and again."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._task: asyncio.Task[None] | None = None

    def where(self) -> dict[str, object]:
        """Whom it calls."""
        return {"kind": "rtu-dial-in", "calls": f"{self._host}:{self._port}"}

    async def open(self, talk: Talk) -> None:
        """Call from here on."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._call(talk), name="bus calls")

    async def _call(self, talk: Talk) -> None:
        while True:
            with contextlib.suppress(OSError):
                _, socket = await asyncio.get_running_loop().create_connection(
                    lambda: Socket(talk), self._host, self._port
                )
                await socket.over.wait()
            await asyncio.sleep(CALL_AGAIN_S)

    async def close(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None


class Terminal:
    """A serial port of this machine: the other end of a pseudo-terminal. It has no speed and no parity."""

    def __init__(self) -> None:
        self._master: int | None = None
        self._slave: int | None = None  # kept open, so that the port stays when a gateway lets go of it
        self._conversation: Conversation | None = None

    def where(self) -> dict[str, object]:
        """The device."""
        return {"kind": "rtu", "device": os.ttyname(self._slave) if self._slave is not None else ""}

    async def open(self, talk: Talk) -> None:
        """Make the port."""
        if self._master is None:
            try:
                self._master, self._slave = os.openpty()
            except OSError as error:
                raise InputError(f"no pseudo-terminal: {error.strerror}") from error
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self._conversation = talk(self)
            asyncio.get_running_loop().add_reader(self._master, self._readable)

    def _readable(self) -> None:
        if self._master is not None and self._conversation is not None:
            with contextlib.suppress(OSError):
                self._conversation.take(os.read(self._master, _READ_BYTES))

    def write(self, data: bytes) -> None:
        """Send; what a port that nobody reads cannot take is gone."""
        if self._master is not None:
            with contextlib.suppress(OSError):
                os.write(self._master, data)

    def reset(self) -> None:
        """Copper cannot be reset."""

    async def close(self) -> None:
        """Take the port away."""
        master, slave, self._master, self._slave = self._master, self._slave, None, None
        if master is not None and slave is not None:
            asyncio.get_running_loop().remove_reader(master)
            os.close(master)
            os.close(slave)
        if self._conversation is not None:
            self._conversation.end()


def opener_of(text: str, address: str, port: int) -> Opener:
    """`tcp`, `pty`, or HOST:PORT of a gateway that is called."""
    if text == "tcp":
        return Listening(address, port)
    if text == "pty":
        return Terminal()
    host, colon, digits = text.rpartition(":")
    if not colon or not host or not digits.isdecimal() or not 0 < int(digits) < 65536:  # noqa: PLR2004 - port numbers
        raise InputError(f"--bus {text!r}: tcp, pty, or HOST:PORT of the gateway to call")
    return Calling(host, int(digits))
