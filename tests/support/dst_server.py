"""The simulated server machine: the production ingest over the production SQLite store, killed and started again.

Owns the process (what `server.app` wires for the gateways' listener, without sockets) and the disk under it. Requests
come from dst_network.py as ASGI calls with the certificate that TLS would have verified.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dst_disk import Platter, copied
from dst_life import LIFE, Life
from dst_parts import DOMAIN, MIRROR, PROJECTIONS, SEALER, WITNESS
from dst_projection import Projections

from server.errors import ServerError
from server.evidence.database import EVIDENCE_FILE, lock, open_evidence, open_registry
from server.evidence.sql import SqlEntryStore
from server.ingest.committer import Committer
from server.ingest.heartbeat import Heartbeats
from server.ingest.inflate import plain_body
from server.ingest.readside import ReadSide
from server.ingest.refill import tell_restored
from server.ingest.routes import GatewayApp
from server.ingest.service import Ingest
from server.ingest.witness import Witness

if TYPE_CHECKING:
    from pathlib import Path

    from dst_clock import SimClock
    from dst_life import Doom
    from dst_world import World

    from scorelog.journal.files import DirectoryLock
    from server.errors import Fatal
    from server.evidence.store import EntryStore


class Gone(Exception):  # noqa: N818  # the peer's connection, not an error of the house
    """Nobody answers: refused, or reset while waiting."""


class Request:
    """One HTTP request and its answer to be."""

    def __init__(self, method: str, path: str, body: bytes, headers: dict[str, str], certificate: bytes) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "state": {"tls_peer_der": certificate},
        }
        self.body = body
        self.cut: int | None = None  # the connection breaks after so many bytes of the body
        self.reply: asyncio.Future[tuple[int, bytes, dict[str, str]]] = asyncio.get_running_loop().create_future()
        self.answer: tuple[int, bytes, dict[str, str]] = (0, b"", {})
        self._sent: tuple[int, dict[str, str]] = (0, {})

    async def receive(self) -> dict[str, Any]:
        if self.cut is None:
            return {"type": "http.request", "body": self.body, "more_body": False}
        if self.cut < 0:
            return {"type": "http.disconnect"}
        part, self.cut = self.body[: self.cut], -1
        return {"type": "http.request", "body": part, "more_body": True}

    @property
    def plain(self) -> bytes:
        """The body as it was before it was compressed for the line."""
        return plain_body(self.body, dict(self.scope["headers"]).get(b"content-encoding", b"").decode(), 1 << 30)

    def take(self, message: Any) -> bool:
        """What the server sends; whether that is all of it."""
        if message["type"] == "http.response.start":
            headers = {name.decode().title(): value.decode() for name, value in message["headers"]}
            self._sent = message["status"], headers
            return False
        self.answer = self._sent[0], message["body"], self._sent[1]
        if not self.reply.done():
            self.reply.set_result(self.answer)
        return True

    def reset(self) -> None:
        if not self.reply.done():
            self.reply.set_exception(Gone("reset by the server"))


class SimServer:
    """One machine. `folder` is the disk of the process that runs now."""

    def __init__(self, world: World, folder: Path, clock: SimClock) -> None:
        self.world = world
        self.clock = clock
        self.rng = world.rng("server")
        self.life: Life | None = None
        self.store: EntryStore | None = None
        self.projections: Projections | None = None
        self.folder = folder
        self.next_doom: Doom | None = None
        self._home = folder.parent
        self._number = 0
        self._app: GatewayApp | None = None
        self._platter: Platter | None = None
        self._kept: Path | None = None  # a backup
        self._restored = False

    async def run(self) -> None:
        """The service manager: starts it again whenever it ended."""
        while True:
            life = self.life = self.world.new_life("server", self.next_doom, self._crashed, self._slow)
            self.next_doom = None
            life.before_torn = self._before_torn
            life.spawn(self._process(life, self.folder), "server")
            await life.ended
            await life.gone()
            self._app = self.store = self.projections = None
            await asyncio.sleep(self.rng.uniform(0.2, 4.0))

    async def ask(self, request: Request) -> tuple[int, bytes, dict[str, str]]:
        """Raises Gone."""
        life, app = self.life, self._app
        if life is None or life.dead or app is None:
            raise Gone("refused: the machine is there, the server is not")
        life.on_death.append(request.reset)
        life.spawn(self._serve(app, request), "request")
        try:
            return await request.reply
        finally:
            with suppress(ValueError):
                life.on_death.remove(request.reset)

    def back_up(self) -> None:
        """A copy of the disk as it stands."""
        if self._kept is None and self.life is not None and not self.life.dead:
            self._kept = self._home / f"backup-{self._number}-{self.world.loop.jumps}"
            copied(self.folder, self._kept)
            self.world.noted("backup")

    def restore(self) -> None:
        """The machine is replaced, with yesterday's data."""
        if self._kept is not None and self.life is not None and not self.life.dead:
            self.life.crash()
            ahead = self.folder.with_name("ahead")
            copied(self.folder, ahead)
            shutil.rmtree(self.folder)
            copied(self._kept, self.folder)
            if self.rng.random() < 0.5:  # the projections were on another disk: they know what the evidence does not
                for file in ahead.glob(f"{PROJECTIONS}*"):
                    shutil.copyfile(file, self.folder / file.name)
            shutil.rmtree(ahead)
            self._kept, self._restored = None, True
            self.world.oracle.restored()
            self.world.noted("restored")

    async def _serve(self, app: GatewayApp, request: Request) -> None:
        life = LIFE.get()

        async def send(message: Any) -> None:
            if life is not None and not life.dead and request.take(message):
                self.world.oracle.answered(request)

        await app(request.scope, request.receive, send)
        if not request.reply.done() and life is not None and not life.dead:
            request.reset()

    async def _process(self, life: Life, folder: Path) -> None:
        held = lock(folder)
        real: SqlEntryStore | None = None
        try:
            evidence = open_evidence(folder)
            real = SqlEntryStore(evidence, open_registry(folder), self.clock, SEALER)
            store = self.world.bug.store(real)
            if self._restored:
                await tell_restored(store, "yesterday")
                self._restored = False
            await self._work(life, store)
        except (ServerError, OSError) as error:
            self.world.noted("server failed", error=type(error).__name__)
        finally:
            self.world.spawn(self._buried(life, real, held, folder), "burial")
            if not life.dead:
                self._next_image()
                life.end()

    async def _work(self, life: Life, store: EntryStore) -> None:
        seen = self.world.bug.evidence(store)
        projections = await Projections.opened(seen, self.folder / PROJECTIONS, self.clock)
        life.closing.append(projections.close)
        told = projections.notify
        committer = Committer(store, self.world.bug.mirror(MIRROR), self.clock, stored=told, cosigned=told)
        await committer.recover()
        ingest = Ingest(store, committer, self.clock, DOMAIN)
        nonces = self.rng
        heartbeats = Heartbeats(store, self.clock, lambda *_: None, nonce=lambda: nonces.randbytes(16).hex())
        witness = Witness(store, WITNESS, self.clock, DOMAIN)
        if life.dead:
            return
        self.store, self.projections = store, projections
        life.spawn(projections.projector.run(), "projector").add_done_callback(self._projected)

        def fatal(_error: Fatal) -> None:
            committer.stop()

        self._app = GatewayApp(ingest, heartbeats, witness, ReadSide(store), fatal)
        self.world.noted("server up")
        await committer.run()

    def _projected(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.world.wrong(f"P8 the projector ended: {error!r}")

    def _slow(self, step: str) -> float:
        return self.rng.uniform(0.0, 0.004) if step == "server.commit" else 0.0

    def _before_torn(self, _step: str) -> None:
        self._platter = Platter(self.folder / EVIDENCE_FILE)

    def _crashed(self, life: Life, torn: str | None) -> None:
        self.world.noted("server crash", torn=torn)
        self._next_image()
        if torn == "server.commit" and self._platter is not None:
            self._platter.tear(self.folder / EVIDENCE_FILE, self.rng)

    def _next_image(self) -> None:
        self._number += 1
        fresh = self._home / f"server-{self._number}"
        copied(self.folder, fresh)
        self.folder = fresh

    async def _buried(self, life: Life, store: SqlEntryStore | None, held: DirectoryLock, folder: Path) -> None:
        """Give the files of an ended life free; nobody sees what this writes."""
        await life.gone()
        for close in life.closing:
            await close()
        if store is not None:
            await store.close()
        held.release()
        if folder != self.folder:
            self.world.oracle.forget(folder)
            shutil.rmtree(folder, ignore_errors=True)
