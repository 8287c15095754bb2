"""Personal words leave the raw bytes here, and a commitment stays (docs/formats/entry.md rules 8 and 9).

    uncut area ──zero the cut ranges──> entry `raw`
         └──the cut bytes, concatenated──> opening `raw.<area>` (blind, value), its SHA-256 in entry `candidate`

Pure: bytes and blinds in, JSON values and openings out. The blind and the value are never in the entry.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorelog.format import commitment
from scorelog.format.limits import BLIND_BYTES, OPENING_VALUE_BYTES_MAX, RAW_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from device_adapters.contract import RawArea


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a reading may be shown, and what opens the rest."""

    raw: list[dict[str, Any]]
    candidate: list[dict[str, str]]
    openings: tuple[tuple[str, bytes, bytes], ...]


def cut(areas: Iterable[RawArea], personal: Mapping[str, bytes], random: Callable[[int], bytes]) -> Cut:
    """Areas beyond the entry's room for raw bytes are left out whole; a profile cannot come near it."""
    values = dict(personal)
    raw: list[dict[str, Any]] = []
    room = RAW_BYTES_MAX
    for area in areas:
        room -= len(area.data)
        if room < 0:
            break
        shown, hidden = zeroed(area)
        raw.append(_shown(area, shown))
        if area.cut:
            field = f"raw.{area.area}"
            values[field] = values.get(field, b"") + hidden
    openings = tuple(
        (field, random(BLIND_BYTES), value[:OPENING_VALUE_BYTES_MAX]) for field, value in sorted(values.items())
    )
    candidate = [
        {"field": field, "sha256": commitment.commit(blind, field, value).hex()} for field, blind, value in openings
    ]
    return Cut(raw, candidate, openings)


def zeroed(area: RawArea) -> tuple[bytes, bytes]:
    """(the area with zeros in place of its cut ranges, the cut bytes in order)."""
    shown = bytearray(area.data)
    hidden = bytearray()
    for offset, length in area.cut:
        hidden += area.data[offset : offset + length]
        shown[offset : offset + length] = bytes(len(area.data[offset : offset + length]))
    return bytes(shown), bytes(hidden)


def _shown(area: RawArea, data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = {"area": area.area, "at": area.at, "bytes": base64.b64encode(data).decode("ascii")}
    if area.cut:
        value["cut"] = [[offset, length] for offset, length in area.cut if length]
    return value
