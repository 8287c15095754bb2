"""Makers' rigs that say what happened in messages of their own: what they mean is what the real adapter reads (P5)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from broker_side import following
from maker_rigs import OWN, PROFILES, BenchTime, meant, read, sit_item
from plain_mosquitto import plain_mosquitto
from push_point import push_point, secret_of
from sim_parts import ROOT
from wrong_line import told_by_line

from device_adapters.contract import Observation
from simulators.control import Control
from simulators.device.truth import TruthFile
from simulators.errors import InputError
from simulators.faults import parse_fault
from simulators.fleet import Fleet, FleetSettings
from simulators.layouts.lineup import rubric_of
from simulators.mqtt.broker import Broker
from simulators.push.desk import Desk
from simulators.talk.find import find_model
from simulators.talk.model import MessageModel, parse_model, shipped_models
from simulators.view import screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from simulators.device.rig import Latched
    from simulators.talk.rig import TalkRig

TICKETS = ("20261123-0007", "20261123-0008", "20261123-0009")
BROKERED = [name for name in shipped_models() if name != "vr-emergency-typical"]
FILE = (ROOT / "simulators/rigs/messages/meter-bench-iot-typical.toml").read_bytes()
WAIT_S = 15


@contextlib.asynccontextmanager
async def bench(
    model: str, time: BenchTime, *, rigs: int = 1, **wire: Any
) -> AsyncIterator[tuple[Fleet, list[Latched]]]:
    """A fleet of that model, nobody at it."""
    latched: list[Latched] = []
    settings = FleetSettings(rigs=rigs, exams=0, practice=0, reboots=0, layouts=(model,), **wire)
    with contextlib.closing(TruthFile(None)) as truth:
        fleet = Fleet(settings, rubric_of(find_model(model)), truth, time=time, on_latch=latched.append)
        async with fleet:
            yield fleet, latched


def profile_of(model: str) -> bytes:
    """The library's."""
    return (PROFILES / f"{model}.toml").read_bytes()


def plain(said: dict[str, Any]) -> dict[str, Any]:
    """Without what was not told, and times of whole seconds in one writing."""
    fields = {key: value for key, value in said["fields"].items() if value is not None}
    fields |= {key: fields[key].replace(".000Z", "Z") for key in ("started", "finished") if key in fields}
    return {**said, "fields": fields}


async def until(condition: Any) -> None:
    """With a deadline."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def talking(model: str, time: BenchTime, tmp_path: Path) -> AsyncIterator[tuple[Any, Fleet, list[Latched]]]:
    """The adapter's side, the fleet and what it latched: one rig of the model at a real broker, and both have met."""
    with plain_mosquitto(tmp_path) as mosquitto:
        serial = f"{find_model(model).serial}-0001"
        async with (
            following(profile_of(model).decode(), mosquitto.port, "5", None, serial) as side,
            bench(model, time, broker=Broker("127.0.0.1", mosquitto.port)) as (fleet, latched),
        ):
            await _heard(side, fleet.hosts[0])
            yield side, fleet, latched


@pytest.mark.crash
@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("model", BROKERED)
async def test_p5_what_a_talking_rig_means_is_what_the_adapter_reads(model: str, tmp_path: Path) -> None:
    """P5, V10-V14, S5-S9: three candidates over a real broker, each value of each record; a lost cable costs none."""
    time = BenchTime()
    async with talking(model, time, tmp_path) as (side, fleet, latched):
        rig = cast("TalkRig", fleet.hosts[0].rig)
        for nth, ticket in enumerate(TICKETS):
            sit_item(rig, time, ticket, nth=nth)
            await until(lambda: not rig.memory.oldest_seq)
        await until(lambda: len([one for one in side.stored if one.type not in OWN]) >= len(TICKETS))
        seen = [one for one in side.stored if one.type not in OWN]
        assert [plain(read(one)) for one in seen] == [plain(meant(one)) for one in latched]
        assert [one.personal["ticket"].decode() for one in seen] == list(TICKETS)
        assert model in json.dumps(fleet.ready_document({}))
        await _still_there_after(fleet, side, time)


async def _heard(side: Any, host: Any) -> None:
    """A node's birth was before the gateway came, or not: it asks again, and is answered."""
    if hasattr(host, "node"):
        await until(lambda: side.box.inbox.here)
    else:
        await until(lambda: host.connected)


async def _still_there_after(fleet: Fleet, side: Any, time: BenchTime) -> None:
    """A broken connection, power off and on, by the buttons of the control socket; then one more result."""
    control, host = Control(fleet), fleet.hosts[0]
    serial, before = host.rig.serial, len(side.stored)
    host.break_connection()
    assert (await control.obey(json.dumps({"cmd": "power_cut", "rig": serial})))["ok"]
    assert "no power" in screen(fleet, 20, 200)
    assert (await control.obey(json.dumps({"cmd": "power_up", "rig": serial})))["ok"]
    await until(lambda: host.trouble is None and getattr(host, "connected", True))
    await asyncio.wait_for(_next_result(fleet, side, time, before), WAIT_S)


async def _next_result(fleet: Fleet, side: Any, time: BenchTime, before: int) -> None:
    sit_item(cast("TalkRig", fleet.hosts[0].rig), time, TICKETS[0])
    while not any(one.type == "item.finished" for one in side.stored[before:]):
        await asyncio.sleep(0.01)
    assert "mqtt" in screen(fleet, 20, 200)


@pytest.mark.crash
async def test_p1_p5_what_a_pc_pushes_in_its_makers_json_is_what_the_adapter_reads(tmp_path: Path) -> None:
    """P1, P5: starts, ends and closings over HTTP; each is held until it was acknowledged; names are personal."""
    model, time = "vr-emergency-typical", BenchTime()
    (tmp_path / "secrets").write_text(f"VR-0001:{secret_of('VR-0001')}\n")
    async with push_point(["VR-0001"], profile=profile_of(model)) as point:
        adapter = point.adapter("VR-0001")
        desk = Desk("127.0.0.1", point.listener.port, tmp_path / "secrets")
        async with bench(model, time, push=desk) as (fleet, latched):
            rig = cast("TalkRig", fleet.hosts[0].rig)
            await adapter.connect()
            for nth, ticket in enumerate(TICKETS):
                sit_item(rig, time, ticket, nth=nth)
            seen: list[Observation] = []
            async with asyncio.timeout(WAIT_S):
                while rig.memory.oldest_seq:
                    reading, ack = await adapter.read()
                    if isinstance(reading, Observation) and reading.type not in OWN:
                        seen.append(reading)
                    await ack(bytes(32))
                    await asyncio.sleep(0)
            assert [plain(read(one)) for one in seen] == [plain(meant(one)) for one in latched]
            assert len(seen) == 9
            assert {one.personal["name"].decode() for one in seen} == {rig.wire.name(ticket) for ticket in TICKETS}
        await adapter.close()


@pytest.mark.crash
@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("model", ["meter-bench-iot-typical", "gondola-sparkplug-typical"])
async def test_r5_r8_a_lost_message_of_a_talking_rig_is_told_and_makes_no_value(model: str, tmp_path: Path) -> None:
    """P5, R5, R8: a message that never came is refused or a gap, told once; the records around it are right."""
    time = BenchTime()
    async with talking(model, time, tmp_path) as (side, fleet, latched):
        host, rig = fleet.hosts[0], cast("TalkRig", fleet.hosts[0].rig)
        sit_item(rig, time, TICKETS[0])
        await until(lambda: side.numbers == [1])
        host.set_fault(parse_fault("lost-message:1"))
        sit_item(rig, time, TICKETS[1], nth=1)
        host.clear_faults()
        sit_item(rig, time, TICKETS[2], nth=2)
        if model.startswith("gondola"):
            # a number of the node is missing: nothing is believed until it is born again
            await until(lambda: side.refused)
            await until(lambda: host.node.rebirths >= 1)
            await asyncio.sleep(0)
            sit_item(rig, time, TICKETS[0], nth=3)
        await until(lambda: any(one.type == "sequence.gap" for one in side.stored))
    by_seq = {one.event.seq: plain(meant(one)) for one in latched}
    read_back = [plain(read(one)) for one in side.stored if one.type == "item.finished"]
    assert read_back == [by_seq[one["seq"]] for one in read_back]
    assert 2 not in {one["seq"] for one in read_back}


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (b'kind = "topics"', b'kind = "smoke"', 4, "one of topics, sparkplug, json"),
        (b'"seq"\n', b'"number"\n', 35, "nothing that such a rig says"),
        (b'"score decimal"', b'"score unit=x"', 29, "unit= is a number"),
        (b'clock=unix-s"', b'clock=sundial"', 33, "clock="),
        (b'here = "true"\n', b"", 15, "'here' is missing"),
        (b'"meters/{serial}/result/number" = "seq"\n', b"", 25, "does not say seq"),
        (b'kind = "topics"', b'kind = "sparkplug"', 1, "'edge' is missing"),
    ],
)
def test_a_wrong_talking_model_is_told_by_line(old: bytes, new: bytes, line: int, said: str) -> None:
    """What, where, what to do."""
    told_by_line(parse_model, FILE, old, new, f"rig:{line}: .*{said}")


def test_a_model_hangs_only_where_it_can() -> None:
    """What, where, what to do."""
    with contextlib.closing(TruthFile(None)) as truth:
        for model, said in (("meter-bench-iot-typical", "--broker"), ("vr-emergency-typical", "--push")):
            settings = FleetSettings(rigs=1, exams=0, layouts=(model,))
            with pytest.raises(InputError, match=said):
                Fleet(settings, rubric_of(find_model(model)), truth)


def test_every_model_of_the_library_that_sends_messages_can_be_simulated() -> None:
    """Issue 5, 4: each profile for messages has a rig here of the same name, of its own kind."""
    kinds = {"mqtt-values": "topics", "sparkplug": "sparkplug", "http": "json", "mqtt": "json"}
    library = {path.stem: path.read_text("utf-8") for path in PROFILES.glob("*-typical.toml")}
    wanted = {
        name: kind for name, text in library.items() for wire, kind in kinds.items() if f'kind = "{wire}"' in text
    }
    found = {name: cast("MessageModel", find_model(name)).kind for name in shipped_models()}
    assert found == wanted
