"""What a rig said once and nobody stored yet: whole records and refusals in the order in which they came.

Owns: the bounded queue between the connection that brings a rig's values and its adapter, and whether the rig is
there. Nothing is settled (PUBACKed) before it is durable, or changes nothing. Knows no wire and no log. Outlives
adapters and connections.

    record or refusal ──arrive──> [ … at most ARRIVED_MAX … ] ──> the adapter ──settle──> PUBACK
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_adapters.limits import ARRIVED_MAX, SILENT_AFTER_STATUSES
from device_adapters.messages.fates import LET_GO
from device_adapters.observation import Evidence, RigStatus

if TYPE_CHECKING:
    from device_adapters.decoding.decode import Decoded
    from device_adapters.messages.fates import Settle


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole record, or why what came is none."""

    found: Decoded | Evidence
    settle: Settle


class Inbox:
    """Of one rig."""

    def __init__(self, serial: str, *, told: bool = False) -> None:
        """`told`: the broker says of this rig when it goes, so its silence means nothing."""
        self.serial = serial
        self._told = told
        self.arrived: deque[Arrived] = deque()
        self.lost = 0  # what found no place since that was told last
        self.live = RigStatus(serial, "unknown", "unknown", "", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        self.last: tuple[int, int] | None = None  # epoch and number of the newest record that the rig speaks of
        self.presence = 0  # changes whenever the rig is said to be gone
        self.offline = False
        self._heard_at = float("-inf")
        self._news = asyncio.Event()

    # ------------------------------------------------------------------ the bringer's side

    def arrive(self, found: Decoded | Evidence, settle: Settle) -> None:
        """Keep it until it is dealt with."""
        if len(self.arrived) >= ARRIVED_MAX:
            self.lost += 1
            settle(LET_GO)
        else:
            self.arrived.append(Arrived(found, settle))
        self._news.set()

    def show(self, live: RigStatus) -> None:
        """The newest state."""
        if live != self.live:
            self.live = live
            self._news.set()

    def heard(self) -> None:
        """The rig is there."""
        if not self.here:
            self._news.set()
        self._heard_at, self.offline = asyncio.get_running_loop().time(), False

    def away(self) -> None:
        """The rig, or its will, says that it is not there."""
        if not self.offline:
            self.offline = True
            self.presence += 1
            self._news.set()

    def unheard(self) -> None:
        """The connection is gone: what the rig showed does not count any more, what it said does."""
        self._heard_at = float("-inf")
        self._news.set()

    def wake(self) -> None:
        """Something about the connection changed."""
        self._news.set()

    # ------------------------------------------------------------------ the adapter's side

    def absent(self, every_ms: int) -> str | None:
        """Why the rig is not there, of one that says something so often."""
        if self.offline:
            return "the rig is away from its broker"
        if self._told:
            return None if self.here else "no birth certificate of the rig yet"
        silence_s = every_ms / 1000 * SILENT_AFTER_STATUSES
        if asyncio.get_running_loop().time() - self._heard_at > silence_s:
            return f"nothing of the rig for {silence_s:g} s"
        return None

    @property
    def here(self) -> bool:
        """Whether it said anything on this connection, and not that it goes."""
        return not self.offline and self._heard_at > float("-inf")

    async def wait(self, seconds: float) -> None:
        """Until something came, at most so long."""
        if seconds > 0 and not self._news.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return
        self._news.clear()
