"""The shipped Mosquitto configuration, in a real broker: who may say and hear what, and what survives its end."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from mqtt_peer import Peer, peer, until
from real_mosquitto import RealMosquitto, running_mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.crash, pytest.mark.needs("mosquitto")]

RIG, OTHER, GATEWAY = "CP-0001", "CP-0002", "kaofen-gw-gw-01"
NAMES = (RIG, OTHER, GATEWAY)
RECORD, STATUS = f"kaofen/v1/{RIG}/record", f"kaofen/v1/{RIG}/status"
REFUSED = "Not authorized"


@pytest.fixture(params=["mtls", "password"])
def broker(request: pytest.FixtureRequest) -> Iterator[RealMosquitto]:
    """Both forms keep the same law."""
    with running_mosquitto(request.param, NAMES) as made:
        yield made


@pytest.fixture
def one_broker() -> Iterator[RealMosquitto]:
    """Where the form of the listener plays no part."""
    with running_mosquitto("password", NAMES) as made:
        yield made


def test_a_rig_speaks_for_itself_only(broker: RealMosquitto) -> None:
    """A rig publishes its own record and status and nothing else; the gateway never sees what was refused."""
    foreign = [f"kaofen/v1/{OTHER}/record", f"kaofen/v1/{OTHER}/status"]
    answers = [f"kaofen/v1/{serial}/{last}" for serial in (RIG, OTHER) for last in ("ack", "ready", "resend")]
    with peer(broker, GATEWAY) as gateway, peer(broker, RIG) as rig:
        assert gateway.subscribe("kaofen/v1/+/record") == "Granted QoS 1"
        assert gateway.subscribe("kaofen/v1/+/status") == "Granted QoS 1"
        for topic in [*foreign, *answers, "elsewhere", "kaofen/v1", f"{RECORD}/more"]:
            assert rig.publish(topic) == REFUSED, topic
        rig.publish(RECORD, b"mine")
        rig.publish(STATUS, b"live")
        gateway.wait(lambda: len(gateway.messages) == 2)
        assert gateway.messages == [(RECORD, b"mine"), (STATUS, b"live")]


def test_a_rig_hears_only_its_own_answers(broker: RealMosquitto) -> None:
    """A rig gets its own ack, ready and resend; a subscription to another's, or to all, brings it nothing of others."""
    with peer(broker, GATEWAY) as gateway, peer(broker, RIG) as rig:
        for topic in (f"kaofen/v1/{OTHER}/ack", "kaofen/v1/+/ack", "#", f"kaofen/v1/{OTHER}/record", RECORD):
            rig.subscribe(topic)
        for last in ("ack", "ready", "resend"):
            assert rig.subscribe(f"kaofen/v1/{RIG}/{last}") == "Granted QoS 1"
        with peer(broker, OTHER) as other:
            other.publish(f"kaofen/v1/{OTHER}/record", b"not yours")
        for serial in (OTHER, RIG):
            for last in ("ack", "ready", "resend"):
                gateway.publish(f"kaofen/v1/{serial}/{last}", serial.encode())
        rig.wait(lambda: bool(rig.payloads(f"kaofen/v1/{RIG}/resend")))
        assert {topic for topic, _ in rig.messages} == {
            f"kaofen/v1/{RIG}/{last}" for last in ("ack", "ready", "resend")
        }
        assert {payload for _, payload in rig.messages} == {RIG.encode()}


def test_a_client_id_cannot_be_taken(broker: RealMosquitto) -> None:
    """Who asks for another's client id stays himself: the other stays connected and keeps its session."""
    with peer(broker, RIG) as rig:
        rig.subscribe(f"kaofen/v1/{RIG}/ack")
        with peer(broker, OTHER, client_id=RIG) as thief, peer(broker, GATEWAY) as gateway:
            assert thief.publish(RECORD) == REFUSED
            assert thief.publish(f"kaofen/v1/{OTHER}/record") != REFUSED
            gateway.publish(f"kaofen/v1/{RIG}/ack", b"for the rig")
            rig.wait(lambda: bool(rig.messages))
            assert thief.messages == []
        assert rig.gone == 0


def test_a_gateway_answers_and_never_speaks_as_a_rig(broker: RealMosquitto) -> None:
    """The gateway reads records and status of all rigs and writes answers; it can write no record, not even its own."""
    with peer(broker, GATEWAY) as gateway:
        for topic in (RECORD, STATUS, f"kaofen/v1/{GATEWAY}/record", f"kaofen/v1/{GATEWAY}/status"):
            assert gateway.publish(topic) == REFUSED, topic
        for last in ("ack", "ready", "resend"):
            assert gateway.publish(f"kaofen/v1/{RIG}/{last}") != REFUSED


def test_nobody_comes_in_without_an_identity(one_broker: RealMosquitto) -> None:
    """No name, an unknown name and a wrong password are refused."""
    for name in ("", "CP-9999"):
        stranger = Peer(one_broker, name, client_id=RIG)
        try:
            assert stranger.open() == REFUSED
        finally:
            stranger.close()
    liar = Peer(one_broker, RIG)
    liar.client.username_pw_set(RIG, "guess")
    try:
        assert liar.open() == REFUSED
    finally:
        liar.close()


def test_nobody_comes_in_without_a_certificate() -> None:
    """In the mTLS form the handshake itself fails; a certificate of another CA is worth as little as none."""
    with running_mosquitto("mtls", NAMES) as broker, running_mosquitto("mtls", NAMES) as foreign:
        own = foreign.folder / "clients" / RIG
        for pair in (None, own):
            context = ssl.create_default_context(cafile=str(broker.ca))
            if pair is not None:
                context.load_cert_chain(pair / "cert.pem", pair / "cert.key")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                _handshake_and_read(broker, context)


def test_old_tls_is_refused(one_broker: RealMosquitto) -> None:
    """Below TLS 1.2 there is no connection; TLS 1.2 itself is taken."""
    context = one_broker.client_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("localhost", one_broker.port), 5) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.version() == "TLSv1.2"
    assert _is_refused_below_tls_1_2(one_broker)


@pytest.mark.parametrize("v5", [True, False], ids=["mqtt5", "mqtt311"])
def test_an_oversize_packet_cuts_off_its_sender(one_broker: RealMosquitto, v5: bool) -> None:
    """A packet above the broker's limit reaches nobody and disconnects whoever sent it.

    A record of the largest size (M1) passes, and one just above it too, for the gateway to refuse and record (H4).
    """
    with peer(one_broker, GATEWAY) as gateway, peer(one_broker, RIG, v5=v5) as rig:
        gateway.subscribe("kaofen/v1/+/record")
        for size in (16_384, 16_385):
            rig.publish(RECORD, b"x" * size)
        rig.client.publish(RECORD, b"y" * 32_768, qos=1)
        rig.wait(lambda: rig.gone > 0)
        with peer(one_broker, OTHER) as other:
            other.publish(f"kaofen/v1/{OTHER}/record", b"last")
        gateway.wait(lambda: bool(gateway.payloads(f"kaofen/v1/{OTHER}/record")))
        assert [len(payload) for payload in gateway.payloads(RECORD)] == [16_384, 16_385]


@pytest.mark.parametrize("v5", [True, False], ids=["mqtt5", "mqtt311"])
def test_a_clean_restart_keeps_the_session_and_what_waits_in_it(one_broker: RealMosquitto, v5: bool) -> None:
    """Records for an absent gateway and the rigs' status are there again after a clean restart, in order."""
    with peer(one_broker, GATEWAY, v5=v5) as gateway:
        gateway.subscribe("kaofen/v1/+/record")
    sent = [b"%d" % number for number in range(1, 11)]
    with peer(one_broker, RIG, v5=v5) as rig:
        rig.publish(STATUS, b"live", retain=True)
        for payload in sent:
            rig.publish(RECORD, payload)
    one_broker.restart()
    with peer(one_broker, GATEWAY, v5=v5) as again:
        again.wait(lambda: len(again.payloads(RECORD)) == len(sent))
        assert again.payloads(RECORD) == sent
        again.subscribe("kaofen/v1/+/status")
        again.wait(lambda: again.payloads(STATUS) == [b"live"])


def test_a_killed_broker_comes_back_with_at_most_what_it_had(one_broker: RealMosquitto) -> None:
    """After SIGKILL what had reached the file is there again; no promise for later records, though PUBACKed.

    A rig that publishes its unacknowledged records again (M6) brings every one of them to the gateway.
    """
    with peer(one_broker, GATEWAY) as gateway:
        gateway.subscribe("kaofen/v1/+/record")
    with peer(one_broker, RIG) as rig:
        rig.publish(RECORD, b"settled")
        until(lambda: b"settled" in _saved(one_broker))
        late = [b"late %d" % number for number in range(20)]
        for payload in late:
            rig.publish(RECORD, payload)  # the broker says it has it
        one_broker.kill()
    one_broker.start()
    with peer(one_broker, GATEWAY) as again, peer(one_broker, RIG) as rig:
        again.wait(lambda: b"settled" in again.payloads(RECORD))
        for payload in [b"settled", *late]:
            rig.publish(RECORD, payload)
        again.wait(lambda: set(again.payloads(RECORD)) == {b"settled", *late})


def _saved(broker: RealMosquitto) -> bytes:
    return broker.database.read_bytes() if broker.database.exists() else b""


def _handshake_and_read(broker: RealMosquitto, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection(("localhost", broker.port), 5) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        if wrapped.recv(1) == b"":
            raise ConnectionError


def _is_refused_below_tls_1_2(broker: RealMosquitto) -> bool:
    """By the broker's own word: a TLS 1.1 ClientHello is answered by the alert protocol_version or the end."""
    suites = bytes.fromhex("c009c00ac013c014002f0035")
    body = b"\x03\x02" + bytes(32) + b"\0" + len(suites).to_bytes(2, "big") + suites + b"\x01\0"
    hello = b"\x01" + len(body).to_bytes(3, "big") + body
    with socket.create_connection(("localhost", broker.port), 5) as raw:
        raw.sendall(b"\x16\x03\x01" + len(hello).to_bytes(2, "big") + hello)
        answer = raw.recv(64)
    return answer[:1] == b"\x15" and answer[5:7] == b"\x02\x46"
