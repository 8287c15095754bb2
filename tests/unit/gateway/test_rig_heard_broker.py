"""The tools for rigs that are heard, against a real Mosquitto, as an integrator calls them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from heard_samples import NAME, objects, profiles, spark
from plain_mosquitto import PlainMosquitto, plain_mosquitto
from real_mosquitto import RealMosquitto

from device_adapters.mqtt.connection import Account, Broker
from gateway.cli import main
from gateway.rig.heard.recording import read_message_recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gateway.rig.heard.message import Message


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainMosquitto]:
    with plain_mosquitto(tmp_path_factory.mktemp("heard")) as broker:
        yield broker


def code_of(words: list[str]) -> int:
    """Of the command."""
    try:
        main(words)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


async def saying(mosquitto: PlainMosquitto, messages: Sequence[Message]) -> None:
    """A rig that says the same again and again until it is stopped."""
    broker, up = Broker(Account("127.0.0.1", mosquitto.port, "5", "rig", clean=True)), asyncio.Event()
    holding = asyncio.create_task(broker.hold(up.set))
    try:
        await up.wait()
        while True:
            for message in messages:
                await broker.publish(message.topic, message.payload, 0)
            await asyncio.sleep(0.02)
    finally:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)


async def tool(mosquitto: PlainMosquitto, messages: Sequence[Message], *words: str) -> int:
    """The command's exit code, while the rig talks."""
    talking = asyncio.create_task(saying(mosquitto, messages))
    try:
        where = ["--broker", f"127.0.0.1:{mosquitto.port}"]
        return await asyncio.to_thread(code_of, ["rig", *words, *where])
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)


async def test_an_exam_is_probed_captured_checked_and_said_again(
    mosquitto: PlainMosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a live rig to a file without names, and from the file to whoever listens (P7)."""
    profile, out = ["--profile", "kaofen-interface-v1-mqtt"], tmp_path / "rig.jsonl"
    assert await tool(mosquitto, objects(), "probe", "CP-0001", *profile, "--once", "--json") == 0
    assert {one["name"] for one in json.loads(capsys.readouterr().out)["sheets"]} >= {"status"}
    assert await tool(mosquitto, objects(), "capture", "CP-0001", *profile, "--out", str(out), "--seconds", "0.4") == 0
    recording = read_message_recording(out)
    assert len(recording.messages()) >= 7
    assert NAME not in out.read_text()
    assert await asyncio.to_thread(code_of, ["rig", "check", profile[1], str(out)]) == 0
    where = ["--broker", f"127.0.0.1:{mosquitto.port}"]
    listening = asyncio.to_thread(code_of, ["rig", "probe", "CP-0001", *profile, "--once", *where])
    saying_again = asyncio.to_thread(code_of, ["rig", "replay", str(out), "--speed", "1", *where])
    assert await asyncio.gather(listening, saying_again) == [0, 0]


async def test_nothing_is_asked_of_an_edge_node_unless_wished(
    mosquitto: PlainMosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rebirth is a command to somebody's plant: `--rebirth` asks, nothing else does."""
    profile, serial, messages = profiles()["spark"]
    (tmp_path / "spark.toml").write_bytes(profile.text)
    asked: list[str] = []
    node = messages[0].topic.split("/")[3]

    class Commands:
        def routes(self):
            yield f"spBv1.0/hall-3/NCMD/{node}", lambda topic, *_: asked.append(topic)

        def wake(self) -> None: ...
        def lost(self) -> None: ...
        def let_go(self) -> bool:
            return False

    broker, up = Broker(Account("127.0.0.1", mosquitto.port, "5", "node", clean=True)), asyncio.Event()
    broker.join(Commands())
    holding = asyncio.create_task(broker.hold(up.set))
    await up.wait()
    words = ["probe", serial, "--profile", str(tmp_path / "spark.toml"), "--every", "0.05", "--looks", "2"]
    try:
        assert await tool(mosquitto, spark()[3:], *words) == 1
        assert not asked
        assert await tool(mosquitto, spark()[3:], *words, "--rebirth") == 1
        assert len(asked) == 1
    finally:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
    assert "--rebirth" in capsys.readouterr().out


async def test_a_certificate_opens_the_shipped_broker(capsys: pytest.CaptureFixture[str]) -> None:
    """TLS and a client certificate, as a gateway's: its name is the tool's; no certificate, no way in."""
    broker = RealMosquitto("mtls", ["kaofen-tool"])
    keys = broker.folder / "clients" / "kaofen-tool"
    identity = ["--certificate", str(keys / "cert.pem"), "--key-file", str(keys / "cert.key")]
    where = ["--broker", f"localhost:{broker.port}", "--ca", str(broker.ca), "--profile", "kaofen-interface-v1-mqtt"]
    words = ["rig", "probe", "CP-0001", *where, "--looks", "2", "--every", "0.05"]
    try:
        broker.start()
        assert await asyncio.to_thread(code_of, [*words, *identity]) == 1
        assert "may this tool read its topics?" in capsys.readouterr().out
        assert await asyncio.to_thread(code_of, words) == 1
        assert "nobody is heard" in capsys.readouterr().out
    finally:
        broker.close()
