"""What some words of a record mean as a number or a text.

Owns: types, byte and word orders, text codings. Pure arithmetic over bytes; every refusal is a DecodeError. What a rig
packs in its own way is in `packed`, what proves a whole record in `checksums`.

An order is written as the places of the value's bytes on the wire: the bytes of a 32-bit number are A B C D,
highest first; `CDAB` says that the wire carries C D A B (low word first). A text has an order too: `BA` says that
the second character of each word comes in its high byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_adapters.errors import DecodeError
from device_adapters.language.packed import bcd_time, decimal, dos_time, hundredths, word_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from device_adapters.language.profile import Field

LETTERS = "ABCDEFGHIJKL"


def width_order(order: str, words: int) -> str:
    """The order for `words` words, from a record's, which is written for two: `CDAB` gives `AB` and `GHEFCDAB`."""
    words_swapped = order in {"CDAB", "DCBA"}
    bytes_swapped = order in {"BADC", "DCBA"}
    pairs = [LETTERS[place : place + 2] for place in range(0, words * 2, 2)]
    if bytes_swapped:
        pairs = [pair[::-1] for pair in pairs]
    return "".join(reversed(pairs) if words_swapped and words > 1 else pairs)


def _orders(words: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(width_order(order, words) for order in ("ABCD", "CDAB", "BADC", "DCBA")))


# Of 64 bits there are also rigs that swap the two halves, or the words inside each half, but not both.
ORDERS: Mapping[int, tuple[str, ...]] = {
    **{words: _orders(words) for words in (1, 2, 3, 6)},
    4: (*_orders(4), "EFGHABCD", "CDABGHEF", "FEHGBADC", "DCBAHGFE"),
}
CODINGS = {"ascii": "ascii", "utf-8": "utf-8", "gbk": "gbk", "gb18030": "gb18030"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of the profile language: the widths that it can have, and how its big-endian bytes become a number."""

    widths: tuple[int, ...]
    number: Callable[[bytes], int] | None

    @property
    def words(self) -> int | None:
        """The width in words, if it has only one."""
        return self.widths[0] if len(self.widths) == 1 else None


def _unsigned(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


TYPES: Mapping[str, Kind] = {
    "uint16": Kind((1,), _unsigned),
    "uint32": Kind((2,), _unsigned),
    "uint48": Kind((3,), _unsigned),
    "uint64": Kind((4,), _unsigned),
    "int16": Kind((1,), _signed),
    "int32": Kind((2,), _signed),
    "int48": Kind((3,), _signed),
    "int64": Kind((4,), _signed),
    "bcd16": Kind((1,), decimal),
    "bcd32": Kind((2,), decimal),
    "bcd48": Kind((3,), decimal),
    "bcd64": Kind((4,), decimal),
    "bits": Kind((1,), _unsigned),
    "bits32": Kind((2,), _unsigned),
    "bits64": Kind((4,), _unsigned),
    "bool": Kind((1,), _unsigned),
    "float32": Kind((2,), None),
    "float64": Kind((4,), None),
    "epoch": Kind((2,), _unsigned),
    "time-bcd": Kind((3, 4), bcd_time),
    "time-words": Kind((6,), word_time),
    "time-dos": Kind((2,), dos_time),
    "text": Kind((), None),
}
BITS = frozenset({"bits", "bits32", "bits64"})
BCD = frozenset({"bcd16", "bcd32", "bcd48", "bcd64"})
FLOATS = frozenset({"float32", "float64"})
# Of the rig's own clock; `zone` says which. An epoch may have a zone, too.
LOCAL_TIMES = frozenset({"time-bcd", "time-words", "time-dos"})
TIMES = LOCAL_TIMES | {"epoch"}
# What a length, a sequence number, a checksum or a code can be.
WHOLE = frozenset(TYPES) - FLOATS - TIMES - {"text"}


def number_of(field: Field, data: bytes) -> int:
    """The number that these bytes are, in hundredths where it has a scale. Checks constant, limits and codes."""
    if field.plain:
        return int.from_bytes(data, "big")
    if field.type in FLOATS:
        value = _named(field, lambda: hundredths(ordered(field, data), field.hundredths or 1))
    else:
        value = plain_number(field, data)
        if field.type == "bool" and value > 1:
            raise DecodeError("code", f"{field.name} is neither 0 nor 1")
        if isinstance(field.const, int) and value != field.const:
            raise DecodeError("constant", f"{field.name} is not {field.const}")
        if field.hundredths is not None:
            value *= field.hundredths
    check_range(field.name, value, field.low, field.high)
    if field.codes is not None and field.strict and value not in field.codes:
        raise DecodeError("code", f"{field.name} has a code that the profile does not name")
    return value


def plain_number(field: Field, data: bytes) -> int:
    """The number on the wire, unchecked; a time in UTC."""
    if field.natural:
        return int.from_bytes(data, "big")
    data = ordered(field, data)
    if field.bits is not None:
        low, high = field.bits
        data = (int.from_bytes(data, "big") >> low & ((1 << high - low + 1) - 1)).to_bytes(len(data), "big")
    convert = TYPES[field.type].number
    if convert is None:
        raise DecodeError("range", f"{field.name} is text or a float, not a whole number")
    value = _named(field, lambda: convert(data))
    return value - field.zone if value else value  # 0: the rig has no clock


def ordered(field: Field, data: bytes) -> bytes:
    """The value's bytes, highest first."""
    order = field.order
    if order == LETTERS[: len(data)]:
        return data
    return bytes(data[order.index(letter)] for letter in LETTERS[: len(data)])


def _named(field: Field, convert: Callable[[], int]) -> int:
    try:
        return convert()
    except DecodeError as error:
        raise DecodeError(error.reason, f"{field.name}: {error.detail}") from None


def check_range(name: str, value: int, low: int | None, high: int | None) -> None:
    """Refuse a number outside its limits. Never quoted: in a rig's next layout a person may stand there."""
    if (low is not None and value < low) or (high is not None and value > high):
        ends = f"{low if low is not None else ''}..{high if high is not None else ''}"
        raise DecodeError("range", f"{name} is outside {ends}")


def text_of(field: Field, data: bytes) -> str:
    """The text without its NUL padding. The refusal never quotes it: it may be a person's."""
    if field.order == "BA":
        data = b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
    body = data.rstrip(b"\0")
    try:
        text = body.decode(CODINGS[field.coding])
    except UnicodeDecodeError:
        raise DecodeError("text", f"{field.name} is not {field.coding}") from None
    if not text.isprintable() and any(char < " " or "\x7f" <= char <= "\x9f" for char in text):
        raise DecodeError("text", f"{field.name} holds a control character, or goes on after its end")
    check_range(f"the length of {field.name}", len(text), field.low, field.high)
    if isinstance(field.const, str) and text != field.const:
        raise DecodeError("constant", f"{field.name} is not {field.const}")
    return text
