"""The gateways' listener on real sockets with certificates made now: identity, revocation, slow and greedy peers."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from fake_entry_store import FakeEntryStore
from sample_uploads import DOMAIN, SampleLog
from server_bench import Bench, bench
from tls_material import make_tls_material
from wire import wire

from certs.ca import create_authority, issue_gateway
from certs.contexts import gateway_client_context, gateway_server_context
from server import limits
from server.config import Address
from server.ingest.protocol import IdentifiedProtocol, listener_protocol
from server.listeners import listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

UPLOAD = "/gateway/v1/upload"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Contexts of the listener and of clients."""

    folder: Path

    def server(self) -> ssl.SSLContext:
        return gateway_server_context(
            self.folder / "server/cert.pem", self.folder / "server/cert.key", self.folder / "server/ca.pem"
        )

    def client(self, name: str) -> ssl.SSLContext:
        return gateway_client_context(
            self.folder / name / "cert.pem", self.folder / name / "cert.key", self.folder / "server/ca.pem"
        )

    def nobody(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "server/ca.pem"))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    made = make_tls_material(folder, domain=DOMAIN)
    for name in ("gw-01", "gw-02"):
        issue_gateway(made.authority, DOMAIN, name).write(folder / name)
    create_authority(folder / "wrong-ca")
    issue_gateway(folder / "wrong-ca", DOMAIN, "gw-01").write(folder / "stranger")
    return Certificates(folder)


@asynccontextmanager
async def serving(tls: Certificates, *, header_deadline_s: float = 10.0) -> AsyncIterator[tuple[Bench, int]]:
    """A bench behind a real listener."""
    async with bench(FakeEntryStore()) as made:
        protocol = listener_protocol(IdentifiedProtocol, header_deadline_s=header_deadline_s)
        server = listener(made.app, Address("127.0.0.1", 0), protocol, tls.server())
        running = asyncio.ensure_future(server.serve())
        try:
            async with asyncio.timeout(10):
                while not server.started:
                    await asyncio.sleep(0.01)
            yield made, server.port
        finally:
            server.stop()
            await running


async def refused(port: int, context: ssl.SSLContext) -> bool:
    try:
        async with wire(port, context) as connection:
            await connection.request("GET", "/")
    except (OSError, asyncio.IncompleteReadError):
        return True
    return False


async def test_only_our_certificates_get_in(tls: Certificates) -> None:
    """I12: no certificate and one of another CA end in the handshake."""
    async with serving(tls) as (_, port):
        assert await refused(port, tls.nobody())
        assert await refused(port, tls.client("stranger"))
        assert not await refused(port, tls.client("gw-01"))


async def test_identities_never_cross(tls: Certificates) -> None:
    """Two gateways take turns on kept-alive connections: each writes only its own log, whatever headers say."""
    logs = {name: SampleLog(name).grow(60) for name in ("gw-01", "gw-02")}
    async with serving(tls) as (made, port):
        for log in logs.values():
            await made.enrol(log)
        forged = "x-client-cert: gw-02\r\nx-forwarded-for: 10.0.0.1\r\n"
        async with wire(port, tls.client("gw-01")) as one, wire(port, tls.client("gw-02")) as two:
            for at in range(60):
                for mine, own, other in ((one, logs["gw-01"], logs["gw-02"]), (two, logs["gw-02"], logs["gw-01"])):
                    status, _ = await mine.request("POST", UPLOAD, other.upload(at, at + 1), forged)
                    assert status == 403
                    status, _ = await mine.request("POST", UPLOAD, own.upload(at, at + 1))
                    assert status == 200
        for log in logs.values():
            assert [each.data for each in await made.store.entries(log.origin, 0, 99)] == log.entries


async def test_a_revoked_gateway_is_refused_at_its_next_request(tls: Certificates) -> None:
    """B19: also on the connection that it holds open."""
    log = SampleLog().grow(2)
    async with serving(tls) as (made, port):
        await made.enrol(log)
        async with wire(port, tls.client("gw-01")) as connection:
            assert (await connection.request("POST", UPLOAD, log.upload(0, 1)))[0] == 200
            await made.store.set_gateway_status("gw-01", "revoked", "lost")
            assert (await connection.request("POST", UPLOAD, log.upload(1, 2)))[0] == 403


async def test_a_body_over_the_cap_is_cut_off(tls: Certificates) -> None:
    """B20: 413 as soon as it is known, without reading the rest."""
    async with serving(tls) as (made, port):
        await made.enrol(SampleLog())
        async with wire(port, tls.client("gw-01")) as connection:
            connection.writer.write(f"POST {UPLOAD} HTTP/1.1\r\nhost: x\r\ncontent-length: {1 << 30}\r\n\r\n".encode())
            assert (await connection.answer())[0] == 413
            assert await connection.gone()
        async with wire(port, tls.client("gw-01")) as connection:
            connection.writer.write(f"POST {UPLOAD} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode())
            for _ in range(limits.UPLOAD_BODY_MAX // 65536 + 1):
                connection.writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            assert (await connection.answer())[0] == 413


async def test_half_a_header_does_not_hold_a_connection(tls: Certificates) -> None:
    """B20: a connection that does not finish its headers in time is closed; others are served meanwhile."""
    async with serving(tls, header_deadline_s=0.2) as (made, port):
        log = SampleLog().grow(1)
        await made.enrol(log)
        async with wire(port, tls.client("gw-01")) as slow, wire(port, tls.client("gw-01")) as silent:
            slow.writer.write(b"POST /gateway/v1/upload HTTP/1.1\r\nhost: x\r\nx-a:")
            async with wire(port, tls.client("gw-01")) as good:
                assert (await good.request("POST", UPLOAD, log.upload(0)))[0] == 200
            async with asyncio.timeout(10):
                assert await slow.gone()
                assert await silent.gone()


async def test_endless_headers_are_cut_off(tls: Certificates) -> None:
    """I16: headers are bounded in size."""
    async with serving(tls) as (_, port), wire(port, tls.client("gw-01")) as connection:
        connection.writer.write(b"GET / HTTP/1.1\r\nx-a: ")
        try:
            for _ in range(limits.HEADER_BYTES_MAX // 4096 + 4):
                connection.writer.write(b"x" * 4096)
                await connection.writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            return
        async with asyncio.timeout(10):
            assert await connection.gone()


async def test_one_address_has_so_many_connections(tls: Certificates) -> None:
    """I10: connections of one peer are bounded; the bound counts what is open now."""
    context = tls.client("gw-01")
    opened = []
    async with serving(tls) as (_, port):
        try:
            for _ in range(limits.CONNECTIONS_PER_PEER_MAX):
                made = wire(port, context)
                opened.append((made, await made.__aenter__()))
            assert await refused(port, context)
            made, _last = opened.pop()
            await made.__aexit__(None, None, None)
            assert (await opened[0][1].request("GET", "/x"))[0] == 404
            async with asyncio.timeout(10):
                while await refused(port, context):
                    await asyncio.sleep(0.05)
        finally:
            for made, _connection in opened:
                await made.__aexit__(None, None, None)
