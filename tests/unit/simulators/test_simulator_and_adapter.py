"""The two ends of the interface page, written apart, agree: what the adapter reads is what the simulator latched (P5).

The simulator's encoder and the adapter's decoder share no code: agreement in every field is evidence for both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from sim_parts import ROOT, rubric

from device_adapters.errors import BackOff, BadReading, NotConnected
from device_adapters.factory import open_adapter
from device_adapters.observation import Observation
from device_adapters.profile import load_profile
from simulators.faults import parse_fault
from simulators.fleet import Fleet, FleetSettings
from simulators.truth import TruthFile

if TYPE_CHECKING:
    from pathlib import Path

    from simulators.host import RigHost


PROFILE = load_profile((ROOT / "device_adapters" / "profiles" / "kaofen-v1-low-voltage.toml").read_bytes())
OWN = {"rig.rebooted", "sequence.gap"}  # what the adapter itself says, not a record of the rig
TORN = ("torn-record:0.03", "half-written:0.02", "changing-record:0.03", "previous-block:0.02", "foreign-serial:0.02")
WIRE = (
    "one-behind:0.02",
    "previous-reply:0.05",
    "tid-zero:0.02",
    "short-count:0.02",
    "duplicate-reply:0.02",
    "drip:0.05",
)


async def follow(host: RigHost, seen: list[Observation]) -> None:
    """Read one rig as a gateway would, acknowledging at once."""
    adapter = open_adapter(PROFILE, host=host.address, port=host.port, serial=host.rig.serial, source="simulator")
    connected = False
    while True:
        try:
            if not connected:
                await adapter.connect()
                connected = True
            await adapter.set_ready(True)
            reading, ack = await adapter.read()
            if isinstance(reading, Observation) and reading not in seen[-1:]:
                seen.append(reading)
            await ack()
        except NotConnected:
            connected = False
            await asyncio.sleep(0.02)
        except (BackOff, BadReading):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("faults", [(), TORN, WIRE], ids=["calm", "torn", "wire"])
async def test_p5_the_adapter_reads_what_the_rig_latched(tmp_path: Path, faults: tuple[str, ...]) -> None:
    """P5: every record once, equal in type, fields, ticket and time; in order when calm, under faults perhaps late."""
    path = tmp_path / "truth.jsonl"
    settings = FleetSettings(rigs=4, exams=6, seed=5, speed=3000, faults=tuple(map(parse_fault, faults)))
    readings: dict[str, list[Observation]] = {}
    with contextlib.closing(TruthFile(path)) as truth:
        async with Fleet(settings, rubric(), truth) as fleet:
            readings = {host.rig.serial: [] for host in fleet.hosts}
            tasks = [asyncio.create_task(follow(host, readings[host.rig.serial])) for host in fleet.hosts]
            async with asyncio.timeout(45):
                await fleet.finished()
            assert bool(faults) == any(sum(host.plan.fired().values()) for host in fleet.hosts)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    for serial, seen in readings.items():
        expected = [line for line in map(json.loads, path.read_text("utf-8").splitlines()) if line["serial"] == serial]
        got = [_as_truth(observation) for observation in seen if observation.type not in OWN]
        if faults:  # a record that was refused three times is passed over and comes late (G1)
            got.sort(key=lambda record: int(record["seq"]))
        assert got == [{key: line[key] for key in got[0]} for line in expected]


def _as_truth(observation: Observation) -> dict[str, Any]:
    return {
        "boot": observation.epoch,
        "seq": observation.seq,
        "type": observation.type,
        "ticket": observation.personal.get("ticket", b"").decode(),
        "fields": dict(observation.fields),
        "rig_time": observation.rig_time,
    }
