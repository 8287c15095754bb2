"""The one thing that is ever said to an edge node: that it give its birth certificates again.

Owns: the bytes of that NCMD, written from the specification's table of fields (Eclipse Sparkplug 3.0.0, 6.4.21).
"""

from __future__ import annotations

from typing import Final

from device_adapters.language.values import DATATYPES

REBIRTH: Final = b"Node Control/Rebirth"


def rebirth(now_ms: int) -> bytes:
    """A payload with its timestamp and the metric `Node Control/Rebirth` = true."""
    stamp = _varint(now_ms)
    kind = _varint(DATATYPES["Boolean"])
    metric = b"\x0a" + _varint(len(REBIRTH)) + REBIRTH + b"\x18" + stamp + b"\x20" + kind + b"\x70\x01"
    return b"\x08" + stamp + b"\x12" + _varint(len(metric)) + metric


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))
