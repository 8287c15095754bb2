"""Rigs of the simulation that send messages, and the broker between them and a box; from the mailbox on all is real.

    MessageRig ──record, status──> SimBroker ──deliver──> Mailbox ─ MessageMemory ─ LatchedAdapter ── gateway
       ^                              │  ^                                │
       └──────── ack, resend ─────────┘  └──────────── publish ───────────┘

The broker is as Mosquitto is with its own defaults: it keeps what the gateway has not acknowledged, gives it again at
the next connection, and forgets all of it when it is killed. A rig believes the application acknowledgement only, by
number and bytes (docs/rig-interface-v1-mqtt.md), and says what it holds again until it has it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

from dst_life import LIFE
from dst_rig import Latched, Rig

from device_adapters.decoding.observed import Observer
from device_adapters.errors import NotConnected
from device_adapters.language.shape import INTERFACE_V1
from device_adapters.latching.latched import LatchedAdapter
from device_adapters.messages.mailbox import Mailbox
from device_adapters.messages.message_memory import MessageMemory

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from dst_bugs import Bug
    from dst_life import Life

    from device_adapters.contract import Position
    from device_adapters.messages.fates import Fate

AGAIN_S = 5.0  # a rig says what it holds again when nothing was acknowledged for so long
HOP_S = 0.002  # each of the two ways over the broker
_KINDS = {
    "identity.checked": "exam_opened",
    "item.started": "item_started",
    "deduction": "deduction",
    "item.finished": "item_finished",
    "attempt.finished": "exam_closed",
    "attempt.aborted": "exam_aborted",
}
_LIVE: dict[str, Any] = {
    "time": None,
    "item": "",
    "gateway_seen": True,
    **dict.fromkeys(("ordinal", "elapsed_s", "limit_s", "running_score", "deduction_count"), 0),
    **dict.fromkeys(("unacked_results", "fault"), 0),
}
_ITEM_FINISHED = {
    "started": "2026-11-23T06:39:01Z",
    "finished": "2026-11-23T06:42:05Z",
    "limit_s": 600,
    "veto_lines": 0,
    "deductions": [],
}


class MessageRig(Rig):
    """A rig of interface v1 over MQTT. Its scores are of this world: what cannot be true is refused before the log."""

    def __init__(self, serial: str, rng: Random, noted: Callable[..., None]) -> None:
        super().__init__(serial, rng, noted)
        self.broker: SimBroker | None = None
        self._moved_at = 0.0

    def latch(self, kind: str, ticket: bytes, **fields: Any) -> None:
        """Kept, and said at once."""
        self.last_seq += 1
        payload = json.dumps(self._record(kind, ticket, _plausible(fields)), separators=(",", ":")).encode()
        said = {**_plausible(fields), "exam_no": self.exam_no}
        cut = payload.index(ticket), len(ticket)
        record = Latched(self.boot, self.last_seq, kind, said, ticket, payload, self.mode, cut)
        self.keep(record)
        self._say(record)
        self.say_status()

    def _record(self, kind: str, ticket: bytes, fields: dict[str, Any]) -> dict[str, Any]:
        own = _ITEM_FINISHED if kind == "item.finished" else {}
        if kind == "attempt.aborted":  # a value that its kind does not have would be hidden
            fields = {"reason": "examiner"}
        head = {"v": 1, "serial": self.serial, "boot": self.boot, "seq": self.last_seq, "type": _KINDS[kind]}
        live = {"time": None, "mode": self.mode, "exam_no": self.exam_no, "ticket": ticket.decode()}
        return {**head, **live, "item": "", "ordinal": 0, **own, **fields}

    async def beat(self, every_s: float) -> None:
        """Its state every so often; all that it holds, when nothing was acknowledged for a while."""
        loop = asyncio.get_running_loop()
        while True:
            self.say_status()
            if self.kept and loop.time() - self._moved_at > AGAIN_S:
                self._moved_at = loop.time()
                self.say_held(0)
            await asyncio.sleep(every_s)

    def hear(self, last: str, document: dict[str, Any]) -> None:
        """What the gateway published to it."""
        loop = asyncio.get_running_loop()
        if last == "resend":
            self.say_held(document["from"])
        elif last == "ready":
            self.ready_at = loop.time()
        elif last == "ack" and document["boot"] <= self.boot:
            record = self.kept.get(document["seq"])
            if record is not None and hashlib.sha256(record.data).hexdigest() == document["record"]:
                self._moved_at = loop.time()
                self.tell(record.seq)
                self.say_status()

    def say_held(self, first: int) -> None:
        for seq in sorted(seq for seq in self.kept if seq >= first):
            self._say(self.kept[seq])

    def say_status(self) -> None:
        document = {
            "v": 1,
            "serial": self.serial,
            "boot": self.boot,
            "online": True,
            "state": self.state,
            "mode": self.mode,
            "last_seq": self.last_seq,
            "oldest_seq": min(self.kept, default=0),
            "acked_seq": self.acked_seq,
            **_LIVE,
            "exam_no": self.exam_no,
        }
        self._publish("status", json.dumps(document, separators=(",", ":")).encode())

    def _say(self, record: Latched) -> None:
        torn = record.seq in self.unreadable
        self._publish("record", record.data.replace(b'"mode":"', b'"mode":"?') if torn else record.data)

    def _publish(self, last: str, payload: bytes) -> None:
        lost = self.faults and self.rng.random() < self.faults
        if self.broker is not None and self.cable and not lost:
            self.broker.from_rig(self.serial, last, payload)


def _plausible(fields: dict[str, Any]) -> dict[str, Any]:
    """No poison: over this wire it is refused before it comes to the log (tests/faults has that)."""
    kept = {name: value for name, value in fields.items() if not (name == "points" and value < 0)}
    if "points" in fields and "points" not in kept:
        kept["points"] = 500
    if kept.get("score", 0) > 10_000:
        kept["score"] = 9500
    return kept


class SimBroker:
    """Of one box. It outlives the gateway's processes, and is killed by itself."""

    def __init__(self, rigs: dict[str, MessageRig]) -> None:
        self.rigs = rigs
        self.up = True
        self._kept: list[tuple[str, bytes]] = []  # records that the gateway has not acknowledged
        self._post: SimPost | None = None

    def from_rig(self, serial: str, last: str, payload: bytes) -> None:
        """On its way to the gateway; a status is worth nothing later."""
        if not self.up:
            return
        if last == "record":
            self._kept.append((serial, payload))
        if self._post is not None:
            self._post.arrive(serial, last, payload)

    def to_rig(self, serial: str, last: str, payload: bytes) -> None:
        rig = self.rigs[serial]
        if self.up and rig.cable:
            rig.hear(last, json.loads(payload))

    def acknowledged(self, serial: str, payload: bytes) -> None:
        if (serial, payload) in self._kept:
            self._kept.remove((serial, payload))

    def attach(self, post: SimPost | None) -> None:
        """The gateway's connection; it gets again what it has not acknowledged."""
        self._post = post
        if post is not None:
            for serial, payload in self._kept:
                post.arrive(serial, "record", payload)

    def leave(self, post: SimPost) -> None:
        """That process is gone; the next one may be here already."""
        if self._post is post:
            self._post = None

    def kill(self) -> None:
        """With the persistence that Mosquitto has by default: everything is forgotten."""
        self.up = False
        self._kept.clear()
        if self._post is not None:
            self._post.broke()

    def start(self) -> None:
        """Rigs connect again and say what they hold."""
        self.up = True
        for rig in self.rigs.values():
            rig.say_held(0)
            rig.say_status()


class SimPost:
    """One process's connection to its broker: `device_adapters.messages.message_memory.Post`, and its mailboxes."""

    def __init__(self, broker: SimBroker) -> None:
        self.broker = broker
        self.boxes = {serial: Mailbox(serial, INTERFACE_V1) for serial in broker.rigs}
        self.connection = 0
        self.trouble: str | None = "no connection to the broker"
        self._life: Life | None = LIFE.get()

    async def hold(self) -> None:
        """Connect, and again whenever it broke."""
        try:
            while True:
                if self.trouble is not None and self.broker.up:
                    self.connection += 1
                    self.trouble = None
                    self.broker.attach(self)
                    for box in self.boxes.values():
                        box.wake()
                await asyncio.sleep(0.5)
        finally:
            self.broker.leave(self)

    def broke(self) -> None:
        """The broker is gone."""
        self.trouble = "the connection to the broker broke"
        self.broker.attach(None)
        for box in self.boxes.values():
            box.lost()

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """To the rig; lost where its line is bad."""
        await asyncio.sleep(HOP_S)
        if not self._here:
            raise NotConnected(self.trouble or "this process is dead")
        _, _, serial, last = topic.split("/")
        rig = self.broker.rigs[serial]
        if not (rig.faults and rig.rng.random() < rig.faults):
            asyncio.get_running_loop().call_later(HOP_S, self.broker.to_rig, serial, last, payload)

    def arrive(self, serial: str, last: str, payload: bytes) -> None:
        asyncio.get_running_loop().call_later(HOP_S, self._deliver, self.connection, serial, last, payload)

    @property
    def _here(self) -> bool:
        return self.trouble is None and not (self._life is not None and self._life.dead)

    def _deliver(self, connection: int, serial: str, last: str, payload: bytes) -> None:
        if not self._here or connection != self.connection:
            return

        def settle(_fate: Fate) -> None:
            if self._here and connection == self.connection:
                self.broker.acknowledged(serial, payload)

        box = self.boxes[serial]
        if last == "record":
            box.deliver_record(payload, settle, retained=False)
        else:
            box.deliver_status(payload, lambda _fate: None, retained=False)


class SimMessages(MessageMemory):
    """As production has it; bugs that are planted here know the rig."""

    def __init__(self, post: SimPost, rig: MessageRig) -> None:
        super().__init__(post, post.boxes[rig.serial], rig.poll)
        self.rig = rig
        self.post = post


def message_adapter(rig: MessageRig, post: SimPost, position: Position | None, rng: Random, bug: Bug) -> LatchedAdapter:
    """The production adapter behind the simulated broker."""
    memory = bug.memory(SimMessages(post, rig))
    return LatchedAdapter(memory, Observer(rig.serial, "latched", "simulator"), position=position, rng=rng)
