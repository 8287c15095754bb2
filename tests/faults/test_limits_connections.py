"""B20, G11: handshakes that never end, and descriptors that run out: what stands goes on, what comes is told no."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from chaos_proxy_world import client_context, neighbours_tls, running, serving
from fake_entry_store import FakeEntryStore
from sample_uploads import SampleLog
from server_bench import bench
from skipping_loop import run_skipping, skip
from structlog.testing import capture_logs
from wire import Wire, wire

from server import limits
from server.config import Address
from server.ingest.protocol import BoundedProtocol, IdentifiedProtocol, listener_protocol
from server.listeners import listener

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tls_material import TlsMaterial

UPLOAD = "/gateway/v1/upload"
PER_ADDRESS = 6
FLOOD = "127.0.0.9"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    return neighbours_tls(tmp_path_factory.mktemp("tls"))


async def flooding(port: int, tls: ssl.SSLContext | None = None) -> Wire:
    """A connection of the address that floods; without `tls` it never begins its handshake."""
    name = "localhost" if tls else None
    return Wire(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name, local_addr=(FLOOD, 0)))


async def while_flooded(tls: TlsMaterial) -> list[str]:
    """One address takes every handshake that it may have, and more; what was logged."""
    log, context = SampleLog("gw-02").grow(4), client_context(tls.gateway.parent / "gw-02")
    protocol = listener_protocol(IdentifiedProtocol, connections_per_peer=2 * PER_ADDRESS)
    async with bench(FakeEntryStore()) as made, serving(made, tls, protocol=protocol) as port:
        await made.enrol(log)
        async with wire(port, context) as before:
            assert (await before.request("POST", UPLOAD, log.upload(0, 1)))[0] == 200
            with capture_logs() as lines:
                held = [await flooding(port) for _ in range(PER_ADDRESS)]
                more = [await flooding(port) for _ in range(8)]
                for each in more:
                    assert await asyncio.wait_for(each.gone(), 10)
            assert (await before.request("POST", UPLOAD, log.upload(1, 2)))[0] == 200
            async with wire(port, context) as fresh:  # another address: its handshake has its place
                assert (await fresh.request("POST", UPLOAD, log.upload(2, 3)))[0] == 200
        skip(limits.TLS_HANDSHAKE_S)
        for each in held:
            assert await asyncio.wait_for(each.gone(), 10)
        again = await flooding(port, context)  # the address has its places again
        assert (await again.request("POST", UPLOAD, log.upload(3, 4)))[0] == 200
        for each in (*held, *more, again):
            each.writer.close()
    return [f"{line['reason']} {line['address']}" for line in lines if line["event"] == "connection refused"]


def test_slow_handshakes_of_one_address_leave_the_others_theirs(tls: TlsMaterial) -> None:
    """B20, P8: handshakes that never end hold the places of their own address only, not for long, told in one line."""
    assert run_skipping(while_flooded(tls)) == [f"too many handshakes of one address {FLOOD}"]


def test_handshakes_of_all_addresses_are_bounded_below_the_descriptors() -> None:
    """B20, G11: every listener full and every handshake place taken still leaves descriptors for the databases."""
    assert 3 * (limits.CONNECTIONS_MAX + limits.HANDSHAKES_MAX) + limits.DESCRIPTORS_KEPT < limits.DESCRIPTORS


async def answering(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """So many more may be opened by this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def knock(port: int) -> socket.socket:
    """A connection that sends a request, made with a descriptor that was there before."""
    made = socket.socket()
    made.setblocking(False)
    made.connect_ex(("127.0.0.1", port))
    return made


async def without_descriptors() -> list[str]:
    server = listener(answering, Address("127.0.0.1", 0), listener_protocol(BoundedProtocol))
    loop = asyncio.get_running_loop()
    async with running(server) as port, wire(port, None) as standing:
        assert (await standing.request("GET", "/"))[0] == 200
        with capture_logs() as lines:
            with descriptors_left(1):
                waiting = knock(port)  # it takes the last one: there is none to accept it with
                while not lines:
                    await asyncio.sleep(0.005)
                assert (await standing.request("GET", "/"))[0] == 200
            with descriptors_left(limits.DESCRIPTORS_KEPT):
                skip(limits.ACCEPT_AGAIN_S)
                assert await loop.sock_recv(waiting, 1) == b""  # closed: the last ones are not for connections
                waiting.close()
                assert (await standing.request("GET", "/"))[0] == 200
        async with wire(port, None) as fresh:
            assert (await fresh.request("GET", "/"))[0] == 200
    return [line["reason"] for line in lines if line["event"] == "connection refused"]


def test_a_listener_without_descriptors_rests_and_recovers() -> None:
    """G11: what stands is served, a stranger waits or is closed, and nobody asks again and again in between."""
    assert run_skipping(without_descriptors()) == [
        "nothing left to accept with",
        "too few descriptors left for a connection",
    ]
