"""What a maker's rig keeps: a ring of results, kept until told or until it comes round."""

from __future__ import annotations

from simulators.errors import RigRefuses
from simulators.memory import Memory


class ResultRing(Memory):
    """Numbers count results only; event and result are one record."""

    def __init__(self, slots: int, *, overwrites: bool) -> None:
        super().__init__()
        self._slots = slots
        self._overwrites = overwrites

    @property
    def event_room(self) -> int:
        """Free slots; the rig that overwrites always has one."""
        return self._slots if self._overwrites else self._slots - len(self.held)

    @property
    def result_room(self) -> int:
        """The same."""
        return self.event_room

    @property
    def unacked_results(self) -> int:
        """All that is held."""
        return len(self.held)

    def latch(self, seq: int, event: bytes, result: bytes | None = None) -> None:  # noqa: ARG002 - one record
        """Keep the result and only then count it."""
        if not self.event_room:
            raise RigRefuses("the result store is full: nothing untold is overwritten")
        slot = seq % self._slots
        self._events_before[slot] = self._events.get(slot, b"")
        self._events[slot] = event
        if not self._overwrites:
            self._held.append(seq)
        self.last_seq = seq

    def event(self, slot: int) -> bytes:
        """The words in a slot."""
        return self._events.get(slot, b"")

    def event_before(self, slot: int) -> bytes:
        """What the slot held before."""
        return self._events_before.get(slot, b"")
