"""One connection to an MQTT broker, shared by its rigs, through aiomqtt and paho. The only file that imports them.

Owns: the persistent session, the subscriptions, and PUBACK by hand: paho acknowledges a message as soon as its
callback returns, and aiomqtt queues it behind that, so both are told not to (docs/adr; empicano/aiomqtt#345). Messages
go straight into the rigs' mailboxes; nothing is queued here. Never decodes, never reconnects.

    broker ──message──> Mailbox ──settle(…)──> PUBACK, on the connection that brought the message or not at all
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from aiomqtt import Client, MqttCodeError, MqttError, ProtocolVersion
from paho.mqtt.client import topic_matches_sub
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from device_adapters.errors import NotConnected
from device_adapters.limits import (
    BROKER_KEEPALIVE_S,
    BROKER_LOOK_S,
    BROKER_TIMEOUT_S,
    LET_GO_ABOVE,
    SESSION_EXPIRY_S,
    UNACKNOWLEDGED_MAX,
)
from device_adapters.messages.fates import LET_GO
from device_adapters.messages.mailbox import Mailbox
from device_adapters.mqtt.handshake import closing

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from paho.mqtt.client import MQTTMessage

    from device_adapters.messages.fates import Fate, Settle

# Topic, payload, how to settle it, and whether the broker had retained it.
Take: TypeAlias = "Callable[[str, bytes, Settle, bool], object]"
PROTOCOLS: Final = {"5": ProtocolVersion.V5, "3.1.1": ProtocolVersion.V311}
# A PUBACK or an acknowledgement is some bytes: without this it waits until the broker has confirmed those before.
_AT_ONCE: Final = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
_ENDED: Final = "Unspecified error"
_EARLY: Final = "closed the connection before it answered (does it take this certificate?)"
_REFUSED_FROM: Final = 128  # a reason code of SUBACK from here on grants nothing

# The libraries log every lost connection by themselves, and at debug level whole topics.
_SILENT: Final = logging.getLogger("device_adapters.mqtt.connection.library")
_SILENT.addFilter(lambda _record: False)


@dataclass(frozen=True, slots=True)
class Account:
    """Where a broker is, and who we are there. `tls` carries the certificate, if that is the identity.

    `clean`: nothing is kept for us while we are away, and nothing of us stays; for who only looks.
    """

    host: str
    port: int
    protocol: str
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    clean: bool = False


class Box(Protocol):
    """Takes what a rig says."""

    def routes(self) -> Iterator[tuple[str, Take]]:
        """What to subscribe to, and who takes it; `+` stands for any one level."""

    def wake(self) -> None:
        """Something about the connection changed."""

    def lost(self) -> None:
        """The connection is gone."""

    def let_go(self) -> bool:
        """Settle something that cannot be stored yet; False when there is nothing."""


class Broker:
    """See `message_memory.Post` for the rigs' side of it."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._boxes: list[Box | Mailbox] = []
        self._topics: dict[str, Take] = {}
        self._wild: dict[str, Take] = {}  # those of them with a level that changes
        self._client: Client | None = None
        self._connection = 0
        self._trouble: str | None = "no connection to the broker yet"
        self._unsettled = 0

    @property
    def connection(self) -> int:
        """Counts connections."""
        return self._connection

    @property
    def trouble(self) -> str | None:
        """Why rigs cannot be heard; None while they can."""
        return self._trouble

    @property
    def unacknowledged(self) -> int:
        """Messages of this connection that were not PUBACKed yet."""
        return self._unsettled

    def join(self, box: Box | Mailbox) -> None:
        """From the next connection on this rig's messages come."""
        self._boxes.append(box)
        self._topics.update(_routes(box) if isinstance(box, Mailbox) else box.routes())
        self._wild = {topic: take for topic, take in self._topics.items() if "+" in topic or "#" in topic}

    async def hold(self, up: Callable[[], None]) -> None:
        """Connect, subscribe, tell `up`, and stay until it breaks. Raises NotConnected only, beside cancellation."""
        client = self._made()
        watching = asyncio.create_task(_watch(client), name="broker socket")
        try:
            async with client:
                for topic in self._topics:
                    await self._subscribe(client, topic)
                self._client, self._trouble = client, None
                for box in self._boxes:
                    box.wake()
                up()
                async for _ in client.messages:
                    pass  # none is ever queued there: this waits for the connection's end
        except (MqttError, OSError, ValueError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # the good-bye failed, and with it the cancellation got lost
                raise asyncio.CancelledError from None
            raise NotConnected(_reason(error)) from None
        finally:
            watching.cancel()
            client._client._sock_close()  # noqa: SLF001  (a connection without CONNACK would stay open)
            self._connection += 1
            self._client, self._unsettled = None, 0
            self._trouble = "no connection to the broker"
            for box in self._boxes:
                box.lost()

    async def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> None:
        """Until the broker has it. Raises NotConnected."""
        client = self._client
        if client is None:
            raise NotConnected(self._trouble or "no connection to the broker")
        ended = client._disconnected  # noqa: SLF001  (the library would wait for an answer that cannot come)
        sending = asyncio.ensure_future(client.publish(topic, payload, qos, retain))
        try:
            await asyncio.wait({sending, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise NotConnected("the connection to the broker broke")
            sending.result()
        except MqttError as error:
            if not ended.done():  # a broker that does not answer is not waited for until the keep-alive notices
                ended.set_exception(error)
            raise NotConnected(_reason(error)) from None
        finally:
            sending.cancel()

    def _made(self) -> Client:
        account, protocol = self._account, PROTOCOLS[self._account.protocol]
        session: dict[str, Any] = {"clean_session": account.clean}
        if protocol is ProtocolVersion.V5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0 if account.clean else SESSION_EXPIRY_S
            properties.ReceiveMaximum = UNACKNOWLEDGED_MAX
            session = {"clean_start": account.clean, "properties": properties}
        client = Client(
            account.host,
            account.port,
            identifier=account.client_id,
            protocol=protocol,
            username=account.username,
            password=account.password,
            tls_context=closing(account.tls) if account.tls else None,
            timeout=BROKER_TIMEOUT_S,
            keepalive=BROKER_KEEPALIVE_S,
            logger=_SILENT,
            socket_options=_AT_ONCE,
            **session,
        )
        number = self._connection
        paho = client._client  # noqa: SLF001  (no public way yet: the module's docstring)
        client._disconnected.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # noqa: SLF001
        paho.manual_ack_set(True)
        _tell_of_early_end(client)
        paho.on_message = lambda _client, _data, message: self._deliver(client, number, message)
        return client

    async def _subscribe(self, client: Client, topic: str) -> None:
        granted = (await client.subscribe(topic, qos=1))[0]
        code = granted if isinstance(granted, int) else granted.value
        if code >= _REFUSED_FROM:
            raise MqttError(f"the broker does not let us read {topic}")

    def _deliver(self, client: Client, connection: int, message: MQTTMessage) -> None:
        """One message, in the order of the wire. Never raises: the library would close the connection."""
        settle = self._settler(client, connection, message)
        taker = self._taker(message.topic)
        if taker is None or self._unsettled > UNACKNOWLEDGED_MAX:
            settle(LET_GO)  # a subscription of before, or a broker that knows no limit (H2)
            return
        taker(message.topic, bytes(message.payload), settle, message.retain)
        while self._unsettled > LET_GO_ABOVE and any(box.let_go() for box in self._boxes):
            pass

    def _taker(self, topic: str) -> Take | None:
        """By the topic itself; few rigs have a level that changes."""
        exact = self._topics.get(topic)
        if exact is not None:
            return exact
        return next((take for one, take in self._wild.items() if topic_matches_sub(one, topic)), None)

    def _settler(self, client: Client, connection: int, message: MQTTMessage) -> Settle:
        """PUBACK, once, and only on the connection that the number of this message belongs to."""
        if message.qos == 0:
            return _nothing
        open_ = deque([message.mid])
        self._unsettled += 1

        def settle(_fate: Fate) -> None:
            if open_ and connection == self._connection:
                self._unsettled -= 1
                client._client.ack(open_.popleft(), message.qos)  # noqa: SLF001

        return settle


async def _watch(client: Client) -> None:
    """End a connection whose socket is dead; until cancelled.

    uvloop stops watching a socket that was reset, without a word, and the library would notice by its keep-alive only.
    """
    ended = client._disconnected  # noqa: SLF001
    while not ended.done():
        await asyncio.sleep(BROKER_LOOK_S)
        if _is_dead(client._client.socket()) and not ended.done():  # noqa: SLF001
            ended.set_exception(MqttError("the connection broke"))


def _is_dead(sock: Any) -> bool:
    """Reset or hung up, whatever stands in it unread."""
    if sock is None or sock.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), 0)  # those two are always told
    return bool(poll.poll(0))


def _tell_of_early_end(client: Client) -> None:
    """A broker that closes before it answers CONNECT, as after a certificate that it does not take, is not waited for.

    The library says nothing of that, and would wait for its whole timeout.
    """
    paho, loop, connected = client._client, asyncio.get_running_loop(), client._connected  # noqa: SLF001
    told = paho.on_disconnect

    def end() -> None:
        if not connected.done():
            connected.set_exception(MqttError(_EARLY))

    def ended(*said: Any) -> None:
        loop.call_soon_threadsafe(end)
        if told is not None:
            told(*said)

    paho.on_disconnect = ended


def _routes(box: Mailbox) -> Iterator[tuple[str, Take]]:
    """Of a rig of interface v1."""
    topics = box.shape.topics
    takes = ((topics.record, box.deliver_record), (topics.status, box.deliver_status))
    for template, take in takes:
        yield topics.of(template, box.serial), _taking(take)


def _taking(deliver: Callable[..., object]) -> Take:
    return lambda _topic, payload, settle, retained: deliver(payload, settle, retained=retained)


def _reason(error: Exception) -> str:
    """In the library's words, which hold neither topics nor payloads."""
    cause = error if isinstance(error, MqttCodeError) else error.__cause__ or error
    if not isinstance(cause, MqttCodeError):
        return f"broker: {str(cause) or type(cause).__name__}"
    said = str(cause.rc if isinstance(cause.rc, ReasonCode) else cause)
    # What paho says of a connection that ended without a word: a code that no broker sent.
    broke = said == _ENDED and cause is not error
    return "the connection to the broker broke" if broke else f"broker: {said}"


def _nothing(_fate: Fate) -> None:
    """A message of QoS 0 needs no answer."""
