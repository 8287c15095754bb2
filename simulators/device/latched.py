"""A record that a rig has just latched: what a gateway must find, whatever happens in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulators.device.records import EventRecord, ResultRecord


@dataclass(frozen=True, slots=True)
class Latched:
    """One record."""

    rig: str
    event: EventRecord
    result: ResultRecord | None
    wall_us: int
    clock_digits: str = "milliseconds"  # of the time of the event
