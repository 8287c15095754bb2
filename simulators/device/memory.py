"""What a rig keeps over a power cut (K2, K4): counters, unacknowledged records, the exam that is open.

    last_seq ── raised last, after event and result are complete (K1)
    held     ── sequence numbers not yet acknowledged, oldest first; their slots are never written (K3)

An acknowledged record's words stay in its slot until the slot is used again, as in real hardware; faults serve such
old words.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.device.codes import Mode
from simulators.errors import RigRefuses
from simulators.limits import EVENT_SLOTS, EVENT_WORDS, RESULT_SLOTS, RESULT_WORDS

if TYPE_CHECKING:
    from simulators.device.marking import Sheet
    from simulators.device.records import Measure

_EVENT_BLANK = bytes(2 * EVENT_WORDS)
_RESULT_BLANK = bytes(2 * RESULT_WORDS)


@dataclass(slots=True)
class ItemRun:
    """One item of the open exam, running or just over."""

    sheet: Sheet
    ordinal: int
    started_us: int  # exam time
    over: bool = False
    elapsed_s: int = 0
    measures: tuple[Measure, ...] = ()


@dataclass(slots=True)
class OpenExam:
    """The exam that a candidate is taking."""

    ticket: str
    exam_no: int
    mode: Mode
    scores: list[tuple[str, int]] = field(default_factory=list)
    run: ItemRun | None = None
    failed_by_veto: bool = False


class Memory:
    """Non-volatile memory of one rig."""

    def __init__(self) -> None:
        self.boot = 0
        self.mode = Mode.EXAM
        self.exam: OpenExam | None = None
        self.exam_no = 0
        self.last_seq = 0
        self.acked_seq = 0
        self.last_at_us = 0
        self._held: deque[int] = deque()
        self._results_held: deque[int] = deque()
        self._results_written = 0
        self._events: dict[int, bytes] = {}
        self._results: dict[int, bytes] = {}
        self._events_before: dict[int, bytes] = {}
        self._results_before: dict[int, bytes] = {}

    @property
    def oldest_seq(self) -> int:
        """The oldest record still held, 0 = none."""
        return self._held[0] if self._held else 0

    @property
    def held(self) -> tuple[int, ...]:
        """Sequence numbers not yet acknowledged, oldest first."""
        return tuple(self._held)

    @property
    def unacked_results(self) -> int:
        """Result records not yet acknowledged."""
        return len(self._results_held)

    @property
    def event_room(self) -> int:
        """Free event slots."""
        return EVENT_SLOTS - (self.last_seq - self._held[0] + 1 if self._held else 0)

    @property
    def result_room(self) -> int:
        """Free result slots."""
        return RESULT_SLOTS - len(self._results_held)

    @property
    def next_result_slot(self) -> int:
        """Slots are used and freed in turn, so this one is free whenever any is."""
        return self._results_written % RESULT_SLOTS

    def latch(self, seq: int, event: bytes, result: bytes | None = None) -> None:
        """Keep the record `seq` and only then count it (K1)."""
        if self.event_room <= seq - self.last_seq - 1 or (result is not None and not self.result_room):
            raise RigRefuses("the record store is full: nothing unacknowledged is overwritten (K3)")
        if result is not None:
            slot = self.next_result_slot
            self._results_before[slot] = self.result(slot)
            self._results[slot] = result.ljust(2 * RESULT_WORDS, b"\0")
            self._results_held.append(seq)
            self._results_written += 1
        slot = seq % EVENT_SLOTS
        self._events_before[slot] = self.event(slot)
        self._events[slot] = event
        self._held.append(seq)
        self.last_seq = seq

    def acknowledge(self, seq: int) -> bool:
        """Free every record up to `seq`; a value out of range is ignored (K4)."""
        if not self.acked_seq < seq <= self.last_seq:
            return False
        self.acked_seq = seq
        for held in (self._held, self._results_held):
            while held and held[0] <= seq:
                held.popleft()
        return True

    def event(self, slot: int) -> bytes:
        """The words in an event slot."""
        return self._events.get(slot, _EVENT_BLANK)

    def result(self, slot: int) -> bytes:
        """The words in a result slot."""
        return self._results.get(slot, _RESULT_BLANK)

    def event_before(self, slot: int) -> bytes:
        """What the slot held before its present record."""
        return self._events_before.get(slot, _EVENT_BLANK)

    def result_before(self, slot: int) -> bytes:
        """What the slot held before its present record."""
        return self._results_before.get(slot, _RESULT_BLANK)
