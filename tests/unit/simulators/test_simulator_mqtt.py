"""A rig at a real broker: what it says, repeats, believes and survives (M5-M8), with Mosquitto and the embedded one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from sim_gateway import distinct, sim_gateway
from sim_mqtt import SERIAL, HastyTime, last_status, rig_at, until, whole_exam
from sim_parts import rubric
from slow_broker import SlowBroker

from simulators.device.rig import Rig
from simulators.device.truth import TruthFile
from simulators.errors import InputError
from simulators.fleet import Fleet, FleetSettings
from simulators.mqtt.broker import Broker, parse_broker
from simulators.mqtt.host import MqttHost
from simulators.mqtt.payloads import MessageWire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_an_exam_travels_and_is_acknowledged(mosquitto: Any, protocol: str) -> None:
    """M4, M5, M8: no start before the gateway is ready; each record once, in order; a good-bye at the end."""
    with sim_gateway(mosquitto.port, protocol=protocol) as gateway:
        gateway.ready = False
        async with rig_at(mosquitto.port, protocol) as host:
            await until(lambda: gateway.statuses)
            host.rig.open_exam("S20261123-0001")
            await until(lambda: host.rig.memory.acked_seq == 1)
            assert host.rig.no_start() == "gateway not ready: this exam cannot be recorded"
            gateway.ready = True
            await until(lambda: host.rig.no_start() is None)
            host.rig.start_item("K42")
            host.rig.finish_item()
            host.rig.close_exam()
            await until(lambda: not host.rig.memory.oldest_seq)
            await until(lambda: last_status(gateway).get("acked_seq") == 4 and last_status(gateway)["gateway_seen"])
        await until(lambda: last_status(gateway) == {"v": 1, "serial": SERIAL, "boot": 1, "online": False})
    assert [record["seq"] for record in gateway.of(SERIAL)] == [1, 2, 3, 4]


@pytest.mark.needs("mosquitto")
async def test_only_the_right_acknowledgement_counts(mosquitto: Any) -> None:
    """M7: wrong hash, number out of range, other version, no JSON: nothing moves; then the right one does."""
    with sim_gateway(mosquitto.port, answers=False) as gateway:
        async with rig_at(mosquitto.port) as host:
            await until(lambda: host.rig.gateway_fresh)
            whole_exam(host.rig)
            await until(lambda: len(gateway.records) == 5)
            heard = host.requests
            right = {"v": 1, "boot": 1, "seq": 3, "record": "0" * 64}
            for wrong in (right, right | {"seq": 9}, right | {"v": 2}, b"{", {"v": 1, "seq": True, "record": ""}):
                gateway.say(SERIAL, "ack", wrong)
            await until(lambda: host.requests >= heard + 5)
            assert host.rig.memory.acked_seq == 0
            gateway.ack(SERIAL, gateway.records[2][1])
            await until(lambda: host.rig.memory.acked_seq == 3)
            gateway.ack(SERIAL, gateway.records[1][1])  # older: no step back
            gateway.ack(SERIAL, gateway.records[4][1])
            await until(lambda: host.rig.memory.acked_seq == 5)


@pytest.mark.needs("mosquitto")
async def test_unacknowledged_records_come_again_in_the_same_bytes(mosquitto: Any) -> None:
    """M6: after five seconds without progress, and on `resend` from that number on, in order."""
    with sim_gateway(mosquitto.port, answers=False) as gateway:
        async with rig_at(mosquitto.port) as host:
            await until(lambda: host.rig.gateway_fresh)
            whole_exam(host.rig)
            await until(lambda: len(gateway.records) == 5)
            gateway.say(SERIAL, "resend", {"v": 1, "from": 4})
            await until(lambda: len(gateway.records) >= 7)
            assert [record["seq"] for record in gateway.of(SERIAL)][5:7] == [4, 5]
            await until(lambda: len(gateway.records) >= 17)
            numbers = [record["seq"] for record in gateway.of(SERIAL)][7:17]
            assert numbers == [1, 2, 3, 4, 5] * 2
            assert all(len(payloads) == 1 for payloads in distinct(gateway.records).values())


async def test_at_most_32_are_under_way() -> None:
    """M6: without PUBACK the 33rd record waits; each PUBACK makes room for one."""
    broker = SlowBroker()
    await broker.start()
    try:
        async with rig_at(broker.port, "3.1.1") as host:
            await until(lambda: host.connected)
            for n in range(25):
                host.rig.open_exam(f"S{n}")
                host.rig.close_exam()
            await until(lambda: len(broker.records()) == 32)
            await asyncio.sleep(0.1)
            assert len(broker.records()) == 32
            broker.puback(10)
            await until(lambda: len(broker.records()) == 32)
            assert [json.loads(payload)["seq"] for payload in broker.records()][:32] == list(range(11, 43))
    finally:
        await broker.close()


@pytest.mark.needs("mosquitto")
async def test_a_reboot_in_mid_exam_is_told_by_will_and_records(mosquitto: Any) -> None:
    """K7: the plug is pulled while an item runs: the will says so; two records of the next boot follow the old."""
    with sim_gateway(mosquitto.port, answers=False) as gateway:
        async with rig_at(mosquitto.port) as host:
            await until(lambda: host.rig.gateway_fresh)
            host.rig.open_exam("S20261123-0001")
            host.rig.start_item("K42")
            await until(lambda: len(gateway.records) == 2)
            host.power_cut()
            await until(lambda: last_status(gateway) == {"v": 1, "serial": SERIAL, "boot": 1, "online": False})
            await host.power_up()
            await until(lambda: len(gateway.records) >= 6)
    said = [(record["boot"], record["seq"], record["type"]) for record in gateway.of(SERIAL)][2:6]
    assert said == [(1, 1, "exam_opened"), (1, 2, "item_started"), (2, 3, "item_finished"), (2, 4, "exam_aborted")]


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_broker_that_forgets_everything_three_times_loses_nothing(mosquitto: Any, protocol: str) -> None:
    """P2: SIGKILL of a broker that keeps nothing, three times in one exam; the rig's memory makes up for it (M5)."""
    with sim_gateway(mosquitto.port, protocol=protocol) as gateway:
        async with rig_at(mosquitto.port, protocol) as host:
            await until(lambda: host.rig.gateway_fresh)
            host.rig.open_exam("S20261123-0001")
            host.rig.start_item("K42")
            for line in (1, 2, 3):
                mosquitto.kill()
                host.rig.deduct(line, 50)
                mosquitto.start()
                await until(lambda: host.rig.memory.acked_seq == host.rig.memory.last_seq)
            host.rig.finish_item()
            host.rig.close_exam()
            await until(lambda: not host.rig.memory.oldest_seq)
            assert host.connections == 4
    assert {seq: len(payloads) for (_, seq), payloads in distinct(gateway.records).items()} == dict.fromkeys(
        range(1, 8), 1
    )


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of `kaofen-simulate broker` in a process of its own, which must end with 0."""
    ready = tmp_path_factory.mktemp("broker") / "ready.json"
    code = "from simulators.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code, "broker", "--port", "0", "--ready-file", str(ready)])
    try:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield json.loads(ready.read_text())["port"]
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait(10)


async def test_the_embedded_broker_serves_3_1_1_and_its_losses_are_made_up_for(embedded: int) -> None:
    """M6: it keeps no session; what was said while the gateway was away comes again until it is acknowledged."""
    async with rig_at(embedded, "3.1.1") as host:
        await until(lambda: host.connected)
        host.rig.open_exam("S20261123-0001")
        host.rig.close_exam()
        with sim_gateway(embedded, protocol="3.1.1"):
            await until(lambda: not host.rig.memory.oldest_seq)


async def test_the_embedded_broker_does_not_know_5_and_the_rig_says_so(embedded: int) -> None:
    """It leaves a client of version 5 without an answer; the rig says what to do, and goes on trying."""
    said: list[str] = []
    rig = Rig(SERIAL, rubric(), HastyTime(), wire=MessageWire())
    host = MqttHost(rig, Broker("127.0.0.1", embedded, "5"), say=lambda _, text: said.append(text))
    try:
        await host.start()
        await until(lambda: said)
        assert "no answer; one that knows only 3.1.1 needs --broker-protocol 3.1.1" in said[0]
    finally:
        await host.stop()


async def test_a_broker_that_never_answers_does_not_stop_the_others() -> None:
    """P8: sixteen rigs at a broker without CONNACK; the loop that serves them and all others is never held up."""
    broker = SlowBroker(greets=False)
    await broker.start()
    hosts = [
        MqttHost(
            Rig(f"CP-{n:04d}", rubric(), HastyTime(), wire=MessageWire()), Broker("127.0.0.1", broker.port, "3.1.1")
        )
        for n in range(16)
    ]
    try:
        for host in hosts:
            await host.start()
        worst = 0.0
        for _ in range(40):
            before = time.monotonic()
            await asyncio.sleep(0.01)
            worst = max(worst, time.monotonic() - before)
        assert worst < 0.5
        assert not any(host.connected for host in hosts)
    finally:
        await asyncio.gather(*(host.stop() for host in hosts))
        await broker.close()


def test_wrong_brokers_are_told(tmp_path: Path) -> None:
    """A mistake in an option is one sentence that says which."""
    for text in ("nowhere", "host:", ":1883", "h:70000"):
        with pytest.raises(InputError, match="expected HOST:PORT"):
            parse_broker(text)
    with pytest.raises(InputError, match="5 or 3"):
        parse_broker("h:1", "4")
    with pytest.raises(InputError, match="needs --broker-ca"):
        parse_broker("h:1", certificates=tmp_path)
    (tmp_path / "passwords").write_text("CP-0002:x\n")
    with pytest.raises(InputError, match="no line CP-0001"):
        parse_broker("h:1", passwords=tmp_path / "passwords").password(SERIAL)
    with pytest.raises(InputError, match="TLS material of CP-0001"):
        parse_broker("h:1", ca=tmp_path / "ca.pem").tls(SERIAL)


@pytest.mark.needs("mosquitto")
async def test_a_fleet_without_a_plan_hangs_on_a_broker(mosquitto: Any) -> None:
    """P2: the same seeded fleet over messages; done only when the application has acknowledged everything."""
    settings = FleetSettings(rigs=3, exams=4, practice=1, speed=5000, broker=Broker("127.0.0.1", mosquitto.port))
    truth = TruthFile(None)
    with sim_gateway(mosquitto.port) as gateway:
        async with Fleet(settings, rubric(), truth) as fleet, asyncio.timeout(40):
            assert {rig["wire"] for rig in fleet.ready_document({})["rigs"]} == {"mqtt"}
            await fleet.finished()
    assert len(distinct(gateway.records)) == truth.records
    assert {record["mode"] for name in fleet.by_serial for record in gateway.of(name)} == {"exam", "practice"}
