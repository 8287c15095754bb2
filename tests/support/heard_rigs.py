"""Rigs that are heard, in this process: what they publish goes straight to who listens, and the answers back (strict).

The rig of interface v1 is that of `mqtt_rig`, without its broker and its threads; the bench of values says each once.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import plain_bench
import spark_bench
from mqtt_rig import MqttRig

from device_adapters.language.profile import load_profile
from gateway.rig.heard.message import Message
from simulators.mqtt.spark_payload import Metric, payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_adapters.language.profile import Profile
    from gateway.rig.accept.heard_rig import HeardRig


class Said:
    """A message as the client library hands it on."""

    def __init__(self, topic: str, payload: bytes) -> None:
        self.topic, self.payload = topic, payload


class WiredRig(MqttRig):
    """`listener` hears it. `forgets`, `alters`, `deaf`: what it does wrong."""

    def __init__(self, serial: str = "CP-0001") -> None:
        super().__init__(None, serial)  # type: ignore[arg-type]
        self.listener: HeardRig | None = None
        self.forgets = self.alters = self.deaf = self.allows = self.willless = False
        self.clock_s = 0
        self._client = self  # type: ignore[assignment]

    def is_connected(self) -> bool:
        return self.listener is not None

    def publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> Any:
        """Of the rig: to who listens. A live subscriber sees nothing as retained."""
        assert self.listener is not None
        self.listener.take(Message(time.monotonic_ns() // 1000, topic, payload))

    def finish(self) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.clock_s))
        self.latch("item_started", time=now)
        self.latch("item_finished", time=now, finished=now)

    def power_cycle(self) -> None:
        if not self.willless:
            self.publish(self._topic("status"), self._will())
        self.boot += 1
        if self.forgets:
            self.records.pop(min(self.records))
        if self.alters:
            seq = min(self.records)
            self.records[seq] = self.records[seq].replace(b"K42", b"K43")
        self.say_status()

    def _take_ack(self, said: dict[str, Any]) -> None:
        if not self.deaf:
            super()._take_ack(said)


class Wire:
    """The broker's side of it: a `Post` that hands on at once."""

    connection, trouble = 1, None

    def __init__(self, rig: WiredRig) -> None:
        self.rig = rig

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        assert topic.startswith(f"kaofen/v1/{self.rig.serial}/")
        self.rig._on_message(None, None, Said(topic, payload))  # type: ignore[arg-type]


class WiredBench:
    """The strict fake of the Bench seam: presses the buttons of a rig in this process."""

    told = "a fake"

    def __init__(self, finish: Callable[[], None], power: Callable[[], None], *, allows: bool = False) -> None:
        self._finish, self._power, self._allows = finish, power, allows
        self.results = self.restarts = 0

    async def result(self, number: int) -> None:
        self.results += 1
        assert number == self.results, "results are numbered"
        self._finish()

    async def restart(self) -> None:
        self.restarts += 1
        assert self.restarts == 1, "one restart is enough"
        self._power()

    async def attempt(self) -> bool | None:
        return self._allows


class ValueRig:
    """Says each value once, the number last."""

    profile: Profile = load_profile(plain_bench.TEXT.encode())

    def __init__(self) -> None:
        self.listener: HeardRig | None = None
        self.number = 7
        self.skips = 0

    def say(self, last: str, text: str) -> None:
        assert self.listener is not None
        topic = f"bench/{plain_bench.SERIAL}/{last}"
        self.listener.take(Message(time.monotonic_ns() // 1000, topic, text.encode()))

    def finish(self) -> None:
        self.number += 1 + self.skips
        for last, text in {**plain_bench.GOOD, "clock": str(int(time.time()))}.items():
            self.say(last, text)
        self.say("count", str(self.number))

    def power_cycle(self) -> None:
        self.say("link", "0")
        self.say("link", "1")


class SparkRig:
    """An edge node with one device; born again when it is asked to be, and only then."""

    profile: Profile = load_profile(spark_bench.TEXT.encode())
    connection, trouble = 1, None

    def __init__(self) -> None:
        self.listener: HeardRig | None = None
        self.number, self.seq, self.bdseq, self.asked = 17, 0, 0, 0
        self.node = spark_bench.Bench().node.name

    def say(self, kind: str, metrics: list[Metric], device: str | None = spark_bench.SERIAL, **how: Any) -> None:
        assert self.listener is not None
        level = [] if device is None else [device]
        topic = "/".join(["spBv1.0", "hall-3", kind, self.node, *level])
        content = payload(metrics, how.get("seq", self.seq), int(time.time() * 1000))
        self.listener.take(Message(time.monotonic_ns() // 1000, topic, content))
        self.seq = (self.seq + 1) % 256

    def life(self) -> list[Metric]:
        return [Metric("Int64", self.bdseq, "bdSeq", typed=True)]

    def be_born(self) -> None:
        self.seq = 0
        self.say("NBIRTH", self.life(), None)
        self.say("DBIRTH", spark_bench.birth(Result_Number=self.number))

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        assert topic == f"spBv1.0/hall-3/NCMD/{self.node}"
        assert b"Node Control/Rebirth" in payload
        self.asked += 1
        self.be_born()

    def finish(self) -> None:
        self.number += 1
        now_ms = int(time.time() * 1000)
        result = {**spark_bench.RESULT, "Result/At": now_ms, "Result/Number": self.number}
        self.say("DDATA", spark_bench.data(result, at_ms=now_ms))

    def power_cycle(self) -> None:
        self.say("NDEATH", self.life(), None, seq=None)
        self.bdseq += 1
        self.be_born()


async def beating(rig: WiredRig) -> None:
    """Its status, again and again, until it is cancelled."""
    while True:
        rig.say_status()
        await asyncio.sleep(0.01)
