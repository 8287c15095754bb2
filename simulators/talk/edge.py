"""Sparkplug rigs: the edge node that several hang on, with its one connection, and each rig as a device below it.

    rig latches ─▶ DDATA ─▶ [faults of messages] ─▶ edge node ─▶ broker           QoS 0: nobody says that it came
    broker ─▶ NCMD rebirth ─▶ births of the node and of every device that has power

A rig without power is a death certificate; a broken connection is the node's, and all its devices'.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, cast

from simulators.device.plug import Host
from simulators.faults.base import Publication
from simulators.limits import BROKER_PAUSE_S
from simulators.mqtt.link import Link, LinkFailed
from simulators.mqtt.spark_payload import Metric
from simulators.mqtt.talkers import SparkVoice
from simulators.talk.rig import STAMP

if TYPE_CHECKING:
    from simulators.device.clock import RigTime
    from simulators.mqtt.broker import Broker
    from simulators.talk.rig import TalkRig
    from simulators.talk.saying import Said

_MS = 1000


class EdgeNode:
    """One node. It connects while a device of it has power."""

    def __init__(self, broker: Broker, place: tuple[str, str], time: RigTime, seed: int = 0) -> None:
        self.broker = broker
        self.name = place[1]
        self.voice = SparkVoice(place, lambda: time.wall_us() // _MS)
        self.rebirths = 0
        self._time = time
        self._rng = random.Random(f"{seed}/{self.name}/pauses")  # noqa: S311 - reproducible, not secret
        self._devices: dict[str, SparkHost] = {}
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None

    def plug_in(self, device: SparkHost) -> None:
        """A rig with power."""
        self._devices[device.rig.serial] = device
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._stay(), name=f"edge node {self.name}")
        elif self._link is not None:
            device.be_born()

    def unplug(self, device: SparkHost) -> None:
        """Without power."""
        if self._devices.pop(device.rig.serial, None) is not None:
            self.publish(*self.voice.message("DDEATH", device.rig.serial, []))

    async def leave(self, device: SparkHost) -> None:
        """The end of the program; with the last device the node goes."""
        self.unplug(device)
        task, self._task = (self._task, None) if not self._devices else (None, self._task)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.break_off()

    def break_off(self) -> None:
        """Pull the cable."""
        if self._link is not None:
            self._link.break_off()

    def publish(self, name: str, payload: bytes) -> bool:
        """Whether there was a connection to say it on."""
        if self._link is None or self._link.gone.is_set():
            return False
        self._link.publish(name, payload, qos=0)
        return True

    def carries(self, device: SparkHost) -> bool:
        """Whether the broker has taken the node in, with this device born below it."""
        up = self._link is not None and not self._link.gone.is_set()
        return up and device.rig.serial in self._devices

    # ---- hearing (LinkOwner) ----

    def came(self, name: str, content: bytes) -> None:
        """A command."""
        if self.voice.wants_birth(name, content):
            self.rebirths += 1
            self._be_born()

    def delivered(self, mid: int, refusal: str) -> None:
        """QoS 0 has no PUBACK."""

    # ---- inside ----

    async def _stay(self) -> None:
        pause = BROKER_PAUSE_S[0]
        while True:
            link = Link(self.broker, self.name, self.voice.will(), self, keep_will=False)
            try:
                await link.open()
            except LinkFailed as failed:
                self._tell(str(failed))
                pause = min(BROKER_PAUSE_S[1], 2 * pause)
            else:
                pause, self._link = BROKER_PAUSE_S[0], link
                self._tell(None)
                link.subscribe([self.voice.topic("NCMD")])
                self._be_born()
                await link.gone.wait()
                self._link = None
            await self._time.sleep_bus(pause * self._rng.uniform(0.5, 1))

    def _tell(self, trouble: str | None) -> None:
        for device in self._devices.values():
            device.trouble = trouble

    def _be_born(self) -> None:
        self.publish(*self.voice.birth())
        for device in self._devices.values():
            device.be_born()


class SparkHost(Host):
    """A rig of kind `sparkplug`."""

    wire = "mqtt"

    def __init__(self, rig: TalkRig, node: EdgeNode, **more: Any) -> None:
        super().__init__(rig, **more)
        self.node = node
        self._aliases = {place: at for at, place in enumerate(dict.fromkeys((*rig.model.record, *rig.model.status)), 1)}
        self._timers: set[asyncio.TimerHandle] = set()
        self._shown: dict[str, Said] = {}
        rig.on_change = self._changed

    def where(self) -> dict[str, Any]:
        """The broker, and the node that speaks for it."""
        group, node = self._talk.model.edge
        return {"broker": self.node.broker.place, "protocol": self.node.broker.protocol, "edge": f"{group}/{node}"}

    @property
    def _talk(self) -> TalkRig:
        return cast("TalkRig", self.rig)

    async def start(self) -> None:
        """Check what was given, then be a device."""
        self.node.broker.tls(self.node.name)
        self.node.broker.password(self.node.name)
        await super().start()

    async def _appear(self) -> None:
        self.node.plug_in(self)

    def _vanish(self) -> None:
        self.node.unplug(self)

    async def _leave(self) -> None:
        for timer in self._timers:
            timer.cancel()
        await self.node.leave(self)

    def break_connection(self) -> None:
        """That of the node, so of its other devices, too."""
        self.node.break_off()

    # ---- saying ----

    def be_born(self) -> None:
        """All metrics as they are: the status now, the values of the last record as they were."""
        rig = self._talk
        last = rig.said(rig.memory.acked_seq) if rig.memory.acked_seq else {}
        standing = {place: said for place, (said, _) in rig.standing().items()}
        self._shown = standing
        metrics = [self._metric(place, standing.get(place, last.get(place)), born=True) for place in self._aliases]
        self.node.publish(*self.node.voice.message("DBIRTH", rig.serial, metrics))
        self._changed()

    def _changed(self) -> None:
        self._say_status()
        while (seq := self.rig.memory.oldest_seq) and self._say(seq):
            self.requests += 1
            self.rig.write_ack(seq)  # said is forgotten; this comes back here for the next

    def _say_status(self) -> None:
        """What is new of it since the birth."""
        now = {place: said for place, (said, _) in self._talk.standing().items()}
        new = {place: said for place, said in now.items() if self._shown.get(place) != said}
        if new and self.rig.powered and self.node.carries(self):
            metrics = [self._metric(place, said) for place, said in new.items()]
            self.node.publish(*self.node.voice.message("DDATA", self.rig.serial, metrics))
            self._shown = now

    def _say(self, seq: int) -> bool:
        """One record in one message. Whether anybody could hear it."""
        if not self.node.carries(self):
            return False
        said = self._talk.said(seq)
        at_ms = int(said.pop(STAMP))
        standing = {place: now for place, (now, _) in self._talk.standing().items()}
        metrics = [self._metric(place, value, at_ms=at_ms) for place, value in (standing | said).items()]
        topic, payload = self.node.voice.message("DDATA", self.rig.serial, metrics)
        publication = Publication("record", topic, payload)
        for one in self.plan.publications(publication) if self.plan.active else (publication,):
            if one.delay_s:
                loop = asyncio.get_running_loop()
                self._timers.add(loop.call_later(one.delay_s, self.node.publish, one.topic, one.payload))
                continue
            if one.cut == "before":
                self.node.break_off()
                return False
            self.node.publish(one.topic, one.payload)
            if one.cut == "after":
                self.node.break_off()
        return True

    def _metric(self, place: str, value: Said | None, *, born: bool = False, at_ms: int | None = None) -> Metric:
        model = self._talk.model
        saying = model.record.get(place) or model.status[place]
        kind = saying.datatype
        if value is None:
            value = "" if kind in {"String", "Text"} else 0
        return Metric(kind, value, place if born else None, self._aliases[place], at_ms, typed=born)
