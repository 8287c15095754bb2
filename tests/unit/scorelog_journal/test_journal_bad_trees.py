"""P3: what fsck says of a log's tree when more than one thing is wrong with it, and of trees too large to make here."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from forged_log import ORIGIN, change, small_log
from log_entries import plain
from log_harness import new_log, opened

from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.journal.fsck import Report, fsck
from scorelog.journal.fsckrows import check_nodes
from scorelog.journal.schema import create_tables

if TYPE_CHECKING:
    from pathlib import Path


# --- stored nodes above 65,536 entries, without making so many


class Tree:
    """What check_nodes asks of a tree."""

    def __init__(self, tiles: list[bytes | None]) -> None:
        self.tiles = tiles


def nodes_found(tiles: list[bytes | None], stored: dict[tuple[int, int], bytes]) -> list[tuple[str, int | None]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection)
        connection.executemany("INSERT INTO node VALUES (?, ?, ?)", [(*at, value) for at, value in stored.items()])
        report = Report(ORIGIN)
        check_nodes(connection, Tree(tiles), report)  # type: ignore[arg-type]
    return [(one.kind, one.index) for one in report.findings]


def test_nodes_of_the_second_row_are_checked() -> None:
    """Level 16 stands for 65,536 entries: right, wrong, missing, and unknown where a tile below is not trusted."""
    tiles: list[bytes | None] = [leaf_hash(b"%d" % n) for n in range(257)]
    compact = CompactRange()
    compact.extend(one for one in tiles[:256] if one)
    row = {(8, n): tile for n, tile in enumerate(tiles) if tile}
    assert nodes_found(tiles, {**row, (16, 0): compact.root()}) == []
    assert nodes_found(tiles, {**row, (16, 0): bytes(32)}) == [("node", 0)]
    assert nodes_found(tiles, row) == [("node", 0)]
    tiles[7] = None  # the entries below it are a finding already
    assert nodes_found(tiles, {**row, (16, 0): bytes(32)}) == []
    assert nodes_found(tiles, {**row, (16, 0): bytes(32), (16, 1): bytes(32), (24, 0): bytes(32)}) == [
        ("node", None),
        ("node", None),
    ]


# --- the tree


async def long_span(tmp_path: Path, count: int = 300) -> Path:
    """Entries with one signed size behind many: the checkpoints between are gone."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append_many([plain(f"entry {n}") for n in range(count)])
    change(path, "DELETE FROM checkpoint WHERE size < :count", count=count)
    return path


async def test_neighbours_swapped_in_a_long_span_are_named(tmp_path: Path) -> None:
    """Too many pairs to try all: neighbours are still found, as a sort of rows by a wrong key would swap them."""
    path = await long_span(tmp_path)
    swap = "UPDATE entry SET idx = CASE idx WHEN -1 THEN 101 ELSE idx END WHERE idx = -1"
    change(path, "UPDATE entry SET idx = -1 WHERE idx = 100", "UPDATE entry SET idx = 100 WHERE idx = 101", swap)
    found = {(one.kind, one.index) for one in fsck(path).findings}
    assert {("reorder", 100), ("reorder", 101)} <= found


async def test_an_insertion_beside_another_damage_is_not_explained_away(tmp_path: Path) -> None:
    """One too many, and the one after the span unreadable: the span is called altered, nothing is guessed."""
    path = await small_log(tmp_path)
    change(
        path,
        "UPDATE entry SET idx = -idx - 1 WHERE idx >= 1",
        "UPDATE entry SET idx = -idx WHERE idx < 0",
        "INSERT INTO entry (idx, leaf, bytes) SELECT 1, leaf, bytes FROM entry WHERE idx = 5",
        "UPDATE entry SET bytes = 7 WHERE idx = 3",
    )
    found = {(one.kind, one.index) for one in fsck(path).findings}
    assert ("altered", 0) in found
    assert not {one for one in found if one[0] == "insert" and one[1] != 6}


async def test_an_insertion_that_explains_nothing_is_not_called_one(tmp_path: Path) -> None:
    """One too many and another one altered: no single insertion leads to the signed root."""
    path = await small_log(tmp_path)
    forged = plain("forged").build(None)
    change(
        path,
        "UPDATE entry SET idx = -idx - 1 WHERE idx >= 1",
        "UPDATE entry SET idx = -idx WHERE idx < 0",
        "INSERT INTO entry (idx, leaf, bytes) VALUES (1, :leaf, :entry)",
        "UPDATE entry SET leaf = :leaf, bytes = :entry WHERE idx = 2",
        leaf=leaf_hash(forged),
        entry=forged,
    )
    assert ("altered", 0) in {(one.kind, one.index) for one in fsck(path).findings}


async def test_behind_a_lost_span_each_entry_is_held_against_its_leaf(tmp_path: Path) -> None:
    """The first span leads nowhere; of the later ones what is gone, unreadable or flipped is still named."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        for part in range(3):
            await log.append_many([plain(f"entry {part} {n}") for n in range(4)])
    forged = plain("forged").build(None)
    for index in (1, 2):
        change(
            path, "UPDATE entry SET leaf = :leaf, bytes = :entry WHERE idx = :index",
            leaf=leaf_hash(forged), entry=forged, index=index,
        )  # fmt: skip
    change(
        path,
        "UPDATE entry SET bytes = :entry WHERE idx = 5",
        "UPDATE entry SET leaf = x'00' WHERE idx = 6",
        "UPDATE entry SET bytes = 'text' WHERE idx = 9",
        "DELETE FROM entry WHERE idx = 10",
        entry=forged,
    )
    found = {(one.kind, one.index) for one in fsck(path).findings}
    assert {("altered", 0), ("flip", 5), ("flip", 6), ("unreadable", 9), ("drop", 10)} <= found


async def test_a_very_long_span_is_walked_without_holding_it(tmp_path: Path) -> None:
    """I10: with the checkpoints between removed, a sound log stays sound and a flip in it is found."""
    path = await long_span(tmp_path, 4_200)
    assert fsck(path).findings == []
    change(path, "UPDATE entry SET leaf = zeroblob(32) WHERE idx = 4100")
    found = {(one.kind, one.index) for one in fsck(path).findings}
    assert {("flip", 4100), ("altered", 0)} <= found
    change(path, "DELETE FROM entry WHERE idx = 4100")
    assert ("drop", 4100) in {(one.kind, one.index) for one in fsck(path).findings}
