"""Rigs of interface v1 over MQTT that only publish records and take acknowledgements; and a bare subscriber.

python bench/kit/publishing.py PORT RIGS      answers each record at once until it is ended
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UNDER_WAY: Final = 32  # of one rig (rule M6)
ALL_UNDER_WAY: Final = 40  # below the places at which the gateway lets go of messages and asks for them again (H1, H2)
STATUS_S: Final = 0.5
PATIENCE_S: Final = 120.0
BOOT: Final = 3


def serials(rigs: int, prefix: str) -> list[str]:
    """Their names."""
    return [f"{prefix}-{number:04d}" for number in range(1, rigs + 1)]


def record(serial: str, seq: int) -> bytes:
    """A deduction, as long as real ones are."""
    return json.dumps({
        "v": 1, "serial": serial, "boot": BOOT, "seq": seq, "type": "deduction", "time": "2026-11-23T06:40:18.000Z",
        "mode": "exam", "exam_no": 17, "ticket": "S20261123-0001", "item": "K42", "ordinal": 1, "line": 3,
        "points": 800, "at_s": seq, "veto": False,
    }).encode()  # fmt: skip


class Rig:
    """One of them: what it published, and when."""

    def __init__(self, serial: str, records: int) -> None:
        self.serial, self.records = serial, records
        self.said = self.acked = 0
        self.began: dict[int, float] = {}

    def status(self) -> bytes:
        """All that were published and not acknowledged are held."""
        held = self.acked + 1 if self.acked < self.said else 0
        return json.dumps({
            "v": 1, "serial": self.serial, "boot": BOOT, "online": True, "state": "running", "mode": "exam",
            "last_seq": self.said, "oldest_seq": held, "acked_seq": self.acked, "time": None, "exam_no": 17,
            "item": "K42", "ordinal": 1, "elapsed_s": 77, "limit_s": 300, "running_score": 9200,
            "deduction_count": 1, "gateway_seen": True, "unacked_results": 0, "fault": 0,
        }).encode()  # fmt: skip


class Rigs:
    """All of them behind one connection; everything but the status happens in the library's thread."""

    def __init__(self, port: int, names: Sequence[str], records: int) -> None:
        self.rigs = {name: Rig(name, records) for name in names}
        self.took: list[float] = []
        self.under_way = max(1, min(UNDER_WAY, ALL_UNDER_WAY // len(names)))
        self.done = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, f"bench-{names[0]}")
        self.client.max_inflight_messages_set(len(names) * UNDER_WAY)
        self.client.max_queued_messages_set(0)
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        for kind in ("ack", "resend"):
            self.client.subscribe([(f"kaofen/v1/{name}/{kind}", 1) for name in names])

    def publish_more(self, rig: Rig) -> None:
        """Up to the bound."""
        while rig.said < rig.records and rig.said - rig.acked < self.under_way:
            rig.said += 1
            rig.began[rig.said] = time.monotonic()
            self._say(rig, rig.said)

    def show(self) -> None:
        """The status of each."""
        for rig in self.rigs.values():
            self.client.publish(f"kaofen/v1/{rig.serial}/status", rig.status(), qos=1)

    def _say(self, rig: Rig, seq: int) -> None:
        self.client.publish(f"kaofen/v1/{rig.serial}/record", record(rig.serial, seq), qos=1)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        _, _, serial, kind = message.topic.split("/")
        rig, said = self.rigs[serial], json.loads(message.payload)
        if kind == "resend":
            for seq in range(max(said["from"], rig.acked + 1), rig.said + 1):
                self._say(rig, seq)
            return
        now = time.monotonic()
        while rig.acked < said["seq"]:
            rig.acked += 1
            self.took.append(now - rig.began.pop(rig.acked))
        self.publish_more(rig)
        if all(one.acked == one.records for one in self.rigs.values()):
            self.done.set()


def publish(port: int, names: Sequence[str], records: int) -> list[float]:
    """Seconds from the publishing of each record to its acknowledgement. Raises TimeoutError."""
    rigs = Rigs(port, names, records)
    rigs.show()
    rigs.client.loop_start()
    try:
        for rig in rigs.rigs.values():
            rigs.publish_more(rig)
        until = time.monotonic() + PATIENCE_S
        while not rigs.done.wait(STATUS_S):
            rigs.show()
            if time.monotonic() > until:
                raise TimeoutError(f"{sum(one.acked for one in rigs.rigs.values())} acknowledged in {PATIENCE_S:.0f} s")
    finally:
        rigs.client.disconnect()
        rigs.client.loop_stop()
    return rigs.took


@contextmanager
def answering(port: int, rigs: int) -> Iterator[int]:
    """The bare subscriber as a process: its pid."""
    words = [sys.executable, __file__, str(port), str(rigs)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None  # noqa: S101  (it was asked for)
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


def main(arguments: list[str]) -> int:
    """Answer until killed."""
    port, rigs = int(arguments[0]), int(arguments[1])
    client = Client(CallbackAPIVersion.VERSION2, "bench-bare")

    def answer(_client: Client, _data: Any, message: MQTTMessage) -> None:
        said = json.loads(message.payload)
        client.publish(f"kaofen/v1/{said['serial']}/ack", json.dumps({"seq": said["seq"]}).encode(), qos=1)

    client.max_inflight_messages_set(rigs * UNDER_WAY)
    client.on_message = answer
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe([(f"kaofen/v1/{name}/record", 1) for name in serials(rigs, "BA")])
    client.loop_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
