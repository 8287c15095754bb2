"""A server's ingest side in one loop, over the real SQLite store or the strict fake: for tests of `server/`."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_clock import FakeClock
from sample_uploads import DOMAIN, SampleLog

from scorelog.format.cosignature import CosignatureSigner
from scorelog.format.keys import CosignatureVerifier
from server.database.names import SCHEMAS
from server.database.postgres import connect
from server.database.schemas import create_kept, there
from server.errors import StoreFailed
from server.evidence.database import create, open_evidence, open_registry
from server.evidence.seal import Sealer
from server.evidence.sql import SqlEntryStore
from server.evidence.store import Gateway
from server.ingest.committer import Committer
from server.ingest.heartbeat import Heartbeats
from server.ingest.readside import ReadSide
from server.ingest.routes import STATE_KEY, GatewayApp
from server.ingest.service import Ingest, Peer
from server.ingest.witness import Witness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from server.errors import Fatal
    from server.evidence.store import EntryStore
    from server.ingest.checking import SecondProcess

MIRROR_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"mirror of the tests").digest())
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"witness of the tests").digest())
MIRROR = CosignatureSigner(f"{DOMAIN}/mirror", MIRROR_KEY)
MIRROR_VERIFIER = CosignatureVerifier(MIRROR.name, MIRROR.public_key)
WITNESS = CosignatureSigner(f"{DOMAIN}/witness", WITNESS_KEY)
WITNESS_VERIFIER = CosignatureVerifier(WITNESS.name, WITNESS.public_key)
SEALER = Sealer.of(MIRROR_KEY)


def make_sqlite_store(folder: Path, clock: FakeClock | None = None) -> SqlEntryStore:
    """A fresh database in `folder`, or the one that is there."""
    if not (folder / "evidence.db").exists():
        create(folder)
    return SqlEntryStore(open_evidence(folder), open_registry(folder), clock or FakeClock(), SEALER)


@contextmanager
def postgres_store(url: str, clock: FakeClock | None = None) -> Iterator[SqlEntryStore]:
    """The tables in this database, made when it is empty; closed with its connections."""
    made = connect(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with made.writer.begin() as connection:
        if not there(connection):
            create_kept(connection)
    evidence, registry = (made.database(SCHEMAS[kind]) for kind in ("evidence", "registry"))
    try:
        yield SqlEntryStore(evidence, registry, clock or FakeClock(), SEALER)
    finally:
        made.dispose()


class Bench:
    """Everything between the listener and the store."""

    def __init__(self, store: EntryStore, clock: FakeClock, second: SecondProcess | None = None) -> None:
        self.store = store
        self.clock = clock
        self.stored: list[tuple[str, int]] = []
        self.shown: list[tuple[str, Mapping[str, Any]]] = []
        self.fatal: list[Fatal] = []
        self.committer = Committer(store, MIRROR, clock, stored=lambda origin, size: self.stored.append((origin, size)))
        self.ingest = Ingest(store, self.committer, clock, DOMAIN, second=second)
        self.witness = Witness(store, WITNESS, clock, DOMAIN)
        self.heartbeats = Heartbeats(
            store, clock, lambda gateway, beat, _now: self.shown.append((gateway, beat)), nonce=lambda: "0" * 32
        )
        self.app = GatewayApp(self.ingest, self.heartbeats, self.witness, ReadSide(store), self.fatal.append)

    async def enrol(self, log: SampleLog) -> Gateway:
        """The gateway of this log, enrolled."""
        await self.store.add_gateway(Gateway(log.gateway_id, log.public_key))
        return await self.gateway(log.gateway_id)

    async def gateway(self, gateway_id: str) -> Gateway:
        return await self.ingest.authorise(Peer(DOMAIN, gateway_id, None))

    async def send(self, log: SampleLog, start: int, stop: int | None = None) -> bytes:
        """Upload; the cosignature lines, or what the ingest raises."""
        return await self.ingest.upload(await self.gateway(log.gateway_id), log.upload(start, stop))

    async def kinds(self) -> list[str]:
        """The kinds of all alarms, in order."""
        return [alarm.kind for alarm in await self.store.alarms()]


@asynccontextmanager
async def bench(
    store: EntryStore, clock: FakeClock | None = None, *, close: bool = True, second: SecondProcess | None = None
) -> AsyncIterator[Bench]:
    """A bench whose committer runs. A store that failed on purpose is no error of the test."""
    made = Bench(store, clock or FakeClock(), second)
    await made.committer.recover()
    running = asyncio.ensure_future(made.committer.run())
    try:
        yield made
    finally:
        made.committer.stop()
        with suppress(StoreFailed):
            await running
        if close:
            await store.close()


async def ask(
    app: GatewayApp,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    der: bytes | None = None,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    parts: int = 1,
) -> tuple[int, dict[bytes, bytes], bytes]:
    """One ASGI request, the body in `parts` messages."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": list(headers),
        "state": {STATE_KEY: der},
    }
    cut = [body[len(body) * i // parts : len(body) * (i + 1) // parts] for i in range(parts)]
    incoming = [{"type": "http.request", "body": part, "more_body": i < parts - 1} for i, part in enumerate(cut)]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(each.get("body", b"") for each in sent[1:])
