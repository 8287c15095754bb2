"""Tiles of C2SP (tlog-tiles v0.1.0): paths, what a tree of some size consists of, entry bundles.

tile/<L>/<N>[.p/<W>]         up to 256 hashes of level 8 L
tile/entries/<N>[.p/<W>]     up to 256 entries, each with a big-endian u16 length
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.errors import ProofError, TileError
from scorelog.format.limits import ENTRY_BYTES_MAX, HASH_BYTES, INT_MAX, TILE_LEVEL_MAX, TILE_WIDTH
from scorelog.format.tree import node_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_HEIGHT = 8
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?\Z"
)
_GROUPS_MAX = 6


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: hashes of a level, or entries (`level` None)."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= TILE_LEVEL_MAX:
            raise TileError(f"level {self.level}", where="tile", expected=f"0 to {TILE_LEVEL_MAX}")
        if not 0 <= self.index <= INT_MAX // TILE_WIDTH:
            raise TileError(f"index {self.index}", where="tile", expected=f"0 to {INT_MAX // TILE_WIDTH}")
        if not 0 < self.width <= TILE_WIDTH:
            raise TileError(f"width {self.width}", where="tile", expected=f"1 to {TILE_WIDTH}")

    @property
    def path(self) -> str:
        """The path under a log's prefix."""
        level = "entries" if self.level is None else str(self.level)
        suffix = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_index_path(self.index)}{suffix}"


def parse_tile_path(path: str) -> Tile:
    """The tile that a path names."""
    match = _PATH.match(path)
    if match is None or path.count("/x") >= _GROUPS_MAX:
        raise TileError(f"path {path[:80]!r}", expected="tile/<level>/<x001/234>[.p/<width>]")
    level = None if match["level"] == "entries" else int(match["level"])
    width = int(match["width"]) if match["width"] else TILE_WIDTH
    tile = Tile(level, int(match["index"].replace("/", "").replace("x", "")), width)
    if tile.path != path:  # a group of zeros too many, or .p/256
        raise TileError(f"path {path[:80]!r}", expected=tile.path)
    return tile


def tiles_for(size: int) -> Iterator[Tile]:
    """All hash tiles of a tree, level by level."""
    return tiles_for_range(0, size)


def tiles_for_range(old: int, new: int) -> Iterator[Tile]:
    """The hash tiles that a tree has at size `new` and did not have, or had narrower, at size `old`."""
    level = 0
    while new >> (_HEIGHT * level):
        before, after = old >> (_HEIGHT * level), new >> (_HEIGHT * level)
        if before != after:
            for index in range(before // TILE_WIDTH, (after + TILE_WIDTH - 1) // TILE_WIDTH):
                yield Tile(level, index, min(TILE_WIDTH, after - index * TILE_WIDTH))
        level += 1


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes the tile has in a tree of this size; 0 if there is none."""
    return max(0, min(TILE_WIDTH, (size >> (_HEIGHT * level)) - index * TILE_WIDTH))


class TileNodes:
    """A node source over tiles; keeps every tile it has read."""

    def __init__(self, size: int, read: Callable[[Tile], bytes]) -> None:
        self._size = size
        self._read = read
        self._kept: dict[Tile, bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of one complete subtree."""
        if level < 0 or index < 0 or (index + 1) << level > self._size:
            raise ProofError(f"no complete subtree at level {level}, index {index} in size {self._size}")
        tile_level, height = divmod(level, _HEIGHT)
        first = index << height
        data = self._tile(tile_level, first // TILE_WIDTH)
        at = first % TILE_WIDTH
        return subtree_of_tile(data, at, height)

    def _tile(self, level: int, index: int) -> bytes:
        tile = Tile(level, index, tile_width(level, index, self._size))
        data = self._kept.get(tile)
        if data is None:
            data = self._read(tile)
            if len(data) != tile.width * HASH_BYTES:
                raise TileError(f"{len(data)} bytes", where=tile.path, expected=f"{tile.width * HASH_BYTES}")
            self._kept[tile] = data
        return data


def subtree_of_tile(data: bytes, at: int, height: int) -> bytes:
    """The hash over 2**height consecutive hashes of a tile, from the `at`-th on."""
    row = [data[HASH_BYTES * place : HASH_BYTES * (place + 1)] for place in range(at, at + (1 << height))]
    while len(row) > 1:
        row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row), 2)]
    return row[0]


def frame_entries(entries: Iterable[bytes]) -> bytes:
    """Entries one after the other, each with a big-endian u16 length."""
    parts = []
    for place, entry in enumerate(entries):
        if not 0 < len(entry) <= ENTRY_BYTES_MAX:
            raise TileError(
                f"{len(entry)} bytes", where=f"entry {place} of the bundle", expected=f"1 to {ENTRY_BYTES_MAX}"
            )
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def unframe_entries(data: bytes) -> list[bytes]:
    """The entries of a bundle."""
    entries = []
    at = 0
    while at < len(data):
        begin = at + 2
        end = begin + int.from_bytes(data[at:begin], "big")
        if begin > len(data) or end > len(data):
            raise TileError("cut short", where=f"bundle byte {at}", expected="a u16 length and that many bytes")
        if end == begin:
            raise TileError("an entry of 0 bytes", where=f"bundle byte {at}", expected="at least 1")
        entries.append(data[begin:end])
        at = end
    return entries


def _index_path(index: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[place : place + 3] for place in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
