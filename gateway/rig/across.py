"""What only shows across the rows of a register table: rows that overlap, orders that nobody names, rings, checksums.

Owns: these doubts. Pure.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from device_adapters.limits import REGISTERS_PER_READ
from gateway.rig.blocks import RESULT, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.rig.blocks import Block
    from gateway.rig.fields import Entry

Found = tuple[str, str]  # cell, reason


def look_across(
    entries: Sequence[Entry], blocks: Sequence[Block], order: str | None, checksum: str | None
) -> Iterator[Found]:
    """Every doubt, with its cell."""
    yield from _overlaps(entries)
    for block in blocks:
        yield from _span(block)
        yield from _ring(block)
        if block.has("crc") and checksum is None:
            ref = next(entry.ref for entry in block.entries if entry.name == "crc")
            yield ref, "which checksum, and over what? left out (crc.kind); `rig check` tries all kinds"
    for entry in entries:
        if entry.type == "time-bcd" and entry.order is None and order in {"CDAB", "DCBA"}:
            yield entry.ref, f"are the words of this date turned round, too ({order})? order left out"
        elif entry.words > 1 and entry.type not in {None, "text"} and order is None and entry.order is None:
            yield entry.ref, f"{entry.words} words, and nothing says which comes first; order left out"


def _overlaps(entries: Sequence[Entry]) -> Iterator[Found]:
    ends = {entry.at + entry.words for entry in entries}
    for one, two in pairwise(entries):
        if one.at + one.words <= two.at or not (one.bit is None or two.bit is None):
            continue
        free = one.at + one.words
        room = free + two.words not in ends and all(
            other.at >= free + two.words or other.at < free or other is two for other in entries
        )
        hint = f"; there is room for it at {free}, or {one.ref} is too long" if room else ""
        yield two.ref, f"overlaps {one.ref}: {one.words} words from {one.at}; one of the two is wrong{hint}"


def _span(block: Block) -> Iterator[Found]:
    if block.words > REGISTERS_PER_READ and block.name == TABLE:
        yield (
            block.entries[-1].ref,
            f"{block.words} words from the first to the last do not fit one reading: cut into records",
        )


def _ring(block: Block) -> Iterator[Found]:
    if block.ring is not None:
        slots, stride = block.ring
        yield (
            block.entries[0].ref,
            f"{slots} records, {stride} words from one to the next: is number N in slot N mod {slots}?",
        )
    elif block.name == RESULT:
        yield block.entries[0].ref, "one record in one place, or several (index, slots, stride)? one is written"
