"""Whole fleets: all that is latched is acknowledged, truth depends on the seed, hundreds fit into one process."""

# ruff: noqa: ASYNC240 - a condition is looked at until its deadline

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from modbus_probe import ModbusProbe, play_gateway, read_status
from sim_parts import rubric

from simulators.control import Control
from simulators.device.truth import TruthFile
from simulators.errors import InputError
from simulators.faults import FaultSpec
from simulators.fleet import Fleet, FleetSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RUBRIC = rubric()
WALL = {"rig_time", "started", "finished", "latched_at_us", "fields"}


@contextlib.asynccontextmanager
async def gateways(fleet: Fleet) -> AsyncIterator[None]:
    """A polling reader for every rig."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(play_gateway(host.address, host.port, stop)) for host in fleet.hosts]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def run_fleet(path: Path, **settings: Any) -> list[dict[str, Any]]:
    """One fleet with readers until it is done; its truth."""
    with contextlib.closing(TruthFile(path)) as truth:
        async with Fleet(FleetSettings(**settings), RUBRIC, truth) as fleet, gateways(fleet), asyncio.timeout(30):
            await fleet.finished()
            assert all(host.rig.memory.oldest_seq == 0 for host in fleet.hosts)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def timeless(truth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Truth without what depends on the wall clock, by rig and number."""
    lines = [{key: value for key, value in line.items() if key not in WALL} for line in truth]
    return sorted(lines, key=lambda line: (line["serial"], line["seq"]))


async def test_a_whole_fleet_runs_and_its_truth_depends_on_the_seed_only(tmp_path: Path) -> None:
    """Two runs of one seed at different speeds latch the same records, numbers, scores, seconds and deductions."""
    first = await run_fleet(tmp_path / "a.jsonl", rigs=6, exams=12, seed=5, speed=3000)
    second = await run_fleet(tmp_path / "b.jsonl", rigs=6, exams=12, seed=5, speed=2000)
    assert timeless(first) == timeless(second)
    kinds = Counter(line["type"] for line in first)
    assert kinds["item.started"] == kinds["item.finished"] >= 40
    assert {line["outcome"] for line in first if line["type"] == "item.finished"} == {
        "finished",
        "timeout",
        "aborted",
        "veto",
    }
    assert {line["reason"] for line in first if line["type"] == "attempt.aborted"} == {"candidate", "examiner", "power"}
    assert {line["ack"] for line in first if line["type"] == "candidate.acknowledged"} == {"signed", "refused"}
    assert {line["try"] for line in first if line["type"] == "identity.checked"} == {1, 2}
    assert {line["mode"] for line in first} == {"exam", "practice"}
    assert any(line["boot"] == 2 for line in first)
    for serial in {line["serial"] for line in first}:
        numbers = [line["seq"] for line in first if line["serial"] == serial]
        assert numbers == list(range(1, len(numbers) + 1)), "file order is latch order"


async def test_faults_do_not_change_the_truth(tmp_path: Path) -> None:
    """A disturbed bus delays a fleet and changes nothing of what happened on its rigs."""
    faults = tuple(FaultSpec(name, 0.05) for name in ("drip", "exception-6", "reset"))
    calm = await run_fleet(tmp_path / "a.jsonl", rigs=3, exams=4, seed=6, speed=3000)
    rough = await run_fleet(tmp_path / "b.jsonl", rigs=3, exams=4, seed=6, speed=3000, faults=faults)
    assert timeless(calm) == timeless(rough)


async def test_rigs_wait_for_a_gateway_and_say_so() -> None:
    """K5: without a gateway no item starts; the fleet names rig and reason; with one it goes on."""
    truth = TruthFile(None)
    async with Fleet(FleetSettings(rigs=2, exams=2, practice=0, speed=5000), RUBRIC, truth) as fleet:
        async with asyncio.timeout(10):
            while sum("gateway not ready" in line for line in fleet.waiting()) < 2:
                await asyncio.sleep(0.01)
        assert truth.records == 2, "only the two exam_opened"
        async with gateways(fleet), asyncio.timeout(30):
            await fleet.finished()


async def test_an_unplanned_power_cut_repeats_the_exam(tmp_path: Path) -> None:
    """Pulling the plug of a busy rig by hand: K7's two records, then the same candidate again."""
    path = tmp_path / "t.jsonl"
    truth = TruthFile(path)
    settings = FleetSettings(rigs=1, exams=1, practice=0, reboots=0, speed=600)
    async with Fleet(settings, RUBRIC, truth) as fleet, gateways(fleet), asyncio.timeout(40):
        host = fleet.hosts[0]
        while host.rig.state != 2:
            await asyncio.sleep(0.005)
        await host.power_cycle(off_s=0.1)
        fleet._time._speed = 5000  # type: ignore[attr-defined]  # the rest may go faster
        await fleet.finished()
        assert fleet.stations[0].repeated == 1
    truth.close()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    first_tries = [line["ticket"] for line in lines if line["type"] == "identity.checked" and line["try"] == 1]
    assert first_tries == ["S20261123-0001"] * 2
    assert Counter(line.get("reason") for line in lines)["power"] == 1


async def test_three_hundred_rigs_in_one_process_answer() -> None:
    """Hundreds of rigs: every one listens on its own port and answers with its own serial number."""
    async with Fleet(FleetSettings(rigs=300, exams=0, practice=0), RUBRIC, TruthFile(None)) as fleet:

        async def ask(index: int) -> str:
            host = fleet.hosts[index]
            async with ModbusProbe(host.address, host.port) as probe:
                return str((await read_status(probe))["serial"])

        serials = await asyncio.gather(*map(ask, range(300)))
        assert serials == [f"LV-{n:04d}" for n in range(1, 301)]
        assert len({host.port for host in fleet.hosts}) == 300


async def test_a_port_in_use_is_told_at_once() -> None:
    """The user hears which rig and which port, and nothing stays open."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(InputError, match=f"LV-0001 cannot listen on 127.0.0.1:{port}"):
        async with Fleet(FleetSettings(rigs=1, exams=0, practice=0, port_base=port), RUBRIC, TruthFile(None)):
            pass
    server.close()


@pytest.fixture
async def idle() -> AsyncIterator[tuple[Fleet, Control]]:
    """Two rigs without candidates, and their control socket."""
    async with Fleet(FleetSettings(rigs=2, exams=0, practice=0, speed=1000), RUBRIC, TruthFile(None)) as fleet:
        control = Control(fleet)
        yield fleet, control
        await control.close()


async def test_control_presses_buttons_over_its_socket(idle: tuple[Fleet, Control]) -> None:
    """One JSON line in, one out: a whole exam by hand, with number and moment of each record."""
    fleet, control = idle
    place = await control.start()
    reader, writer = await asyncio.open_connection(place["host"], place["port"])

    async def command(cmd: str, /, **more: Any) -> dict[str, Any]:
        writer.write(json.dumps({"cmd": cmd, "rig": "LV-0001", **more}).encode() + b"\n")
        return json.loads(await asyncio.wait_for(reader.readline(), 10))

    refused = [
        await command("start", item="K31"),
        await command("nonsense"),
        await command("open"),
        await command("fault"),
    ]
    assert [answer["ok"] for answer in refused] == [False] * 4
    assert refused[0]["error"] == "no exam is open"
    assert (await command("open", ticket="S20261123-7777"))["seq"] == 1
    assert (await command("start", item="K31"))["error"] == "gateway not ready: this exam cannot be recorded"
    async with gateways(fleet):
        assert (await command("wait", gateway=True))["ok"]
        assert (await command("start", item="K31"))["seq"] == 2
        assert (await command("deduct", line=1, points=250))["seq"] == 3
        done = await command("finish")
        assert (done["ok"], done["seq"], done["score"], done["boot"]) == (True, 4, 9750, 1)
        assert (await command("wait", acked=4))["acked_seq"] >= 4
        assert (await command("start", item="K43"))["ok"]
        assert (await command("power_cycle", off_s=0.05))["boot"] == 2
        assert (await command("fault", name="silent", stop_s=0.0))["ok"]
        assert (await command("fault", name="silent", nonsense=1))["ok"] is False
        assert (await command("clear"))["cleared"] == 1
        assert (await command("fail", code=3))["state"] == "fault"
        assert (await command("fail", code=0))["state"] == "idle"
        assert (await command("rigs"))["rigs"][1]["serial"] == "LV-0002"
        assert (await command("exam"))["ticket"] == "S20261123-9001"
    assert (await command("wait", done=True, timeout_s=0.05))["ok"] is False
    assert (await command("stop"))["ok"]
    assert control.stopped.is_set()
    writer.close()
    await writer.wait_closed()


async def test_an_item_left_alone_times_out_by_itself(idle: tuple[Fleet, Control]) -> None:
    """A started item that nobody ends is ended by the rig at its limit."""
    fleet, control = idle
    rig = fleet.hosts[0].rig
    rig.write_ready(1)
    await control.obey('{"cmd":"open","rig":"LV-0001","ticket":"T1"}')
    await control.obey('{"cmd":"start","rig":"LV-0001","item":"K43"}')
    async with asyncio.timeout(10):
        while rig.state == 2:
            await asyncio.sleep(0.01)
    assert fleet.latest["LV-0001"].result is not None
    assert fleet.latest["LV-0001"].result.elapsed_s == 240
