"""Real rigs, gateway, broker and server under load, killed and failing at named steps; one judgement at the end.

load() ─▶ exams on the rigs   restart(), sweep() ─▶ deaths   judge() ─▶ simulator = log = server, receipted
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

import oracle
from broker import Broker
from service import WorldError
from world import BIN, World

if TYPE_CHECKING:
    from pathlib import Path

    from world import Service

_STEP_S = 60.0  # an exam takes some seconds, so no rig is still for a minute
RESTART_S_MAX = 40.0  # of a machine that runs other tests beside; the bar of 5 s is measured by script/bench
DEATH_S_MAX = 30.0  # the same; a step that is met takes a second on a quiet one
SURVIVED_S = 2.5  # a server that refuses one upload goes on; so long it works with the failpoint armed
RIGS = 4
# Steps of occasions that a running exam does not have; their own tests fail them.
ON_ORDER = ("gateway.plan", "gateway.reload")
OTHER_OCCASIONS = (
    "journal.create", "journal.rename", "journal.reserve", "journal.quarantine", "journal.close", "journal.fold",
    "gateway.spool", *ON_ORDER,
)  # fmt: skip
SIDES = {
    "gateway": ("gateway.app", ("gateway.",)),
    "log": ("gateway.run", ("journal.", "state.")),
    "server": ("server.app", ("server.",)),
}


def failpoints(side: str) -> list[str]:
    """The failpoints that an exam meets: of the gateway, of its log, of the server. Asked from a process of its own."""
    module, prefixes = SIDES[side]
    program = f"import {module}, scorelog.journal.failpoints as f\nprint('\\n'.join(sorted(f.REGISTERED)))"
    printed = subprocess.run([str(BIN / "python"), "-c", program], capture_output=True, text=True, check=True).stdout
    return [n for n in printed.split() if n.startswith(prefixes) and not n.startswith(OTHER_OCCASIONS)]


def begin(folder: Path, *, mqtt: bool = False) -> World:
    """A running exam point with four rigs, on Modbus or behind a broker of its own; close it in a finally."""
    one = World(folder, backoff_cap_s=1)  # a gateway that soon tries again meets more failpoints
    try:
        one.build_server()
        wire: tuple[str, ...] = ()
        if mqtt:
            one.broker = Broker(folder)
            one.broker.build()
            one.broker.service.start()
            one.wait("the broker answers", one.broker.answers, 20, needs=one.broker.service)
            wire = ("--broker", f"127.0.0.1:{one.broker.port}", "--broker-protocol", one.broker.protocol)
        course = ("--rigs", str(RIGS), "--exams", "4", "--seed", "11", "--speed", "300", "--stay")
        rigs = one.start_fleet(*course, *wire)
        one.build_gateway(rigs)
        one.server.start()
        one.wait("the server answers", one.serving, 60)
        one.gateway.start()
        one.wait("the gateway answers", lambda: one.gateway_status() is not None, 60)
    except BaseException:
        one.close()
        raise
    return one


def answering(world: World, service: Service) -> bool:
    """Whether it works again."""
    if world.broker is not None and service is world.broker.service:
        return world.broker.answers()
    return world.serving() if service is world.server else world.gateway_status() is not None


def load(world: World, exams: int = RIGS) -> None:
    """More candidates, spread over the rigs."""
    serials = [rig["serial"] for rig in world.press(cmd="rigs")["rigs"]]
    for number in range(exams):
        world.press(cmd="exam", rig=serials[number % len(serials)])


def restart(world: World, service: Service, armed: str = "") -> float:
    """Start the service, with a failpoint armed or none; returns the seconds until it answered."""
    service.env = {"KAOFEN_FAILPOINTS": armed} if armed else {}
    begun = time.monotonic()
    service.start()
    if not armed:
        world.wait(
            f"the {service.name} answers after its restart", lambda: answering(world, service), RESTART_S_MAX + 5
        )
    return time.monotonic() - begun


def drain(world: World) -> None:
    """Wait until every candidate has sat: as long as it takes (hundreds wait), but never without a step forward."""
    written = -1
    while (now := world.truth.stat().st_size) > written:
        written = now
        with contextlib.suppress(WorldError):
            world.press(cmd="wait", done=True, timeout_s=_STEP_S)
            return
    world.press(cmd="wait", done=True, timeout_s=_STEP_S)  # says what it still waits for


def judge(world: World) -> oracle.Verdict:
    """No faults any more: everything drains, and then the oracle speaks."""
    drain(world)
    truth = oracle.read_truth(world.truth)
    world.wait("every entry receipted", lambda: (world.gateway_status() or {}).get("unsent") == 0, 60)
    wanted = sum(1 for r in truth if r["type"] == oracle.RESULT and oracle.in_exam(r))
    assert wanted > RIGS
    world.wait("every result shown", lambda: len(oracle.pages(world, "/api/v1/items")) >= wanted, 60)
    verdict = oracle.Verdict()
    logs = oracle.read_log(world.gateway_config.parent / "data")
    assert len(logs) == 1, logs
    oracle.compare_log(truth, logs[0][1], verdict)
    items = oracle.compare_server(world, truth, verdict)
    oracle.compare_bytes(world, logs[0][1], str(items[0]["origin"]), verdict)
    assert verdict.ok, verdict.faults[:20]
    return verdict


def sweep(world: World, service: Service, names: list[str], forms: tuple[str, ...]) -> list[str]:
    """Each failpoint in each form once, back to back; returns those that the load never met."""
    unmet = []
    for name in names:
        for form in forms:
            service.stop()
            restart(world, service, f"{name}={form}@2" if service is world.server else f"{name}={form}")
            load(world, 2)
            survives = service is world.server and form.startswith("error")
            if not died(service, SURVIVED_S if survives else DEATH_S_MAX) and not survives:
                unmet.append(f"{name}={form}")
    service.stop()
    restart(world, service)
    return unmet


def died(service: Service, within_s: float) -> bool:
    """Whether the process ended by itself in that time."""
    end = time.monotonic() + within_s
    while service.running() and time.monotonic() < end:
        time.sleep(0.02)
    return not service.running()
