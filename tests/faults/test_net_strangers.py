"""Whoever answers in the server's place gets not one byte of a score and is never believed: portals, TLS, names."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from captive import PORTALS, Names, answering, server_context
from chaos_proxy_world import Way, https_client, way
from fake_clock import FakeClock
from sample_uploads import DOMAIN
from tls_material import make_tls_material

from certs.ca import issue_server
from gateway.sending.transport import HttpsClient
from gateway.settings.config import ServerConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tls_material import TlsMaterial

HOST = "centre.example"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    """The server also has the name by which the box finds it."""
    return make_tls_material(tmp_path_factory.mktemp("tls"), domain=DOMAIN, hosts=("localhost", "127.0.0.1", HOST))


@asynccontextmanager
async def recording(tls: TlsMaterial, folder: Path) -> AsyncIterator[Way]:
    """A box in the middle of its work: one score is receipted, one waits; at the end all must be well."""
    async with way(tls, folder) as at:
        await at.record()
        await at.drain()
        await at.record()
        yield at
        at.uploader = at.make(at.client)
        await at.drain()
        await at.check()


async def refused(at: Way, client: HttpsClient, why: str = "") -> None:
    """One try: no success, a trouble with its reason, recording goes on, nothing moved."""
    at.uploader = at.make(client)
    try:
        assert await at.uploader.step() > 0
    finally:
        await client.close()
    assert why in str(at.uploader.trouble)
    assert at.uploader.trouble
    await at.record()
    assert (at.uploader.position, at.log.receipted_size) == (1, 1)


@pytest.mark.parametrize("portal", sorted(PORTALS))
async def test_a_portal_without_tls_is_no_server(tls: TlsMaterial, tmp_path: Path, portal: str) -> None:
    """N6: plain HTTP in answer to TLS, whatever its status, is "unknown"; it hears a handshake and no score."""
    async with recording(tls, tmp_path) as at, answering(lambda _part: PORTALS[portal]) as listening:
        await refused(at, https_client(tls, listening.port))
        assert b"POST" not in listening.heard


@pytest.mark.parametrize("portal", ["200", "302", "511", "204"])
async def test_a_portal_with_a_trusted_certificate_is_no_server(tls: TlsMaterial, tmp_path: Path, portal: str) -> None:
    """N6, P2: even behind our own CA's certificate a status is no receipt."""
    async with (
        recording(tls, tmp_path) as at,
        answering(lambda _part: PORTALS[portal], server_context(tls.server)) as listening,
    ):
        await refused(at, https_client(tls, listening.port))
        assert listening.heard


async def test_a_portal_before_a_heartbeat_changes_nothing(tls: TlsMaterial, tmp_path: Path) -> None:
    """N6: the heartbeat has no signature, so its word moves no position and raises nothing but "silent"."""
    async with (
        recording(tls, tmp_path) as at,
        answering(lambda _part: PORTALS["200"], server_context(tls.server)) as listening,
    ):
        client = https_client(tls, listening.port)
        with pytest.raises(Exception, match="answer to a heartbeat is none"):
            await client.heartbeat({"origin": at.log.origin})
        await client.close()


def strange_certificates(folder: Path, ours: TlsMaterial) -> dict[str, tuple[ssl.SSLContext, str]]:
    """Each man in the middle, and the words in which the box says what is wrong."""
    issue_server(ours.authority, ("other.example", "127.0.0.2")).write(folder / "name")
    past = datetime.now(UTC) - timedelta(days=400)
    old = make_tls_material(folder / "old", now=past)
    issue_server(ours.authority, ("127.0.0.1",), days=1, now=datetime.now(UTC) - timedelta(days=3)).write(
        folder / "expired"
    )
    other = make_tls_material(folder / "other")
    return {
        "wrong name": (server_context(folder / "name"), "certificate"),
        "other CA": (server_context(other.server), "certificate verify failed"),
        "expired": (server_context(folder / "expired"), "expired"),
        "old CA": (server_context(old.server), "certificate verify failed"),
        "gateway's own certificate": (server_context(ours.gateway), "certificate"),
        "TLS 1.2": (server_context(ours.server, ssl.TLSVersion.TLSv1_2), ""),
    }


async def test_a_man_in_the_middle_hears_nothing(tls: TlsMaterial, tmp_path: Path) -> None:
    """N7, I12: wrong name, foreign CA, expired, a gateway posing as server, older TLS: refused, nothing sent."""
    found = strange_certificates(tmp_path / "strange", tls)
    for name, (context, why) in found.items():
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        async with recording(tls, folder) as at, answering(lambda _part: PORTALS["200"], context) as thief:
            await refused(at, https_client(tls, thief.port), why)
            assert not thief.heard, name


def named(tls: TlsMaterial, port: int, names: Names, timeout_s: float = 5.0) -> HttpsClient:
    """The transport with these names for a resolver."""
    folder = tls.gateway
    config = ServerConfig(
        f"https://{HOST}:{port}", folder / "ca.pem", folder / "cert.pem", folder / "cert.key", "", None
    )
    return HttpsClient(config, FakeClock(), timeout_s=timeout_s, resolver=names)


async def test_a_name_that_is_not_found_is_asked_again(tls: TlsMaterial, tmp_path: Path) -> None:
    """N8: NXDOMAIN is "unknown" with the name in the reason; the next try asks anew and finds it."""
    async with recording(tls, tmp_path) as at:
        await refused(at, named(tls, at.server_port, Names({})), HOST)
        names = Names({HOST: "127.0.0.1"})
        client = named(tls, at.server_port, names)
        at.uploader = at.make(client)
        await at.drain()
        await client.close()
        assert names.asked == 1


async def test_a_silent_name_server_does_not_hold_the_uploader(tls: TlsMaterial, tmp_path: Path) -> None:
    """N8: no answer at all ends with the request's own deadline."""
    async with recording(tls, tmp_path) as at:
        names = Names({HOST: "127.0.0.1"})
        names.silent = True
        await refused(at, named(tls, at.server_port, names, timeout_s=0.3), "no answer in time")
        names.release.set()


async def test_a_poisoned_name_leads_to_nobody(tls: TlsMaterial, tmp_path: Path) -> None:
    """N8, N7: a name that leads elsewhere meets a certificate that is not our server's."""
    other = make_tls_material(tmp_path / "other", hosts=(HOST,))
    async with recording(tls, tmp_path) as at, answering(PORTALS.__getitem__, server_context(other.server)) as thief:
        await refused(at, named(tls, thief.port, Names({HOST: "127.0.0.1"})), "certificate verify failed")
        assert not thief.heard
