"""The gateway's half of a conversation over MQTT, reduced to what the page promises a rig (H5, H6), for rig tests.

Checks nothing of what it stores and keeps every message, so that a test can look at them.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import threading
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READY_S = 0.5


class SimGateway:
    """Subscribes to everything; acknowledges every record whose numbers up to it are there."""

    def __init__(self, port: int, *, protocol: str = "5", answers: bool = True) -> None:
        self.records: list[tuple[str, bytes, bool]] = []  # serial, payload, retained
        self.statuses: list[tuple[str, dict[str, Any]]] = []
        self.answers = answers
        self.ready = True
        self._counter = itertools.count(1)
        self._stop = threading.Event()
        v5 = protocol == "5"
        self.client = Client(
            CallbackAPIVersion.VERSION2, "kaofen-gw-test", protocol=MQTTv5 if v5 else MQTTv311,
            clean_session=None if v5 else True,
        )  # fmt: skip
        self.client.on_connect = lambda *_: self.client.subscribe(
            [("kaofen/v1/+/record", 1), ("kaofen/v1/+/status", 1)]
        )
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port, keepalive=30)
        self._beat = threading.Thread(target=self._say_ready)
        self._serials: set[str] = set()

    def start(self) -> None:
        self.client.loop_start()
        self._beat.start()

    def close(self) -> None:
        self._stop.set()
        self._beat.join()
        self.client.disconnect()
        self.client.loop_stop()
        self.client._reset_sockets()

    def say(self, serial: str, last: str, document: object, qos: int = 1) -> None:
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.client.publish(f"kaofen/v1/{serial}/{last}", payload, qos)

    def ack(self, serial: str, payload: bytes) -> None:
        """H5."""
        record = json.loads(payload)
        digest = hashlib.sha256(payload).hexdigest()
        self.say(
            serial, "ack", {"v": 1, "boot": record["boot"], "seq": record["seq"], "record": digest, "entry": "0" * 64}
        )

    def of(self, serial: str) -> list[dict[str, Any]]:
        """Records that are JSON, in the order in which they came."""
        return [json.loads(payload) for name, payload, _ in self.records if name == serial]

    def _say_ready(self) -> None:
        while not self._stop.wait(READY_S / 5):
            counter = next(self._counter)
            for serial in tuple(self._serials) if self.ready and not counter % 5 else ():
                self.say(serial, "ready", {"v": 1, "counter": counter % 65535 + 1}, 0)

    def _on_message(self, _client: object, _data: object, message: MQTTMessage) -> None:
        serial, last = message.topic.split("/")[2:]
        if last == "status":
            self.statuses.append((serial, json.loads(message.payload)))
            if serial not in self._serials and self.ready:
                self.say(serial, "ready", {"v": 1, "counter": next(self._counter)}, 0)
            self._serials.add(serial)
            return
        payload = bytes(message.payload)
        self.records.append((serial, payload, bool(message.retain)))
        if not self.answers:
            return
        with contextlib.suppress(ValueError):
            record = json.loads(payload)
            got = {json.loads(p)["seq"] for name, p, _ in self.records if name == serial and _whole(p)}
            if record["serial"] == serial and got.issuperset(range(1, record["seq"] + 1)):
                best = max(n for n in got if got.issuperset(range(1, n + 1)))
                self.ack(serial, next(p for name, p, _ in self.records if name == serial and _seq(p) == best))


def _whole(payload: bytes) -> bool:
    with contextlib.suppress(ValueError):
        return isinstance(json.loads(payload).get("seq"), int)
    return False


def _seq(payload: bytes) -> int | None:
    with contextlib.suppress(ValueError):
        return int(json.loads(payload)["seq"])
    return None


@contextlib.contextmanager
def sim_gateway(port: int, *, protocol: str = "5", answers: bool = True) -> Iterator[SimGateway]:
    """A connected one."""
    gateway = SimGateway(port, protocol=protocol, answers=answers)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.close()


def distinct(records: Sequence[tuple[str, bytes, bool]]) -> dict[tuple[str, int], set[bytes]]:
    """The payloads that came under each number."""
    found: dict[tuple[str, int], set[bytes]] = {}
    for serial, payload, _ in records:
        if _whole(payload):
            found.setdefault((serial, json.loads(payload)["seq"]), set()).add(payload)
    return found
