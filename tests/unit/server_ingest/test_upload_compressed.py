"""Compressed uploads (docs/formats/upload.md rule 8), at the server and from the gateway's own client."""

from __future__ import annotations

import gzip
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from sample_uploads import DOMAIN, SampleLog
from server_bench import MIRROR_VERIFIER, Bench, ask, bench
from tls_material import TlsMaterial, make_tls_material

from certs.contexts import gateway_server_context
from gateway import limits as gateway_limits
from gateway.sending.transport import HttpsClient
from gateway.settings.config import ServerConfig
from scorelog.format.packed import decode_packed, encode_packed
from server import limits
from server.errors import Refused
from server.evidence.store import Gateway
from server.ingest.inflate import inflated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

UPLOAD = "/gateway/v1/upload"
GZIP = ((b"content-encoding", b"gzip"),)
PACKED = ((b"content-encoding", b"kaofen-pack1"),)
UNNAMED = b"\0\0\0\x20" + bytes(32) + zlib.compress(bytes(8) + b"\0\1" + b"\0\0\0\4" + b"\1\0\0\0" + b"a\0")
LONG = b"x" * gateway_limits.COMPRESSED_FROM_BYTES


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    return make_tls_material(tmp_path_factory.mktemp("tls"), domain=DOMAIN)


@pytest.fixture(scope="module")
def der(tls: TlsMaterial) -> bytes:
    return x509.load_pem_x509_certificate((tls.gateway / "cert.pem").read_bytes()).public_bytes(Encoding.DER)


@pytest.fixture
async def at() -> AsyncIterator[Bench]:
    async with bench(FakeEntryStore()) as made:
        await made.store.add_gateway(Gateway("gw-01", SampleLog("gw-01").public_key))
        yield made


async def test_a_compressed_upload_is_the_same_upload(at: Bench, der: bytes) -> None:
    """P2: the receipt of what was inflated; the answer says that more may come so (RFC 7694)."""
    log = SampleLog().grow(20, openings=True)
    body = gzip.compress(log.upload(0))
    status, headers, answer = await ask(at.app, "POST", UPLOAD, body, der=der, headers=GZIP, parts=3)
    assert (status, headers[b"accept-encoding"]) == (200, b"kaofen-pack1, gzip")
    assert log.receipt_time(20, answer, MIRROR_VERIFIER)
    assert at.stored == [(log.origin, 20)]


async def test_a_packed_upload_is_the_same_upload(at: Bench, der: bytes) -> None:
    """P2, P3: the receipt of what was put together again; the stored entries are those that were logged."""
    log = SampleLog().grow(20, openings=True)
    body = encode_packed(log.upload(0))
    assert body is not None
    status, _, answer = await ask(at.app, "POST", UPLOAD, body, der=der, headers=PACKED, parts=3)
    assert status == 200
    assert log.receipt_time(20, answer, MIRROR_VERIFIER)
    stored = await at.store.entries(log.origin, 0, 20)
    assert [one.data for one in stored] == log.entries
    assert [opening for one in stored for opening in one.openings] == log.openings


async def test_a_packed_upload_with_another_opening_is_no_upload_of_this_log(at: Bench, der: bytes) -> None:
    """P3: a commitment is made of the opening that came; the signed root tells that it is another entry."""
    log = SampleLog().grow(20, openings=True)
    body = bytearray(encode_packed(log.upload(0)) or b"")
    body[4] ^= 1  # the first blind
    status, _, _ = await ask(at.app, "POST", UPLOAD, bytes(body), der=der, headers=PACKED)
    assert status == 422
    assert at.stored == []


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (SampleLog().grow(2).upload(0), b"gzip", 400),
        (gzip.compress(SampleLog().grow(2).upload(0))[:-1], b"gzip", 400),
        (gzip.compress(SampleLog().grow(2).upload(0)) + b"more", b"gzip", 400),
        (gzip.compress(b"no upload"), b"gzip", 400),
        (gzip.compress(bytes(limits.UPLOAD_BODY_MAX + 1)), b"gzip", 413),
        (SampleLog().grow(2).upload(0), b"br", 415),
        (SampleLog().grow(2).upload(0), b"kaofen-pack1", 400),
        ((encode_packed(SampleLog().grow(2).upload(0)) or b"") + b"more", b"kaofen-pack1", 400),
        (bytes(4) + zlib.compress(bytes(limits.UPLOAD_BODY_MAX + 1)), b"kaofen-pack1", 413),
        (UNNAMED, b"kaofen-pack1", 400),
    ],
    ids=[
        "not compressed", "cut", "followed", "no upload", "too long", "another coding",
        "not packed", "packed, followed", "packed, too long", "packed, a field without a name",
    ],
)  # fmt: skip
async def test_what_is_not_one_whole_body_of_an_upload_is_refused(
    at: Bench, der: bytes, body: bytes, encoding: bytes, status: int
) -> None:
    """Bad input gets a clear answer, nothing is stored and nothing alarmed."""
    found, _, _ = await ask(at.app, "POST", UPLOAD, body, der=der, headers=((b"content-encoding", encoding),))
    assert found == status
    assert (at.stored, await at.kinds()) == ([], [])


def test_a_body_swells_to_the_limit_and_no_further() -> None:
    """B20: limit - 1, limit, limit + 1; of a bomb no more than that is ever made."""
    for length in (999, 1000):
        assert inflated(gzip.compress(bytes(length)), 1000) == bytes(length)
    for length in (1001, 50_000_000):
        with pytest.raises(Refused, match="more than 1000 bytes") as refused:
            inflated(gzip.compress(bytes(length), 1), 1000)
        assert refused.value.status == 413


@asynccontextmanager
async def listening(tls: TlsMaterial, says: list[str], came: list[tuple[str, bytes]]) -> AsyncIterator[HttpsClient]:
    """The gateway's client before a server that answers each upload with the next of these words."""

    async def upload(request: web.Request) -> web.Response:
        came.append((request.headers.get("Content-Encoding", ""), await request.read()))  # aiohttp has inflated it
        word = says.pop(0)
        return web.Response(status=200 if word != "down" else 503, headers={"Accept-Encoding": word} if word else {})

    app = web.Application(client_max_size=4 << 20)
    app.router.add_post(UPLOAD, upload)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    context = gateway_server_context(tls.server / "cert.pem", tls.server / "cert.key", tls.server / "ca.pem")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    folder, url = tls.gateway, f"https://127.0.0.1:{runner.addresses[0][1]}"
    config = ServerConfig(url, folder / "ca.pem", folder / "cert.pem", folder / "cert.key", "", None)
    client = HttpsClient(config, FakeClock(), timeout_s=5)
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


async def test_the_gateway_compresses_only_what_is_long_for_a_server_that_takes_it(tls: TlsMaterial) -> None:
    """Limit - 1 and limit; never before an answer said so, and not any more when the last answer did not."""
    came: list[tuple[str, bytes]] = []
    async with listening(tls, ["br, gzip", "gzip", "gzip", "", "gzip"], came) as client:
        for body in (LONG, LONG, LONG[:-1], LONG, LONG):
            await client.upload(body)
    assert [encoding for encoding, _ in came] == ["", "gzip", "", "gzip", ""]
    assert [len(body) for _, body in came] == [len(LONG)] * 2 + [len(LONG) - 1] + [len(LONG)] * 2


async def test_the_gateway_packs_for_a_server_that_takes_it(tls: TlsMaterial) -> None:
    """The shortest form that was named; a body that has no packed form goes as gzip, or as it is."""
    came: list[tuple[str, bytes]] = []
    plain = SampleLog().grow(20, openings=True).upload(0)
    log = SampleLog()
    log.add(b"{\x01" + bytes(range(32, 127)) * 50 + b"}")
    odd = log.upload(0)
    async with listening(tls, ["kaofen-pack1, gzip", "kaofen-pack1, gzip", "kaofen-pack1", "gzip"], came) as client:
        for body in (plain, plain, odd, odd):
            await client.upload(body)
    assert [encoding for encoding, _ in came] == ["", "kaofen-pack1", "gzip", "identity"]
    assert decode_packed(came[1][1]) == plain
    assert [body for _, body in came[2:]] == [odd, odd]
