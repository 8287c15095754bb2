"""A rig of interface v1 over MQTT for tests, against a real broker: its own memory, its own encoder, rules M4 to M7.

    rig = MqttRig(broker, "CP-0001"); rig.open()
    rig.latch("item_finished", score=9200, …)      # kept, published, published again until it is acknowledged
    rig.acks; rig.acked_seq; rig.ready; rig.reboot(); rig.cut(); rig.spoil(3)

What it says is under the test's control: `withheld` numbers are kept and never published, `spoiled` ones come wrong.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from real_mosquitto import password_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from real_mosquitto import RealMosquitto


class MqttRig:
    """Its memory outlives its connections."""

    def __init__(
        self, broker: RealMosquitto, serial: str, *, v5: bool = True, status_s: float = 0.2, again_s: float = 5.0
    ) -> None:
        self.serial = serial
        self.v5 = v5
        self.boot = 3
        self.records: dict[int, bytes] = {}
        self.truth: dict[int, bytes] = {}  # every record that was ever latched
        self.last_seq = self.acked_seq = 0
        self.live: dict[str, Any] = {}
        self.acks: list[dict[str, Any]] = []
        self.told: list[int] = []  # acknowledged numbers, as they were taken
        self.ready: list[int] = []
        self.resends: list[int] = []
        self.withheld: set[int] = set()
        self.spoiled: set[int] = set()
        self.puback = 0
        self._broker = broker
        self._status_s, self._again_s = status_s, again_s
        self._changed = threading.Condition(threading.RLock())
        self._client: Client | None = None
        self._moved_at = time.monotonic()
        self._ends = threading.Event()
        self._beat: threading.Thread | None = None

    # ------------------------------------------------------------------ what a test does to it

    def open(self, *, wait: bool = True) -> None:
        """Connect, and say everything that was not acknowledged. Tries until the broker is there."""
        self._ends = threading.Event()
        self._client = client = self._made()
        client.connect_async("localhost", self._broker.port, keepalive=20, **self._session())
        client.loop_start()
        self._beat = threading.Thread(target=self._beats, args=(client, self._ends), daemon=True)
        self._beat.start()
        if wait:
            self.wait(client.is_connected)

    def close(self, *, abruptly: bool = False) -> None:
        """Go away. `abruptly`: without a word, so that the broker says the will."""
        client, self._client = self._client, None
        if client is None:
            return
        self._ends.set()
        if abruptly:
            sock = client.socket()
            client.loop_stop()
            if sock is not None:
                sock.close()
        else:
            if client.is_connected():
                client.publish(self._topic("status"), self._will(), qos=1, retain=True).wait_for_publish(2)
            client.disconnect()
            client.loop_stop()
        client._reset_sockets()
        if self._beat is not None:
            self._beat.join(5)

    def cut(self) -> None:
        """The line breaks; it comes back at once."""
        self.close(abruptly=True)
        self.open()

    def reboot(self) -> None:
        """Power off and on: one boot later, the memory kept (K4, K7)."""
        self.close(abruptly=True)
        with self._changed:
            self.boot += 1
        self.open()

    def latch(self, kind: str = "item_finished", **values: Any) -> int:
        """One more record; its number."""
        with self._changed:
            self.last_seq += 1
            document = {**self.record(self.last_seq, kind), **values}
            payload = json.dumps(document, ensure_ascii=False).encode()
            self.records[self.last_seq] = self.truth[self.last_seq] = payload
            seq = self.last_seq
            self._say(seq)
        self.say_status()
        return seq

    def record(self, seq: int, kind: str) -> dict[str, Any]:
        """A whole record by default values."""
        return {
            "v": 1,
            "serial": self.serial,
            "boot": self.boot,
            "seq": seq,
            "type": kind,
            "time": "2026-11-23T06:42:05.031Z",
            "mode": "exam",
            "exam_no": 17,
            "ticket": "20261123-0007",
            "item": "K42",
            "ordinal": 1,
            **_OWN[kind],
        }

    def show(self, **live: Any) -> None:
        """The live state changes."""
        with self._changed:
            self.live.update(live)
        self.say_status()

    def say(self, payload: bytes, *, topic: str = "record", retain: bool = False, qos: int = 1) -> None:
        """Anything at all, as it is."""
        if self._client is not None:
            self._client.publish(self._topic(topic), payload, qos=qos, retain=retain)

    def say_status(self) -> None:
        """M4: on every change."""
        if self._client is not None and self._client.is_connected():
            self._client.publish(self._topic("status"), self._status(), qos=1, retain=True)

    def wait(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, seconds), (self.last_seq, self.acked_seq, self.told, self.resends)

    # ------------------------------------------------------------------ what it does by itself

    def _made(self) -> Client:
        session = {} if self.v5 else {"clean_session": False}
        protocol = MQTTv5 if self.v5 else MQTTv311
        client = Client(CallbackAPIVersion.VERSION2, self.serial, protocol=protocol, **session)
        client.tls_set_context(self._broker.client_context())
        client.username_pw_set(self.serial, password_of(self.serial))
        client.will_set(self._topic("status"), self._will(), qos=1, retain=True)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_publish = lambda *_: setattr(self, "puback", self.puback + 1)
        return client

    def _session(self) -> dict[str, Any]:
        if not self.v5:
            return {}
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        return {"clean_start": False, "properties": properties}

    def _on_connect(self, client: Client, *_: object) -> None:
        for last in ("ack", "ready", "resend"):
            client.subscribe(self._topic(last), qos=1)
        client.publish(self._topic("status"), self._status(), qos=1, retain=True)
        self._say_held(0)
        with self._changed:
            self._changed.notify_all()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        said = json.loads(message.payload)
        with self._changed:
            last = message.topic.rsplit("/", 1)[1]
            if last == "ready":
                self.ready.append(said["counter"])
            elif last == "resend":
                self.resends.append(said["from"])
                self._say_held(said["from"])
            else:
                self._take_ack(said)
            self._changed.notify_all()

    def _take_ack(self, said: dict[str, Any]) -> None:
        self.acks.append(said)
        seq, held = said["seq"], self.records.get(said["seq"])
        if self.acked_seq < seq <= self.last_seq and held and hashlib.sha256(held).hexdigest() == said["record"]:
            self.acked_seq, self._moved_at = seq, time.monotonic()
            self.told.append(seq)
            self.records = {one: payload for one, payload in self.records.items() if one > seq}
            self.say_status()

    def _beats(self, client: Client, ends: threading.Event) -> None:
        while not ends.wait(self._status_s):
            if not client.is_connected():
                continue
            client.publish(self._topic("status"), self._status(), qos=1, retain=True)
            with self._changed:
                if self.records and time.monotonic() - self._moved_at > self._again_s:
                    self._moved_at = time.monotonic()
                    self._say_held(0)

    def _say_held(self, first: int) -> None:
        with self._changed:
            for seq in [seq for seq in sorted(self.records) if seq >= first][:32]:
                self._say(seq)

    def _say(self, seq: int) -> None:
        if self._client is None or not self._client.is_connected() or seq in self.withheld:
            return  # said when it is connected again
        payload = self.records[seq]
        if seq in self.spoiled:
            payload = payload.replace(b'"mode": "exam"', b'"mode": "exan"')
        self._client.publish(self._topic("record"), payload, qos=1)

    def _topic(self, last: str) -> str:
        return f"kaofen/v1/{self.serial}/{last}"

    def _will(self) -> bytes:
        return json.dumps({"v": 1, "serial": self.serial, "boot": self.boot, "online": False}).encode()

    def _status(self) -> bytes:
        with self._changed:
            document = {
                "v": 1,
                "serial": self.serial,
                "boot": self.boot,
                "online": True,
                "state": "running",
                "mode": "exam",
                "last_seq": self.last_seq,
                "oldest_seq": min(self.records, default=0),
                "acked_seq": self.acked_seq,
                "time": None,
                "exam_no": 17,
                "item": "K42",
                "ordinal": 1,
                "elapsed_s": 5,
                "limit_s": 300,
                "running_score": 0,
                "deduction_count": 0,
                "gateway_seen": bool(self.ready and self.ready[-1]),
                "unacked_results": len(self.records),
                "fault": 0,
                **self.live,
            }
        return json.dumps(document).encode()


_OWN: dict[str, dict[str, Any]] = {
    "exam_opened": {"verdict": "match", "try": 1},
    "item_started": {"limit_s": 300},
    "deduction": {"line": 3, "points": 800, "at_s": 77, "veto": False},
    "item_finished": {
        "started": "2026-11-23T06:39:01Z",
        "finished": "2026-11-23T06:42:05Z",
        "elapsed_s": 184,
        "limit_s": 300,
        "outcome": "finished",
        "score": 9200,
        "veto_lines": 0,
        "deductions": [],
        "measures": [{"name": "depth_mean", "value": 53, "unit": "mm"}],
    },
    "exam_closed": {"claimed_total": 9200, "items": 1, "exam_failed": False},
    "exam_aborted": {"reason": "candidate"},
}
