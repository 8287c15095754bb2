"""From TOML tables to fields: types, orders, codings, scales, codes. Every wrong or unknown key becomes a finding.

Owns: the grammar of the section Words of docs/formats/profile.md. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from device_adapters.language.profile import Field
from device_adapters.language.words import (
    BCD,
    BITS,
    CODINGS,
    FLOATS,
    LOCAL_TIMES,
    ORDERS,
    TIMES,
    TYPES,
    WHOLE,
    width_order,
)
from device_adapters.limits import REGISTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.profile import Codes
    from device_adapters.language.tables import Table

ANY_ORDER = [order for orders in ORDERS.values() for order in orders]
IN_SEQUENCE = frozenset({"time-bcd", "time-words"})  # several values in words of their own
_ZONE = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)")


def codes_of(codes: Table, name: str) -> Codes:
    """One table of codes: number, and what it means."""
    table = codes.table(name)
    found: dict[int, str] = {}
    for key in table:
        if not key.isdecimal() or str(int(key)) != key:
            table.wrong(key, "a code must be a whole number from 0")
            continue
        meaning = table.text(key)
        if meaning in found.values():
            table.wrong(key, f'"{meaning}" is named twice')
        found[int(key)] = meaning
    return found


def fields_of(table: Table, order: str, codes: Mapping[str, Codes], *, strict: bool) -> dict[str, Field]:
    """All fields of one record or row, by name; `order` is the record's."""
    return {name: _field(table.table(name), name, order, codes, strict=strict) for name in table}


def _field(table: Table, name: str, order: str, codes: Mapping[str, Codes], *, strict: bool) -> Field:
    kind = table.text("type", among=TYPES) or "uint16"
    words = _width(table, kind)
    made = Field(
        name=name,
        at=table.number("at", -REGISTERS, REGISTERS),
        words=words,
        type=kind,
        order=order_of(table, 1 if kind == "text" else words, order, kind),
        coding=table.text("coding", among=CODINGS) if kind == "text" else "",
        bits=bits_within(table, words * 16, digits=kind in BCD)
        if kind in BITS or (kind in BCD and "bits" in table)
        else None,
        hundredths=scale_of(table),
        codes=named_codes(table, codes),
        const=_const(table, kind),
        low=table.maybe_number("min"),
        high=table.maybe_number("max"),
        personal=table.maybe_text("personal"),
        strict=strict,
        zone=_zone(table) if kind in LOCAL_TIMES or (kind == "epoch" and "zone" in table) else 0,
    )
    if kind in FLOATS and made.hundredths is None:
        table.report.add(table.path, 'a float needs a scale: no float stands in an entry; "0.01" says hundredths')
    if (kind in FLOATS or kind in TIMES) and made.codes is not None:
        table.wrong("codes", f"a {kind} has no codes")
    check_limits(table, made.low, made.high)
    table.done()
    return made


def _width(table: Table, kind: str) -> int:
    """In words; asked for only where the type leaves it open."""
    widths = TYPES[kind].widths
    if len(widths) == 1:
        return widths[0]
    words = table.number("words", 1, REGISTERS)
    if widths and words not in widths:
        table.wrong("words", f"a {kind} has {' or '.join(map(str, widths))} words")
        return widths[0]
    return words


def _const(table: Table, kind: str) -> int | str | None:
    value = table.value("const")
    if kind == "text":
        if value is None or isinstance(value, str):
            return value
    elif value is None or (type(value) is int and kind in WHOLE):
        return value
    table.wrong("const", "must be text for a text, a whole number for a whole number, and none for anything else")
    return None


def order_of(table: Table, words: int, default: str, kind: str) -> str:
    """The value's own order, or what the record's says of this width; where that is not certain, a finding."""
    own = table.text("order", "", among=[*ANY_ORDER, ""])
    straight = width_order("ABCD", words)
    if own and len(own) != words * 2:
        table.wrong("order", f"{own} orders {len(own)} bytes, the value has {words * 2}")
    elif own:
        return own
    elif not default:
        if kind != "text" and (words > 1 or kind in TYPES):
            table.report.add(table.path, "the order of its bytes is not given, neither here nor for the record")
    elif kind in IN_SEQUENCE and default in {"CDAB", "DCBA"}:
        turned = width_order(default, words)
        table.report.add(
            table.path,
            f"ambiguous order: {default} of the record says nothing of {words} words; write "
            f'order = "{straight}", or "{turned}" if the words are turned round, too',
        )
    else:
        return width_order(default, words)
    return straight


def bits_within(table: Table, size: int, *, digits: bool = False) -> tuple[int, int]:
    """The lowest and the highest of some bits of so many; `digits`: cut at whole decimal digits."""
    value, top = table.value("bits"), size - 1
    if isinstance(value, list) and [type(bit) for bit in value] == [int, int] and 0 <= value[0] <= value[1] <= top:
        if not digits or (value[0] % 4, value[1] % 4) == (0, 3):
            return value[0], value[1]
        table.wrong("bits", "packed decimal is cut at whole digits: from 0, 4, 8, ... to 3, 7, 11, ...")
        return 0, top
    table.wrong("bits", f"must be [lowest, highest], counted from 0, the lowest bit of the value, to {top}")
    return 0, top


def _zone(table: Table) -> int:
    """Seconds before UTC of the rig's own clock. There is no default: a guess would shift every time."""
    text = table.text("zone")
    found = _ZONE.fullmatch(text)
    if found is None:
        table.wrong("zone", f'"{text}" is not the form "+08:00": how far the rig\'s own clock is before UTC')
        return 0
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds


def scale_of(table: Table) -> int | None:
    """What the number is multiplied by to give hundredths; a scale that cannot is inexact and refused."""
    text = table.maybe_text("scale")
    if text is None:
        return None
    try:
        factor = Decimal(text) * 100
    except InvalidOperation:
        factor = Decimal("NaN")
    if not factor.is_finite() or factor <= 0 or factor != factor.to_integral_value():
        table.wrong("scale", f'"{text}" does not give whole hundredths: the value would be inexact')
        return 1
    return int(factor)


def named_codes(table: Table, codes: Mapping[str, Codes]) -> Codes | None:
    """The table of codes that this one names."""
    return codes.get(table.text("codes", among=codes)) if "codes" in table else None


def check_limits(table: Table, low: int | None, high: int | None) -> None:
    """A range has a lower and an upper end."""
    if low is not None and high is not None and low > high:
        table.wrong("max", f"{high} is below min {low}")
