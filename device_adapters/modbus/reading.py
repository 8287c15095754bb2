"""Coherent reading of one latched record (G1): twice, compared, proven, decoded.

Owns: the order of the requests. All pages of the first pass come before the second, the result after its event.
Knows neither position nor acknowledgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_adapters.decoding.decode import Decoded, decode_record, named_slot, rule_of, slot_of
from device_adapters.decoding.records import cuts_of, open_record, words_of
from device_adapters.errors import DecodeError
from device_adapters.language.spaces import on_wire
from device_adapters.modbus.pages import pages_of
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_adapters.language.profile import Profile, Record
    from device_adapters.modbus.wire import Wire

# Refusals before the frame is proven: these may be the words of anything.
UNPROVEN = {"wire", "changed", "sequence", "crc", "length", "area"}


class RefusedRecordError(DecodeError):
    """A record that was read and is not believed; `raw` is what came."""


async def read_record(
    wire: Wire, profile: Profile, rig: str, seq: int, boot: int, *, connection: int | None = None
) -> Decoded:
    """Record `seq` of the rig `rig`, whose newest boot is `boot`. Raises RefusedRecordError and the wire's errors.

    `connection`: the one on which the rig was recognised, where pages are turned; None: the caller has just done so.
    """
    areas: list[RawArea] = []
    try:
        return await _read(_Reader(wire, profile, areas, connection), rig, seq, boot=boot)
    except DecodeError as error:
        areas.extend(error.raw)  # a page that was not the one asked for
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


async def _read(reader: _Reader, rig: str, seq: int, *, boot: int) -> Decoded:
    profile, areas = reader.profile, reader.areas
    ring = profile.event
    await reader.read_twice(ring, slot_of(ring, seq), seq)
    event = open_record(ring, areas[0].data, rig=rig, seq=seq)
    rule = rule_of(profile, event)
    if rule.record is not None:
        record = profile.records[rule.record]
        await reader.read_twice(record, named_slot(record, rule, event), seq)
    found = decode_record(profile, areas, rig=rig, seq=seq)
    check_boot(found, boot)
    return found


def check_boot(found: Decoded, boot: int) -> None:
    """No record is of a later boot than its rig."""
    if found.epoch > boot:
        raise DecodeError("pair", f"the boot of the record is later than boot {boot} of the rig")


@dataclass(frozen=True, slots=True)
class _Reader:
    """One reading of one record; `areas` is what came so far."""

    wire: Wire
    profile: Profile
    areas: list[RawArea]
    connection: int | None

    async def read_twice(self, record: Record, slot: int, seq: int) -> None:
        """One record into `areas`. Only its own words count: what lies behind a short record is not compared."""
        at, areas = record.address(slot), self.areas
        connection = self.wire.connection if self.connection is None else self.connection
        page = self.profile.transport.registers_max
        pages = pages_of(self.wire, record, slot=slot, seq=seq, page=page, connection=connection)
        first = await pages.read(0, min(record.words_max, pages.step))
        areas.append(RawArea(record.name, at, first))
        words = words_of(record, first)
        first = (first + await pages.read(len(first) // 2, words))[: words * 2]
        areas[-1] = RawArea(record.name, at, first)
        again = await pages.read(0, words)
        if again != first:
            areas.append(RawArea(record.name, at, again))
            raise DecodeError("changed", f"two readings of {record.name} at {on_wire(at)} differ")
