"""Checksums that makers put behind their records, each from its definition, bit by bit. Pure.

Slow and plain on purpose: a second writing, so that a mistake in the adapters' tables does not cancel out here.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_U16 = 0xFFFF
_TOP = 0x8000
_U8 = 0xFF


def _msb_first(data: bytes, polynomial: int, start: int) -> int:
    state = start
    for byte in data:
        state ^= byte << 8
        for _ in range(8):
            state = (state << 1 ^ polynomial if state & _TOP else state << 1) & _U16
    return state


def _lsb_first(data: bytes, polynomial: int, start: int) -> int:
    state = start
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ polynomial if state & 1 else state >> 1
    return state


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def _xor(left: int, right: int) -> int:
    return left ^ right


SUMS: dict[str, Callable[[bytes], int]] = {
    "crc16-modbus": lambda data: _lsb_first(data, 0xA001, _U16),
    "crc16-kermit": lambda data: _lsb_first(data, 0x8408, 0),
    "crc16-x25": lambda data: _lsb_first(data, 0x8408, _U16) ^ _U16,
    "crc16-xmodem": lambda data: _msb_first(data, 0x1021, 0),
    "crc16-ccitt-false": lambda data: _msb_first(data, 0x1021, _U16),
    "sum16": lambda data: sum(_words(data)) & _U16,
    "xor16": lambda data: reduce(_xor, _words(data), 0),
    "sum-bytes": lambda data: sum(data) & _U16,
    "sum8": lambda data: sum(data) & _U8,
    "xor8": lambda data: reduce(_xor, data, 0),
}
