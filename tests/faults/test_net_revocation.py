"""B19: a revocation by another process counts at the next request, on open lines and on new ones, on any route."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from chaos_proxy_world import client_context, neighbours_tls, serving
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sample_uploads import SampleLog, asking
from server_bench import Bench, bench, make_sqlite_store
from wire import Wire, wire

from certs.identity import fingerprint
from server.ingest.origins import origin_hash

if TYPE_CHECKING:
    from pathlib import Path

    from tls_material import TlsMaterial

UPLOAD, BEAT = "/gateway/v1/upload", "/gateway/v1/heartbeat"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    return neighbours_tls(tmp_path_factory.mktemp("tls"))


async def answers(line: Wire, log: SampleLog) -> dict[str, int]:
    """The status of every route for this gateway now; the heartbeat's says whether it tells of a revocation."""
    beat = {"v": 1, "origin": log.origin, "size": log.size, "instance": "0" * 32}
    status, told = await line.request("POST", BEAT, json.dumps(beat).encode())
    return {
        "upload": (await line.request("POST", UPLOAD, log.upload(1)))[0],
        "witness": (await line.request("POST", "/add-checkpoint", asking(log, 0, 1)))[0],
        "plan": (await line.request("GET", "/gateway/v1/plan"))[0],
        "checkpoint": (await line.request("GET", f"/{origin_hash(log.origin)}/checkpoint"))[0],
        "tile": (await line.request("GET", f"/{origin_hash(log.origin)}/tile/0/000.p/1"))[0],
        "heartbeat": 403 if status == 200 and json.loads(told)["revoked"] else status,
    }


@pytest.mark.parametrize("what", ["gateway", "certificate"])
async def test_a_revocation_counts_at_the_next_request_of_every_route(
    tls: TlsMaterial, tmp_path: Path, what: str
) -> None:
    """B19: revoked beside the running server: its open line and new ones are refused, its neighbour's are not."""
    own, other = SampleLog("gw-01").grow(3), SampleLog("gw-02").grow(3)
    async with bench(make_sqlite_store(tmp_path)) as at, serving(at, tls) as port:
        await both_at_work(at, own, other)
        context, neighbour = client_context(tls.gateway), client_context(tls.gateway.parent / "gw-02")
        async with wire(port, context) as line, wire(port, neighbour) as calm:
            assert (await line.request("POST", UPLOAD, own.upload(0, 1)))[0] == 200
            assert (await calm.request("POST", UPLOAD, other.upload(0, 1)))[0] == 200
            await revoked_elsewhere(tmp_path, tls, what)
            assert set((await answers(line, own)).values()) == {403}
            async with wire(port, context) as fresh:
                assert set((await answers(fresh, own)).values()) == {403}
            assert 403 not in (await answers(calm, other)).values()
        held = await at.store.entries(own.origin, 0, 9)
        assert len(held) == 1


async def both_at_work(at: Bench, *logs: SampleLog) -> None:
    for log in logs:
        await at.enrol(log)


async def revoked_elsewhere(folder: Path, tls: TlsMaterial, what: str) -> None:
    """By another process's connection to the same database."""
    store = make_sqlite_store(folder)
    try:
        if what == "gateway":
            await store.set_gateway_status("gw-01", "revoked", "stolen")
        else:
            der = context_der(tls.gateway / "cert.pem")
            await store.revoke_certificate("gw-01", fingerprint(der), "stolen")
    finally:
        await store.close()


def context_der(path: Path) -> bytes:
    """The leaf's bytes."""
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
