"""Simulated rigs at the shipped Mosquitto rules: by password and by certificate, each on its own topics only."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import TYPE_CHECKING

import pytest
from mqtt_peer import peer
from real_mosquitto import Form, RealMosquitto, password_of, running_mosquitto
from sim_parts import rubric

from simulators.device.clock import FleetTime
from simulators.device.rig import Rig
from simulators.mqtt.broker import Broker
from simulators.mqtt.host import MqttHost
from simulators.mqtt.payloads import MessageWire

if TYPE_CHECKING:
    from collections.abc import Callable

SERIAL, GATEWAY = "CP-0001", "kaofen-gw-gw-01"
pytestmark = pytest.mark.needs("mosquitto")


def broker_of(mosquitto: RealMosquitto, form: Form, protocol: str) -> Broker:
    """What --broker-ca and its neighbours make."""
    if form == "mtls":
        folder = mosquitto.folder / "clients"
        return Broker("localhost", mosquitto.port, protocol, ca=mosquitto.ca, certificates=folder)
    passwords = mosquitto.folder / "rigs.txt"
    passwords.write_text("".join(f"{name}:{password_of(name)}\n" for name in (SERIAL, "CP-0002")))
    return Broker("localhost", mosquitto.port, protocol, ca=mosquitto.ca, passwords=passwords)


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(("form", "protocol"), [("mtls", "5"), ("password", "3.1.1")])
async def test_a_rig_shows_who_it_is_inside_tls(form: Form, protocol: str) -> None:
    """M5: over TLS with its own name it says a record, hears the acknowledgement, and believes it."""
    with running_mosquitto(form, (SERIAL, GATEWAY)) as mosquitto, peer(mosquitto, GATEWAY) as gateway:
        gateway.subscribe("kaofen/v1/+/record")
        rig = Rig(SERIAL, rubric(), FleetTime(), wire=MessageWire())
        host = MqttHost(rig, broker_of(mosquitto, form, protocol))
        try:
            await host.start()
            rig.open_exam("S20261123-0001")
            await until(lambda: gateway.messages)
            ((topic, payload),) = gateway.messages
            assert topic == f"kaofen/v1/{SERIAL}/record"
            digest = hashlib.sha256(payload).hexdigest()
            gateway.publish(
                f"kaofen/v1/{SERIAL}/ack", json.dumps({"v": 1, "boot": 1, "seq": 1, "record": digest}).encode()
            )
            await until(lambda: rig.memory.acked_seq == 1)
        finally:
            await host.stop()


async def test_a_rig_that_the_broker_does_not_know_says_so() -> None:
    """A wrong name is told in the broker's words; the rig goes on trying."""
    said: list[str] = []
    with running_mosquitto("password", (SERIAL, GATEWAY)) as mosquitto:
        rig = Rig("CP-0002", rubric(), FleetTime(), wire=MessageWire())
        host = MqttHost(rig, broker_of(mosquitto, "password", "5"), say=lambda _, text: said.append(text))
        try:
            await host.start()
            await until(lambda: said)
            assert "Not authorized" in said[0]
            assert host.trouble == said[0]
            assert password_of("CP-0002") not in said[0]
        finally:
            await host.stop()
