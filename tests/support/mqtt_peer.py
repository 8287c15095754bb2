"""One MQTT client of a test against a real broker: what it was granted, what was acknowledged, what came in."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from real_mosquitto import password_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from real_mosquitto import RealMosquitto

WAIT_S = 5.0


class Peer:
    """Connects by itself; MQTT 5 unless told otherwise, so that refusals have a reason code."""

    def __init__(self, broker: RealMosquitto, name: str, *, client_id: str | None = None, v5: bool = True) -> None:
        self.v5 = v5
        self.connected: str | None = None  # what CONNACK said
        self.gone = 0
        self.granted: list[str] = []
        self.acknowledged: dict[int, str] = {}  # message id: what PUBACK said
        self.messages: list[tuple[str, bytes]] = []
        session = {} if v5 else {"clean_session": False}
        chosen = name if client_id is None else client_id
        self.client = Client(CallbackAPIVersion.VERSION2, chosen, protocol=MQTTv5 if v5 else MQTTv311, **session)
        self.client.tls_set_context(broker.client_context(name if broker.form == "mtls" and name else None))
        if broker.form == "password" and name:
            self.client.username_pw_set(name, password_of(name))
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_publish = self._on_publish
        self.client.on_message = self._on_message
        self._broker = broker
        self._changed = threading.Condition()

    def open(self) -> str:
        """What CONNACK said."""
        words = {}
        if self.v5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 3600
            words = {"clean_start": False, "properties": properties}
        self.client.connect("localhost", self._broker.port, keepalive=30, **words)
        self.client.loop_start()
        self.wait(lambda: self.connected is not None)
        assert self.connected is not None
        return self.connected

    def close(self) -> None:
        """Say good-bye; the session stays."""
        self.client.disconnect()
        self.client.loop_stop()
        self.client._reset_sockets()  # paho leaves its wake-up pair to the garbage collector

    def subscribe(self, topic: str) -> str:
        """What SUBACK said."""
        before = len(self.granted)
        self.client.subscribe(topic, qos=1)
        self.wait(lambda: len(self.granted) > before)
        return self.granted[-1]

    def publish(self, topic: str, payload: bytes = b"{}", *, retain: bool = False) -> str:
        """What PUBACK said: the broker's word, worth nothing as evidence."""
        number = self.client.publish(topic, payload, qos=1, retain=retain).mid
        self.wait(lambda: number in self.acknowledged)
        return self.acknowledged[number]

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S), (self.connected, self.granted, self.messages)

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for name, payload in self.messages if name == topic]

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: object, _more: object) -> None:
        self._note(lambda: setattr(self, "connected", str(reason)))

    def _on_disconnect(self, _client: object, _data: object, _flags: object, _reason: object, _more: object) -> None:
        self._note(lambda: setattr(self, "gone", self.gone + 1))

    def _on_subscribe(self, _client: object, _data: object, _mid: int, reasons: list[object], _more: object) -> None:
        self._note(lambda: self.granted.append(str(reasons[0])))

    def _on_publish(self, _client: object, _data: object, mid: int, reason: object, _more: object) -> None:
        self._note(lambda: self.acknowledged.__setitem__(mid, str(reason)))

    def _on_message(self, _client: object, _data: object, message: MQTTMessage) -> None:
        self._note(lambda: self.messages.append((message.topic, message.payload)))

    def _note(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()


@contextlib.contextmanager
def peer(broker: RealMosquitto, name: str, *, client_id: str | None = None, v5: bool = True) -> Iterator[Peer]:
    """A connected client; the block's end disconnects it and leaves its session."""
    made = Peer(broker, name, client_id=client_id, v5=v5)
    try:
        assert made.open() == "Success"
        yield made
    finally:
        made.close()


def until(condition: Callable[[], bool], seconds: float = WAIT_S) -> None:
    """Wait for what no callback tells."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
