"""Observations of one rig: of a record that was read, and of what the adapter itself concludes (G2).

Owns: which values an Observation carries. Pure; reads nothing and decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.observation import Observation

if TYPE_CHECKING:
    from device_adapters.decoding.decode import Decoded
    from device_adapters.observation import FieldValue, Guarantee, Source

REBOOTED, GAP = "rig.rebooted", "sequence.gap"


class Observer:
    """Speaks for one rig."""

    def __init__(self, rig: str, guarantee: Guarantee, source: Source) -> None:
        self.rig = rig
        self._guarantee = guarantee
        self._source = source

    def record(self, found: Decoded, first_read_us: int = 0) -> Observation:
        """A latched record."""
        return Observation(
            type=found.type,
            rig=found.rig,
            epoch=found.epoch,
            seq=found.seq,
            ordinal=0,
            fields=found.fields,
            guarantee=self._guarantee,
            source=self._source,
            personal=found.personal,
            raw=found.areas,
            rig_time=found.rig_time,
            mode=found.mode,
            first_read_us=first_read_us,
        )

    def reboot(self, epoch: int, seq: int, previous: int | None) -> Observation:
        """Another boot than `previous`; `seq` is the position so far."""
        return self._made(REBOOTED, epoch, seq, {"epoch": epoch, "previous_epoch": previous})

    def gap(self, epoch: int, first: int, last: int) -> Observation:
        """Records that the rig does not hold any more and that were never read."""
        return self._made(GAP, epoch, last, {"epoch": epoch, "from": first, "to": last})

    def _made(self, kind: str, epoch: int, seq: int, fields: dict[str, FieldValue]) -> Observation:
        return Observation(kind, self.rig, epoch, seq, 0, fields, self._guarantee, self._source)
