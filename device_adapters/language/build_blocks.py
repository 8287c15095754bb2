"""From TOML tables to areas, and to the bits that belong to a status block. Wrong or unknown keys become findings.

Owns: the grammar of the section Places of docs/formats/profile.md, as far as it is not that of records. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from device_adapters.language.build_field import bits_within, check_limits, named_codes
from device_adapters.language.profile import Area, Field, Record, Tail
from device_adapters.language.spaces import BIT_SPACES, BITS_PER_WORD, SPACES, words_for
from device_adapters.limits import REGISTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.profile import Codes
    from device_adapters.language.tables import Table

NOWHERE = Area("", 0, REGISTERS, write=False)


def area_of(table: Table, name: str) -> Area:
    """A range of registers, or of bits."""
    space = table.text("space", "holding", among=SPACES) or "holding"
    at = table.number("at", 0, REGISTERS - 1)
    count = table.number("bits" if space in BIT_SPACES else "words", 1, REGISTERS - at)
    made = Area(name, SPACES[space] + at, count, table.flag("write"), space)
    table.done()
    return made


def with_flags(block: Record, table: Table, areas: Mapping[str, Area], codes: Mapping[str, Codes]) -> Record:
    """The block with the bits behind its own words, as if they were read with it."""
    area = areas.get(table.text("area", among=areas), NOWHERE)
    if area.space not in BIT_SPACES:
        table.wrong("area", f"holds words: flags are bits, of an area whose space is {' or '.join(sorted(BIT_SPACES))}")
    if block.length is not None or block.repeat is not None:
        table.report.add(table.path, "a block with flags has one length: no length word and no rows")
    for field in block.fields.values():
        if field.at + field.words > block.words:
            table.report.add((*table.path[:-1], "fields", field.name), f"lies outside the {block.words} words")
    fields = {
        name: replace(field, at=block.words + field.at) if field.at < 0 else field
        for name, field in block.fields.items()
    }
    flags = table.table("fields")
    for name in flags:
        if name in fields:
            flags.wrong(name, "is a field of the block, too")
        fields[name] = _flag(flags.table(name), name, block.words, area, codes)
    table.done()
    words = words_for(area.words)
    return replace(block, words=block.words + words, fields=fields, tail=Tail(area.at, area.words, words))


def _flag(table: Table, name: str, start: int, area: Area, codes: Mapping[str, Codes]) -> Field:
    """Some bits, counted from the first of the area; they lie within one sixteen."""
    low, high = bits_within(table, area.words)
    word = low // BITS_PER_WORD
    if high // BITS_PER_WORD != word:
        table.wrong("bits", "must lie within 0 to 15, 16 to 31, ...: what goes across is no value of one word")
        high = low
    made = Field(
        name=name,
        at=start + word,
        words=1,
        type="bits",
        order="AB",
        coding="",
        bits=(low % BITS_PER_WORD, high % BITS_PER_WORD),
        hundredths=None,
        codes=named_codes(table, codes),
        const=None,
        low=table.maybe_number("min"),
        high=table.maybe_number("max"),
        personal=None,
        strict=False,
    )
    check_limits(table, made.low, made.high)
    table.done()
    return made
