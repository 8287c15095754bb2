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
            yield ref, "校验是哪一种？ which checksum, and over what? left out (crc.kind); `rig check` tries all kinds"
    for entry in entries:
        if entry.type == "time-bcd" and entry.order is None and order in {"CDAB", "DCBA"}:
            yield (
                entry.ref,
                f"时间的字序也颠倒？ are the words of this date turned, too ({order})? order left out",
            )
        elif entry.words > 1 and entry.type not in {None, "text"} and order is None and entry.order is None:
            yield entry.ref, f"字序不明 {entry.words} words, and nothing says which comes first; order left out"


def _overlaps(entries: Sequence[Entry]) -> Iterator[Found]:
    for one, two in pairwise(entries):
        free = one.at + one.words
        if free <= two.at or not (one.bit is None or two.bit is None):
            continue
        wanted = range(free, free + two.words)
        taken = any(other.at < wanted.stop and other.at + other.words > free for other in entries if other is not two)
        hint = "" if taken else f"; there is room for it at {free}, or {one.ref} is too long"
        yield two.ref, f"重叠 overlaps {one.ref}: {one.words} words from {one.at}; one of the two is wrong{hint}"


def _span(block: Block) -> Iterator[Found]:
    if block.words > REGISTERS_PER_READ and block.name == TABLE:
        yield (
            block.entries[-1].ref,
            f"一次读不完 {block.words} words from the first to the last do not fit one reading: cut into records",
        )


def _ring(block: Block) -> Iterator[Found]:
    if block.by_remainder:
        return
    if block.ring is not None:
        slots, stride = block.ring
        asked = f"is number N in slot N mod {slots}?"
        yield (
            block.entries[0].ref,
            f"第 N 条在 N mod {slots} 处？ {slots} records, {stride} words from one to the next: {asked}",
        )
    elif block.name == RESULT:
        yield (
            block.entries[0].ref,
            "共几条成绩？ one record, or several (index, slots, stride)? one is written",
        )
