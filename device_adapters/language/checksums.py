"""The checksums that rigs put behind their words, by the names that profiles give them.

Owns: CRC-16 in its usual forms, sums and exclusive ors, over bytes as they stand on the wire. Pure arithmetic. The
check value of each, over the nine characters `123456789`, stands in docs/formats/profile.md. No checksum has no name:
a record without one has no `crc`.
"""

from __future__ import annotations

import struct
from array import array
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def crc16_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, initial 0xFFFF; `123456789` gives 0x4B37."""
    crc = 0xFFFF
    for word in struct.unpack(f"<{len(data) // 2}H", data[: len(data) & ~1]):
        crc = _CRC16_WORDS[crc ^ word]  # two bytes at once: the register is as wide as they are
    return crc if len(data) % 2 == 0 else crc >> 8 ^ _CRC16[(crc ^ data[-1]) & 0xFF]


def sum16(data: bytes) -> int:
    """Sum of the words, high byte first, modulo 2^16."""
    return sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)) & 0xFFFF


def byte_sum(data: bytes) -> int:
    """Sum of the bytes, modulo 2^16."""
    return sum(data) & 0xFFFF


def byte_sum8(data: bytes) -> int:
    """Sum of the bytes, modulo 2^8."""
    return sum(data) & 0xFF


def xor16(data: bytes) -> int:
    """Exclusive or of the words, high byte first."""
    return reduce(xor, (int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)), 0)


def xor8(data: bytes) -> int:
    """Exclusive or of the bytes."""
    return reduce(xor, data, 0)


def ccitt_false(data: bytes) -> int:
    """CRC-16/CCITT-FALSE (IBM-3740): polynomial 0x1021, highest bit first, initial 0xFFFF."""
    return _highest_first(data, 0xFFFF)


def xmodem(data: bytes) -> int:
    """CRC-16/XMODEM: polynomial 0x1021, highest bit first, initial 0."""
    return _highest_first(data, 0)


def kermit(data: bytes) -> int:
    """CRC-16/KERMIT, the CCITT's own: polynomial 0x1021 reflected, initial 0."""
    return _lowest_first(data, 0)


def x25(data: bytes) -> int:
    """CRC-16/X-25: polynomial 0x1021 reflected, initial 0xFFFF, inverted at the end."""
    return _lowest_first(data, 0xFFFF) ^ 0xFFFF


def _highest_first(data: bytes, crc: int) -> int:
    for byte in data:
        crc = (crc << 8 & 0xFF00) ^ _CCITT[crc >> 8 ^ byte]
    return crc


def _lowest_first(data: bytes, crc: int) -> int:
    for byte in data:
        crc = crc >> 8 ^ _CCITT_REFLECTED[(crc ^ byte) & 0xFF]
    return crc


def _table(polynomial: int) -> tuple[int, ...]:
    rows = []
    for start in range(256):
        crc = start
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
        rows.append(crc)
    return tuple(rows)


def _table_highest_first(polynomial: int) -> tuple[int, ...]:
    rows = []
    for start in range(256):
        crc = start << 8
        for _ in range(8):
            crc = (crc << 1 ^ (polynomial if crc & 0x8000 else 0)) & 0xFFFF
        rows.append(crc)
    return tuple(rows)


def _wide(table: tuple[int, ...]) -> array[int]:
    """The step of two bytes for every register; the code is linear, so the two halves add up."""
    low = [table[byte] >> 8 ^ table[table[byte] & 0xFF] for byte in range(256)]
    return array("H", [high ^ one for high in table for one in low])


_CRC16 = _table(0xA001)
_CRC16_WORDS = _wide(_CRC16)
_CCITT = _table_highest_first(0x1021)
_CCITT_REFLECTED = _table(0x8408)
CHECKSUMS: Mapping[str, Callable[[bytes], int]] = {
    "crc16-modbus": crc16_modbus,
    "crc16-ccitt-false": ccitt_false,
    "crc16-xmodem": xmodem,
    "crc16-kermit": kermit,
    "crc16-x25": x25,
    "sum16": sum16,
    "sum-bytes": byte_sum,
    "sum8": byte_sum8,
    "xor16": xor16,
    "xor8": xor8,
}
