"""The simulated gateway machine: the production App over the production journal, killed and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from dst_broker import MessageRig, SimBroker, SimPost, message_adapter
from dst_disk import Platter, copied, flip
from dst_network import Link, SimClient
from dst_rig import Rig, adapter_of

from certs.errors import CertsError
from gateway.app import App, Parts
from gateway.errors import GatewayError
from gateway.lifecycle import Start
from gateway.notify import Notifier
from gateway.recording.freeze import Freezer
from gateway.recording.opening import open_gateway_log
from gateway.recording.readonly import older_generations
from scorelog.journal.errors import JournalError, LogFull, LogUntrusted
from scorelog.journal.schema import DATABASE, WAL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dst_clock import SimClock
    from dst_life import Doom, Life
    from dst_parts import BoxParts
    from dst_world import World

    from device_adapters.contract import Adapter, Position
    from gateway.recording.opening import Opened
    from gateway.settings.config import Config, RigConfig
    from scorelog.journal.store import Appended, AppendRequest, LogStore


class SeamLog:
    """The log seam of one process, with a disk that can be full."""

    def __init__(self, real: LogStore, box: Box) -> None:
        self._real = real
        self._box = box

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def append_many(self, requests: Sequence[AppendRequest]) -> list[Appended]:
        if requests and self._box.full:
            raise LogFull("the simulated disk is full; nothing was written")
        return await self._real.append_many(requests)

    async def save_receipt(self, note: bytes) -> None:
        self._box.world.oracle.kept(self._box, note)
        await self._real.save_receipt(note)


class NoPages:
    """In place of the box's own HTTP pages: the simulation has no sockets."""

    port = 0

    async def start(self, host: str, port: int) -> None:
        return

    async def stop(self) -> None:
        return

    def trouble(self) -> str | None:
        return None


class Box:
    """One machine, its rigs and its line."""

    def __init__(self, world: World, parts: BoxParts, folder: Path, clock: SimClock) -> None:
        self.world = world
        self.parts = parts
        self.id = parts.gateway_id
        self.clock = clock
        self.rng = world.rng(self.id)
        self.rigs: dict[str, Rig] = {}
        for rig in parts.config.rigs:
            made = MessageRig if rig.broker else Rig
            self.rigs[rig.serial] = made(rig.serial, world.rng(rig.serial), world.noted)
        self.broker = SimBroker({name: rig for name, rig in self.rigs.items() if isinstance(rig, MessageRig)})
        for each in self.broker.rigs.values():
            each.broker = self.broker
        self.link = Link(world.rng(f"link {self.id}"))
        self.life: Life | None = None
        self.log: LogStore | None = None
        self.full = False
        self.next_doom: Doom | None = None
        self.folder = folder
        self.starts = 0
        self._home = folder.parent
        self._platter: Platter | None = None
        self._older: Path | None = None

    @property
    def config(self) -> Config:
        """Of the disk as it is now."""
        return self.parts.at(self.folder)

    async def run(self) -> None:
        """The service manager: starts it again whenever it ended."""
        while True:
            life = self.life = self.world.new_life(self.id, self.next_doom, self._crashed, self._slow)
            self.next_doom = None
            life.before_torn = self._before_torn
            self.starts += 1
            life.spawn(self._process(life, self.config), self.id)
            await life.ended
            self.log = None
            await asyncio.sleep(self.rng.uniform(0.2, 3.0))

    def keep_image(self) -> None:
        """Somebody copies the card."""
        if self._older is None and self.life is not None and not self.life.dead:
            self._older = self._home / f"{self.id}-card-{self.starts}"
            copied(self.folder, self._older)
            self.world.noted("card copied", gateway=self.id)

    def roll_back(self) -> None:
        """The older card is put in."""
        if self._older is not None and self.life is not None and not self.life.dead:
            self.world.oracle.excuse(self)
            self.life.crash()
            shutil.rmtree(self.folder)
            self._older.rename(self.folder)
            self._older = None
            self.world.noted("rolled back", gateway=self.id)

    def damage(self) -> None:
        """The card has a bad spot, seen at the next start."""
        if self.life is None or self.life.dead:
            return
        self.world.oracle.excuse(self)
        self.life.crash()
        log = self.folder / "data" / "log"
        files = [path for path in (log / DATABASE, log / WAL, log / "identity.json") if path.exists()]
        if files:
            file = self.rng.choice(files)
            flip(file, self.rng)
            self.world.noted("damaged", gateway=self.id, file=file.name)

    async def _process(self, life: Life, config: Config) -> None:
        code: object = "refused"
        opened: Opened | None = None
        try:
            opened = open_gateway_log(config, Freezer(config.data), self.clock)
            if not life.dead:
                code = await self._app(opened, config).run()
        except (GatewayError, JournalError, CertsError, OSError) as error:
            code = f"{type(error).__name__}: {str(error)[:60]}" if self.world.tracing else type(error).__name__
        finally:
            if not life.dead:
                self.world.noted("process ends", gateway=self.id, code=code)
                self._next_image()
                life.end()
            self.world.spawn(self._buried(life, opened, config.data.parent), "burial")

    def _app(self, opened: Opened, config: Config) -> App:
        bug = self.world.bug
        self.world.noted("box up", gateway=self.id, origin=opened.log.origin, size=opened.log.size)
        self.world.oracle.opened(self, opened.log.generation)
        log = self.log = bug.log(SeamLog(opened.log, self))
        post = bug.post(SimPost(self.broker))
        if self.life is not None:
            self.life.spawn(post.hold(), "broker")
        parts = Parts(
            log=log,
            older=older_generations(config.log_directory),
            client=bug.client(SimClient(self.world, self)),
            clock=self.clock,
            rng=self.rng,
            random=self.rng.randbytes,
            adapter=partial(self._adapter, post),
            notifier=Notifier({}),
            content_key=opened.content_key,
        )
        start = Start(self.rng.randbytes(16).hex(), "simulated/1", opened.reason)
        try:
            app = App(config, self.parts.texts, parts, start, young_until_us=opened.young_until_us)
        except LogUntrusted as error:
            Freezer(config.data).freeze(opened.log.origin, opened.log.size, str(error), self.clock.now_us())
            raise
        app.pages = NoPages()  # type: ignore[assignment]
        return app

    def _adapter(self, post: SimPost, rig: RigConfig, position: Position | None) -> Adapter:
        bug, device = self.world.bug, self.rigs[rig.serial]
        made = (
            message_adapter(device, post, position, self.rng, bug)
            if isinstance(device, MessageRig)
            else adapter_of(device, position, self.rng, bug)
        )
        return bug.adapter(made)  # type: ignore[no-any-return]

    def _slow(self, step: str) -> float:
        if step == "journal.commit":
            return self.rng.uniform(0.0005, 0.004) if self.rng.random() < 0.95 else self.rng.uniform(0.05, 1.0)
        return 0.0

    def _before_torn(self, _step: str) -> None:
        self._platter = Platter(self.folder / "data" / "log" / DATABASE)

    def _crashed(self, life: Life, torn: str | None) -> None:
        self.world.noted("crash", gateway=self.id, torn=torn)
        self._next_image()
        wal = self.folder / "data" / "log" / WAL
        if self.world.bug.lying_disk and wal.exists():
            os.truncate(wal, wal.stat().st_size * 2 // 3)
        if torn in ("journal.commit", "journal.fold", "journal.boot-fold") and self._platter is not None:
            self._platter.tear(self.folder / "data" / "log" / DATABASE, self.rng)

    def _next_image(self) -> None:
        fresh = self._home / f"{self.id}-{self.starts}"
        copied(self.folder, fresh)
        self.folder = fresh

    async def _buried(self, life: Life, opened: Opened | None, folder: Path) -> None:
        """Give the files of an ended life free; nobody sees what this writes. A day would else fill the memory."""
        await life.gone()
        if opened is not None:
            with suppress(JournalError, OSError):
                await opened.log.close()
        if folder != self.folder:
            self.world.oracle.forget(folder)
            shutil.rmtree(folder, ignore_errors=True)
