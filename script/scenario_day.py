"""A day of the scenario library played live: its rigs on one wire → one gateway → server → live page, without a plan.

What the rigs latched (the truth file) is compared with the gateway's log, the server's items and bytes, and every
attempt's evidence. Whether the day was honest is the server's to say: its alarms are counted, not judged.
"""

from __future__ import annotations

import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oracle
from box import DOMAIN, RUBRIC
from service import ROOT, WorldError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from box import Box
    from world import World

DAY_S_MAX = 1800
LATE_S_MAX = 120
LIBRARY = ROOT / "simulators" / "scenarios"


def refusal(name: str) -> str:
    """Why this scenario cannot be played here; empty when it can. What is in a file is the simulators' to judge."""
    path = Path(name) if name.endswith(".toml") else LIBRARY / f"{name}.toml"
    if not path.is_file():
        return "there is none; kaofen-simulate --list names them, or name a .toml file"
    try:
        rubric = tomllib.loads(path.read_text("utf-8")).get("rubric", RUBRIC.stem)
    except (OSError, ValueError) as error:
        return str(error)
    return "" if rubric == RUBRIC.stem else f"its rubric is {rubric!r}; the gateway of the demo knows {RUBRIC.stem!r}"


def build(world: World, arguments: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Server, broker, the scenario's rigs with their candidates at the door, one gateway that hears them."""
    say("  certificates, keys, databases, one operator")
    world.build_server()
    broker, box = world.broker, world.boxes[0]
    if broker is not None:
        broker.build()
        broker.service.start()
        world.wait("the broker answers", broker.answers, 20, needs=broker.service)
        say(f"  MQTT broker: {broker.name}")
    rigs = world.start_fleet(*_words(world, arguments))
    world.build_gateway(rigs)
    world.server.start()
    world.wait("the server answers", world.serving, 60, needs=world.server)
    box.service.start()
    world.wait(f"{box.id} hears its rigs", lambda: heard(box), 60, needs=box.service)
    say(f"  {len(rigs)} simulated rigs over {arguments.wires} connected to {box.id}; scenario {arguments.scenario}")
    world.press(cmd="go")


def _words(world: World, arguments: argparse.Namespace) -> list[str]:
    words = ["--scenario", arguments.scenario, "--seed", str(arguments.seed), "--hold"]
    words += ["--speed", str(arguments.speed or (300 if arguments.once else 20))]
    if arguments.strength is not None:
        words += ["--strength", arguments.strength]
    if world.broker is not None:
        words += ["--broker", f"127.0.0.1:{world.broker.port}", "--broker-protocol", world.broker.protocol]
    return [*words, *(("--timeout", str(DAY_S_MAX)) if arguments.once else ("--stay",))]


def heard(box: Box) -> bool:
    """Whether the box hears all its rigs: some say a result once, to whoever listens."""
    status = box.status()
    return status is not None and all(rig["state"] not in {"unknown", "offline"} for rig in status["rigs"])


def run_day(world: World, say: Callable[[str], None]) -> oracle.Verdict:
    """Let the day take its course, then compare everything with everything."""
    end = time.monotonic() + DAY_S_MAX
    while world.fleet.running() and time.monotonic() < end:
        time.sleep(0.1)
    if world.fleet.stop() != 0:
        raise WorldError(f"the rigs did not get through the scenario\n{world.diagnosis()}")
    verdict = oracle.Verdict()
    truth = _latched(world, verdict)
    say(f"  {len(truth)} records latched by the rigs, all acknowledged; waiting for the receipts")
    box = world.boxes[0]
    world.wait(f"every entry of {box.id} receipted", lambda: box.unsent() == 0, LATE_S_MAX)
    wanted = sum(1 for one in truth if one["type"] == oracle.RESULT and oracle.in_exam(one))
    world.wait("every result shown", lambda: len(oracle.pages(world, "/api/v1/items")) >= wanted, LATE_S_MAX)
    box.service.stop()
    _judge(world, box, truth, verdict)
    return verdict


def _latched(world: World, verdict: oracle.Verdict) -> list[dict[str, Any]]:
    """The records; what a rig lost out of its own memory, before anybody read it, is told."""
    truth = oracle.read_truth(world.truth)
    for one in truth:
        lost = f"{one['serial']} lost its records {one.get('lost_from')} to {one.get('lost_to')} itself"
        verdict.need(one["seq"] is not None, lost)
    return [one for one in truth if one["seq"] is not None]


def _judge(world: World, box: Box, truth: list[dict[str, Any]], verdict: oracle.Verdict) -> None:
    logs = oracle.read_log(box.data)
    verdict.need(len(logs) == 1, f"expected one log below {box.data}, found {[name for name, _ in logs]}")
    for _, entries in logs:
        oracle.compare_log(truth, entries, verdict)
        oracle.compare_bytes(world, entries, f"{DOMAIN}/gw/{box.id}/0", verdict)
    oracle.compare_server(world, truth, verdict)
    attempts = [str(row["attempt"]) for row in oracle.attempts(world)]
    oracle.verify_offline(world, attempts, verdict)
    proven = verdict.counts.get("attempts proven offline")
    verdict.need(proven == len(attempts), f"{proven} of {len(attempts)} attempts are proven offline")
    alerts = world.api("/api/v1/alerts?limit=500")["alerts"]
    for kind, count in sorted(Counter(str(one["kind"]) for one in alerts).items()):
        verdict.counts[f"alerts {kind}"] = count


def check(command_line: argparse.Namespace) -> str:
    """What is wrong with these words together; empty when nothing is."""
    if command_line.scenario is None:
        if command_line.strength is not None:
            return "--strength: only with --scenario"
        return "--wires modbus, mqtt: only with --scenario" if command_line.wires in {"modbus", "mqtt"} else ""
    if command_line.rough:
        return "--rough: not with --scenario; a day ends with what its file says"
    why = refusal(command_line.scenario)
    if why:
        return f"--scenario {command_line.scenario}: {why}"
    if command_line.wires not in {"modbus", "mqtt"}:
        command_line.wires = "modbus"
    return ""
