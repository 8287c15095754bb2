"""The seam between the latched rules (position, gaps, reboots, holes) and the way in which a rig's records are got.

Owns: the `RigMemory` Protocol. `registers` reads them out of a Modbus rig; `message_memory` takes them as they come
over MQTT. One `look`, `fetch` or `wait` runs at a time; writing may happen beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from device_adapters.decoding.decode import Decoded, Standing
    from device_adapters.language.profile import Poll
    from device_adapters.observation import Observation, RigStatus


class RigMemory(Protocol):
    """What one rig holds. Every call may raise NotConnected; writing may raise BackOff."""

    # Whether a refused record is told at its first failure: where bytes come whole, another reading gives the same.
    tells_at_once: bool
    poll: Poll

    @property
    def connected(self) -> bool:
        """Whether the rig can be looked at."""

    @property
    def connection(self) -> int:
        """Another number, another connection: nothing that was seen before counts."""

    async def connect(self) -> None:
        """Close the old connection, open a new one."""

    def drop(self) -> None:
        """Close at once."""

    async def wait(self, until: float) -> None:
        """Until this time of the loop, or something new came."""

    async def look(self, *, again: bool) -> tuple[RigStatus, Standing]:
        """The rig's status; with `again` one that is newer than the last. Raises DecodeError, BackOff."""

    async def fetch(self, seq: int, boot: int, floor: int) -> Decoded | None:
        """Record `seq`, proven, of a boot from `floor` to `boot`; None: look at the rig again first.

        Raises DecodeError (one more reading of it failed), BackOff.
        """

    async def tell(self, seq: int, connection: int) -> None:
        """Everything up to `seq` is stored."""

    async def write_ready(self, counter: int, connection: int) -> None:
        """0: an exam cannot be recorded."""

    def confirms(self, standing: Standing, again: Standing) -> bool:
        """Whether the second status says the same as the first, so that what follows from it is believed."""

    def stored(self, observation: Observation, entry: bytes | None) -> None:
        """The observation is durable, in the entry of this leaf hash if it is one of its own."""

    def stray(self, following: int, holes: Collection[int], boot: int) -> Decoded | None:
        """A record that came although nobody waits for it: not `following`, nor later, nor a hole."""

    def repeated(self) -> int:
        """The highest number that came again although it is stored, since the last call; 0: none."""
