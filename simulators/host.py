"""One rig on one TCP port: listening, power, connections and the faults set on it.

Owns the socket and the tasks of one rig. The rig's rules are rig.py's; what the bytes mean is modbus.py's.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from simulators.connection import Connection
from simulators.faults.plan import FaultPlan
from simulators.limits import BIND_RETRY_S, BIND_TRIES_MAX, CONNECTIONS_MAX
from simulators.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from simulators.faults import FaultSpec
    from simulators.rig import Rig

POWER_OFF_S = 1.5  # real seconds; long enough for a reader to notice
_BACKLOG = 16


class RigHost:
    """A rig that can be reached, and whose plug can be pulled."""

    def __init__(
        self,
        rig: Rig,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        unit: int = 1,
        station: str = "",
        seed: int = 0,
        on_memory_lost: Callable[[str, int, int], None] = lambda _rig, _first, _last: None,
    ) -> None:
        self.rig = rig
        self.address = address
        self.port = port
        self.unit = unit
        self.station = station
        self.plan = FaultPlan(rig.serial, seed)
        self.requests = 0
        self.power = asyncio.Event()
        self._on_memory_lost = on_memory_lost
        self._server: asyncio.Server | None = None
        self._listened = False
        self._refusing = False
        self._connection_limit = CONNECTIONS_MAX
        self._connections: set[Connection] = set()
        self._connections_made = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._tick: asyncio.TimerHandle | None = None

    # ---- life ----

    async def start(self) -> None:
        """Switch on and listen; `port` is the real one from here on."""
        self.rig.power_up()
        await self._listen()
        self.power.set()
        self._tick_faults()

    async def stop(self) -> None:
        """Close everything."""
        if self._tick is not None:
            self._tick.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close()

    async def power_cycle(self, off_s: float = POWER_OFF_S, at: int | None = None) -> None:
        """Pull the plug, wait, put it back (K7)."""
        self.power_cut(at)
        await self.rig.time.sleep_bus(off_s)
        await self.power_up()

    def power_cut(self, at: int | None = None) -> None:
        """Pull the plug: connections die, the port is closed."""
        self.rig.power_cut(at)
        self.power.clear()
        self._close()

    async def power_up(self) -> None:
        """Boot, then listen: a reader never sees the rig between the two."""
        if self.rig.powered:
            return
        self.rig.power_up()
        if not self._refusing:
            await self._listen()
        self.power.set()

    # ---- faults ----

    def set_fault(self, spec: FaultSpec) -> None:
        """Set a fault; its window counts real seconds since the fleet began."""
        self.plan.add(spec)
        self._tick_faults()

    def clear_faults(self, name: str | None = None) -> int:
        """Take faults off; how many there were."""
        return self.plan.clear(self, name)

    def refuse_connections(self, refuse: bool) -> None:
        """The `refuse` fault."""
        self._refusing = refuse
        if refuse:
            self._close()
        elif self.rig.powered:
            self._spawn(self._listen())

    def limit_connections(self, count: int | None) -> None:
        """The `one-connection` fault."""
        self._connection_limit = CONNECTIONS_MAX if count is None else count

    def lose_memory(self) -> None:
        """The `seq-restart` fault: the boot counter alone survives."""
        old = self.rig.memory
        self.power_cut()
        if old.oldest_seq:
            self._on_memory_lost(self.rig.serial, old.oldest_seq, old.last_seq)
        self.rig.memory = Memory()
        self.rig.memory.boot = old.boot
        self._spawn(self._power_up_later())

    async def _power_up_later(self) -> None:
        await self.rig.time.sleep_bus(POWER_OFF_S)
        await self.power_up()

    def _tick_faults(self) -> None:
        """Open and close fault windows, and come back at the next change."""
        if self._tick is not None:
            self._tick.cancel()
        now_s = self.rig.time.bus_us() / 1_000_000
        next_s = self.plan.tick(self, now_s)
        loop = asyncio.get_running_loop()
        self._tick = None if next_s is None else loop.call_later(max(0.001, next_s - now_s), self._tick_faults)

    # ---- connections ----

    def opened(self, connection: Connection) -> int | None:
        """Count a connection in; None = too many."""
        if len(self._connections) >= self._connection_limit:
            return None
        self._connections.add(connection)
        self._connections_made += 1
        return self._connections_made

    def closed(self, connection: Connection) -> None:
        """Count it out."""
        self._connections.discard(connection)

    # ---- inside ----

    async def _listen(self) -> None:
        """Bind and listen; a port that somebody else holds for a moment is tried again."""
        for left in reversed(range(BIND_TRIES_MAX)):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((self.address, self.port))
            except OSError:
                sock.close()
                if not left or not self._listened:
                    raise  # at the start, a port in use is the user's to know at once
                await asyncio.sleep(BIND_RETRY_S)
                continue
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Connection(self), sock=sock, backlog=_BACKLOG)
            self.port = sock.getsockname()[1]
            self._listened = True
            break
        if self._refusing or not self.rig.powered:
            self._close()  # changed while the port was waited for

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self._connections):
            connection.reset()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"rig {self.rig.serial}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
