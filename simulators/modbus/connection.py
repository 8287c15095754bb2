"""One TCP connection to a rig: bytes to requests, replies to bytes. The hot path, so the healthy case is short."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from simulators.limits import MBAP_LENGTH_MAX, MBAP_LENGTH_MIN
from simulators.modbus.exchange import spoiled
from simulators.modbus.pieces import Pieces
from simulators.modbus.requests import HEADER, answer, exception

if TYPE_CHECKING:
    from simulators.device.rig import Rig
    from simulators.faults import Piece
    from simulators.faults.plan import FaultPlan

_TARGET_SILENT = 11  # what a Modbus TCP gateway says of a unit that is not there


class ConnectionHost(Protocol):
    """What a connection needs of its rig's host."""

    rig: Rig
    unit: int
    plan: FaultPlan
    requests: int

    def opened(self, connection: Connection) -> int | None:
        """Count the connection in and number it, or None: no room for another."""
        ...

    def closed(self, connection: Connection) -> None:
        """Count it out."""
        ...


class Connection(asyncio.Protocol):
    """Answers requests in the order in which they come, several in one segment or one in several."""

    def __init__(self, host: ConnectionHost) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._rest = b""
        self._pieces = Pieces(self._write, self.reset)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or reset it when there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        number = self._host.opened(self)
        if number is None:
            self.reset()
        else:
            self._number = number

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter to a rig
        """The other side left."""
        self._transport = None
        self._host.closed(self)

    def pause_writing(self) -> None:
        """A reader that takes nothing any more is not waited for."""
        self.reset()

    def reset(self) -> None:
        """Break the connection off."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Cut the stream into requests; a header that is not Modbus ends the connection."""
        data = self._rest + data if self._rest else data
        while len(data) >= HEADER.size:
            tid, protocol, length, unit = HEADER.unpack_from(data)
            if protocol or not MBAP_LENGTH_MIN <= length <= MBAP_LENGTH_MAX:
                self.reset()
                return
            end = length + 6
            if len(data) < end:
                break
            self._serve(tid, unit, data[HEADER.size : end])
            data = data[end:]
        self._rest = data

    def _serve(self, tid: int, unit: int, request: bytes) -> None:
        host = self._host
        host.requests += 1
        reply = answer(host.rig, request) if unit == host.unit else exception(request[0], _TARGET_SILENT)
        if self._transport is None:
            return
        frame = HEADER.pack(tid, 0, len(reply) + 1, unit) + reply
        if not host.plan.active:
            self._transport.write(frame)
            return
        for piece in spoiled(host.plan, host.rig, self._number, request, frame):
            self._pieces.send(piece)

    def _write(self, piece: Piece) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(piece.data)
        if piece.reset:
            self._transport.abort()
