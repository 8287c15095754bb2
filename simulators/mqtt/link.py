"""One connection of a rig to its broker, from CONNECT to its end, driven by the fleet's own event loop.

Owns one paho client, which is thrown away with the connection: what must be sent again is in the rig's memory, not in
a library's queue. The connect itself (name lookup, TCP, TLS) blocks and runs in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any, Protocol

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from simulators.limits import BROKER_ANSWER_S, BROKER_CONNECT_S, KEEPALIVE_S, SESSION_EXPIRY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.mqtt.broker import Broker


class LinkFailed(Exception):  # noqa: N818 - the broker's answer
    """No connection came about; the message says why."""


class LinkOwner(Protocol):
    """Who gets what comes in."""

    def came(self, name: str, payload: bytes) -> None:
        """A message on that topic."""
        ...

    def delivered(self, mid: int, refusal: str) -> None:
        """The broker's PUBACK, worth nothing as evidence; with MQTT 5 it may be a refusal, in the broker's words."""
        ...


class Deaf:
    """An owner who wants nothing."""

    def came(self, name: str, payload: bytes) -> None:
        """Nothing."""

    def delivered(self, mid: int, refusal: str) -> None:
        """Nothing."""


class Link:
    """`open`, then `publish`; `gone` is set once it has ended, for whatever reason."""

    def __init__(
        self, broker: Broker, serial: str, will: tuple[str, bytes], owner: LinkOwner, *, keep_will: bool = True
    ) -> None:
        self.gone = asyncio.Event()
        self._broker = broker
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[str] = self._loop.create_future()
        self._sock: Any = None  # paho's, plain or TLS
        self._housekeeping: asyncio.TimerHandle | None = None
        self._client = self._make(serial, will, keep_will)

    def _make(self, serial: str, will: tuple[str, bytes], keep_will: bool) -> Client:
        v5 = self._broker.protocol == "5"
        protocol, clean = (MQTTv5, None) if v5 else (MQTTv311, False)  # with 5, CONNECT says it
        client = Client(CallbackAPIVersion.VERSION2, serial, clean_session=clean, protocol=protocol)
        client.connect_timeout = BROKER_CONNECT_S
        client.max_inflight_messages_set(0)  # the host counts, not the library
        client.will_set(will[0], will[1], qos=1, retain=keep_will)
        context = self._broker.tls(serial)
        if context is not None:
            client.tls_set_context(context)
        password = self._broker.password(serial)
        if password is not None:
            client.username_pw_set(serial, password)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_written
        return client

    # ---- what the host does with it ----

    async def open(self) -> None:
        """Connect; LinkFailed says why not."""
        words: dict[str, Any] = {}
        if self._broker.protocol == "5":
            expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            expiry.SessionExpiryInterval = SESSION_EXPIRY_S
            words = {"clean_start": False, "properties": expiry}
        connecting = asyncio.ensure_future(
            asyncio.to_thread(self._client.connect, self._broker.host, self._broker.port, KEEPALIVE_S, **words)
        )
        try:
            await asyncio.shield(connecting)
            self._begin()
            async with asyncio.timeout(BROKER_ANSWER_S):
                said = await self._answer
        except TimeoutError as error:
            self.break_off()
            hint = "" if self._broker.protocol != "5" else "; one that knows only 3.1.1 needs --broker-protocol 3.1.1"
            raise LinkFailed(f"broker {self._broker.place}: no answer{hint}") from error
        except (OSError, ssl.SSLError, ValueError) as error:
            self.break_off()
            raise LinkFailed(f"broker {self._broker.place}: {error}") from error
        except asyncio.CancelledError:
            connecting.add_done_callback(lambda _: self.break_off())
            raise
        if said:
            self.break_off()
            raise LinkFailed(f"broker {self._broker.place} says: {said}")

    def subscribe(self, topics: list[str]) -> None:
        """QoS 1 each."""
        self._client.subscribe([(name, 1) for name in topics])

    def publish(self, name: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> int:
        """The number under which its PUBACK will come; of QoS 0 none comes."""
        return self._client.publish(name, payload, qos=qos, retain=retain).mid

    def break_off(self) -> None:
        """As if the cable were pulled: the broker publishes the will."""
        with contextlib.suppress(OSError, ValueError):
            self._client._sock_close()  # noqa: SLF001 - the library knows only polite ends
        self._ended()

    def stop_hearing(self) -> None:
        """What comes in from now on is lost."""
        if self._sock is not None:
            self._loop.remove_reader(self._sock)

    def flush(self) -> None:
        """Write now what the socket takes."""
        if self._sock is not None:
            self._client.loop_write()

    async def close(self, name: str, payload: bytes) -> None:
        """A last retained message, then good-bye."""
        self.publish(name, payload, retain=True)
        self._client.disconnect()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self.gone.wait()
        self.break_off()

    # ---- paho's side; all but the first few calls come from the loop's own thread ----

    def _begin(self) -> None:
        self._sock = self._client.socket()
        if self._sock is None:
            raise ConnectionError("closed while connecting")
        self._loop.add_reader(self._sock, self._readable)
        self._loop.add_writer(self._sock, self._writable)
        self._keep_house()

    def _readable(self) -> None:
        while True:
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or self._sock is None:
                return
            if not isinstance(self._sock, ssl.SSLSocket) or not self._sock.pending():
                return

    def _writable(self) -> None:
        self._client.loop_write()

    def _keep_house(self) -> None:
        if not self.gone.is_set():
            self._client.loop_misc()
            self._housekeeping = self._loop.call_later(1, self._keep_house)

    def _on_want_write(self, _client: Client, _data: object, sock: Any) -> None:
        if sock is self._sock:  # before _begin the thread calls this; _begin then asks for writing itself
            self._loop.add_writer(sock, self._writable)

    def _on_written(self, _client: Client, _data: object, sock: Any) -> None:
        if sock is self._sock:
            self._loop.remove_writer(sock)

    def _on_socket_close(self, _client: Client, _data: object, sock: Any) -> None:
        if sock is self._sock:
            self._sock = None
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _on_connect(self, _client: Client, _data: object, _flags: object, reason: Any, _more: object) -> None:
        if not self._answer.done():
            self._answer.set_result(str(reason) if reason.is_failure else "")

    def _on_disconnect(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._loop.call_soon(self._tell, self._owner.came, message.topic, bytes(message.payload))

    def _on_publish(self, _client: Client, _data: object, mid: int, reason: Any, _more: object) -> None:
        self._loop.call_soon(self._tell, self._owner.delivered, mid, str(reason) if reason.is_failure else "")

    def _tell(self, hear: Callable[..., None], *what: object) -> None:
        """Outside paho's callback, whose lock it holds: whoever hears may publish, or break the connection off."""
        if not self.gone.is_set():
            hear(*what)

    def _ended(self) -> None:
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        if not self._answer.done():
            self._answer.set_result("connection lost")
        self.gone.set()
