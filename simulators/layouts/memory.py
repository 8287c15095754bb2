"""What a maker's rig keeps: a ring of results until told or until it comes round, or a queue until it is read."""

from __future__ import annotations

from simulators.device.memory import Memory
from simulators.errors import RigRefuses


class ResultRing(Memory):
    """Numbers count results only; event and result are one record."""

    def __init__(self, slots: int, *, overwrites: bool) -> None:
        super().__init__()
        self._slots = slots
        self._overwrites = overwrites
        self._numbers: dict[int, int] = {}

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
        self._numbers[slot] = seq
        if not self._overwrites:
            self._held.append(seq)
        self.last_seq = seq

    def event(self, slot: int) -> bytes:
        """The words in a slot."""
        return self._events.get(slot, b"")

    def event_before(self, slot: int) -> bytes:
        """What the slot held before."""
        return self._events_before.get(slot, b"")

    def number(self, slot: int) -> int:
        """Of the record in a slot; 0: none."""
        return self._numbers.get(slot, 0)


class ReadOnce(ResultRing):
    """One place for all: it shows the oldest, which is gone once it was read."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots, overwrites=False)
        self._taken = self._taken_before = b""

    def latch(self, seq: int, event: bytes, result: bytes | None = None) -> None:  # noqa: ARG002 - one record
        """Behind the others."""
        if not self.event_room:
            raise RigRefuses("the result store is full: nothing unread is overwritten")
        self._events[seq] = event
        self._held.append(seq)
        self.last_seq = seq

    def acknowledge(self, seq: int) -> bool:
        """Read, or lost."""
        freed = super().acknowledge(seq)
        self._events = {number: words for number, words in self._events.items() if number > self.acked_seq}
        return freed

    def event(self, slot: int) -> bytes:  # noqa: ARG002 - one place
        """What is being read, else the oldest."""
        return self._taken or self._events.get(self.oldest_seq, b"")

    def event_before(self, slot: int) -> bytes:  # noqa: ARG002 - one place
        """What was read before."""
        return self._taken_before

    def begin_read(self) -> None:
        """What was taken by the request before is not there any more."""
        self._taken_before, self._taken = self._taken or self._taken_before, b""

    def take(self) -> int:
        """The oldest was read whole: its number, 0 for none."""
        seq = self.oldest_seq
        if seq:
            self._taken = self._events[seq]
        return seq
