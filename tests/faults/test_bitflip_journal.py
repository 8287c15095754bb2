"""B5, G6: one flipped bit in a gateway's log is named by fsck, or changes nothing that the log says.

Which of the two it is, tests/support/bitflip.py decides by comparing every row. The start count and the marks of an
orderly stop are left out: nothing is proven by them (docs/formats/journal.md).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from bitflip import Chosen, Flipper, flipped
from fake_clock import FakeClock
from log_entries import key_of, opening, plain, scored
from log_harness import ORIGIN_BASE, cosigned, mirror_verifier, new_log, opened, signer_for

from scorelog.journal.errors import Damaged
from scorelog.journal.fsck import fsck
from scorelog.journal.schema import DATABASE, WAL
from scorelog.journal.sqlite import open_log

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

QUERIES = {
    "entry": "SELECT idx, leaf, bytes FROM entry",
    "node": "SELECT level, idx, hash FROM node",
    "opening": "SELECT idx, field, blind, value FROM opening",
    "entry_key": "SELECT rig, epoch, seq, type, ordinal, content, generation, idx, leaf FROM entry_key",
    "checkpoint": "SELECT size, note FROM checkpoint",
    "receipt": "SELECT size, note FROM receipt",
    "meta": "SELECT name, value FROM meta WHERE name IN ('origin', 'vkey')",
}
BITS = 8


async def make_log(folder: Path, records: int) -> Path:
    """A log of so many records, some one by one, with keys, openings, checkpoints and a receipt."""
    path = new_log(folder)
    async with opened(path, folder / "state") as log:
        await log.append_many(
            [scored(key_of(n), openings=[opening("ticket", f"T{n}")]) for n in range(records - records // 4)]
        )
        await log.save_receipt(cosigned(log.checkpoint()))
        for n in range(records - records // 4, records):
            request = scored(key_of(n)) if n % 2 else plain(f"event {n}")
            await log.append(request.build, request.key, request.content)
    return path


def named(path: Path) -> bool:
    """Whether fsck says that something is wrong."""
    return not fsck(path, signer_for(f"{ORIGIN_BASE}/0").vkey, path.parent / "state", [mirror_verifier()]).ok


def all_are_named(path: Path, places: Iterable[tuple[int, int]], chosen: Chosen) -> None:
    """Turn bits of the database; whatever is not silent must be named."""
    whole = (path / DATABASE).read_bytes()
    flipper = Flipper(whole, QUERIES)
    try:
        for flip in flipper.flips(places):
            if chosen.take(flip):
                (path / DATABASE).write_bytes(flip.applied(whole))
                assert named(path), f"{flip} is not named"
    finally:
        (path / DATABASE).write_bytes(whole)


def anywhere(size: int, count: int, seed: int) -> Iterable[tuple[int, int]]:
    source = random.Random(seed)
    return ((source.randrange(size), source.randrange(BITS)) for _ in range(count))


@pytest.mark.timeout(180)
async def test_twenty_thousand_flipped_bits_of_a_log(tmp_path: Path) -> None:
    """B5: 20,000 bits anywhere; fsck is asked about each changed value once, and about sixty breaks of the file."""
    path = await make_log(tmp_path, 16)
    chosen = Chosen.of(a_place=1, broken=60)
    all_are_named(path, anywhere((path / DATABASE).stat().st_size, 20_000, seed=2026), chosen)
    assert sum(chosen.counts.values()) == 20_000
    assert chosen.places > 100
    assert min(chosen.counts.values()) > 500


async def test_flipped_bits_of_an_unfolded_end(tmp_path: Path) -> None:
    """B5, G6: bits of the write-ahead log: what the second file knows of is never taken for a torn end."""
    path = new_log(tmp_path)
    async with opened(path, tmp_path / "state") as log:
        for n in range(12):
            await log.append(plain(f"event {n}").build)
        folded, tail = (path / DATABASE).read_bytes(), (path / WAL).read_bytes()
    assert len(tail) > 50_000
    for offset, bit in anywhere(len(tail), 150, seed=2026):
        (path / DATABASE).write_bytes(folded)
        (path / WAL).write_bytes(flipped(tail, offset, bit))
        report = fsck(path, state_path=tmp_path / "state")
        assert not report.ok or report.size == 12, f"bit {bit} of byte {offset} hid entries"


async def test_a_schema_that_is_no_text_any_more(tmp_path: Path) -> None:
    """B5, G6: SQLite's own words about it may be no UTF-8; fsck names it, and a start calls it damaged."""
    path = await make_log(tmp_path, 4)
    whole = (path / DATABASE).read_bytes()
    first = whole.index(b"CREATE TABLE entry")
    for offset in range(first, first + 24):
        (path / DATABASE).write_bytes(flipped(whole, offset, 7))
        assert named(path), f"byte {offset}"
        with pytest.raises(Damaged):
            open_log(path, signer_for, FakeClock(), tmp_path / "state")


@pytest.mark.parametrize("at", [18, 19])
async def test_a_header_that_would_make_a_log_read_only_is_damage(tmp_path: Path, at: int) -> None:
    """B5, G6: SQLite opens such a file and then cannot write it: fsck names it, and a start calls it damaged."""
    path = await make_log(tmp_path, 4)
    whole = (path / DATABASE).read_bytes()
    for bit in range(BITS):
        (path / DATABASE).write_bytes(flipped(whole, at, bit))
        assert named(path), f"bit {bit}"
        with pytest.raises(Damaged):
            open_log(path, signer_for, FakeClock(), tmp_path / "state")


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_every_bit_of_a_log(tmp_path: Path) -> None:
    """B5: every bit of a small log's database, some 300,000; about five minutes."""
    path = await make_log(tmp_path, 16)
    size = (path / DATABASE).stat().st_size
    all_are_named(path, ((at, bit) for at in range(size) for bit in range(BITS)), Chosen.of(a_place=8, broken=3000))


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_flipped_bits_of_a_thousand_records(tmp_path: Path) -> None:
    """B5: 20,000 bits of a log of 1,000 records; every single bit of it would take a day. About six minutes."""
    path = await make_log(tmp_path, 1000)
    chosen = Chosen.of(a_place=1, broken=100, asked_max=500)
    all_are_named(path, anywhere((path / DATABASE).stat().st_size, 20_000, seed=1123), chosen)
    assert chosen.places > 500
