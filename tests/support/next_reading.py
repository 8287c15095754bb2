"""What an adapter tells next, for tests without a log: each reading is acknowledged as if it had been stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.contract import BadReading, Observation

if TYPE_CHECKING:
    from device_adapters.contract import Adapter, Evidence

ENTRY = bytes(32)  # the hash of an entry that nobody looks up


async def next_reading(adapter: Adapter) -> Observation | Evidence:
    """The next observation, acknowledged, or refusal; what else is told (a status) is acknowledged and passed over."""
    while True:
        try:
            reading, ack = await adapter.read()
        except BadReading as error:
            return error.evidence
        await ack(ENTRY)
        if isinstance(reading, Observation):
            return reading
