"""A Sparkplug device below an edge node, by the simulators' own encoder; and the gateway's side without a broker."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from next_reading import next_reading
from tree import ROOT

from device_adapters.factory import open_box, open_message_adapter
from device_adapters.language.profile import load_profile
from device_adapters.language.values import SparkShape
from device_adapters.sparkplug.box import SparkBox
from simulators.mqtt.spark_payload import Metric, payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_adapters.contract import Adapter, Evidence, Observation, Position
    from device_adapters.language.profile import Profile
    from device_adapters.messages.fates import Fate

TEXT = (ROOT / "tests/vectors/profile/sparkplug-device.toml").read_text(encoding="utf-8")
SERIAL, OTHER = "B-7", "B-8"
AT_MS = 1_763_870_525_000
KINDS = {  # name of the metric: alias, type, value at birth
    "Result/Number": (1, "UInt32", 17),
    "Properties/Starts": (2, "UInt32", 3),
    "Result/Score": (3, "Float", 0.0),
    "Result/End": (4, "UInt8", 0),
    "Task/Code": (5, "String", "K00"),
    "Task/Run": (6, "Int16", 1),
    "Candidate/Ticket": (7, "String", "S0"),
    "Exam/Number": (8, "UInt64", 17),
    "Key/Exam": (9, "Boolean", True),
    "Result/At": (10, "DateTime", 0),
    "Candidate/Photo": (11, "String", "who knows what"),
}
RESULT: dict[str, Any] = {
    "Task/Code": "K21",
    "Candidate/Ticket": "S1",
    "Result/Score": 87.5,
    "Result/At": AT_MS,
}


def birth(**changed: Any) -> list[Metric]:
    """All metrics; `...` leaves one out."""
    values = {name: changed.get(name.replace("/", "_"), first) for name, (_, _, first) in KINDS.items()}
    return [
        Metric(KINDS[name][1], value, name, KINDS[name][0], AT_MS, typed=True)
        for name, value in values.items()
        if value is not ...
    ]


def data(values: dict[str, Any], *, historical: bool = False, at_ms: int = AT_MS) -> list[Metric]:
    """Some metrics by their alias."""
    return [
        Metric(KINDS[name][1], value, None, KINDS[name][0], at_ms, historical=historical)
        for name, value in values.items()
    ]


@functools.cache
def _profile(text: str) -> Profile:
    return load_profile(text.encode())


class Bench:
    """One edge node with two devices, of which the first is a rig."""

    def __init__(self, text: str = TEXT, position: Position | None = None, serials: Sequence[str] = (SERIAL,)) -> None:
        self.profile = _profile(text)
        assert isinstance(self.profile.message, SparkShape)
        nodes: dict[Any, Any] = {}
        self.boxes: dict[str, SparkBox] = {}
        for serial in serials:
            box = open_box(self.profile.message, serial, nodes)
            assert isinstance(box, SparkBox)
            self.boxes[serial] = box
        (self.node,) = nodes.values()
        self.connection, self.trouble = 1, None
        self.asked: list[tuple[str, bytes]] = []
        self.fates: list[Fate] = []
        self.seq = 0
        self.adapters: dict[str, Adapter] = {
            serial: open_message_adapter(self.profile, self, box, position=position)
            for serial, box in self.boxes.items()
        }
        self.adapter = self.adapters[serials[0]]

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Only a rebirth is ever asked for."""
        assert qos == 0
        self.asked.append((topic, payload))

    def say(self, kind: str, metrics: list[Metric], device: str | None = SERIAL, **how: Any) -> None:
        """One message; `seq` counts on by itself unless it is given."""
        seq = how.pop("seq", self.seq)
        raw = how.pop("raw", None)
        if seq is not None:
            self.seq = (seq + 1) % 256
        content = payload(metrics, seq, AT_MS) if raw is None else raw
        level = [] if device is None else [device]
        topic = "/".join(["spBv1.0", "hall-3", kind, self.node.name, *level])
        self.node.take(topic, content, self.fates.append, how.pop("retained", False))

    def be_born(self, bdseq: int = 0, *, devices: Sequence[str] = (SERIAL,), **changed: Any) -> None:
        """The node and its devices."""
        node = [
            Metric("Int64", bdseq, "bdSeq", typed=True),
            Metric("Boolean", False, "Node Control/Rebirth", typed=True),
        ]
        self.say("NBIRTH", node, None, seq=self.seq)
        for device in devices:
            self.say("DBIRTH", birth(**changed), device)

    def die(self, bdseq: int = 0) -> None:
        """The will of the node."""
        self.say("NDEATH", [Metric("Int64", bdseq, "bdSeq", typed=True)], None, seq=None)

    def finish(self, number: int, device: str = SERIAL) -> None:
        """A whole record in one message."""
        self.say("DDATA", data({**RESULT, "Result/Number": number}), device)

    def cut(self) -> None:
        """The connection is lost and comes back."""
        for box in self.boxes.values():
            box.lost()
        self.connection += 1

    async def next(self) -> Observation | Evidence:
        """The next observation, acknowledged, or refusal."""
        return await next_reading(self.adapter)
