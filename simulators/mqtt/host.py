"""One rig at a broker: connect, say, repeat, believe acknowledgements (M5-M8).

    rig latches ─▶ pump: oldest first, at most 32 without PUBACK ─▶ [faults of messages] ─▶ broker
    broker ─▶ ack (M7) ─▶ rig.write_ack      ready ─▶ rig.write_ready      resend ─▶ pump goes back

Owns the connection and what is under way on it. What a record says and what is held, the rig and its memory know.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from simulators.device.plug import Host
from simulators.faults.base import Publication
from simulators.limits import (
    BROKER_PAUSE_S,
    EVENT_SLOTS,
    IN_FLIGHT_MAX,
    REPEAT_AFTER_US,
    STATUS_EVERY_US,
    STATUS_PAUSE_S,
)
from simulators.mqtt.link import Deaf, Link, LinkFailed
from simulators.mqtt.payloads import offline, read_ack, read_ready, read_resend, status, topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.device.rig import Rig
    from simulators.mqtt.broker import Broker

_LOOK_S = 0.25
_ANSWERS = ("ack", "ready", "resend")


def _silent(_rig: str, _text: str) -> None:
    """Nobody listens."""


class MqttHost(Host):
    """A rig of the MQTT half."""

    wire = "mqtt"
    repeats = True  # what nobody acknowledged, after a while

    def __init__(
        self, rig: Rig, broker: Broker, *, seed: int = 0, say: Callable[[str, str], None] = _silent, **more: Any
    ) -> None:
        super().__init__(rig, seed=seed, **more)
        self.broker = broker
        self.connections = 0
        self._say = say
        self._rng = random.Random(f"{seed}/{rig.serial}/pauses")  # noqa: S311 - reproducible, not secret
        self._link: Link | None = None
        self._under_way: set[int] = set()  # numbers without PUBACK
        self._cursor = 0  # records up to here were published on this connection
        self._moved_us = 0
        self._status_us = 0
        self._status_due = False
        self._wanted = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()
        rig.on_change = self._changed

    def where(self) -> dict[str, Any]:
        """The broker."""
        return {"broker": self.broker.place, "protocol": self.broker.protocol}

    @property
    def connected(self) -> bool:
        """Whether the broker has taken this rig in."""
        return self._link is not None and not self._link.gone.is_set()

    # ---- power and plug ----

    async def start(self) -> None:
        """Check what was given, then stay connected."""
        self.broker.tls(self.rig.serial)
        self.broker.password(self.rig.serial)
        await super().start()
        self._spawn(self._stay())
        self._spawn(self._tick_messages())

    async def _appear(self) -> None:
        self._wanted.set()

    def _vanish(self) -> None:
        self._wanted.clear()
        self.break_connection()

    def break_connection(self) -> None:
        """Pull the cable."""
        if self._link is not None:
            self._link.break_off()

    def be_impersonated(self) -> None:
        """The `stolen-id` fault."""
        self._spawn(self._steal_id())

    async def _steal_id(self) -> None:
        """A stranger with this rig's id, who hears nothing and is gone again at once."""
        stranger = Link(self.broker, self.rig.serial, self._farewell(), Deaf())
        with contextlib.suppress(LinkFailed):
            await stranger.open()
            stranger.break_off()

    async def _leave(self) -> None:
        for timer in self._timers:
            timer.cancel()
        link, self._link = self._link, None
        if link is not None:
            await link.close(*self._farewell())

    def _farewell(self) -> tuple[str, bytes]:
        """The will, and what is said in good order."""
        return topic(self.rig.serial, "status"), offline(self.rig.serial, self.rig.memory.boot)

    async def _stay(self) -> None:
        """One connection after the other, for as long as the rig has power."""
        pause = BROKER_PAUSE_S[0]
        while True:
            await self._wanted.wait()
            link = Link(self.broker, self.rig.serial, self._farewell(), self)
            try:
                await link.open()
            except LinkFailed as failed:
                self._complain(str(failed))
                pause = min(BROKER_PAUSE_S[1], 2 * pause)
            else:
                pause = BROKER_PAUSE_S[0]
                if self._wanted.is_set():
                    self._welcome(link)
                    await link.gone.wait()
                    self._link = None
                else:
                    link.break_off()
            await self.rig.time.sleep_bus(pause * self._rng.uniform(0.5, 1))

    def _welcome(self, link: Link) -> None:
        """M5: subscribe again, then status and every unacknowledged record."""
        self.trouble = None
        self.connections += 1
        self._link = link
        self._under_way.clear()
        self._cursor = 0
        self._moved_us = self.rig.time.bus_us()
        self._greet(link)
        self._publish_status()
        self._pump()

    def _greet(self, link: Link) -> None:
        """What comes first on a connection."""
        link.subscribe([topic(self.rig.serial, last) for last in _ANSWERS])

    def _complain(self, text: str) -> None:
        if text != self.trouble:
            self._say(self.rig.serial, text)
        self.trouble = text

    # ---- saying ----

    def _changed(self) -> None:
        """The rig latched or was told something."""
        if self._link is None:
            return
        self._pump()
        if not self._status_due:
            self._status_due = True
            self._later(STATUS_PAUSE_S, self._publish_status)

    def _pump(self) -> None:
        """Publish what is held and not yet published, oldest first."""
        held = self.rig.memory.held
        if held and held[0] > self._cursor and len(held) == 1:
            self._moved_us = self.rig.time.bus_us()  # there was nothing to wait for before this one
        for seq in held[bisect_right(held, self._cursor) :]:
            if self._link is None or len(self._under_way) >= IN_FLIGHT_MAX:
                return
            self._cursor = seq
            self._publish_record(seq)

    def _publish_record(self, seq: int) -> None:
        payload = self.rig.memory.event(seq % EVENT_SLOTS)
        self._send(Publication("record", topic(self.rig.serial, "record"), payload))

    def _publish_status(self) -> None:
        self._status_due = False
        if self._link is None:
            return
        self._status_us = self.rig.time.bus_us()
        payload = status(self.rig.status())
        self._send(Publication("status", topic(self.rig.serial, "status"), payload, retain=True))

    def _send(self, publication: Publication) -> None:
        for one in self.plan.publications(publication) if self.plan.active else (publication,):
            if one.delay_s:
                self._later(one.delay_s, self._send_now, one)
            else:
                self._send_now(one)

    def _send_now(self, one: Publication) -> None:
        link = self._link
        if link is None:
            return
        if one.cut == "before":
            link.break_off()
            return
        mid = link.publish(one.topic, one.payload, retain=one.retain)
        if one.area == "record":
            self._under_way.add(mid)
        if one.cut == "after":
            link.stop_hearing()
            link.flush()
            link.break_off()

    async def _tick_messages(self) -> None:
        """What happens by the clock: status, and M6's repetition."""
        while True:
            await self.rig.time.sleep_bus(_LOOK_S)
            now_us = self.rig.time.bus_us()
            if now_us - self._status_us >= STATUS_EVERY_US:
                self._publish_status()
            if self.repeats and self.rig.memory.oldest_seq and now_us - self._moved_us >= REPEAT_AFTER_US:
                self._moved_us = now_us
                self._under_way.clear()  # whatever has no PUBACK by now is lost
                self._go_back(0)

    def _go_back(self, seq: int) -> None:
        """Publish what is held from there on again; the same bytes (M6)."""
        self._cursor = min(self._cursor, max(0, seq - 1))
        self._pump()

    # ---- hearing (LinkOwner) ----

    def delivered(self, mid: int, refusal: str) -> None:
        """PUBACK: there is room for another."""
        if refusal:
            self._complain(f"broker {self.broker.place} refuses a message: {refusal}")
        self._under_way.discard(mid)
        self._pump()

    def came(self, name: str, payload: bytes) -> None:
        """What the gateway says; what does not fit is ignored."""
        if not self.rig.powered:
            return
        self.requests += 1
        if name == topic(self.rig.serial, "ack"):
            self._acknowledged(payload)
        elif name == topic(self.rig.serial, "ready"):
            counter = read_ready(payload)
            if counter is not None:
                seen = self.rig.gateway_fresh
                self.rig.write_ready(counter)
                if seen != self.rig.gateway_fresh:
                    self._changed()
        elif name == topic(self.rig.serial, "resend"):
            seq = read_resend(payload)
            if seq is not None:
                self._go_back(seq)

    def _acknowledged(self, payload: bytes) -> None:
        """M7: only an acknowledgement of this very record frees it and those before."""
        ack, memory = read_ack(payload), self.rig.memory
        if ack is None or not memory.acked_seq < ack.seq <= memory.last_seq or ack.seq not in memory.held:
            return
        if hashlib.sha256(memory.event(ack.seq % EVENT_SLOTS)).hexdigest() == ack.record.lower():
            self._moved_us = self.rig.time.bus_us()
            self.rig.write_ack(ack.seq)

    # ---- inside ----

    def _later(self, seconds: float, act: Callable[..., None], *args: object) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            with contextlib.suppress(OSError):
                act(*args)

        timer = asyncio.get_running_loop().call_later(seconds, fire)
        self._timers.add(timer)
