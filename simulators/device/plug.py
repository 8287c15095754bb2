"""A rig with a plug: power, faults set on it and their windows, whatever wire it hangs on.

Owns the tasks of one rig. How it is reached (a TCP port, a broker) its two forms know: host.py, mqtt/host.py.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simulators.faults.plan import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from simulators.device.rig import Rig
    from simulators.faults import FaultSpec

POWER_OFF_S = 1.5  # real seconds; long enough for a reader to notice


def _forget_quietly(_rig: str, _first: int, _last: int) -> None:
    """Nobody asked what was lost."""


class Host:
    """A rig that can be reached, and whose plug can be pulled."""

    wire = ""

    def __init__(
        self,
        rig: Rig,
        *,
        station: str = "",
        seed: int = 0,
        on_memory_lost: Callable[[str, int, int], None] = _forget_quietly,
    ) -> None:
        self.rig = rig
        self.station = station
        self.plan = FaultPlan(rig.serial, seed)
        self.requests = 0  # how often anybody asked or told this rig anything
        self.power = asyncio.Event()
        self.trouble: str | None = None  # why it cannot be reached, when it knows
        self._on_memory_lost = on_memory_lost
        self._refusing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._tick: asyncio.TimerHandle | None = None

    # ---- what the forms differ in ----

    def where(self) -> dict[str, Any]:
        """How to reach it, for ready.json."""
        raise NotImplementedError

    async def _appear(self) -> None:
        """Be reachable from here on."""
        raise NotImplementedError

    def _vanish(self) -> None:
        """Be gone at once, without a good-bye."""
        raise NotImplementedError

    async def _leave(self) -> None:
        """The end of the program."""
        self._vanish()

    def limit_connections(self, count: int | None) -> None:
        """The `one-connection` fault; without a listening port there is nothing to limit."""

    def break_connection(self) -> None:
        """Every connection that stands is broken off; the rig comes back as it does after any such loss."""
        raise NotImplementedError

    # ---- life ----

    async def start(self) -> None:
        """Switch on and be reachable."""
        self.rig.power_up()
        await self._appear()
        self.power.set()
        self._tick_faults()

    async def stop(self) -> None:
        """Close everything."""
        if self._tick is not None:
            self._tick.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._leave()

    async def power_cycle(self, off_s: float = POWER_OFF_S, at: int | None = None) -> None:
        """Pull the plug, wait, put it back (K7)."""
        self.power_cut(at)
        await self.rig.time.sleep_bus(off_s)
        await self.power_up()

    def power_cut(self, at: int | None = None) -> None:
        """Pull the plug: connections die, nobody is told."""
        self.rig.power_cut(at)
        self.power.clear()
        self._vanish()

    async def power_up(self) -> None:
        """Boot, then be reachable: a reader never sees the rig between the two."""
        if self.rig.powered:
            return
        self.rig.power_up()
        if not self._refusing:
            await self._appear()
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
            self._vanish()
        elif self.rig.powered:
            self._spawn(self._appear())

    def lose_power(self) -> None:
        """The `reboot` fault: off and on again, memory and all."""
        if self.rig.powered:
            self.power_cut()
            self._spawn(self._power_up_later())

    def acknowledge_unread(self) -> None:
        """The `foreign-ack` fault: what was not read may be gone, so the truth says so."""
        memory = self.rig.memory
        if memory.oldest_seq:
            self._on_memory_lost(self.rig.serial, memory.oldest_seq, memory.last_seq)
            self.rig.write_ack(memory.last_seq)

    def be_impersonated(self) -> None:
        """The `stolen-id` fault; registers have no names."""

    def lose_memory(self) -> None:
        """The `seq-restart` fault: the boot counter alone survives."""
        old = self.rig.memory
        self.power_cut()
        if old.oldest_seq:
            self._on_memory_lost(self.rig.serial, old.oldest_seq, old.last_seq)
        self.rig.memory = self.rig.new_memory()
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

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"rig {self.rig.serial}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
