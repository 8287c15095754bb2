"""Tree nodes of a stored log: leaf hashes in bundles, full groups of 256 hashes as tile rows.

    level 2                 ...one hash per 65,536 tiles of level 0
    level 1   [ root of tile 0 | root of tile 1 | ... ]        tile of 256 roots, a row when full
    level 0   [ 256 leaf hashes ][ 256 leaf hashes ][ 3 ]      a row when full; the rest is read from the bundles

Owns how a node is found. A tile row is written in the transaction of the upload that fills it and never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, bindparam, insert, select

from scorelog.format.tree import node_hash
from server import limits
from server.errors import Missing
from server.evidence.locks import several_writers
from server.evidence.rows import split_hashes, stored_tile
from server.evidence.schema import TILE_WIDTH, bundles, logs, tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.evidence.store import StoredTile

_LEAVES: Final = (
    select(bundles.c.start, bundles.c.leaves)
    .where(
        bundles.c.log_id == bindparam("log_id"),
        bundles.c.start < bindparam("stop"),
        bundles.c.stop > bindparam("start"),
        bundles.c.start > bindparam("lowest"),
    )
    .order_by(bundles.c.start)
)
_JOINED: Final = """SELECT group_concat(start || ':' || hex(leaves)) FROM bundles
    WHERE log_id = :log_id AND start < :stop AND stop > :start AND start > :lowest"""
_TILE: Final = select(tiles.c.hashes).where(
    tiles.c.log_id == bindparam("log_id"), tiles.c.level == bindparam("level"), tiles.c.n == bindparam("n")
)
_ROOTS: Final = (
    select(tiles.c.root)
    .where(
        tiles.c.log_id == bindparam("log_id"),
        tiles.c.level == bindparam("level"),
        tiles.c.n >= bindparam("start"),
        tiles.c.n < bindparam("stop"),
    )
    .order_by(tiles.c.n)
)
_INSERT: Final = insert(tiles)


def grow(connection: Connection, log_id: int, old_size: int, new_size: int) -> None:
    """Write the tile rows that the entries `[old_size, new_size)`, already inserted, have filled."""
    level, old, new = 0, old_size, new_size
    while old // TILE_WIDTH != new // TILE_WIDTH:
        old, new = old // TILE_WIDTH, new // TILE_WIDTH
        for n in range(old, new):
            hashes = _unfilled(connection, log_id, level, n * TILE_WIDTH, (n + 1) * TILE_WIDTH)
            values = {"log_id": log_id, "level": level, "n": n, "root": fold(hashes), "hashes": b"".join(hashes)}
            connection.execute(_INSERT, values)
        level += 1


def grows(old_size: int, new_size: int) -> bool:
    """Whether these entries fill a tile."""
    return old_size // TILE_WIDTH != new_size // TILE_WIDTH


def hashes(connection: Connection, origin: str, level: int, start: int, stop: int) -> list[bytes]:
    """Hashes `[start, stop)` of one tile level; Missing unless all are stored."""
    log_id = connection.execute(select(logs.c.id).where(logs.c.origin == origin)).scalar_one_or_none()
    if log_id is None:
        raise Missing(f"{origin}: nothing of this log is stored")
    return _hashes(connection, log_id, level, start, stop)


def node(connection: Connection, origin: str, level: int, index: int) -> bytes:
    """One node of the tree of `origin`."""
    tile_level, height = divmod(level, 8)
    return fold(hashes(connection, origin, tile_level, index << height, (index + 1) << height))


def stored_tiles(connection: Connection, origin: str, level: int, start: int, limit: int) -> list[StoredTile]:
    """Raw rows of one level."""
    mine = select(tiles).join_from(tiles, logs).where(logs.c.origin == origin, tiles.c.level == level)
    ordered = mine.where(tiles.c.n >= start).order_by(tiles.c.n).limit(limit)
    return [stored_tile(row) for row in connection.execute(ordered)]


def fold(row: Sequence[bytes]) -> bytes:
    """The root of a complete subtree over 2^k hashes."""
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def _hashes(connection: Connection, log_id: int, level: int, start: int, stop: int) -> list[bytes]:
    found: list[bytes] = []
    at = start
    while at < stop:
        n = at // TILE_WIDTH
        until = min(stop, (n + 1) * TILE_WIDTH)
        full = connection.execute(_TILE, {"log_id": log_id, "level": level, "n": n}).scalar_one_or_none()
        if full is None:
            found += _unfilled(connection, log_id, level, at, until)
        else:
            found += split_hashes(full)[at - n * TILE_WIDTH : until - n * TILE_WIDTH]
        at = until
    return found


def _unfilled(connection: Connection, log_id: int, level: int, start: int, stop: int) -> list[bytes]:
    found = (
        _leaves(connection, log_id, start, stop)
        if level == 0
        else list(connection.execute(_ROOTS, _range(log_id, start, stop, level - 1)).scalars())
    )
    if len(found) != stop - start:
        raise Missing(f"hashes [{start}, {stop}) of tile level {level}: {len(found)} are stored")
    return found


def _leaves(connection: Connection, log_id: int, start: int, stop: int) -> list[bytes]:
    found: list[bytes] = []
    asked = {"log_id": log_id, "start": start, "stop": stop, "lowest": start - limits.BUNDLE_ENTRIES_MAX}
    for first, leaves in _bundles(connection, asked):
        mine = split_hashes(leaves)
        found += mine[max(0, start - first) : max(0, stop - first)]
    return found


def _bundles(connection: Connection, asked: dict[str, int]) -> list[tuple[int, bytes]]:
    """Starts and leaves in order. SQLite gives them as one row: 256 single entries cost one step, not 256."""
    if several_writers(connection):
        return [(row.start, row.leaves) for row in connection.execute(_LEAVES, asked)]
    joined = connection.exec_driver_sql(_JOINED, asked).scalar_one() or ""
    pairs = [each.partition(":") for each in joined.split(",") if each]
    return sorted((int(first), bytes.fromhex(leaves)) for first, _, leaves in pairs)


def _range(log_id: int, start: int, stop: int, level: int) -> dict[str, Any]:
    return {"log_id": log_id, "start": start, "stop": stop, "level": level}
