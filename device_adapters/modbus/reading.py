"""Coherent reading of one latched record (G1): twice, compared, proven, decoded.

Owns: the order of the requests. All pages of the first pass come before the second, the result after its event.
Knows neither position nor acknowledgement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.decoding.decode import Decoded, decode_record, named_address, rule_of, slot_of
from device_adapters.decoding.records import cuts_of, open_record, words_of
from device_adapters.errors import DecodeError
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_adapters.language.profile import Profile, Record
    from device_adapters.modbus.wire import Wire

# Refusals before the frame is proven: these may be the words of anything.
UNPROVEN = {"wire", "changed", "sequence", "crc", "length", "area"}


class RefusedRecordError(DecodeError):
    """A record that was read and is not believed; `raw` is what came."""


async def read_record(wire: Wire, profile: Profile, rig: str, seq: int, boot: int) -> Decoded:
    """Record `seq` of the rig `rig`, whose newest boot is `boot`. Raises RefusedRecordError and the wire's errors."""
    areas: list[RawArea] = []
    try:
        return await _read(wire, profile, rig, seq, boot=boot, areas=areas)
    except DecodeError as error:
        raise RefusedRecordError(error.reason, error.detail, marked(profile, error.reason, areas)) from None


def marked(profile: Profile, reason: str, areas: Sequence[RawArea]) -> tuple[RawArea, ...]:
    """The areas of a refusal, marked whole in `cut` unless they are proven to hold nothing personal.

    A record with personal words is so even under a right checksum: it is not what the profile says, so nobody knows
    which of its words these are. A rig with a newer program may have the name two words further on (P7).
    """
    records = {profile.status.name: profile.status, **profile.records}
    return tuple(
        RawArea(
            area.area,
            area.at,
            area.data,
            ((0, len(area.data)),)
            if area.data and (reason in UNPROVEN or cuts_of(records[area.area], len(area.data) // 2))
            else (),
        )
        for area in areas
    )


async def _read(wire: Wire, profile: Profile, rig: str, seq: int, *, boot: int, areas: list[RawArea]) -> Decoded:
    ring, page = profile.event, profile.transport.registers_max
    await _read_twice(wire, ring, ring.address(slot_of(ring, seq)), page, areas)
    event = open_record(ring, areas[0].data, rig=rig, seq=seq)
    rule = rule_of(profile, event)
    if rule.record is not None:
        record = profile.records[rule.record]
        await _read_twice(wire, record, named_address(record, rule, event), page, areas)
    found = decode_record(profile, areas, rig=rig, seq=seq)
    check_boot(found, boot)
    return found


def check_boot(found: Decoded, boot: int) -> None:
    """No record is of a later boot than its rig."""
    if found.epoch > boot:
        raise DecodeError("pair", f"boot {found.epoch} of the record is later than boot {boot} of the rig")


async def _read_twice(wire: Wire, record: Record, at: int, page: int, areas: list[RawArea]) -> None:
    """One record into `areas`. Only its own words count: what lies behind a short record is not compared."""
    first = await wire.read(at, min(record.words_max, page))
    areas.append(RawArea(record.name, at, first))
    words = words_of(record, first)
    first = (first + await _read_pages(wire, at, len(first) // 2, words, page))[: words * 2]
    areas[-1] = RawArea(record.name, at, first)
    again = await _read_pages(wire, at, 0, words, page)
    if again != first:
        areas.append(RawArea(record.name, at, again))
        raise DecodeError("changed", f"two readings of {record.name} at {at} differ")


async def _read_pages(wire: Wire, at: int, start: int, words: int, page: int) -> bytes:
    """Words `start` to `words` of a record at `at`, in as few requests as allowed."""
    found = b""
    for offset in range(start, words, page):
        found += await wire.read(at + offset, min(page, words - offset))
    return found
