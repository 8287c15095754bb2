"""An exam by plan on shared lines: every rig of two gateways on RS-485, one of them without tickets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from gateway_plan_bench import PlanBench
from gateway_plans import SESSION, PlanDraft, Seat, Sitting
from maker_rigs import hurried, observe
from sim_plan import write_plan

from device_adapters.errors import BackOff, NotConnected
from device_adapters.factory import open_bus_adapter
from device_adapters.modbus.bus import BusTimes
from device_adapters.modbus.bus_place import BusPlace, open_bus
from simulators.bus.seats import Seats
from simulators.device.truth import TruthFile
from simulators.errors import InputError
from simulators.exam.exam_plan import load_plan
from simulators.exam.rounds import Wishes, play
from simulators.fleet import Fleet, FleetSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from device_adapters.contract import Adapter
    from device_adapters.observation import Observation
    from simulators.exam.lineup import LineUp

MUTE = "HZ-0001"
WIRED = {"ST-0002": "modbus", MUTE: "modbus", "CP-0001": "modbus"}
READY_EVERY_S = 0.2
BUS = {"bus": "tcp", "mixed": True, "speed": 4000.0}


def lined(folder: Path) -> LineUp:
    """Two candidates, six rigs, all of them on lines."""
    plan = load_plan(write_plan(folder, candidates=2, wires=WIRED))
    return play(plan, Wishes(reboots=0, mute=(MUTE,), on_bus=("*",)))


@contextlib.asynccontextmanager
async def masters(fleet: Fleet) -> AsyncIterator[dict[str, Adapter]]:
    """Each line's one master, as its gateway has it; the adapters of the units behind it."""
    rigs = fleet.ready_document({})["rigs"]
    ports = {rig["bus"]: rig["port"] for rig in rigs}
    buses = {
        number: open_bus(BusPlace("rtu-over-tcp", None, "127.0.0.1", port, times=BusTimes(quiet_s=0.02)))
        for number, port in ports.items()
    }
    profile = hurried("kaofen-v1-low-voltage")
    made = {
        rig["serial"]: open_bus_adapter(
            profile, buses[rig["bus"]], serial=rig["serial"], unit=rig["unit"], source="simulator"
        )
        for rig in rigs
    }
    try:
        yield made
    finally:
        for adapter in made.values():
            await adapter.close()
        for bus in buses.values():
            await bus.close()


async def played(folder: Path, line_up: LineUp) -> tuple[dict[str, list[Observation]], list[dict[str, Any]]]:
    """What the masters read of each rig, and the truth."""
    truth = TruthFile(folder / "truth.jsonl")
    async with Fleet(FleetSettings(**BUS), line_up.rubric, truth, line_up=line_up) as fleet, masters(fleet) as adapters:  # type: ignore[arg-type]
        seen: dict[str, list[Observation]] = {serial: [] for serial in adapters}
        done = asyncio.Event()

        async def follow(serial: str, adapter: Adapter) -> None:
            def kept(found: list[Observation]) -> bool:
                seen[serial] = list(found)
                return done.is_set()

            await observe(adapter, kept)

        async def beat() -> None:
            while True:
                for adapter in adapters.values():
                    with contextlib.suppress(NotConnected, BackOff):
                        await adapter.set_ready(True)
                await asyncio.sleep(READY_EVERY_S)

        readers = [asyncio.create_task(follow(serial, adapter)) for serial, adapter in adapters.items()]
        try:
            readers.append(asyncio.create_task(beat()))
            async with asyncio.timeout(15):
                await fleet.finished()
        finally:
            readers.pop().cancel()
            done.set()
            await asyncio.gather(*readers)
            truth.close()
    lines = [json.loads(line) for line in (folder / "truth.jsonl").read_text("utf-8").splitlines()]
    return seen, lines


async def test_p2_p4_a_plan_is_sat_on_shared_lines_and_bound_as_on_lines_of_their_own(tmp_path: Path) -> None:
    """P2, P4, B3, B4: every record of every unit, as it was made; of the rig without tickets, by place and order."""
    seen, lines = await played(tmp_path, lined(tmp_path))
    read = [
        (one.rig, one.seq, one.type, one.personal.get("ticket", b"").decode())
        for found in seen.values()
        for one in found
    ]
    meant = [(line["serial"], line["seq"], line["type"], line["rig_ticket"]) for line in lines]
    assert sorted(read) == sorted(meant)
    seats = [Seat(f"S20261123-{n:04d}", (f"K3{1 + n % 2}",), ("A-11",)) for n in (1, 2)]
    draft = PlanDraft((Sitting(seats),), rigs={MUTE: ("A-11", "gw-01", ("K31", "K32"), "exam_only")})
    bench = PlanBench(tmp_path)
    bench.use(draft)
    order = {line["seq"]: line["order"] for line in lines if line["serial"] == MUTE}
    assert set(order.values()) <= {1, 2}
    assert order
    for one in seen[MUTE]:
        entry = await bench.record(one)
        assert (entry.binding, entry.session) == ("plan", SESSION)
        assert entry.attempt == seats[order[one.seq] - 1].attempt


def test_two_gateways_never_share_a_line(tmp_path: Path) -> None:
    """P8: a line has one master. Units are counted along each line, whatever else the plan has between them."""
    line_up = lined(tmp_path)
    fleet = Fleet(FleetSettings(**BUS, per_bus=2), line_up.rubric, TruthFile(None), line_up=line_up)  # type: ignore[arg-type]
    rigs = fleet.ready_document({})["rigs"]
    owners: dict[int, set[str]] = {}
    for rig in rigs:
        owners.setdefault(rig["bus"], set()).add(rig["gateway"])
    assert sorted(owners) == [1, 2, 3, 4]
    assert all(len(found) == 1 for found in owners.values())
    assert sorted((rig["bus"], rig["unit"]) for rig in rigs) == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 1)]


def test_lines_are_filled_one_after_the_other() -> None:
    """Without a plan nothing changes: eight and eight, from the first unit on."""
    seats = Seats(per_line=2, first=5)
    assert [seats.next("") for _ in range(5)] == [(1, 5), (1, 6), (2, 5), (2, 6), (3, 5)]


def test_a_line_of_the_plan_without_a_bus_is_told(tmp_path: Path) -> None:
    """`--on-bus` alone is one sentence that says what to add."""
    line_up = lined(tmp_path)
    with pytest.raises(InputError, match=r"LV-0001 hangs on a bus: say --bus tcp, pty, or HOST:PORT"):
        Fleet(FleetSettings(mixed=True), line_up.rubric, TruthFile(None), line_up=line_up)
