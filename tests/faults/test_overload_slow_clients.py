"""B20: clients that are slow on purpose, on the gateways' and the people's listener, on a moved clock."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from chaos_proxy_world import client_context, neighbours_tls, running, serving
from fake_entry_store import FakeEntryStore
from sample_uploads import SampleLog
from server_bench import bench
from skipping_loop import run_skipping, skip
from wire import wire

from certs.contexts import people_client_context, people_server_context
from server.config import Address
from server.ingest.protocol import BoundedProtocol, listener_protocol
from server.listeners import listener

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tls_material import TlsMaterial

UPLOAD = "/gateway/v1/upload"
SLOW_S = 15.0  # the bar: closed within this
PATIENCE_S = 20.0
MANY = 2000
ADDRESSES = 16  # many addresses: the cap of one is another test's
HEADERS = b"POST /gateway/v1/upload HTTP/1.1\r\nhost: x\r\nx-a:"
BODY = b"POST /gateway/v1/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n" + b"x" * 100
FORMS = {"silent": b"", "headers": HEADERS, "body": BODY}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    return neighbours_tls(tmp_path_factory.mktemp("tls"))


class Held:
    """A connection that says only so much. `tls=None`: not even a handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext | None, said: bytes, address: int = 1) -> Held:
        name = "localhost" if tls else None
        local = (f"127.0.0.{address}", 0)
        made = cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name, local_addr=local))
        made.writer.write(said)
        await made.writer.drain()
        return made

    async def gone(self) -> None:
        """Until the other side has closed; an answer may come before."""
        with suppress(OSError):
            while await self.reader.read(4096):
                pass

    def drop(self) -> None:
        self.writer.transport.abort()


async def all_gone(held: list[Held]) -> None:
    """Within the bar, by the moved clock."""
    try:
        skip(SLOW_S)
        await asyncio.wait_for(asyncio.gather(*(each.gone() for each in held)), PATIENCE_S)
    finally:
        for each in held:
            each.drop()
        for each in held:
            with suppress(OSError):
                await each.writer.wait_closed()


async def reading_app(scope, receive, send) -> None:
    """What every page with a form does: read the body, then answer."""
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.request":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def deaf_app(scope, receive, send) -> None:
    """Answers without reading."""
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def ordinary(port: int, context: ssl.SSLContext) -> None:
    """Somebody else's request."""
    async with wire(port, context) as good:
        assert (await good.request("POST", "/", b"x" * 3000))[0] in {200, 413}


@asynccontextmanager
async def people(tls: TlsMaterial, app: object) -> AsyncIterator[int]:
    """An application on a listener as the people's is made."""
    context = people_server_context(tls.server / "cert.pem", tls.server / "cert.key")
    server = listener(app, Address("127.0.0.1", 0), listener_protocol(BoundedProtocol), context)
    async with running(server) as port:
        yield port


async def gateways_while(tls: TlsMaterial, count: int) -> None:
    """So many of each form on the gateways' listener; a real upload before, between and after."""
    context, log = client_context(tls.gateway), SampleLog("gw-02").grow(3)
    calm = client_context(tls.gateway.parent / "gw-02")  # the slow gateway itself is told 429 when it has too many
    async with bench(FakeEntryStore()) as made, serving(made, tls) as port:
        await made.enrol(log)
        held = [await Held.open(port, None, b"", 1 + at % ADDRESSES) for at in range(count)]
        for form in FORMS.values():
            held += [await Held.open(port, context, form, 1 + at % ADDRESSES) for at in range(count)]
        async with wire(port, calm) as good:
            assert (await good.request("POST", UPLOAD, log.upload(0, 1)))[0] == 200
            await all_gone(held)
            assert (await good.request("POST", UPLOAD, log.upload(1, 2)))[0] == 200
        assert made.ingest.admission.places == 0
        async with wire(port, calm) as good:
            assert (await good.request("POST", UPLOAD, log.upload(2, 3)))[0] == 200


def test_slow_gateways_are_closed_and_others_served(tls: TlsMaterial) -> None:
    """B20: silent before and after the handshake, half a header, half a body: closed in time, places given back."""
    run_skipping(gateways_while(tls, 12))


@pytest.mark.long
@pytest.mark.timeout(240)
def test_two_thousand_slow_gateways(tls: TlsMaterial) -> None:
    """B20: the same with two thousand."""
    run_skipping(gateways_while(tls, MANY // 4))


@pytest.mark.parametrize("app", [reading_app, deaf_app])
def test_slow_browsers_are_closed_and_others_served(tls: TlsMaterial, app: Callable[..., Awaitable[None]]) -> None:
    """B20: on the people's listener too, whether or not the page reads the body."""

    async def run() -> None:
        context = people_client_context(tls.server / "ca.pem")
        async with people(tls, app) as port:
            held = [await Held.open(port, context, form) for form in FORMS.values() for _ in range(8)]
            await ordinary(port, context)  # after its answer the listener has read what the others said
            await all_gone(held)
            await ordinary(port, context)

    run_skipping(run())


@pytest.mark.parametrize("app", [reading_app, deaf_app])
def test_a_dripping_body_is_cut_off(tls: TlsMaterial, app: Callable[..., Awaitable[None]]) -> None:
    """B20: a byte every few seconds does not hold a connection, answered or not."""

    async def run() -> None:
        context = people_client_context(tls.server / "ca.pem")
        async with people(tls, app) as port:
            held = await Held.open(port, context, BODY)
            gone = asyncio.ensure_future(held.gone())
            for _ in range(8):
                with suppress(OSError):
                    held.writer.write(b"x")
                    await held.writer.drain()
                for _ in range(20):
                    await asyncio.sleep(0.001)
                skip(2)
            await asyncio.wait_for(gone, PATIENCE_S)
            held.drop()

    run_skipping(run())


def test_an_honest_slow_line_may_take_its_time(tls: TlsMaterial) -> None:
    """N2: 8 kB a second for half a minute is nobody's attack."""

    async def run() -> None:
        context = people_client_context(tls.server / "ca.pem")
        async with people(tls, reading_app) as port, wire(port, context) as slow:
            slow.writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 240000\r\n\r\n")
            for _ in range(30):
                slow.writer.write(b"x" * 8000)
                await slow.writer.drain()
                for _ in range(20):
                    await asyncio.sleep(0.001)
                skip(1)
            assert (await asyncio.wait_for(slow.answer(), PATIENCE_S))[0] == 200

    run_skipping(run())
