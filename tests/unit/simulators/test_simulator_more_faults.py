"""Faults of clocks, values, texts, modes and other masters (R9-R13): each seen on a rig."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from maker_rigs import hurried, maker_rig, meant, observe, read, sit_item
from rig_profiles import FAST
from sim_gateway import sim_gateway
from sim_mqtt import SERIAL, rig_at, until, whole_exam
from sim_parts import ROOT, UTC_START_US, ManualTime, rubric

from device_adapters.errors import BackOff, BadReading, NotConnected
from device_adapters.factory import open_adapter
from simulators.device.codes import Mode
from simulators.device.latched import Latched
from simulators.device.rig import Rig
from simulators.faults import CATALOGUE, FaultSpec
from simulators.faults.base import Publication
from simulators.faults.plan import FaultPlan
from simulators.modbus.host import RigHost

if TYPE_CHECKING:
    from device_adapters.contract import Adapter

_HOUR_S = 3600


async def hosted() -> tuple[RigHost, ManualTime, list[Latched]]:
    """A rig with power whose clock stands still."""
    time, latched = ManualTime(), list[Latched]()
    host = RigHost(Rig("LV-0001", rubric(), time, on_latch=latched.append))
    await host.start()
    host.rig.write_ready(1)
    return host, time, latched


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("clock-back", UTC_START_US // 1_000_000 - 2 * _HOUR_S),
        ("clock-summer", UTC_START_US // 1_000_000 + _HOUR_S),
        ("clock-1970", _HOUR_S),
        ("clock-2106", 2**32 - 60),
    ],
)
async def test_r9_a_wrong_clock_is_told_and_latched_and_right_again_afterwards(name: str, seconds: int) -> None:
    """R9: the truth says what the rig says; after the window both are right."""
    host, time, latched = await hosted()
    host.rig.open_exam("20261123-0007")
    host.rig.start_item("K11")
    host.set_fault(FaultSpec(name))
    time.advance(5)
    host.rig.finish_item()
    assert host.rig.status().utc_us // 1_000_000 == (seconds + 5) % 2**32
    result = latched[-1].result
    assert result is not None
    assert result.finished_s == (seconds + 5) % 2**32
    assert result.elapsed_s == 5  # the timer is not the clock (R10: an item may end before it began)
    host.clear_faults()
    assert host.rig.status().utc_us == UTC_START_US + 5_000_000
    await host.stop()


async def test_r9_a_clock_at_its_end_begins_anew() -> None:
    """R9: 2106-02-07 06:28:15 is followed by 0: a register cannot hold more, and the rig goes on."""
    host, time, latched = await hosted()
    host.set_fault(FaultSpec("clock-2106"))
    time.advance(61)
    host.rig.open_exam("20261123-0007")
    assert latched[-1].event.utc_us // 1_000_000 == 1
    await host.stop()


RECORD = b'{"v":1,"serial":"CP-0001","boot":1,"seq":4,"exam_no":7,"type":"item_finished"}'
STATUS = b'{"v":1,"serial":"CP-0001","boot":1,"online":true}'


async def refusals(adapter: Adapter, wanted: int = 1) -> list[str]:
    """Why readings were refused, until there are enough; nothing else may come."""
    found: list[str] = []
    connected = False
    async with asyncio.timeout(10):
        while len(found) < wanted:
            try:
                if not connected:
                    await adapter.connect()
                    connected = True
                _, ack = await adapter.read()
                await ack()
            except BadReading as refused:
                found.append(refused.evidence.reason)
            except NotConnected:
                connected = False
            except BackOff:
                await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize(
    ("name", "area", "reasons"),
    [
        ("impossible-value", "result", {"range"}),
        ("swapped-words", "result", {"sequence"}),
        ("swapped-words", "event", {"sequence"}),
        ("wrong-sum", "result", {"sum"}),
        ("half-character", "event", {"text"}),
        ("control-character", "result", {"text"}),
        ("nul-in-text", "result", {"text"}),
    ],
)
async def test_r10_r11_a_value_that_cannot_be_is_refused_and_the_right_one_comes_afterwards(
    name: str, area: str, reasons: set[str]
) -> None:
    """R10, R11, P5: refused with its reason under a right checksum; when the fault is over, what was latched."""
    host, time, latched = await hosted()
    host.rig.open_exam("20261123-0007")
    host.rig.start_item("K13")
    time.advance(60)
    host.rig.deduct(1, 400)
    host.rig.finish_item()
    host.rig.close_exam()
    host.set_fault(FaultSpec(name, 1.0, area=area))
    adapter = open_adapter(FAST, host=host.address, port=host.port, serial="LV-0001", source="simulator")
    assert set(await refusals(adapter)) <= reasons
    host.clear_faults()
    seen = await observe(adapter, lambda found: {one.seq for one in found} >= {4})
    assert next(read(one) for one in seen if one.seq == 4) == meant(latched[3])
    await adapter.close()
    await host.stop()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("forklift-sensor-typical", "swapped-words"),
        ("refrigeration-typical", "impossible-value"),
        pytest.param("cpr-manikin-typical", "impossible-value", marks=pytest.mark.long),
        pytest.param("cpr-manikin-typical", "control-character", marks=pytest.mark.long),
    ],
)
async def test_r10_r11_on_the_maps_of_makers_too(model: str, name: str) -> None:
    """R10, R11: a float that is no number, decimals without digits, swapped words: never a value."""
    rig, time, latched = maker_rig(model)
    host = RigHost(rig)
    await host.start()
    sit_item(rig, time, "20261123-0007")
    host.set_fault(FaultSpec(name, 1.0))
    where = {"host": host.address, "port": host.port, "unit": 1}
    adapter = open_adapter(hurried(model), serial=rig.serial, source="simulator", **where)
    assert set(await refusals(adapter)) <= {"range", "inexact", "sequence", "text"}
    host.clear_faults()
    seen = await observe(adapter, bool)
    assert [read(one) for one in seen] == [meant(latched[0])]
    await adapter.close()
    await host.stop()


async def test_r12_another_master_acknowledges_what_nobody_has_read() -> None:
    """R12: the rig frees its records, as it must, and the truth says that they may be gone."""
    lost: list[tuple[str, int, int]] = []
    time = ManualTime()
    host = RigHost(Rig("LV-0001", rubric(), time), on_memory_lost=lambda *each: lost.append(each))
    await host.start()
    host.rig.open_exam("20261123-0007")
    host.set_fault(FaultSpec("foreign-ack"))
    assert lost == [("LV-0001", 1, 1)]
    assert host.rig.memory.acked_seq == 1
    await host.stop()


async def test_r13_a_slipped_switch_makes_practice_of_an_exam_and_every_record_says_so() -> None:
    """R13: event and result agree, so that nobody can take it for an exam."""
    host, time, latched = await hosted()
    host.rig.open_exam("20261123-0007")
    host.rig.start_item("K11")
    host.set_fault(FaultSpec("mode-slip"))
    time.advance(5)
    host.rig.finish_item()
    last = latched[-1]
    assert last.result is not None
    assert (last.event.mode, last.result.mode) == (Mode.PRACTICE, Mode.PRACTICE)
    host.clear_faults()
    host.rig.close_exam()
    assert latched[-1].event.mode is Mode.EXAM
    await host.stop()


def published(name: str, area: str, payload: bytes, **more: Any) -> list[Publication]:
    plan = FaultPlan("CP-0001", 1)
    plan.add(FaultSpec(name, 1.0, **more))
    plan.tick(RigHost(Rig("CP-0001", rubric(), ManualTime())), 0.0)
    return plan.publications(Publication(area, f"kaofen/v1/CP-0001/{area}", payload))


def test_m5_m6_m9_m10_what_a_hostile_rig_publishes() -> None:
    """Each puts exactly its own bytes on the wire."""
    (deep,) = published("deep-json", "record", RECORD)
    assert deep.payload.count(b"[") == 5000
    assert len(deep.payload) < 16_384
    (huge,) = published("huge-number", "record", RECORD)
    assert b'"exam_no":1e999,' in huge.payload
    (spoofed,) = published("spoofed-topic", "record", RECORD)
    assert spoofed.topic == "kaofen/v1/CP-0002/record"
    assert len(published("flood", "status", STATUS)) == 10
    assert len(published("flood", "record", RECORD, at=3)) == 3
    will, right = published("forged-will", "status", STATUS)
    assert json.loads(will.payload) == {"v": 1, "serial": "CP-0001", "boot": 1, "online": False}
    assert right.payload == STATUS


@pytest.mark.needs("mosquitto")
async def test_m6_a_stolen_id_throws_the_rig_out_and_it_comes_back_with_everything(mosquitto: Any) -> None:
    """M6: "stolen-id" ends the rig's connection at a broker that binds nobody; nothing is lost by it."""
    with sim_gateway(mosquitto.port) as gateway:
        async with rig_at(mosquitto.port) as host:
            await until(lambda: host.rig.gateway_fresh)
            host.set_fault(FaultSpec("stolen-id"))
            await until(lambda: host.connections >= 2, "thrown out and back again")
            await until(lambda: host.rig.no_start() is None)
            whole_exam(host.rig)
            await until(lambda: not host.rig.memory.oldest_seq)
    assert {record["seq"] for record in gateway.of(SERIAL)} == {1, 2, 3, 4, 5}


def test_the_page_has_a_name_for_every_fault_of_rigs_buses_and_brokers() -> None:
    """reliability.md R1-R13, M1-M10: docs/simulators.md says by which names each is had, and where."""
    page = (ROOT / "docs" / "simulators.md").read_text("utf-8")
    table = page.split("### By fault", 1)[1].split("\n## ", 1)[0]
    ids = {f"R{n}" for n in range(1, 14)} | {f"M{n}" for n in range(1, 11)}
    assert [each for each in sorted(ids) if f"| {each} |" not in table] == []
    assert [name for name in CATALOGUE if not name.startswith("exception-") and f"`{name}`" not in table] == []
