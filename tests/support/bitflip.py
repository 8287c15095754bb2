"""Single flipped bits in an SQLite file: which of them change what the file says, decided in memory.

A flip is one of three:

    silent      every row of every table is the same, the tables' order is right and so are the marks of the format:
                the bit lies in free space, or in a counter that nobody reads
    told        a row's value is another one: `Place` says whose
    broken      SQLite cannot read the rows, or finds its tables out of order

What is not silent has to be named by the check of the product. That check costs milliseconds; this costs microseconds.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WRITE_VERSION, READ_VERSION = 18, 19  # 2 in write-ahead mode, which a file in memory cannot have
MARKS = ("application_id", "user_version")
INTEGRITY_ROWS = 1

Kind = Literal["silent", "told", "broken"]
Content = dict[str, list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the first difference is."""

    table: str
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Flip:
    """One bit, and what it does."""

    offset: int
    bit: int
    kind: Kind
    place: Place | None = None

    def applied(self, whole: bytes) -> bytes:
        """The file with that bit turned."""
        return flipped(whole, self.offset, self.bit)


def flipped(whole: bytes, offset: int, bit: int) -> bytes:
    """The same bytes but for one bit."""
    changed = bytearray(whole)
    changed[offset] ^= 1 << bit
    return bytes(changed)


class Flipper:
    """Classifies flips of one database file. `queries` are the rows that count, by the name of their table."""

    def __init__(self, whole: bytes, queries: dict[str, str]) -> None:
        self.whole = whole
        self._queries = queries
        self._working = bytearray(whole)
        self._working[WRITE_VERSION] = self._working[READ_VERSION] = 1
        with closing(sqlite3.connect(":memory:")) as connection:
            self._truth = self._read(connection)

    def flip(self, offset: int, bit: int) -> Flip:
        """Turn the bit, look, turn it back."""
        if offset in (WRITE_VERSION, READ_VERSION):
            return Flip(offset, bit, "broken")
        self._working[offset] ^= 1 << bit
        try:
            with closing(sqlite3.connect(":memory:")) as connection:
                return self._judge(connection, offset, bit)
        except (sqlite3.Error, UnicodeDecodeError):
            return Flip(offset, bit, "broken")
        finally:
            self._working[offset] ^= 1 << bit

    def flips(self, places: Sequence[tuple[int, int]]) -> Iterator[Flip]:
        """All of them, one after the other."""
        return (self.flip(offset, bit) for offset, bit in places)

    def _judge(self, connection: sqlite3.Connection, offset: int, bit: int) -> Flip:
        found = self._read(connection)
        if found != self._truth:
            return Flip(offset, bit, "told", self._difference(found))
        in_order = connection.execute(f"PRAGMA integrity_check({INTEGRITY_ROWS})").fetchone() == ("ok",)
        return Flip(offset, bit, "silent" if in_order else "broken")

    def _read(self, connection: sqlite3.Connection) -> Content:
        connection.deserialize(bytes(self._working))
        found: Content = {name: connection.execute(query).fetchall() for name, query in self._queries.items()}
        found["marks"] = [connection.execute(f"PRAGMA {mark}").fetchone() for mark in MARKS]
        return found

    def _difference(self, found: Content) -> Place:
        for table, rows in self._truth.items():
            others = found[table]
            for number, (row, other) in enumerate(zip(rows, others, strict=False)):
                for column, (value, changed) in enumerate(zip(row, other, strict=True)):
                    if value != changed or type(value) is not type(changed):
                        return Place(table, number, column)
            if len(rows) != len(others):
                return Place(table, min(len(rows), len(others)), 0)
        raise AssertionError("no difference")


@dataclass(slots=True)
class Chosen:
    """Which flips the product's own check is asked about: so many of each place, so many broken ones, and no more."""

    a_place: int
    broken: int
    asked_max: int
    counts: dict[Kind, int]
    asked: int
    _places: dict[Place, int]

    @classmethod
    def of(cls, a_place: int, broken: int, asked_max: int = 1_000_000) -> Chosen:
        """Nothing seen yet."""
        return cls(a_place, broken, asked_max, {"silent": 0, "told": 0, "broken": 0}, 0, {})

    def take(self, flip: Flip) -> bool:
        """Count it; whether to ask about it."""
        self.counts[flip.kind] += 1
        if flip.place is not None:
            self._places[flip.place] = self._places.get(flip.place, 0) + 1
            wanted = self._places[flip.place] <= self.a_place
        else:
            wanted = flip.kind == "broken" and self.counts["broken"] <= self.broken
        wanted = wanted and self.asked < self.asked_max
        self.asked += wanted
        return wanted

    @property
    def places(self) -> int:
        """How many different values were changed."""
        return len(self._places)
