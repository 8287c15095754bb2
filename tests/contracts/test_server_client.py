"""The contract of the ServerClient seam, run over the real HTTPS form and the strict fake."""

from __future__ import annotations

import json
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from fake_https_server import https_server
from fake_log_store import FakeLogStore
from fake_server_client import FakeServer, FakeServerClient
from gateway_parts import fill, make_recorder
from gateway_plans import plan_answer
from tls_material import TlsMaterial, make_tls_material

from certs.identity import key_pin
from gateway.errors import BadAnswer, Unreachable
from gateway.identity import first_certificate
from gateway.sending.transport import HttpsClient, PlanAnswer, SessionNonce
from gateway.settings.config import ServerConfig
from scorelog.format.cosignature import merge
from scorelog.format.upload import Upload, encode_upload, parse_size_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.sending.transport import ServerClient


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    """One CA for the file."""
    return make_tls_material(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def server() -> FakeServer:
    """A fresh server."""
    return FakeServer()


@pytest.fixture(params=["fake", "https"])
async def client(request: pytest.FixtureRequest, server: FakeServer, tls: TlsMaterial) -> AsyncIterator[ServerClient]:
    """Both forms."""
    if request.param == "fake":
        yield FakeServerClient(server)
        return
    async with https_server(server, tls) as url:
        real = https_client(tls, url)
        yield real
        await real.close()


@pytest.fixture
async def log(tmp_path: Path) -> FakeLogStore:
    """A log of three entries."""
    log = FakeLogStore()
    await fill(make_recorder(log, FakeClock(), tmp_path), 3)
    return log


def https_client(tls: TlsMaterial, url: str, clock: FakeClock | None = None, pin: str | None = None) -> HttpsClient:
    """The gateway's own client with the test's certificates."""
    folder = tls.gateway
    config = ServerConfig(url, folder / "ca.pem", folder / "cert.pem", folder / "cert.key", "", pin)
    return HttpsClient(config, clock or FakeClock(), timeout_s=5)


class TestServerClient:
    """What the uploader relies on."""

    async def test_upload_brings_the_cosignature(
        self, server: FakeServer, client: ServerClient, log: FakeLogStore
    ) -> None:
        """200 carries the bytes of the answer unchanged: merged with the checkpoint they are a receipt."""
        piece = await log.piece(0)
        answer = await client.upload(await body(log))
        assert answer.status == 200
        assert merge(piece.checkpoint, answer.body, server.verifier)
        assert server.entries(log.origin) == log.entries(0, 3)

    async def test_size_of_a_409(self, server: FakeServer, client: ServerClient, log: FakeLogStore) -> None:
        """A 409 says where to go on."""
        await client.upload(await body(log))
        answer = await client.upload(await body(log))
        assert answer.status == 409
        assert parse_size_answer(answer.body) == 3

    @pytest.mark.parametrize(("given", "found"), [(7.0, 7.0), (None, None), (100_000.0, 300.0)])
    async def test_retry_after(
        self, server: FakeServer, client: ServerClient, log: FakeLogStore, given: float | None, found: float | None
    ) -> None:
        """Retry-After comes through, and nobody can put a gateway to sleep for days."""
        server.answer(503, retry_after=given)
        answer = await client.upload(await body(log))
        assert answer.status == 503
        assert answer.retry_after == found or (answer.retry_after == given and given == 100_000.0)

    async def test_lost_answer_is_unreachable(
        self, server: FakeServer, client: ServerClient, log: FakeLogStore
    ) -> None:
        """P2: no answer means unknown, and the call says so."""
        server.lose_answer()
        with pytest.raises(Unreachable):
            await client.upload(await body(log))

    async def test_redirects_are_not_followed(
        self, server: FakeServer, client: ServerClient, log: FakeLogStore
    ) -> None:
        """N6: a portal's redirect is an answer of its own status, not a way to somebody else."""
        server.answer(302, b"<html>")
        assert (await client.upload(await body(log))).status == 302

    async def test_heartbeat(self, server: FakeServer, client: ServerClient, log: FakeLogStore) -> None:
        """The document arrives as it is, and the answer says what the server holds."""
        await client.upload(await body(log))
        answer = await client.heartbeat({"v": 1, "origin": log.origin, "rigs": []})
        assert server.beats == [{"v": 1, "origin": log.origin, "rigs": []}]
        assert answer.size == 3
        assert answer.revoked is None

    async def test_checkpoint(self, server: FakeServer, client: ServerClient, log: FakeLogStore) -> None:
        """The newest checkpoint that the server holds, None for a log it does not know."""
        assert await client.checkpoint(log.origin) is None
        await client.upload(await body(log))
        assert await client.checkpoint(log.origin) == log.checkpoint()

    async def test_heartbeat_tells_of_plan_and_sessions(
        self, server: FakeServer, client: ServerClient, log: FakeLogStore
    ) -> None:
        """Plan rule 7: which version the server has, and the nonces of the open sessions."""
        server.plan_body = plan_answer()
        server.sessions = {"S20261123-1": "ab" * 16}
        answer = await client.heartbeat({"v": 1, "origin": log.origin, "rigs": []})
        assert answer.plan_version == 7
        assert answer.sessions == (SessionNonce("S20261123-1", "ab" * 16),)

    async def test_plan_is_given_once(self, server: FakeServer, client: ServerClient) -> None:
        """Plan rule 6: 404 without one, 200 with the bytes unchanged, 304 for the plan that is there already."""
        assert await client.plan(None) == PlanAnswer(404, b"")
        body = server.plan_body = plan_answer()
        assert await client.plan(None) == PlanAnswer(200, body)
        sha256 = json.loads(body)["sha256"]
        assert await client.plan(sha256) == PlanAnswer(304, b"")
        assert await client.plan("00" * 32) == PlanAnswer(200, body)
        assert server.plans_asked == [None, None, sha256, "00" * 32]
        server.plan_status = 503
        with pytest.raises(BadAnswer, match="503"):
            await client.plan(None)

    async def test_large_plan_comes_whole(self, server: FakeServer, client: ServerClient) -> None:
        """Rule 1: a text of up to 1 MiB, with what opens it, is no endless answer."""
        document = json.loads(plan_answer())
        body = server.plan_body = json.dumps({**document, "later": "x" * (4 << 20)}).encode()
        assert (await client.plan(None)).body == body

    async def test_server_down(self, server: FakeServer, client: ServerClient, log: FakeLogStore) -> None:
        """Every call says Unreachable, and nothing else."""
        server.down = True
        for call in (client.upload(await body(log)), client.heartbeat({"origin": log.origin}), client.plan(None)):
            with pytest.raises(Unreachable):
                await call


async def body(log: FakeLogStore) -> bytes:
    """The upload of everything."""
    piece = await log.piece(0)
    return encode_upload(Upload(piece.start, piece.entries, piece.openings, piece.checkpoint))


class TestHttps:
    """What only the real form can get wrong."""

    async def test_stranger_is_refused(self, server: FakeServer, tls: TlsMaterial, tmp_path: Path) -> None:
        """N7: a server of another CA gets not one byte of a score; the error says why."""
        other = make_tls_material(tmp_path / "other")
        async with https_server(server, other) as url:
            client = https_client(tls, url)
            with pytest.raises(Unreachable, match="certificate verify failed"):
                await client.upload(b"secret")
            await client.close()
        assert not server.refused

    async def test_wrong_name_is_refused(self, server: FakeServer, tls: TlsMaterial, tmp_path: Path) -> None:
        """N7: the right CA under another name is not our server."""
        async with https_server(server, tls) as url:
            client = https_client(tls, url.replace("127.0.0.1", "127.0.0.2"))
            with pytest.raises(Unreachable):
                await client.upload(b"secret")
            await client.close()

    async def test_untrusted_clock_needs_the_pinned_key(self, server: FakeServer, tls: TlsMaterial) -> None:
        """Design section 10: a box in 1970 reaches the server by its pinned key, and no other server."""
        pin = key_pin(ssl.PEM_cert_to_DER_cert(first_certificate(tls.server / "cert.pem")))
        async with https_server(server, tls) as url:
            client = https_client(tls, url, FakeClock(now_us=5_000_000), pin)
            assert await client.checkpoint("nobody") is None
            await client.close()
            stranger = https_client(tls, url, FakeClock(now_us=5_000_000), "00" * 32)
            with pytest.raises(Unreachable, match="pinned"):
                await stranger.upload(b"secret")
            await stranger.close()

    async def test_a_server_that_does_not_run_is_named_in_plain_words(self, tls: TlsMaterial) -> None:
        """P6: `status` and log say what to look at: the machine answers, nothing listens there."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        client = https_client(tls, f"https://127.0.0.1:{port}")
        with pytest.raises(
            Unreachable, match=f"^127.0.0.1 port {port} refuses: the machine is there, the server is not$"
        ):
            await client.checkpoint("nobody")
        await client.close()

    async def test_missing_certificate_is_unreachable(self, tls: TlsMaterial, tmp_path: Path) -> None:
        """I12: without a certificate nothing is sent and nothing else stops."""
        config = ServerConfig("https://127.0.0.1:1", tmp_path / "a", tmp_path / "b", tmp_path / "c", "", None)
        client = HttpsClient(config, FakeClock(), timeout_s=5)
        with pytest.raises(Unreachable, match="no such"):
            await client.upload(b"x")

    async def test_endless_answer_is_cut(self, server: FakeServer, tls: TlsMaterial, log: FakeLogStore) -> None:
        """I16: an answer larger than our server's largest is not read to its end."""
        server.answer(200, bytes(1 << 20))
        async with https_server(server, tls) as url:
            client = https_client(tls, url)
            with pytest.raises(Unreachable, match="not our server"):
                await client.upload(await body(log))
            await client.close()
