"""The doctor at MQTT brokers, real ones on loopback: each obstacle between gateway and rig has words of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest
from fake_server_client import FakeServer
from gateway_world import config_text
from mqtt_rig import MqttRig
from real_mosquitto import password_of, running_mosquitto
from tls_material import make_tls_material

from gateway.doctor.brokers import check_brokers
from gateway.recording.texts import load_texts
from gateway.settings.config import parse_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real_mosquitto import RealMosquitto

    from gateway.doctor.report import Finding

NAMES = ["kaofen-gw-gw-01", "CP-0001", "CP-0002"]

pytestmark = pytest.mark.needs("mosquitto")


@pytest.fixture(scope="module")
def broker() -> Iterator[RealMosquitto]:
    """With the shipped rules, password form."""
    with running_mosquitto("password", NAMES) as made:
        yield made


async def ask(folder: Path, port: int, live: dict[str, Any] | None = None, **broker: str) -> list[Finding]:
    """The findings of a gateway with one broker and two rigs there."""
    words = {"host": "localhost", "protocol": "5", **broker}
    lines = ["[[broker]]", 'id = "main"', f"port = {port}", *(f'{name} = "{value}"' for name, value in words.items())]
    for number, serial in enumerate(("CP-0001", "CP-0002"), 1):
        lines += ["[[rig]]", f'serial = "{serial}"', f'station = "B-0{number}"', 'broker = "main"']
        lines += ['profile = "kaofen-interface-v1-mqtt"', 'source = "simulator"']
    config = parse_config((config_text((), FakeServer()) + "\n".join(lines)).encode(), folder)
    return await check_brokers(config, load_texts(config), live)


def identity(folder: Path, broker: RealMosquitto, password: str = "") -> dict[str, str]:
    file = folder / "password"
    file.write_text((password or password_of(NAMES[0])) + "\n")
    file.chmod(0o600)
    return {"ca": str(broker.ca), "username": NAMES[0], "password_file": str(file)}


@pytest.mark.long
async def test_a_rig_that_speaks_is_told_from_one_that_does_not(tmp_path: Path, broker: RealMosquitto) -> None:
    """Connected, but no status from the rig: its own words. What waits at the broker for the gateway waits on."""
    rig = MqttRig(broker, "CP-0001")
    rig.open()
    rig.latch("item_finished")
    try:
        found = await ask(tmp_path, broker.port, **identity(tmp_path, broker))
        assert [one.level for one in found] == ["ok", "ok", "FAIL"], [one.en for one in found]
        assert "answers" in found[1].en
        assert "nothing comes from the rig" in found[2].en
        assert rig.acked_seq == 0, "the doctor acknowledges nothing"
    finally:
        rig.close()
    gone = await ask(tmp_path, broker.port, **identity(tmp_path, broker))
    assert "says that the rig is gone" in gone[1].en


async def test_a_wrong_password_is_named(tmp_path: Path, broker: RealMosquitto) -> None:
    """With either protocol; the rigs behind it are not blamed."""
    for protocol in ("5", "3.1.1"):
        found = await ask(tmp_path, broker.port, protocol=protocol, **identity(tmp_path, broker, "guess"))
        assert (found[0].level, "password_file" in found[0].en) == ("FAIL", True), found[0].en
        assert [(one.level, "not asked" in one.en) for one in found[1:]] == [("warn", True)] * 2
        assert "guess" not in str(found)


async def test_the_running_gateway_is_asked_and_not_thrown_out(tmp_path: Path, broker: RealMosquitto) -> None:
    """A broker lets one connection of a name live: the doctor takes the gateway's word instead of its place."""
    live = {
        "brokers": [{"id": "main", "online": True, "reason": ""}],
        "rigs": [{"rig": "CP-0001", "state": "idle"}, {"rig": "CP-0002", "state": "offline"}],
    }
    before = broker.log().count("as kaofen-gw-gw-01")
    found = await ask(tmp_path, broker.port, live, **identity(tmp_path, broker))
    assert [one.level for one in found] == ["ok", "ok", "FAIL"]
    assert broker.log().count("as kaofen-gw-gw-01") == before
    live["brokers"] = [{"id": "main", "online": False, "reason": "broker: Not authorized"}]
    assert "password_file" in (await ask(tmp_path, broker.port, live, **identity(tmp_path, broker)))[0].en
    live["brokers"] = []
    assert "restart" in (await ask(tmp_path, broker.port, live, **identity(tmp_path, broker)))[0].en


@pytest.mark.long
async def test_every_hop_before_the_login_has_its_words(tmp_path: Path, broker: RealMosquitto) -> None:
    """Name, refusal, no TLS, another CA, silence, another protocol; and files that are not there, before any of it."""
    other = str(make_tls_material(tmp_path / "other").server / "ca.pem")
    with socket.socket() as closed, socket.create_server(("127.0.0.1", 0)) as mute:
        closed.bind(("127.0.0.1", 0))
        async with await asyncio.start_server(_portal, "127.0.0.1", 0) as portal:
            odd = portal.sockets[0].getsockname()[1]
            cases = [
                ask(tmp_path, broker.port, host="two..dots"),
                ask(tmp_path, closed.getsockname()[1], host="127.0.0.1"),
                ask(tmp_path, odd, host="127.0.0.1", ca=str(broker.ca)),
                ask(tmp_path, broker.port, ca=other),
                ask(tmp_path, mute.getsockname()[1], host="127.0.0.1", ca=str(broker.ca)),
                ask(tmp_path, odd, host="127.0.0.1"),
                ask(tmp_path, broker.port, ca="no-such-file.pem"),
            ]
            found = [(await one)[0] for one in cases]
    words = [
        "is not known",
        "refuses",
        "no TLS",
        "not from this CA",
        "says nothing",
        "no MQTT broker",
        "ca, certificate",
    ]
    assert [one.level for one in found] == ["FAIL"] * len(words)
    assert [(word, word in one.en) for word, one in zip(words, found, strict=True)] == [(word, True) for word in words]


async def _portal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Something else that listens there."""
    with contextlib.suppress(OSError):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
    writer.close()
