"""Words of a status or a result out of the values that a rig means, by its layout. Pure."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from simulators.errors import RigRefuses
from simulators.layouts.sums import SUMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulators.layouts.shape import Block, Check
    from simulators.layouts.values import Place, Value


def words_of(block: Block, values: Mapping[str, Value], rows: Sequence[Mapping[str, Value]] = ()) -> bytes:
    """The block with its rows and its checksum."""
    count = block.words
    if block.rows is not None:
        if len(rows) > block.rows.most:
            raise RigRefuses(f"a result holds {block.rows.most} deductions, not {len(rows)}")
        count += len(rows) * block.rows.words
    words = bytearray(2 * count)
    gauges = random.Random(f"{values.get('serial')}/{values.get('seq')}")  # noqa: S311 - reproducible, not secret
    _fill(words, 0, count, block.places, {**values, **_gauged(block.places, gauges), "words": count})
    for index, row in enumerate(rows):
        if block.rows is not None:
            _fill(words, block.rows.at + index * block.rows.words, block.rows.words, block.rows.places, row)
    return sealed(block.check, bytes(words))


def words_at(count: int, places: Mapping[str, tuple[Place, ...]], values: Mapping[str, Value]) -> bytes:
    """So many words, with values at their places and nothing else."""
    words = bytearray(2 * count)
    _fill(words, 0, count, places, values)
    return bytes(words)


def _gauged(places: Mapping[str, tuple[Place, ...]], rng: random.Random) -> dict[str, Value]:
    """What gauges show: somewhere between their limits, the same for the same record."""
    return {name: rng.randint(*place.span) for name, (place, *_) in places.items() if place.span is not None}


def sealed(check: Check | None, words: bytes) -> bytes:
    """With the checksum of these words, where the maker has one."""
    if check is None:
        return words
    at = 2 * start_of(check.place, len(words) // 2)
    return words[:at] + check.place.bytes_of(SUMS[check.kind](words[2 * check.start : at])) + words[at + 2 :]


def start_of(place: Place, count: int) -> int:
    """The first word of the place in a record of so many words."""
    return place.at if place.at >= 0 else count + place.at


def _fill(
    words: bytearray, base: int, count: int, places: Mapping[str, tuple[Place, ...]], values: Mapping[str, Value]
) -> None:
    for name, all_places in places.items():
        for place in all_places:
            value = values.get(name) if place.const is None else place.const
            if value is None:
                raise RigRefuses(f"the rig knows no {name}")
            at = 2 * (base + start_of(place, count))
            for offset, byte in enumerate(place.bytes_of(value)):
                words[at + offset] |= byte  # two values may share a word, each with its bits
