"""When a reading first showed that a rig holds a record: the beginning of the record's way to the log and the server.

Owns: the last few sightings. Times are the caller's; nothing here decides anything, a lost sighting loses a figure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from device_adapters.limits import SIGHTINGS_KEPT_MAX


@dataclass(slots=True)
class Sightings:
    """(newest number shown, when), in order."""

    _kept: list[tuple[int, int]] = field(default_factory=list)

    def shown(self, last_seq: int, now_us: int) -> None:
        """A status named its newest record. Numbers that went back begin anew."""
        kept = self._kept
        if kept and last_seq < kept[-1][0]:
            kept.clear()
        if not kept or last_seq > kept[-1][0]:
            kept.append((last_seq, now_us))
            del kept[:-SIGHTINGS_KEPT_MAX]

    def of(self, seq: int) -> int:
        """When number `seq` was shown first; 0 when nobody remembers. Later numbers are asked for later."""
        kept = self._kept
        while len(kept) > 1 and kept[0][0] < seq:
            kept.pop(0)
        return kept[0][1] if kept and kept[0][0] >= seq else 0
