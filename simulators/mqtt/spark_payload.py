"""Sparkplug B payloads, written by hand from the specification's table of fields (Eclipse Sparkplug 3.0.0, 6.4).

Pure: values in, bytes out. Protobuf as far as it is needed: numbers, texts and two kinds of floats.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MORE = 0x80
TYPES = {
    "Int8": 1,
    "Int16": 2,
    "Int32": 3,
    "Int64": 4,
    "UInt8": 5,
    "UInt16": 6,
    "UInt32": 7,
    "UInt64": 8,
    "Float": 9,
    "Double": 10,
    "Boolean": 11,
    "String": 12,
    "DateTime": 13,
    "Text": 14,
    "UUID": 15,
}
_LONG = ("Int64", "UInt64", "DateTime")
_MASK = {"Int64": 64}


def varint(number: int) -> bytes:
    """Seven bits a byte, lowest first."""
    written = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        written.append(low | (_MORE if number else 0))
        if not number:
            return bytes(written)


def number(field: int, value: int) -> bytes:
    """A field of wire type 0."""
    return varint(field << 3) + varint(value)


def chunk(field: int, content: bytes) -> bytes:
    """A field of wire type 2."""
    return varint(field << 3 | 2) + varint(len(content)) + content


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a birth (name, alias and type) or of data (the alias alone)."""

    kind: str
    value: int | float | str | bool | None
    name: str | None = None
    alias: int | None = None
    at_ms: int | None = None
    typed: bool = False
    historical: bool = False

    def encode(self) -> bytes:
        """Its fields, in order of their numbers."""
        parts = [
            b"" if self.name is None else chunk(1, self.name.encode()),
            b"" if self.alias is None else number(2, self.alias),
            b"" if self.at_ms is None else number(3, self.at_ms),
            number(4, TYPES[self.kind]) if self.typed else b"",
            number(5, 1) if self.historical else b"",
            number(7, 1) if self.value is None else self._value(self.value),
        ]
        return b"".join(parts)

    def _value(self, value: float | str) -> bytes:
        if isinstance(value, str):
            return chunk(15, value.encode())
        if self.kind == "Boolean":
            return number(14, int(value))
        if self.kind == "Float":
            return varint(12 << 3 | 5) + struct.pack("<f", value)
        if self.kind == "Double":
            return varint(13 << 3 | 1) + struct.pack("<d", value)
        whole = int(value) & (1 << _MASK.get(self.kind, 64 if self.kind in _LONG else 32)) - 1
        return number(11 if self.kind in _LONG else 10, whole)


def payload(metrics: list[Metric], seq: int | None, at_ms: int) -> bytes:
    """A whole payload; a death certificate has no `seq`."""
    body = number(1, at_ms) + b"".join(chunk(2, metric.encode()) for metric in metrics)
    return body + (b"" if seq is None else number(3, seq))
