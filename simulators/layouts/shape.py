"""What a maker's register map consists of, once its file is read (layout.py reads it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.device.codes import EventType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.device.rubric import Line
    from simulators.layouts.values import Place


@dataclass(frozen=True, slots=True)
class Check:
    """A checksum over all words from `start` to its own place."""

    kind: str
    place: Place
    start: int


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of deductions inside a result."""

    at: int
    words: int
    most: int
    places: Mapping[str, tuple[Place, ...]]


@dataclass(frozen=True, slots=True)
class Window:
    """How much of a record is shown at once, behind a head that says what is shown. Two words turn it."""

    words: int
    head: int
    first: int  # number of the first page
    turn_ms: int  # until a page is turned
    page: Place
    slot: Place
    places: Mapping[str, tuple[Place, ...]]  # of the head


@dataclass(frozen=True, slots=True)
class Block:
    """Words that stand together: the status, or one result."""

    at: int
    words: int
    places: Mapping[str, tuple[Place, ...]]
    check: Check | None = None
    slots: int = 1
    every: int = 0  # words from one slot to the next
    rows: Rows | None = None
    space: str = "holding"
    cleared: bool = False  # one place for all results, the oldest first; what was read whole is gone
    window: Window | None = None

    @property
    def extent(self) -> int:
        """Words that a gateway may ask for, from `at` on."""
        if self.window is not None:
            return self.window.head + self.window.words
        return self.words if self.cleared else self.slots * self.every

    @property
    def longest(self) -> int:
        """Words of a slot, or of the longest record where there are no slots side by side."""
        rows = self.rows.most * self.rows.words if self.rows is not None else 0
        return max(self.every, self.words + rows)


@dataclass(frozen=True, slots=True)
class Bits:
    """Lowest and highest of single inputs that hold a number together."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Flags:
    """Single inputs that tell the status."""

    at: int
    count: int
    places: Mapping[str, Bits]


@dataclass(frozen=True, slots=True)
class Bell:
    """A coil that frees the oldest result when it is set, and the input that answers it until it is cleared."""

    coil: int
    answer: int


@dataclass(frozen=True, slots=True)
class Told:
    """The word by which a gateway says what it has stored. `echo`: what the rig did not take does not stay there."""

    place: Place
    echo: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """One model of rig."""

    id: str
    serial: str  # how its serial numbers begin
    rubric: str
    status: Block
    result: Block
    codes: Mapping[str, Mapping[str, int]]
    told: Told | None
    bell: Bell | None
    flags: Flags | None
    ready: Place | None
    overwrites: bool
    read_words_max: int
    lines: Mapping[int, Line]  # by its own sensors; empty: it marks by the rubric
    bits: Mapping[int, int]  # line -> bit of `faults`
    items: tuple[str, ...]  # of the rubric; empty: all
    events: Mapping[EventType, int]  # what else is a record, and the numbers that `type` then has

    def tells(self, name: str) -> bool:
        """Whether a result has a place for it."""
        return name in self.result.places

    @property
    def rows_most(self) -> int:
        """Deductions that a result can list; 0: it has no list."""
        return self.result.rows.most if self.result.rows else 0

    @property
    def name_room(self) -> tuple[str, int] | None:
        """Coding and bytes of a candidate's name; None: it knows none."""
        place, *_ = self.result.places.get("name", (None,))
        return None if place is None else (place.kind, 2 * place.words)

    def coarse(self, name: str) -> bool:
        """A file system counts in two seconds."""
        return self.tells(name) and self.result.places[name][0].kind == "time-dos"

    @property
    def room(self) -> int:
        """Free slots that an item may need, from its start to its end."""
        rows = self.result.rows.most if self.result.rows and EventType.DEDUCTION in self.events else 0
        return min(self.result.slots, 1 + rows + (EventType.ITEM_STARTED in self.events))

    @property
    def step(self) -> int:
        """Hundredths that the rig counts in."""
        rows = self.result.rows.places.get("points", ()) if self.result.rows else ()
        return max(place.step for place in (*self.result.places["score"], *rows))
