"""A record that its rig clears as soon as it is read: read once, kept here until it is stored.

    status says that number s is held ──> one request ──> number s, kept ──> stored, let go
                                             ├ number n > s: n is kept, s is gone: refused, then a gap
                                             └ silence, a damaged reply, words that are no record: refused, at once

Owns: what was read and is not stored yet, and what the rig is said to hold with it. There is no second reading to
compare with, and a reply that is lost takes its record along: the guarantee is `single-read`, each loss becomes a
refusal and a gap, never silence. A record that was read when the process ends is such a loss, too.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.decode import Decoded, Standing, decode_record, number
from device_adapters.decoding.records import open_record, words_of
from device_adapters.errors import DecodeError
from device_adapters.limits import RESTART_AFTER_S
from device_adapters.modbus.reading import RefusedRecordError, check_boot, marked
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile
    from device_adapters.modbus.wire import Wire

# Evidence that holds no byte: a refusal that carries it is told at its first time (latched._refuse).
NOTHING_CAME: Final = (RawArea("reply", 0, b""),)


class OnceRead:
    """What was read of one rig."""

    def __init__(self, profile: Profile, wire: Wire, serial: str) -> None:
        self._profile = profile
        self._wire = wire
        self._serial = serial
        self._kept: dict[int, RawArea] = {}
        self._anew_since: float | None = None

    async def fetch(self, seq: int, boot: int) -> Decoded:
        """Record `seq`. Raises RefusedRecordError and the wire's errors."""
        area = self._kept.get(seq) or await self._taken(seq)
        try:
            found = decode_record(self._profile, [area], rig=self._serial, seq=seq)
            check_boot(found, boot)
        except DecodeError as error:
            self._kept.pop(seq, None)
            raise self._refused(error, area) from None
        self._kept[seq] = area
        return found

    def stored(self, seq: int) -> None:
        """It is durable."""
        self._kept.pop(seq, None)

    def held(self, standing: Standing) -> Standing:
        """What the rig holds, and what is held for it. Raises DecodeError for what is left of another memory."""
        gone = [seq for seq in sorted(self._kept) if seq > standing.last_seq]
        now = asyncio.get_running_loop().time()
        self._anew_since = (self._anew_since or now) if gone else None
        if self._anew_since is not None and now - self._anew_since >= RESTART_AFTER_S:
            areas = [self._kept.pop(seq) for seq in gone]
            why = f"the rig's numbers began anew before record {gone[0]}, which it has cleared, was stored"
            raise DecodeError("sequence", why, marked(self._profile, "sequence", areas))
        kept = self._kept.keys() - set(gone)
        return replace(standing, oldest_seq=min(*kept, standing.oldest_seq or min(kept))) if kept else standing

    async def _taken(self, seq: int) -> RawArea:
        """The oldest record of the rig; it is gone there."""
        record = self._profile.event
        area = RawArea(record.name, record.at, await self._wire.read(record.at, record.words_max))
        try:
            area = replace(area, data=area.data[: words_of(record, area.data) * 2])
            found = number(open_record(record, area.data, rig=self._serial, seq=None), "seq")
            self._check_number(found, seq, area)
        except DecodeError as error:
            raise self._refused(error, area) from None
        if found > seq:
            self._kept[found] = area
            raise RefusedRecordError("sequence", f"number {seq} is gone: the rig gave a later one", NOTHING_CAME)
        return area

    def _check_number(self, found: int, seq: int, area: RawArea) -> None:
        if found < seq:
            raise DecodeError("sequence", f"{area.area} has another number than {seq}")
        if self._kept.get(found, area) != area:
            raise DecodeError("changed", f"{area.area} came twice under one number, and not the same")

    def _refused(self, error: DecodeError, area: RawArea) -> RefusedRecordError:
        return RefusedRecordError(error.reason, error.detail, marked(self._profile, error.reason, [area]))
