"""One line with several units: requests out of a stream of bytes, each to the unit that it names (Modbus RTU).

    outlet ──bytes──> BusLine ──request──> unit's rig ──reply──> [faults] ──> outlet

Owns: cutting and checking requests. A request for nobody, for a unit without power, or with a wrong checksum gets no
answer at all: that is how a line says no.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from simulators.device.registers import READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT, WRITE_COIL, WRITE_COILS
from simulators.errors import InputError
from simulators.limits import REQUEST_BYTES_MAX, REQUEST_PAUSE_S
from simulators.modbus.exchange import spoiled
from simulators.modbus.frames import RTU, is_sealed, sealed
from simulators.modbus.pieces import Pieces
from simulators.modbus.requests import WRITE_MANY, WRITE_ONE, answer

if TYPE_CHECKING:
    from simulators.bus.outlets import Opener
    from simulators.device.plug import Host
    from simulators.faults import Piece

_FIXED_BYTES = 8  # of a read request, and of one that writes one word or coil
_FIXED = frozenset({READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT, WRITE_COIL, WRITE_ONE})
_MANY_HEAD = 7


class Outlet(Protocol):
    """Where the line ends in the gateway's world."""

    def write(self, data: bytes) -> None:
        """Send."""
        ...

    def reset(self) -> None:
        """Break it off."""
        ...


class BusLine:
    """The units of one line, and who talks to them."""

    def __init__(self, number: int, opener: Opener) -> None:
        self.number = number
        self._opener = opener
        self._units: dict[int, Host] = {}
        self._present: set[int] = set()
        self._conversations: set[Conversation] = set()
        self._made = 0

    def where(self) -> dict[str, object]:
        """How to reach it."""
        return self._opener.where()

    def plug_in(self, unit: int, host: Host) -> None:
        """A rig with its number, before anything is open."""
        if unit in self._units:
            raise InputError(f"unit {unit} is there twice on bus {self.number}")
        self._units[unit] = host

    async def appear(self, unit: int) -> None:
        """The unit answers from here on; with the first one the line opens."""
        self._present.add(unit)
        await self._opener.open(self.talk)

    def vanish(self, unit: int) -> None:
        """The unit is silent; its neighbours are not."""
        self._present.discard(unit)

    async def leave(self, unit: int) -> None:
        """The end of the program; with the last one the line closes."""
        self.vanish(unit)
        if not self._present:
            await self._opener.close()
            self.break_off()

    def break_off(self) -> None:
        """Every conversation ends, for all units."""
        for conversation in tuple(self._conversations):
            conversation.outlet.reset()

    def talk(self, outlet: Outlet) -> Conversation:
        """Somebody is at the other end."""
        self._made += 1
        conversation = Conversation(self, outlet, self._made)
        self._conversations.add(conversation)
        return conversation

    def over(self, conversation: Conversation) -> None:
        """They left."""
        self._conversations.discard(conversation)

    def host(self, unit: int) -> Host | None:
        """Who answers for this unit now."""
        return self._units[unit] if unit in self._present else None


class Conversation:
    """The bytes of one other end."""

    def __init__(self, line: BusLine, outlet: Outlet, number: int) -> None:
        self.outlet = outlet
        self._line = line
        self._number = number
        self._rest = b""
        self._last_at = float("-inf")
        self._pieces = Pieces(self._write, outlet.reset)
        self._ended = False

    def end(self) -> None:
        """Nothing is sent any more."""
        self._ended = True
        self._line.over(self)

    def take(self, data: bytes) -> None:
        """Requests may come in pieces; half a one before a pause is forgotten, as the standard has it."""
        now = asyncio.get_running_loop().time()
        if now - self._last_at > REQUEST_PAUSE_S:
            self._rest = b""
        self._last_at = now
        self._rest += data
        while self._rest:
            length = _length(self._rest)
            if length is None or len(self._rest) < length:
                break
            request, self._rest = self._rest[:length], self._rest[length:]
            if not is_sealed(request):
                self._rest = b""  # nobody knows where the next one begins: wait for silence
                return
            self._serve(request)
        self._rest = self._rest[-REQUEST_BYTES_MAX:]

    def _serve(self, request: bytes) -> None:
        host = self._line.host(request[0])
        if host is None or not host.rig.powered:
            return
        host.requests += 1
        pdu = request[1:-2]
        frame = sealed(request[:1] + answer(host.rig, pdu))
        if not host.plan.active:
            self.outlet.write(frame)
            return
        for piece in spoiled(host.plan, host.rig, self._number, pdu, frame, frames=RTU, asked=request):
            self._pieces.send(piece)

    def _write(self, piece: Piece) -> None:
        if self._ended:
            return
        self.outlet.write(piece.data)
        if piece.reset:
            self.outlet.reset()


def _length(data: bytes) -> int | None:
    """Of the request that begins here; None while that cannot be told. An unknown function is as long as it came."""
    if len(data) < _MANY_HEAD:
        return None
    if data[1] in _FIXED:
        return _FIXED_BYTES
    return _MANY_HEAD + data[6] + 2 if data[1] in {WRITE_COILS, WRITE_MANY} else len(data)
