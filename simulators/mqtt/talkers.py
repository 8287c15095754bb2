"""Rigs that say each value once and hear nothing of its fate: plain topics, and Sparkplug B below an edge node.

Own the connection and what such a rig says on it, in the order in which it says it; a test bench decides when. Written
from the published specifications, with an encoder of their own. What they said nobody asks for again: a message that
was lost is lost, which is what a reader of such rigs must live with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from simulators.mqtt.link import Deaf, Link
from simulators.mqtt.spark_payload import Metric, payload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulators.mqtt.broker import Broker

Said: TypeAlias = "int | float | str | bool | None"
Message: TypeAlias = "tuple[str, bytes]"  # topic and payload
_SEQUENCE = 256
_REBIRTH = b"Node Control/Rebirth"
_TRUE = b"\x70\x01"


class PlainTalker:
    """Publishes each value under `<root>/<serial>/<name>`; its will says that it is away."""

    def __init__(self, broker: Broker, serial: str, root: str = "bench") -> None:
        self._place = f"{root}/{serial}"
        self._broker, self._serial = broker, serial
        self._link: Link | None = None

    async def open(self) -> None:
        """Connect and say that it is there."""
        self._link = Link(self._broker, self._serial, (f"{self._place}/link", b"0"), Deaf())
        await self._link.open()
        self.say("link", "1", retain=True)

    def say(self, name: str, text: str, *, retain: bool = False) -> None:
        """One value."""
        if self._link is not None:
            self._link.publish(f"{self._place}/{name}", text.encode(), retain=retain)

    def say_all(self, values: Mapping[str, str]) -> None:
        """In this order."""
        for name, text in values.items():
            self.say(name, text)

    def cut(self) -> None:
        """Pull the cable: the broker publishes the will."""
        if self._link is not None:
            self._link.break_off()


@dataclass(frozen=True, slots=True)
class Kind:
    """What a birth certificate says of one metric."""

    alias: int
    datatype: str


class SparkVoice:
    """The messages of an edge node in their order, each with its number. Pure but for the clock."""

    def __init__(self, place: tuple[str, str], now_ms: Callable[[], int]) -> None:
        self._group, self._name = place
        self._now_ms = now_ms
        self._seq = 0
        self.bdseq = -1

    def topic(self, kind: str, device: str | None = None) -> str:
        """Of a message of this kind."""
        return "/".join(["spBv1.0", self._group, kind, self._name, *([] if device is None else [device])])

    def will(self) -> Message:
        """A new life: its death certificate, which the broker keeps until it is needed."""
        self.bdseq = (self.bdseq + 1) % _SEQUENCE
        return self.topic("NDEATH"), payload([self._life()], None, self._now_ms())

    def birth(self) -> Message:
        """Of the node; numbers begin anew."""
        self._seq = 0
        control = Metric("Boolean", False, _REBIRTH.decode(), typed=True)
        return self.message("NBIRTH", None, [self._life(), control])

    def message(self, kind: str, device: str | None, metrics: list[Metric]) -> Message:
        """The next one."""
        said = self.topic(kind, device), payload(metrics, self._seq, self._now_ms())
        self.lose()
        return said

    def lose(self) -> None:
        """A message that never leaves, and has its number."""
        self._seq = (self._seq + 1) % _SEQUENCE

    def wants_birth(self, name: str, content: bytes) -> bool:
        """Whether this is the one command that is known."""
        return name == self.topic("NCMD") and _REBIRTH in content and content.endswith(_TRUE)

    def _life(self) -> Metric:
        return Metric("Int64", self.bdseq, "bdSeq", typed=True)


class SparkTalker:
    """An edge node and its devices. `state` is what each device's metrics are now."""

    def __init__(
        self,
        broker: Broker,
        place: tuple[str, str],
        kinds: Mapping[str, Kind],
        state: dict[str, dict[str, Said]],
        now_ms: Callable[[], int],
    ) -> None:
        self._broker = broker
        self._name = place[1]
        self._voice = SparkVoice(place, now_ms)
        self._kinds = kinds
        self.state = state
        self._now_ms = now_ms
        self._link: Link | None = None
        self.rebirths = 0

    @property
    def bdseq(self) -> int:
        """Which life this is."""
        return self._voice.bdseq

    async def open(self) -> None:
        """CONNECT with the death certificate as the will, hear commands, be born."""
        self._link = Link(self._broker, self._name, self._voice.will(), self, keep_will=False)
        await self._link.open()
        self._link.subscribe([self._voice.topic("NCMD")])
        self.be_born()

    def be_born(self) -> None:
        """Birth certificates of the node and all its devices."""
        self._publish(self._voice.birth())
        for device, values in self.state.items():
            self._say("DBIRTH", device, [self._metric(name, values[name], born=True) for name in self._kinds])

    def say(self, device: str, values: Mapping[str, Said], *, historical: bool = False) -> None:
        """Data of a device, by aliases."""
        if not historical:
            self.state[device].update(values)
        metrics = [self._metric(name, value, historical=historical) for name, value in values.items()]
        self._say("DDATA", device, metrics)

    def lose(self) -> None:
        """A message that never leaves, and has its number."""
        self._voice.lose()

    def end(self, device: str) -> None:
        """The device is switched off."""
        self._say("DDEATH", device, [])

    def cut(self) -> None:
        """Pull the cable: the broker publishes the will."""
        if self._link is not None:
            self._link.break_off()

    # ---- hearing (LinkOwner) ----

    def came(self, name: str, content: bytes) -> None:
        """A command; only the one for a rebirth is known."""
        if self._voice.wants_birth(name, content):
            self.rebirths += 1
            self.be_born()

    def delivered(self, mid: int, refusal: str) -> None:
        """QoS 0 has no PUBACK."""

    # ---- writing ----

    def _metric(self, name: str, value: Said, *, born: bool = False, historical: bool = False) -> Metric:
        kind = self._kinds[name]
        return Metric(
            kind.datatype, value, name if born else None, kind.alias, self._now_ms(), typed=born, historical=historical
        )

    def _say(self, kind: str, device: str | None, metrics: list[Metric]) -> None:
        self._publish(self._voice.message(kind, device, metrics))

    def _publish(self, message: Message) -> None:
        if self._link is not None:
            self._link.publish(*message, qos=0)
