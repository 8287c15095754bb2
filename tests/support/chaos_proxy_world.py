"""A real uploader and transport, a bad line, and the real ingest behind a real mTLS listener, in one loop.

    FakeLogStore ─ Uploader ─ HttpsClient ══TLS══ ChaosProxy ══TLS══ listener ─ GatewayApp ─ Ingest ─ FakeEntryStore

Only the two disks are fakes; their contract suites stand in tests/contracts and tests/unit/server_ingest.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos_proxy import ChaosProxy, Fault, chaos_proxy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from fake_log_store import FAKE_SEED, FakeLogStore
from gateway_parts import counted_bytes, make_recorder
from sample_uploads import DOMAIN
from server_bench import MIRROR_VERIFIER, Bench, bench
from tls_material import TlsMaterial, make_tls_material

from certs.ca import issue_gateway
from certs.contexts import gateway_client_context, gateway_server_context
from gateway.meters import Meters
from gateway.recording.freeze import Freezer
from gateway.sending.transport import HttpsClient
from gateway.sending.uploader import Uploader
from gateway.settings.config import ServerConfig
from scorelog.format.cosignature import verify_cosignature
from scorelog.format.note import parse_note
from scorelog.format.types import GATEWAY_STARTED
from server.config import Address
from server.evidence.store import Gateway
from server.ingest.protocol import IdentifiedProtocol, listener_protocol
from server.listeners import listener

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.recording.recorder import Recorder
    from gateway.sending.transport import ServerClient
    from server.ingest.protocol import BoundedProtocol
    from server.listeners import Listener

PATIENCE_S = 20.0


def way_tls(folder: Path) -> TlsMaterial:
    """Certificates of `gw-01` and of the server, of the domain that the bench serves."""
    return make_tls_material(folder, domain=DOMAIN)


def neighbours_tls(folder: Path) -> TlsMaterial:
    """The same, and certificates of `gw-02` beside those of `gw-01`."""
    made = way_tls(folder)
    issue_gateway(made.authority, DOMAIN, "gw-02").write(made.gateway.parent / "gw-02")
    return made


def client_context(own: Path) -> ssl.SSLContext:
    """Of a gateway whose certificates are in that folder."""
    return gateway_client_context(own / "cert.pem", own / "cert.key", own / "ca.pem")


def https_client(tls: TlsMaterial, port: int, *, timeout_s: float = 5.0, host: str = "127.0.0.1") -> HttpsClient:
    """The gateway's own transport."""
    folder = tls.gateway
    config = ServerConfig(
        f"https://{host}:{port}", folder / "ca.pem", folder / "cert.pem", folder / "cert.key", "", None
    )
    return HttpsClient(config, FakeClock(), timeout_s=timeout_s)


@dataclass(slots=True)
class Way:
    """One gateway's way to its server, and what must hold at the end of it."""

    bench: Bench
    proxy: ChaosProxy
    client: ServerClient
    log: FakeLogStore
    recorder: Recorder
    clock: FakeClock
    folder: Path
    server_port: int
    uploader: Uploader = field(init=False)
    number: int = 0

    def __post_init__(self) -> None:
        self.uploader = self.make(self.client)

    def make(self, client: ServerClient, seed: int = 7) -> Uploader:
        """A fresh uploader, as after a restart."""
        return Uploader(
            self.log,
            client,
            MIRROR_VERIFIER,
            clock=self.clock,
            rng=random.Random(seed),
            freezer=Freezer(self.folder),
            meters=Meters(),
            backoff_cap_s=30,
        )

    async def record(self, count: int = 1) -> None:
        """Entries that wait to be sent."""
        for _ in range(count):
            self.number += 1
            await self.recorder.note(GATEWAY_STARTED, instance=f"{self.number:032x}")

    async def next_line(self, fault: Fault) -> None:
        """The box begins a new connection, and that one suffers this."""
        await self.client.close()
        self.proxy.next(fault)

    async def drain(self, steps: int = 30) -> None:
        """Until everything has its receipt, without waiting between two tries."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.uploader.done:
                assert steps > 0, f"not drained: {self.uploader.trouble}"
                steps -= 1
                await self.uploader.step()

    async def check(self) -> None:
        """P2: exactly the log, in order, once; the newest receipt is one, and nobody raised an alarm."""
        held = await self.bench.store.entries(self.log.origin, 0, self.log.size + 1)
        assert [each.data for each in held] == self.log.entries(0, self.log.size)
        receipt = self.log.receipt()
        assert receipt is not None
        assert receipt.size == self.log.size
        assert verify_cosignature(parse_note(receipt.note), MIRROR_VERIFIER) > 0
        assert await self.bench.kinds() == []
        assert not self.bench.fatal


@asynccontextmanager
async def serving(
    made: Bench, tls: TlsMaterial, host: str = "127.0.0.1", protocol: type[BoundedProtocol] | None = None
) -> AsyncIterator[int]:
    """The bench behind a real listener; its port."""
    context = gateway_server_context(tls.server / "cert.pem", tls.server / "cert.key", tls.server / "ca.pem")
    server = listener(made.app, Address(host, 0), protocol or listener_protocol(IdentifiedProtocol), context)
    async with running(server) as port:
        yield port


@asynccontextmanager
async def running(server: Listener) -> AsyncIterator[int]:
    """A listener until it is left; its port."""
    serving_it = asyncio.ensure_future(server.serve())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not server.started:
                await asyncio.sleep(0.005)
        yield server.port
    finally:
        server.stop()
        await serving_it


@asynccontextmanager
async def way(tls: TlsMaterial, folder: Path, *, timeout_s: float = 5.0) -> AsyncIterator[Way]:
    """Everything wired, the gateway enrolled, the line good."""
    clock = FakeClock()
    log = FakeLogStore(f"{DOMAIN}/gw/gw-01/0")
    public = Ed25519PrivateKey.from_private_bytes(FAKE_SEED).public_key().public_bytes_raw()
    async with bench(FakeEntryStore(), clock) as made:
        await made.store.add_gateway(Gateway("gw-01", public))
        async with serving(made, tls) as port, chaos_proxy(port) as proxy:
            client = https_client(tls, proxy.port, timeout_s=timeout_s)
            recorder = make_recorder(log, clock, folder, random=counted_bytes("way"))
            try:
                yield Way(made, proxy, client, log, recorder, clock, folder, port)
            finally:
                await client.close()
