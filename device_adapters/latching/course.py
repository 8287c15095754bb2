"""The way through one rig's sequence numbers: what comes next, what was passed over, how far may be acknowledged (G1).

Owns: the next number, the *holes* (records that could not be read and were passed over), and the rule that the
cumulative acknowledgement never covers a hole. Pure: no wire, no clock, no record. When a hole is tried again is
the business of `refusals`.

    first …stored… hole …stored… next
                 ^
                 acknowledged: everything from `first` to here is stored, and nothing above it may be freed
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_adapters.decoding.decode import Standing


@dataclass(slots=True)
class Course:
    """From `first` on, in one memory of one rig (told by its boot counter).

    `opening`: the memory is new to the log, and its epoch has not been opened yet.
    """

    first: int
    boot: int
    opening: bool = False
    next: int = field(init=False)
    _holes: set[int] = field(init=False, default_factory=set)
    _newest: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.next = self.first

    @property
    def holes(self) -> tuple[int, ...]:
        """Numbers that were passed over and are neither stored nor lost, in order."""
        return tuple(sorted(self._holes)) if self._holes else ()

    @property
    def acknowledged(self) -> int:
        """The rig may free everything up to here; 0 when nothing may be freed."""
        end = min(self._newest, min(self._holes, default=self.next) - 1)
        return end if end >= self.first else 0

    def pass_over(self, seq: int) -> None:
        """Record `seq` cannot be read now; what follows does not wait for it."""
        self._expect(seq)
        self._holes.add(seq)
        self.next = max(self.next, seq + 1)

    def stored(self, seq: int) -> None:
        """Record `seq` is durable."""
        self._expect(seq)
        self._holes.discard(seq)
        self.next = max(self.next, seq + 1)
        self._newest = max(self._newest, seq)

    def gone(self, last: int) -> None:
        """The rig holds nothing up to `last` any more, and the log knows that or has it."""
        self._holes = {hole for hole in self._holes if hole > last}
        self.next = max(self.next, last + 1)
        if not self._newest:
            self.first = self.next  # nothing was stored yet: nothing below is ours to acknowledge

    def _expect(self, seq: int) -> None:
        if seq != self.next and seq not in self._holes:
            raise ValueError(f"number {seq} is neither the next one, {self.next}, nor a hole")


def held_from(standing: Standing) -> int:
    """The oldest number that the rig holds; one above the newest when it holds none."""
    return standing.oldest_seq or standing.last_seq + 1
