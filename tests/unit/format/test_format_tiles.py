"""Tiles follow C2SP tlog-tiles: what a tree consists of, its paths, and nodes computed from tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorelog.format.errors import ProofError, TileError
from scorelog.format.limits import ENTRY_BYTES_MAX
from scorelog.format.tiles import (
    Tile,
    TileNodes,
    frame_entries,
    parse_tile_path,
    tile_width,
    tiles_for,
    tiles_for_range,
    unframe_entries,
)
from scorelog.format.tree import MemoryNodes, inclusion_proof, leaf_hash, root_from

SIZE = 600
NODES = MemoryNodes(leaf_hash(b"%d" % number) for number in range(SIZE))


def tile_data(tile: Tile) -> bytes:
    assert tile.level is not None
    first = tile.index * 256
    return b"".join(NODES(8 * tile.level, place) for place in range(first, first + tile.width))


def test_the_example_of_the_specification() -> None:
    """70,000 entries: 273 full and one partial tile of width 112, then 1 + width 17, then width 1."""
    tiles = list(tiles_for(70_000))
    assert len(tiles) == 277
    assert [tile.path for tile in tiles if tile.width < 256] == [
        "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1",
    ]  # fmt: skip
    assert [tile.path for tile in tiles_for(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert list(tiles_for(0)) == []


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_a_range_gives_the_tiles_that_are_new_or_wider(one: int, other: int) -> None:
    """The tiles of a range are those of the new size that the old size does not have."""
    old, new = sorted((one, other))
    assert set(tiles_for_range(old, new)) == set(tiles_for(new)) - set(tiles_for(old))


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 2**45 - 1), st.integers(1, 256))
def test_a_path_names_its_tile(level: int | None, index: int, width: int) -> None:
    """Every tile's path is read back as that tile."""
    tile = Tile(level, index, width)
    assert parse_tile_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/64/000",
        "tile/0/00",
        "tile/0/1000",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/entries/x1/000",
        "tile/0/" + "x999/" * 7 + "999",
        "tile/data/000",
        "tile/0/x999/x999/x999/x999/x999/999",
        "tile/0/٠٠٠",
    ],
)
def test_a_second_spelling_of_a_path_is_refused(path: str) -> None:
    """One tile, one path."""
    with pytest.raises(TileError):
        parse_tile_path(path)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 600])
def test_nodes_from_tiles_make_the_same_proofs(size: int) -> None:
    """A node source over tiles gives the proofs and roots of the tree, reading each tile once."""
    read: list[Tile] = []

    def reader(tile: Tile) -> bytes:
        read.append(tile)
        return tile_data(tile)

    nodes = TileNodes(size, reader)
    assert root_from(size, nodes) == root_from(size, NODES)
    for index in {0, size // 2, size - 1}:
        assert inclusion_proof(index, size, nodes) == inclusion_proof(index, size, NODES)
    assert len(read) == len(set(read))
    assert set(read) <= set(tiles_for(size))


def test_tiles_of_the_wrong_length_and_missing_nodes_are_refused() -> None:
    """A tile must hold as many hashes as the size says; nodes beyond the size do not exist."""
    with pytest.raises(TileError, match=r"tile/0/000\.p/3: 64 bytes; expected 96"):
        TileNodes(3, lambda _: bytes(64))(0, 0)
    for level, index in ((0, 3), (2, 0), (-1, 0), (0, -1)):
        with pytest.raises(ProofError, match="no complete subtree"):
            TileNodes(3, tile_data)(level, index)
    assert tile_width(0, 1, 300) == 44
    assert tile_width(1, 0, 255) == 0


@pytest.mark.parametrize("tile", [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 2**45, 1), (0, 0, 0), (0, 0, 257)])
def test_a_tile_that_cannot_be_is_refused(tile: tuple[int, int, int]) -> None:
    """Level, index and width have limits."""
    with pytest.raises(TileError):
        Tile(*tile)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    """Framing and unframing are inverse."""
    assert unframe_entries(frame_entries(entries)) == entries


@pytest.mark.parametrize("length", [ENTRY_BYTES_MAX - 1, ENTRY_BYTES_MAX])
def test_an_entry_may_fill_its_length_field(length: int) -> None:
    """65,535 bytes are framed."""
    assert unframe_entries(frame_entries([bytes(length)])) == [bytes(length)]


@pytest.mark.parametrize("entry", [b"", bytes(ENTRY_BYTES_MAX + 1)])
def test_an_entry_outside_the_limits_is_not_framed(entry: bytes) -> None:
    """Neither 0 nor 65,536 bytes."""
    with pytest.raises(TileError, match="expected 1 to 65535"):
        frame_entries([entry])


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x00", b"\x00\x02a", b"\x00\x01a\x00\x00", b"\x00\x01a\x00"])
def test_a_bundle_that_is_cut_or_has_an_empty_entry_is_refused(data: bytes) -> None:
    """Rule: whole lengths, whole entries, none empty."""
    with pytest.raises(TileError, match="bundle byte"):
        unframe_entries(data)
