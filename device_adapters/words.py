"""What some words of a record mean as a number or a text.

Owns: types, byte and word orders, text codings, checksums. Pure arithmetic over bytes; every refusal is a
DecodeError.

An order is written as the places of the value's bytes on the wire: the bytes of a 32-bit number are A B C D,
highest first; `CDAB` says that the wire carries C D A B (low word first). A text has an order too: `BA` says that
the second character of each word comes in its high byte.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_adapters.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from device_adapters.profile import Field

LETTERS = "ABCDEFGH"
ORDERS = {
    1: ("AB", "BA"),
    2: ("ABCD", "CDAB", "BADC", "DCBA"),
    4: ("ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"),
}
CODINGS = {"ascii": "ascii", "utf-8": "utf-8", "gbk": "gbk", "gb18030": "gb18030"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of the profile language: its width, and how its big-endian bytes become a number."""

    words: int | None
    number: Callable[[bytes], int] | None


def _unsigned(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _decimal(data: bytes) -> int:
    """Packed BCD: each half byte one decimal digit."""
    digits = data.hex()
    if not digits.isdecimal():
        raise DecodeError("range", f"{digits} is not packed decimal")
    return int(digits)


TYPES: Mapping[str, Kind] = {
    "uint16": Kind(1, _unsigned),
    "uint32": Kind(2, _unsigned),
    "uint64": Kind(4, _unsigned),
    "int16": Kind(1, _signed),
    "int32": Kind(2, _signed),
    "int64": Kind(4, _signed),
    "bcd16": Kind(1, _decimal),
    "bcd32": Kind(2, _decimal),
    "bits": Kind(1, _unsigned),
    "bool": Kind(1, _unsigned),
    "epoch": Kind(2, _unsigned),
    "text": Kind(None, None),
}


def width_order(order: str, words: int) -> str:
    """The order for `words` words, from a record's, which is written for two: `CDAB` gives `AB` and `GHEFCDAB`."""
    words_swapped = order in {"CDAB", "DCBA"}
    bytes_swapped = order in {"BADC", "DCBA"}
    pairs = [LETTERS[place : place + 2] for place in range(0, words * 2, 2)]
    if bytes_swapped:
        pairs = [pair[::-1] for pair in pairs]
    return "".join(reversed(pairs) if words_swapped and words > 1 else pairs)


def number_of(field: Field, data: bytes) -> int:
    """The number that these bytes are, in hundredths where it has a scale. Checks constant, limits and codes."""
    if field.plain:
        return int.from_bytes(data, "big")
    value = plain_number(field, data)
    if field.type == "bool" and value > 1:
        raise DecodeError("code", f"{field.name} is {value}, neither 0 nor 1")
    if isinstance(field.const, int) and value != field.const:
        raise DecodeError("constant", f"{field.name} is {value}, not {field.const}")
    if field.hundredths is not None:
        value *= field.hundredths
    check_range(field.name, value, field.low, field.high)
    if field.codes is not None and field.strict and value not in field.codes:
        raise DecodeError("code", f"{field.name} is {value}, a code that the profile does not name")
    return value


def plain_number(field: Field, data: bytes) -> int:
    """The number on the wire, unchecked."""
    if field.natural:
        return int.from_bytes(data, "big")
    if field.order != LETTERS[: len(data)]:
        data = bytes(data[field.order.index(letter)] for letter in LETTERS[: len(data)])
    convert = TYPES[field.type].number
    if convert is None:
        raise DecodeError("range", f"{field.name} is text, not a number")
    try:
        value = convert(data)
    except DecodeError as error:
        raise DecodeError(error.reason, f"{field.name}: {error.detail}") from None
    if field.bits is not None:
        low, high = field.bits
        value = value >> low & ((1 << high - low + 1) - 1)
    return value


def check_range(name: str, value: int, low: int | None, high: int | None) -> None:
    """Refuse a number outside its limits."""
    if (low is not None and value < low) or (high is not None and value > high):
        raise DecodeError(
            "range", f"{name} is {value}, outside {low if low is not None else ''}..{high if high is not None else ''}"
        )


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


def crc16_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, initial 0xFFFF; `123456789` gives 0x4B37."""
    crc = 0xFFFF
    for word in struct.unpack(f"<{len(data) // 2}H", data[: len(data) & ~1]):
        crc = _CRC16_WORDS[crc ^ word]  # two bytes at once: the register is as wide as they are
    return crc if len(data) % 2 == 0 else crc >> 8 ^ _CRC16[(crc ^ data[-1]) & 0xFF]


def sum16(data: bytes) -> int:
    """Sum of the words, high byte first, modulo 2^16."""
    return sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)) & 0xFFFF


def _table(polynomial: int) -> tuple[int, ...]:
    rows = []
    for start in range(256):
        crc = start
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
        rows.append(crc)
    return tuple(rows)


def _wide(table: tuple[int, ...]) -> array[int]:
    """The step of two bytes for every register; the code is linear, so the two halves add up."""
    low = [table[byte] >> 8 ^ table[table[byte] & 0xFF] for byte in range(256)]
    return array("H", [high ^ one for high in table for one in low])


_CRC16 = _table(0xA001)
_CRC16_WORDS = _wide(_CRC16)
CHECKSUMS: Mapping[str, Callable[[bytes], int]] = {"crc16-modbus": crc16_modbus, "sum16": sum16}
