"""P5 over the real adapter and a raw rig: a record is believed only when two readings of it agree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rig_profiles import adapter_for, follow
from scripted_rig import EVENTS, RESULTS, Item, ScriptedRig, event_record, result_record

from device_adapters.contract import Position

if TYPE_CHECKING:
    from device_adapters.contract import Evidence

SERIAL = "LV-0001"
ITEM = Item(ticket="CANDIDATE-01", exam_no=12, score=7300, deductions=[(1, 2700, 9, 0)])
OTHER = replace(ITEM, score=7200, deductions=[(1, 2800, 9, 0)])


class Restless(ScriptedRig):
    """Latches another score under the same number whenever its result was read; every checksum is right."""

    turned = False

    def reply(self, request: bytes) -> bytes:
        answer = super().reply(request)
        if int.from_bytes(request[8:10], "big") == RESULTS:
            self.turned = not self.turned
            self.hold(OTHER if self.turned else ITEM)
        return answer

    def hold(self, item: Item) -> None:
        self.put(EVENTS + 48, event_record(1, 4, item, SERIAL, (0, item.outcome, item.score, 1)))
        self.put(RESULTS, result_record(1, item, SERIAL).ljust(320, b"\0"))


async def test_a_record_that_changes_between_two_readings_is_refused() -> None:
    """P5, R1: both readings have a right checksum and agree with their event; only comparing them finds it."""
    async with Restless() as rig:
        rig.hold(ITEM)
        rig.last_seq = rig.oldest_seq = 1
        rig.refresh()
        adapter = adapter_for(rig, Position(3, 0))
        seen, refused, _ = await follow(adapter, lambda seen, refused, _: bool(seen or refused))
        await adapter.close()
    assert not seen
    evidence: Evidence = refused[0]
    assert (evidence.reason, evidence.asked) == ("changed", 1)
    assert len({area.data for area in evidence.raw if area.area == "result"}) == 2, "both readings are kept"
