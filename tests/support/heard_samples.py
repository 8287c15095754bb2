"""What rigs of each form say in one exam, as messages; and the gateway's side of it, by the real adapter."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import plain_bench
import spark_bench
from mqtt_rig import MqttRig

from device_adapters.contract import BadReading, Observation
from device_adapters.factory import open_box, open_message_adapter
from device_adapters.language.profile import load_profile
from device_adapters.messages.mailbox import Mailbox
from gateway.recording.texts import profile_named
from gateway.rig.heard.message import Message
from gateway.rig.heard.recording import Head
from simulators.mqtt.spark_payload import Metric, payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from device_adapters.contract import Adapter
    from device_adapters.language.profile import Profile

QUIET_S = 0.25  # nothing more comes
NAME, TICKET = "张三丰", "20261123-0007"


def objects(serial: str = "CP-0001") -> list[Message]:
    """Interface v1 over MQTT: status, three records, one value that nobody named."""
    rig = MqttRig(None, serial)  # type: ignore[arg-type]
    said = [("status", rig._status())]
    for kind, more in (
        ("item_started", {}),
        ("item_finished", {"name": NAME, "ticket": TICKET, "examiner": {"phone": "13800000000"}, "room": "B-2"}),
        ("exam_closed", {"note": NAME}),
    ):
        rig.last_seq += 1
        record = {**rig.record(rig.last_seq, kind), **more}
        rig.records[rig.last_seq] = json.dumps(record, ensure_ascii=False).encode()
        said.append(("record", rig.records[rig.last_seq]))
        said.append(("status", rig._status()))
    return [Message(at * 1000, f"kaofen/v1/{serial}/{last}", data) for at, (last, data) in enumerate(said)]


def plain(serial: str = plain_bench.SERIAL) -> list[Message]:
    """Values under topics of their own, the number last; twice."""
    said: list[tuple[str, str]] = [("link", "1")]
    for number in ("7", "8"):
        said += [*plain_bench.GOOD.items(), ("count", number)]
    return [Message(at * 1000, f"bench/{serial}/{last}", text.encode()) for at, (last, text) in enumerate(said)]


def spark() -> list[Message]:
    """An edge node, its two devices, results of both; what the other one says is nobody's business here."""
    life = Metric("Int64", 4, "bdSeq", typed=True)
    said: list[tuple[str, str | None, list[Metric]]] = [("NBIRTH", None, [life])]
    said += [("DBIRTH", device, spark_bench.birth()) for device in (spark_bench.SERIAL, spark_bench.OTHER)]
    for number in (18, 19):
        result: dict[str, Any] = {**spark_bench.RESULT, "Result/Number": number, "Candidate/Ticket": TICKET}
        said.append(("DDATA", spark_bench.OTHER, spark_bench.data({"Candidate/Ticket": NAME})))
        said.append(("DDATA", spark_bench.SERIAL, spark_bench.data({"Candidate/Photo": NAME})))
        said.append(("DDATA", spark_bench.SERIAL, spark_bench.data(result)))
    node = spark_bench.Bench().node.name
    return [
        Message(
            at * 1000,
            "/".join(["spBv1.0", "hall-3", kind, node, *([] if device is None else [device])]),
            payload(metrics, at, spark_bench.AT_MS),
        )
        for at, (kind, device, metrics) in enumerate(said)
    ]


def profiles() -> dict[str, tuple[Profile, str, list[Message]]]:
    """By form: the profile, the serial number, what was said."""
    return {
        "objects": (profile_named("kaofen-interface-v1-mqtt", _here()), "CP-0001", objects()),
        "plain": (load_profile(plain_bench.TEXT.encode()), plain_bench.SERIAL, plain()),
        "spark": (load_profile(spark_bench.TEXT.encode()), spark_bench.SERIAL, spark()),
    }


def head_for(profile: Profile, serial: str, *, kept: bool = False) -> Head:
    return Head("mqtt", serial, "2026-11-24T00:00:00Z", "kept" if kept else "hidden", profile.id, profile.sha256)


class Silent:
    """A connection that is there, and of which nobody wants to hear anything."""

    connection, trouble = 1, None

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Acknowledgements of what is heard again."""


async def observed(profile: Profile, serial: str, messages: Iterable[Message]) -> list[Observation]:
    """What a gateway makes of them: the real box, the real adapter."""
    assert profile.message is not None
    box = open_box(profile.message, serial, {})
    adapter = open_message_adapter(profile, Silent(), box)
    feeding = asyncio.create_task(_feed(box, tuple(messages)))
    found: list[Observation] = []
    try:
        await adapter.connect()
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    observation = await _next(adapter)
            except TimeoutError:
                return found
            found.append(observation)
    finally:
        feeding.cancel()


async def _next(adapter: Adapter) -> Observation:
    while True:
        try:
            reading, ack = await adapter.read()
        except BadReading:
            continue
        await ack(bytes(32))
        if isinstance(reading, Observation):
            return reading


async def _feed(box: Any, messages: Sequence[Message]) -> None:
    """In order; a rig with a status says it again and again."""
    routes = _routes(box)
    last = messages
    while last:
        for message in last:
            for topic, take in routes:
                if _matches(topic, message.topic):
                    take(message.topic, message.payload, lambda _fate: None, message.retained)
            await asyncio.sleep(0.002)
        last = [one for one in messages if one.topic.endswith("/status")][-1:]


def bare(found: Iterable[Observation]) -> list[Observation]:
    """Without what was hidden: personal values, and the bytes that they stood in."""
    return [replace(one, personal={}, raw=()) for one in found]


def _routes(box: Any) -> list[tuple[str, Callable[..., object]]]:
    if not isinstance(box, Mailbox):
        return list(box.routes())
    topics = box.shape.topics

    def record(_topic: str, data: bytes, settle: Any, kept: bool) -> None:
        box.deliver_record(data, settle, retained=kept)

    def status(_topic: str, data: bytes, settle: Any, kept: bool) -> None:
        box.deliver_status(data, settle, retained=kept)

    return [(topics.of(topics.record, box.serial), record), (topics.of(topics.status, box.serial), status)]


def _matches(pattern: str, topic: str) -> bool:
    levels, given = pattern.split("/"), topic.split("/")
    return len(levels) == len(given) and all(one in {"+", other} for one, other in zip(levels, given, strict=True))


def _here() -> Path:
    from pathlib import Path  # noqa: PLC0415

    return Path()
