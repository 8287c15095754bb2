"""A record that cannot be read, over the whole gateway: real adapter and log, a raw and a simulated rig (P8, I8)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

from gateway_world import World
from rig_profiles import adapter_for, fast_v1
from scripted_rig import EVENTS, Item, ScriptedRig
from sim_parts import rubric
from structlog.testing import capture_logs

from simulators.device.truth import TruthFile
from simulators.faults.spec import FaultSpec
from simulators.fleet import Fleet, FleetSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from device_adapters.contract import Adapter, Position
    from gateway.app import App
    from gateway.settings.config import RigConfig

PROFILE = fast_v1(200)


class RawWorld(World):
    """A box whose rig LV-0001 is spoken to over TCP."""

    port = 0

    def _adapter(self, rig: RigConfig, position: Position | None) -> Adapter:  # type: ignore[override]
        self.positions[rig.serial] = position
        return adapter_for(ScriptedRig(), position, PROFILE, port=self.port, source=rig.source)


async def until(true: Callable[[], object], within_s: float = 10) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.005)


def numbers(world: World) -> list[int]:
    """Sequence numbers of the stored results, in the order of the log."""
    found = [json.loads(entry) for entry in world.log]
    return [entry["seq"] for entry in found if entry["type"] == "item.finished"]


async def page(app: App, path: str) -> str:
    """One of the box's own pages."""
    url = f"http://127.0.0.1:{app.pages.port}{path}"
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())


async def shown(app: App) -> dict[str, Any]:
    """The rig on the status page."""
    return json.loads(await page(app, "/status"))["rigs"][0]


async def test_a_bad_record_blocks_no_good_one_and_does_not_vanish(tmp_path: Path) -> None:
    """P1, P8: refused and logged, the rest is stored, nothing is freed; a restart doubles nothing; it comes late."""
    world = RawWorld(tmp_path)
    async with ScriptedRig() as rig:
        world.port = rig.port
        for slot in range(4):
            rig.latch_item(Item(exam_no=slot + 1, ticket=f"T{slot}"), slot=slot)
        bad = EVENTS + 48 * 2 + 39
        rig.registers[bad] ^= 1
        with capture_logs() as lines:
            async with world.gateway() as app:
                await until(lambda: numbers(world) == [1, 3, 4])
                await until(lambda: any(line["event"] == "rig held by unreadable record" for line in lines))
                assert (await shown(app))["reason"] == "held by unreadable record seq 2"
                assert 'kaofen_rig_unreadable_seq{rig="LV-0001"} 2.0' in await page(app, "/metrics")
                assert 'kaofen_rig_kept_records{rig="LV-0001"} 3.0' in await page(app, "/metrics")
                assert rig.acks == [1]
            async with world.gateway() as app:
                await until(lambda: [json.loads(entry)["type"] for entry in world.log].count("reading.refused") == 2)
                rig.latch_item(Item(exam_no=5, ticket="T4"), slot=4)
                await until(lambda: numbers(world) == [1, 3, 4, 5])
                assert rig.acks == [1]
                rig.registers[bad] ^= 1
                await until(lambda: rig.acked_seq == 5)
                assert numbers(world) == [1, 3, 4, 5, 2], (
                    "late, under its own number; the order in the log is the index"
                )
                await until(lambda: any(line["event"] == "rig held no longer" for line in lines))
                assert (await shown(app))["reason"] == ""
        assert rig.acks == [1, 5]
        said = Counter(line["event"] for line in lines if "held" in line["event"])
        assert said == {"rig held by unreadable record": 2, "rig held no longer": 1}, "once per run of the process"
        async with world.gateway():
            rig.latch_item(Item(exam_no=6, ticket="T5"), slot=5)
            await until(lambda: rig.acked_seq == 6)
        position = world.positions["LV-0001"]
        assert position is not None
        assert position.seq == 5, "the late record did not put the position back"
    refused = world.entries("reading.refused")
    assert {(entry.document["asked"], entry.document["reason"]) for entry in refused} == {(2, "crc")}
    assert world.entries("sequence.gap") == []
    assert not any("conflict_with" in entry.document for entry in world.entries())


async def test_a_simulated_rig_whose_records_are_garbled_for_a_while(tmp_path: Path) -> None:
    """P8: the simulator garbles one record for six readings, so three refusals; all is stored once, as latched."""
    world, truth_path = RawWorld(tmp_path), tmp_path / "truth.jsonl"
    settings = FleetSettings(rigs=1, exams=3, seed=5, speed=2000, reboots=0, practice=0)
    with contextlib.closing(TruthFile(truth_path)) as truth:
        async with Fleet(settings, rubric(), truth) as fleet:
            host = fleet.hosts[0]
            host.set_fault(FaultSpec("half-written", 1.0, area="event", times=6, skip=4))
            world.port = host.port
            async with world.gateway():
                async with asyncio.timeout(40):
                    await fleet.finished()
    latched = [json.loads(line) for line in truth_path.read_text("utf-8").splitlines()]
    stored = [entry for entry in world.entries() if entry.document.get("raw") and entry.type != "reading.refused"]
    assert sorted((entry.seq, entry.type) for entry in stored) == [(line["seq"], line["type"]) for line in latched]
    by_seq = {entry.seq: dict(entry.fields) for entry in stored}
    assert all(by_seq[line["seq"]] == line["fields"] for line in latched)
    assert len({entry.attempt for entry in stored}) == len({line["exam_no"] for line in latched})
    asked = {entry.document["asked"] for entry in world.entries("reading.refused")}
    order = [entry.seq for entry in stored]
    assert len(asked) == 1
    late = asked.pop()
    assert order.index(late) > order.index(late + 1), "the next one did not wait"
