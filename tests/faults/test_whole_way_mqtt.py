"""P1 to P5 over the whole way with rigs behind a real broker: gateway, server and broker killed, messages spoiled.

The rigs' own truth is the measure: each record once in the log and at the server, unaltered, receipted, scored again,
and every attempt proven offline. A short session with all three killed is in test_demo_session.py.
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

import oracle
import pytest
from long_times import times
from whole_way import RESTART_S_MAX, RIGS, begin, failpoints, judge, load, restart, sweep
from world import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from world import World

pytestmark = [
    pytest.mark.crash, pytest.mark.needs("mosquitto"), pytest.mark.timeout(900), pytest.mark.xdist_group("mqtt point"),
]  # fmt: skip

SPOILT = (
    "bad-json", "bad-utf8", "duplicate-key", "duplicate-message", "foreign-serial", "fraction", "lost-message",
    "lost-puback", "out-of-order", "oversize", "retained-record",
)  # fmt: skip
REASONS = {"not_json", "not_utf8", "duplicate_key", "serial", "not_integer", "oversize", "retained"}
LONG = [pytest.mark.long, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A running exam point with four rigs behind Mosquitto, its persistence the default one; each test leaves it so."""
    one = begin(tmp_path_factory.mktemp("point"), mqtt=True)
    try:
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("kills", [pytest.param(kills, marks=LONG) for kills in (times(40),)])
def test_gateway_server_and_broker_killed_at_random_moments(world: World, kills: int) -> None:
    """P1, P2, P4: SIGKILL of any of the three under load; each comes back, nothing is lost, doubled or altered."""
    assert world.broker is not None
    chance = random.Random(20261123)
    services = [world.broker.service, world.gateway, world.server]
    for number in range(kills):
        load(world, RIGS)
        time.sleep(chance.uniform(0.05, 1.5))
        service = services[number] if number < len(services) else chance.choice(services)
        service.kill()
        assert restart(world, service) < RESTART_S_MAX
    verdict = judge(world)
    proven(world, verdict)


@pytest.mark.long
def test_spoilt_messages_never_become_a_value(world: World) -> None:
    """P5, H2-H4: every message fault at once on every rig; what is bad is refused with its reason, the true stands."""
    for name in SPOILT:
        world.press(cmd="fault", name=name, probability=0.05)
    load(world, 2 * RIGS)
    world.press(cmd="wait", done=True, timeout_s=300)
    world.press(cmd="clear")
    proven(world, judge(world))
    entries = oracle.read_log(world.gateway_config.parent / "data")[0][1]
    refused = [entry for entry in map(json.loads, entries) if entry["type"] == "reading.refused"]
    reasons = {entry["reason"] for entry in refused}
    assert len(reasons & REASONS) >= 3, reasons
    assert {entry["transport"] for entry in refused} == {"mqtt"}


@pytest.mark.long
def test_the_doctor_finds_nothing_wrong_at_a_good_point(world: World) -> None:
    """Every step of a box that works is good, the clocks are compared, and the gateway beside it is not disturbed."""
    found = json.loads(command("kaofen-gateway", "doctor", world.gateway_config, "--json"))
    steps = {one["step"]: one["level"] for one in found["steps"]}
    assert set(steps.values()) == {"ok"}, found
    assert {"clock and server", "enrolment", "broker main"} <= set(steps)
    assert sum(step.startswith("rig ") for step in steps) == RIGS
    status = world.gateway_status() or {}
    assert [one["online"] for one in status["brokers"]] == [True]


def proven(world: World, verdict: oracle.Verdict) -> None:
    """P3: every attempt's evidence verifies offline, as a whole."""
    attempts = [str(row["attempt"]) for row in oracle.attempts(world)]
    oracle.verify_offline(world, attempts, verdict)
    assert verdict.ok, verdict.faults[:20]
    assert verdict.counts["attempts proven offline"] == len(attempts) > RIGS


@pytest.mark.parametrize("side", [pytest.param(side, marks=LONG) for side in ("gateway", "log", "server")])
def test_every_step_over_mqtt(world: World, side: str) -> None:
    """P1, P2: whichever step of gateway or server fails, done or not, every record of an MQTT rig counts once."""
    service = world.server if side == "server" else world.gateway
    unmet = sweep(world, service, failpoints(side), ("kill", "kill-after", "error"))
    judge(world)
    assert [one for one in unmet if "=kill" in one] == []
