"""Where the tree's hashes are on disk, and how any node is found again.

Stored are the leaves (level 0, one per entry) and one node of level 8, 16, … per 256 of the level below. Every other
node is folded from at most 128 of them. A complete row of 256 never changes, so it may be kept in memory.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from scorelog.format.tree import node_hash
from scorelog.journal.limits import TILE_CACHE, TILE_WIDTH

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

TILE_HEIGHT: Final = 8


def fold(hashes: Sequence[bytes]) -> bytes:
    """The node above 2^k hashes."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def read_row(connection: sqlite3.Connection, level: int, start: int, stop: int) -> list[bytes]:
    """The stored hashes [start, stop) of level 0, 8, 16, …; IndexError when one is missing."""
    if level == 0:
        found = connection.execute("SELECT leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (start, stop))
    else:
        found = connection.execute(
            "SELECT hash FROM node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx", (level, start, stop)
        )
    row = [bytes(one) for (one,) in found]
    if len(row) != stop - start:
        raise IndexError(f"{len(row)} stored hashes of level {level} in [{start}, {stop})")
    return row


class StoredNodes:
    """A node source over a connection; not shared between threads."""

    def __init__(self, connection: sqlite3.Connection, size: Callable[[], int]) -> None:
        self._connection = connection
        self._size = size
        self._rows: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()

    def __call__(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree of 2^level leaves; IndexError when the tree does not hold it."""
        if level < 0 or index < 0 or (index + 1) << level > self._size():
            raise IndexError(f"no complete subtree at level {level}, index {index} in size {self._size()}")
        base = level - level % TILE_HEIGHT
        width = 1 << (level - base)
        return fold(self._stored(base, index * width, width))

    def _stored(self, base: int, start: int, width: int) -> list[bytes]:
        tile = start // TILE_WIDTH
        if (tile + 1) * TILE_WIDTH << base > self._size():
            return read_row(self._connection, base, start, start + width)
        row = self._rows.get((base, tile))
        if row is None:
            row = read_row(self._connection, base, tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH)
            self._rows[base, tile] = row
            if len(self._rows) > TILE_CACHE:
                self._rows.popitem(last=False)
        self._rows.move_to_end((base, tile))
        at = start - tile * TILE_WIDTH
        return row[at : at + width]


class TileEdge:
    """The incomplete rows at the right edge: tells which nodes a new leaf completes."""

    __slots__ = ("_rows", "size")

    def __init__(self, size: int, rows: list[list[bytes]]) -> None:
        self.size = size
        self._rows = rows

    @classmethod
    def read(cls, connection: sqlite3.Connection, size: int) -> TileEdge:
        """The edge of a stored tree."""
        rows = []
        for base in range(0, max(size.bit_length(), 1), TILE_HEIGHT):
            stop = size >> base
            rows.append(read_row(connection, base, stop - stop % TILE_WIDTH, stop))
        return cls(size, rows)

    def append(self, leaf: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Take a leaf; yields (level, index, hash) of every stored node that it completes."""
        self.size += 1
        level, value = 0, leaf
        while True:
            place = level // TILE_HEIGHT
            if place == len(self._rows):
                self._rows.append([])
            row = self._rows[place]
            row.append(value)
            if len(row) < TILE_WIDTH:
                return
            value = fold(row)
            row.clear()
            level += TILE_HEIGHT
            yield level, (self.size >> level) - 1, value
