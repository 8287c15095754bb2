"""Parts of the journal against oracles: what each gives for any input, by a definition that is written another way."""

from __future__ import annotations

import dataclasses
import hashlib
import random
import sqlite3
from contextlib import closing
from itertools import product
from typing import TYPE_CHECKING

import pytest
from memory_tree import MemoryTree, entry

from scorelog.format import canonical
from scorelog.format.commitment import Opening
from scorelog.format.tiles import frame_entries
from scorelog.format.tree import MemoryNodes, leaf_hash
from scorelog.format.upload import encode_openings
from scorelog.journal import rows
from scorelog.journal.errors import LogFull
from scorelog.journal.limits import (
    ROOM_ENTRY_BYTES,
    SIGNED_EVERY_BYTES,
    SIGNED_EVERY_ENTRIES,
    SIGNED_EVERY_OPENING_BYTES,
)
from scorelog.journal.nodes import StoredNodes, TileEdge, read_row
from scorelog.journal.request import Built, SigningPlan, entry_frame, opening_frame, piece_stop
from scorelog.journal.room import Reserve, RoomPolicy, disk_room
from scorelog.journal.salvage import Row, each_entry, kept_entries
from scorelog.journal.schema import create_tables
from scorelog.journal.statefile import State, StateDamaged, parse_state
from scorelog.journal.walcheck import wal_damage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Frame = tuple[int, int]


# --- pieces


def fits(frames: Sequence[Frame], max_entries: int, max_bytes: int) -> bool:
    entries, openings = sum(one for one, _ in frames), sum(two for _, two in frames)
    return len(frames) <= max_entries and entries <= max_bytes and openings <= SIGNED_EVERY_OPENING_BYTES


def test_a_piece_is_the_longest_that_keeps_all_three_limits() -> None:
    """P2: entries, their bytes, their openings' bytes; one entry always goes, however large it is."""
    rng = random.Random(7)
    third = SIGNED_EVERY_OPENING_BYTES // 3
    for _ in range(400):
        frames = [(rng.randrange(1, 6), rng.choice((0, 1, third, 2 * third))) for _ in range(rng.randrange(8))]
        start, max_entries, max_bytes = rng.choice((0, 1, 5, 300)), rng.randrange(1, 8), rng.randrange(1, 16)
        longest = max((n for n in range(len(frames) + 1) if fits(frames[:n], max_entries, max_bytes)), default=0)
        wanted = start + max(longest, min(1, len(frames)))
        assert piece_stop(start, iter(frames), max_entries, max_bytes) == wanted, (
            start,
            frames,
            max_entries,
            max_bytes,
        )


@pytest.mark.parametrize("size", [1, 2, 255, 256, 65_535])
def test_what_is_counted_is_what_travels(size: int) -> None:
    """P2: entries and openings are weighed as they are framed in an upload, to the byte."""
    assert entry_frame(size) == len(frame_entries([bytes(size)]))
    one = Opening(7, "ticket", bytes(32), b"x" * min(size, 1024))
    assert opening_frame(one.field, len(one.value)) == len(encode_openings([one]))
    made = Built(bytes(size), bytes(32), None, None, ((one.field, one.blind, one.value),) * 3, None)
    assert (made.entry_frame, made.openings_frame) == (size + 2, 3 * len(encode_openings([one])))


def test_a_checkpoint_is_due_exactly_before_what_would_exceed_an_upload() -> None:
    """P2: each stretch between two signed sizes fits, and would not with the next entry; but for one too large."""
    rng = random.Random(8)
    sizes = ((SIGNED_EVERY_BYTES, SIGNED_EVERY_OPENING_BYTES), (SIGNED_EVERY_BYTES // 300, 9), (9, 9))
    for most_entry, most_openings in sizes:
        plan, stretch = SigningPlan(), list[Frame]()
        for _ in range(3 * SIGNED_EVERY_ENTRIES):
            choices = (1, most_entry // 3, most_entry // 2, most_entry, most_entry + 1)
            one = rng.choice(choices), rng.choice((0, most_openings // 2, most_openings))
            due = bool(stretch) and not fits([*stretch, one], SIGNED_EVERY_ENTRIES, SIGNED_EVERY_BYTES)
            assert plan.due_before(*one) is due
            stretch = [one] if due else [*stretch, one]


# --- reading what may be damaged


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600])
def test_reading_a_damaged_log_gives_each_index_once_in_whatever_state(size: int) -> None:
    """Present, missing, or of another type; over the edges of what is read at once, and from any start."""
    tree, rng = MemoryTree(size, ()), random.Random(size)
    gone = {at for at in range(size) if rng.random() < 0.1}
    odd = set(range(0, size, 97)) - gone
    tree.connection.executemany("DELETE FROM entry WHERE idx = ?", ((at,) for at in gone))

    def row(at: int) -> Row:
        if at in gone or at >= size:
            return Row(at, missing=True)
        return Row(at, leaf_hash(entry(at)), entry(at))

    with closing(tree.connection) as connection:
        for start, stop in ((0, size), (0, size + 3), (size // 3, size), (255, 257), (size, size)):
            there = [row(at) for at in range(start, stop)]
            assert list(each_entry(connection, start, stop)) == there
            assert list(kept_entries(connection, start, stop)) == [one for one in there if not one.missing]
        connection.executemany("UPDATE entry SET bytes = 7 WHERE idx = ?", ((at,) for at in odd))
        for one in each_entry(connection, 0, size):
            words = f"entry {one.index} is stored as bytes and int"
            assert one == (Row(one.index, error=words) if one.index in odd else row(one.index))


def test_what_lies_far_apart_is_found_without_a_walk_between() -> None:
    """Rows at wild indexes: all of them, in order, up to the end that is asked for."""
    wild = [0, 1, 255, 256, 258, 10_000, 10_001, 1 << 40]
    tree = MemoryTree(0, ())
    tree.put({at: entry(at) for at in wild})
    with closing(tree.connection) as connection:
        for stop in (*wild, (1 << 40) + 1, 1 << 53):
            assert [one.index for one in kept_entries(connection, 0, stop)] == [at for at in wild if at < stop]


# --- stored nodes


def test_every_node_of_a_tree_is_found_again_from_those_that_are_stored() -> None:
    """One node in 256 is stored; any complete subtree is folded from them, and nothing beyond the size is given."""
    size = 600
    leaves = [leaf_hash(entry(at)) for at in range(size)]
    whole, edge = MemoryNodes(leaves), TileEdge(0, [])
    stored = [node for leaf in leaves for node in edge.append(leaf)]
    assert stored == [(8, at, whole(8, at)) for at in range(size // 256)]
    tree = MemoryTree(size, ())
    rows.insert_nodes(tree.connection, stored)
    with closing(tree.connection) as connection:
        asked = StoredNodes(connection, lambda: size)
        for level in range(11):
            for index in range(size >> level):
                assert asked(level, index) == whole(level, index)
            with pytest.raises(IndexError, match=f"level {level}, index {size >> level} in size {size}"):
                asked(level, size >> level)
        for level, index in ((-1, 0), (0, -1)):
            with pytest.raises(IndexError, match="no complete subtree"):
                asked(level, index)
        for at in (0, 1, 255, 256, 257, 599, 600):
            again = TileEdge.read(connection, at)
            assert again.size == at
            assert [node for leaf in leaves[at:] for node in again.append(leaf)] == [
                node for node in stored if node[1] >= at // 256
            ]
        with pytest.raises(IndexError, match=r"2 stored hashes of level 8 in \[0, 3\)"):
            read_row(connection, 8, 0, 3)


def test_nodes_of_nodes_are_stored_at_their_level() -> None:
    """65,536 entries: a node of level 16 over 256 of level 8, and the edge behind it is empty again."""
    made = [node for edge in (TileEdge(0, []),) for _ in range(65_537) for node in edge.append(bytes(32))]
    assert [(level, index) for level, index, _ in made] == [*((8, at) for at in range(256)), (16, 0)]
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection)
        rows.insert_entries(connection, [(65_536, bytes(32), b"x")])
        rows.insert_nodes(connection, made)
        edge = TileEdge.read(connection, 65_537)
        assert (edge.size, list(edge.append(bytes(32))), edge.size) == (65_537, [], 65_538)
        assert StoredNodes(connection, lambda: 65_537)(16, 0) == made[-1][2]


# --- room


class Disk:
    """A disk of so many free bytes, of twice as many in all."""

    def __init__(self) -> None:
        self.free = 0

    def __call__(self, path: Path) -> tuple[int, int]:
        assert path.is_dir()
        return self.free, 2 * self.free


@pytest.mark.parametrize("held", [0, 4096, 8192])
def test_room_is_told_and_given_by_its_thresholds_to_the_byte(tmp_path: Path, held: int) -> None:
    """B14: exams from their threshold and what is missing of the reserve; entries from the floor, the reserve too."""
    path, disk = tmp_path / "reserve", Disk()
    exams, reserve, floor = 100_000, 8192, 50_000
    for at, more in product((exams, exams + reserve - held, floor, floor + ROOM_ENTRY_BYTES - held), (-1, 0, 1)):
        path.unlink(missing_ok=True)
        if held:
            path.write_bytes(bytes(held))
        disk.free = free = at + more
        room = Reserve(path, RoomPolicy(exams, reserve, floor, disk)).room()
        assert (room.free_bytes, room.total_bytes, room.reserve_bytes) == (free, 2 * free, held)
        assert room.accepts_exams is (free - exams >= reserve - held)
        assert room.accepts_entries is (free - floor - ROOM_ENTRY_BYTES + held >= 0)


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_the_reserve_is_given_when_it_is_needed_and_made_when_there_is_room(tmp_path: Path, spare: int) -> None:
    """B14: to the byte, both ways; what is refused says how much is free, and how much was needed."""
    path, disk = tmp_path / "reserve", Disk()
    reserve = Reserve(path, RoomPolicy(1000, 4096, 500, disk))
    disk.free = 1000 + 4096 + spare
    reserve.restore()
    assert path.exists() is (spare >= 0)
    assert reserve.room().reserve_bytes == (4096 if spare >= 0 else 0)
    disk.free = 500 + 70 + spare
    if spare < 0:
        with pytest.raises(LogFull) as full:
            reserve.make_room(70)
        assert str(full.value) == f"569 bytes free on the disk of {tmp_path}, 570 needed; nothing was written"
    else:
        reserve.make_room(70)
        assert path.exists()
        disk.free -= 2
        with pytest.raises(LogFull, match="nothing was written"):
            reserve.make_room(70)
    assert not path.exists()
    assert reserve.room().reserve_bytes == 0


def test_the_room_of_a_disk_is_what_its_file_system_says(tmp_path: Path) -> None:
    """Bytes, free below total, and more than a block of either."""
    free, total = disk_room(tmp_path)
    assert 1 << 20 < free <= total


# --- the second file


def test_a_state_is_read_as_it_was_written_and_each_wrong_field_is_refused() -> None:
    """G8: every field there and back; each missing, of another type or out of range, though the checksum fits."""
    state = State("a.example/gw/g/3", 3, 41, bytes(range(32)), 7, b"note\n")
    for one in (state, dataclasses.replace(state, receipt=None), State("o", 0, 0, bytes(32), 0, None)):
        assert parse_state(one.encode()) == one
    whole = canonical.decode(state.encode().split(b"\n")[0])
    assert whole == {
        "boots": 7,
        "format": "kaofen.state/v1",
        "generation": 3,
        "origin": "a.example/gw/g/3",
        "receipt": "bm90ZQo=",
        "root": bytes(range(32)).hex(),
        "size": 41,
    }
    wrong: dict[str, tuple[object, ...]] = {
        "format": ("kaofen.state/v9", 1),
        "receipt": (7, "*", "bm90ZQ"),
        "origin": (7, None),
        "root": (7, "zz", "00" * 31, "00" * 33),
        **dict.fromkeys(("boots", "generation", "size"), (-1, "1", None, True)),
    }
    for name, values in wrong.items():
        for changed in (*({**whole, name: value} for value in values), {k: v for k, v in whole.items() if k != name}):
            body = canonical.encode(changed)
            with pytest.raises(StateDamaged):
                parse_state(body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n")


# --- the write-ahead log


@pytest.mark.parametrize("noise", [bytes(200), bytes(range(200)), b"\xff" * 200])
def test_a_write_ahead_log_without_a_frame_cannot_be_damaged(tmp_path: Path, noise: bytes) -> None:
    """G3: what is no longer than its header is a torn beginning; a byte more, and the header must be one."""
    path = tmp_path / "wal"
    for length in (0, 1, 31, 32):
        path.write_bytes(noise[:length])
        assert wal_damage(path) is None
    for length in (33, 56, 200):
        path.write_bytes(noise[:length])
        assert wal_damage(path) == "its header is damaged, though frames follow"
    assert wal_damage(tmp_path / "none") is None
