"""Modbus TCP on virtual time: a SimLoop whose connections end in ScriptedRigs of this process, without a socket.

    loop.places[502] = Place(rig)          # what listens there; nothing listens: refused
    Place(rig, greeting=b"…")              # says so much to whoever connects

Every pause of a reply is virtual, so a fault may last minutes and the times of other rigs are exact.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from dst_clock import SimClock
from dst_loop import SimLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from scripted_rig import ScriptedRig

T = TypeVar("T")
TRAVEL_S = 0.001  # of what is written, to the other end


@dataclass
class Place:
    """One rig behind one port."""

    rig: ScriptedRig
    greeting: bytes = b""
    asked_at: list[float] = field(default_factory=list)
    called_at: list[float] = field(default_factory=list)


class WiredLoop(SimLoop):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[int, Place] = {}

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int) -> Any:  # type: ignore[override]
        """To the place at that port, whatever the host."""
        await asyncio.sleep(TRAVEL_S)
        place = self.places.get(port)
        if place is None:
            raise ConnectionRefusedError(f"nothing listens on {host} port {port}")
        place.called_at.append(self.time())
        place.rig.connections += 1
        protocol = factory()
        transport = _Transport(self, protocol, place)
        protocol.connection_made(transport)
        if place.greeting:
            transport.later(TRAVEL_S, place.greeting)
        return transport, protocol


class _Transport:
    """The gateway's end of one connection."""

    def __init__(self, loop: WiredLoop, protocol: Any, place: Place) -> None:
        self._loop, self._protocol, self._place = loop, protocol, place
        self._rest = b""
        self._open = True

    def write(self, data: bytes) -> None:
        assert self._open, "written to a closed connection"
        self._rest += data
        while len(self._rest) >= 6 + int.from_bytes(self._rest[4:6], "big") > 6:
            end = 6 + int.from_bytes(self._rest[4:6], "big")
            request, self._rest = self._rest[:end], self._rest[end:]
            self._loop.call_later(TRAVEL_S, self._answer, request)

    def abort(self) -> None:
        if self._open:
            self._open = False
            self._loop.call_soon(self._protocol.connection_lost, None)

    def get_extra_info(self, _name: str) -> None:
        return None

    def later(self, delay_s: float, data: bytes | None) -> None:
        """Bytes arrive then, or the other side resets."""
        self._loop.call_later(delay_s, self._arrive, data)

    def _answer(self, request: bytes) -> None:
        self._place.asked_at.append(self._loop.time())
        delay_s = TRAVEL_S
        for step in self._place.rig.steps(request):
            if isinstance(step, float):
                delay_s += step
            else:
                self.later(delay_s, step)

    def _arrive(self, data: bytes | None) -> None:
        if not self._open:
            return
        if data is None:
            self._open = False
            self._protocol.connection_lost(ConnectionResetError("reset"))
        else:
            self._protocol.data_received(data)


def run_wired(work: Callable[[WiredLoop], Coroutine[Any, Any, T]]) -> T:
    """Run on such a loop."""
    with asyncio.Runner(loop_factory=WiredLoop) as runner:

        async def main() -> T:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, WiredLoop)
            return await work(loop)

        return runner.run(main())


def clock_of(loop: SimLoop) -> SimClock:
    """The clock of a machine that lives on it."""
    return SimClock(loop, Random(1))
