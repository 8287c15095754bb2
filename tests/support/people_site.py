"""The people's side put together as server/app.py does, over the strict fake of the evidence store, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx2
import uvicorn
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from people_world import Log, utc
from tls_material import make_tls_material

from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.cosignature import CosignatureSigner, merge
from scorelog.format.keys import Ed25519Signer
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.journal.clock import Clock, SystemClock
from server.evidence.database import create, open_registry
from server.evidence.seal import Sealer
from server.evidence.store import Gateway
from server.live.board import LiveBoard
from server.live.hub import Hub
from server.matches.desk import MatchDesk
from server.matches.store import MatchStore
from server.people.accounts import AccountStore
from server.people.app import create_people_app
from server.people.context import PeopleContext
from server.plan.store import PlanStore
from server.projection.projector import Projector
from server.projection.rubrics import RubricBook
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class Site:
    """Everything, and ways to make things happen."""

    store: FakeEntryStore
    projections: ProjectionStore
    board: LiveBoard
    hub: Hub
    clock: Clock
    accounts: AccountStore
    plans: PlanStore
    matches: MatchStore
    desk: MatchDesk
    projector: Projector
    context: PeopleContext
    mirror: CosignatureSigner
    keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    trees: dict[str, CompactRange] = field(default_factory=dict)

    @cached_property
    def app(self) -> FastAPI:
        """Only for a test that asks the site something: putting it together takes longer than most such tests."""
        return create_people_app(self.context)

    async def enrol(self, gateway: str) -> None:
        key = Ed25519PrivateKey.generate()
        self.keys[gateway] = key
        await self.store.add_gateway(Gateway(gateway, key.public_key().public_bytes_raw()))
        self.board.expect(gateway)

    async def upload(self, log: Log, *, stop: int | None = None, cosign: bool = True, project: bool = True) -> None:
        """Send what the log has beyond the last upload, as the ingest stores it; then project."""
        if log.gateway not in self.keys:
            await self.enrol(log.gateway)
        start, stop = self.sent.get(log.origin, 0), len(log.entries) if stop is None else stop
        tree = self.trees.setdefault(log.origin, CompactRange())
        for entry in log.entries[start:stop]:
            tree.append(leaf_hash(entry))
        note = self.note(log, tree)
        self.store.now_us = self.clock.now_us()  # a checkpoint older than its log's last cosignature is refused
        await self.store.append_entries(
            log.origin,
            log.entries[start:stop],
            log.openings_in(start, stop),
            checkpoint=note,
            received_us=self.clock.now_us(),
        )
        self.sent[log.origin] = stop
        self.board.stored(log.origin, stop)
        if cosign:
            await self.cosign(log)
        if project:
            await self.projector.catch_up()

    def note(self, log: Log, tree: CompactRange) -> bytes:
        signer = Ed25519Signer(log.origin, self.keys[log.gateway])
        return sign_checkpoint(Checkpoint(log.origin, tree.size, tree.root()), signer)

    async def cosign(self, log: Log) -> bytes:
        tree = self.trees[log.origin]
        now_s = self.clock.now_us() // 1_000_000
        note = self.note(log, tree)
        body = Checkpoint(log.origin, tree.size, tree.root()).body()
        cosigned = merge(note, self.mirror.cosign(body, now_s))
        await self.store.save_cosigned(log.origin, tree.size, cosigned, now_s)
        return cosigned

    def beat(self, log: Log, rigs: list[dict[str, Any]] | None = None, **fields: Any) -> None:
        now_us = self.clock.now_us()
        body = {
            "v": 1,
            "origin": log.origin,
            "size": len(log.entries),
            "unsent": len(log.entries) - self.sent.get(log.origin, 0),
            "oldest_unsent_ms": None,
            "clock": {"utc": utc(now_us / 1e6), "sync": "synced"},
            "disk": {"free_bytes": 60 << 30, "total_bytes": 100 << 30},
            "certificate": {"not_after": "2026-12-20T00:00:00Z"},
            "software": "kaofen 0.1.0",
            "accepts_exams": True,
            "rigs": rigs or [],
        }
        self.board.heartbeat(log.gateway, body | fields, now_us)

    async def client(self, *, login: bool = True, **options: Any) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        client = httpx2.AsyncClient(transport=transport, base_url="https://site.test", **options)
        if login:
            assert (await log_in(client)).status_code == 303
        return client


async def log_in(client: httpx2.AsyncClient, name: str = "chief", password: str = PASSWORD) -> httpx2.Response:
    """Through the form, as a browser does."""
    page = await client.get("/login")
    word = page.text.split('name="word" value="')[1].split('"')[0]
    form = {"word": word, "name": name, "password": password, "next": "/"}
    return await client.post("/login", data=form, headers={"origin": str(client.base_url).rstrip("/")})


def word_of(page: str) -> str:
    return page.split('name="word" value="')[1].split('"', maxsplit=1)[0]


_empty: dict[str, bytes] = {}


async def lay_out(folder: Path) -> None:
    """The databases of a site as new. Their tables are made once per process: laying them out again costs no SQL."""
    if not _empty:
        with tempfile.TemporaryDirectory() as name:
            made = Path(name)
            await (await AccountStore.open(made / "people.db", FakeClock(), CHEAP)).close()
            await (await ProjectionStore.open(made / "projections.db")).close()
            (made / "kept").mkdir()
            create(made / "kept")
            _empty.update(_contents(made))
    (folder / "kept").mkdir()
    for name, content in _empty.items():
        (folder / name).touch(0o600)
        (folder / name).write_bytes(content)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextlib.asynccontextmanager
async def open_site(folder: Path, clock: Clock | None = None, title: str = "示范考点") -> AsyncIterator[Site]:
    """A site with one operator, `chief`."""
    clock = clock or FakeClock()
    store = FakeEntryStore(clock.now_us())
    await lay_out(folder)
    accounts = await AccountStore.open(folder / "people.db", clock, CHEAP)
    projections = await ProjectionStore.open(folder / "projections.db")
    book, hub = RubricBook(), Hub(clock, "0123456789abcdef")
    board = LiveBoard(clock, hub, book, alarm=store.alarm)
    registry = open_registry(folder / "kept")
    plans = PlanStore(registry)
    matches = MatchStore(registry, Sealer(b"seal"))
    projector = Projector(store, projections, clock, book=book, listener=board, matches=matches)
    desk = MatchDesk(matches, projections, book, clock, projector.catch_up)
    mirror = CosignatureSigner("exam.example/mirror", Ed25519PrivateKey.generate())
    context = PeopleContext(
        store=store,
        projections=projections,
        matches=desk,
        book=book,
        board=board,
        hub=hub,
        clock=clock,
        accounts=accounts,
        mirror_vkey=mirror.vkey,
        secret=Random(7).randbytes(32),
        plans=plans,
        title=title,
    )
    await accounts.create("chief", PASSWORD)
    try:
        yield Site(store, projections, board, hub, clock, accounts, plans, matches, desk, projector, context, mirror)
    finally:
        hub.close()
        await accounts.close()
        await projections.close()
        await registry.close()


@contextlib.asynccontextmanager
async def serving(site: Site, folder: Path) -> AsyncIterator[str]:
    """The site on a real port with TLS; its address. Projector and board run."""
    tls = make_tls_material(folder / "tls").server
    config = uvicorn.Config(
        site.app,
        host="127.0.0.1",
        port=0,
        ssl_certfile=tls / "cert.pem",
        ssl_keyfile=tls / "cert.key",
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    tasks = [asyncio.ensure_future(one) for one in (server.serve(), site.projector.run(), site.board.run())]
    try:
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"https://localhost:{port}"
    finally:
        site.hub.close()
        server.should_exit = True
        await asyncio.wait(tasks[:1], timeout=10)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def real_clock() -> Clock:
    return SystemClock()
