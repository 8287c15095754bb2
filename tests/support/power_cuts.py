"""What must hold after a power cut, over recordings of files (block_log) or of a device (block_cuts)."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from failing_disk import Unmountable
from fake_server_client import FakeServer, FakeServerClient
from log_crash import ROOM, WAL_BYTES, Oracle
from log_crash_way import WayOracle
from log_entries import plain
from log_harness import signer_for

from gateway.errors import GenerationFrozen
from gateway.meters import Meters
from gateway.recording.freeze import Freezer
from gateway.sending.uploader import Uploader
from scorelog.journal.clock import SystemClock
from scorelog.journal.errors import LogFailed, LogUntrusted
from scorelog.journal.sqlite import open_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from scorelog.journal.log import SqliteLog


class Cuttable(Protocol):
    """A recorded life."""

    @property
    def events(self) -> Sequence[object]:
        """All that reached the disk, in order."""
        ...

    def laid_out(
        self, folder: Path, cut: int, source: random.Random, lies: int | None = None
    ) -> AbstractContextManager[Path]:
        """The home after a cut before event `cut`."""
        ...


def cut_logs(recording: Cuttable, folder: Path, cuts: int, seed: int) -> int:
    """Cut, open, compare; how many acknowledged records were looked for."""
    source, acknowledged = random.Random(seed), 0
    for _ in range(cuts):
        with recording.laid_out(folder, source.randrange(1, len(recording.events) + 1), source) as home:
            oracle = Oracle(home)
            oracle.check()
            acknowledged += len(oracle.acks)
    return acknowledged


def cut_ways(recording: Cuttable, folder: Path, cuts: int, seed: int) -> int:
    """The same of a log and its server; how many receipted records were looked for."""
    source, receipted = random.Random(seed), 0
    for _ in range(cuts):
        with recording.laid_out(folder, source.randrange(1, len(recording.events) + 1), source) as home:
            oracle = WayOracle(home)
            oracle.check()
            oracle.look_at_both()
            receipted += oracle.receipted
    return receipted


def lying_cuts(recording: Cuttable, folder: Path, losses: int, seed: int) -> tuple[int, int]:
    """Cuts of a disk that forgot its last syncs: how many lost something acknowledged, how many of them were named."""
    source, lost, named = random.Random(seed), 0, 0
    with recording.laid_out(folder, len(recording.events), source) as home:
        server = asyncio.run(_serve_whole(home))
    while lost < losses:
        cut = source.randrange(len(recording.events) // 4, len(recording.events) + 1)
        with suppress(Unmountable), recording.laid_out(folder, cut, source, source.randrange(cut)) as home:
            if not _whole(home):
                lost += 1
                named += asyncio.run(_named_at_contact(home, server))
    return lost, named


def _whole(home: Path) -> bool:
    try:
        Oracle(home).look()
    except Exception:  # noqa: BLE001  # whatever is missing or broken: the question is who names it
        return False
    return True


def _uploader_of(log: SqliteLog, server: FakeServer, home: Path) -> Uploader:
    return Uploader(
        log, FakeServerClient(server), server.verifier, clock=SystemClock(), rng=random.Random(1),
        freezer=Freezer(home), meters=Meters(), backoff_cap_s=0.01,
    )  # fmt: skip


def _opened(home: Path) -> SqliteLog:
    return open_log(home / "log", signer_for, SystemClock(), home / "state", room=ROOM, wal_bytes=WAL_BYTES)


async def _serve_whole(home: Path) -> FakeServer:
    """A server that got everything before the cut."""
    server, log = FakeServer(), _opened(home)
    try:
        uploader = _uploader_of(log, server, home)
        for _ in range(4):  # it asks for the newest receipt, learns that the server is empty, sends
            await uploader.step()
        assert server.entries(log.origin) == log.entries(0, log.size)
    finally:
        await log.close()
    return server


async def _named_at_contact(home: Path, server: FakeServer) -> bool:
    """Whether the first upload of a new record names it; the start already may have, or the disk itself."""
    try:
        log = _opened(home)
    except (LogUntrusted, LogFailed):
        return True
    try:
        await log.append(plain("the next record").build)
        uploader = _uploader_of(log, server, home)
        for _ in range(8):
            await uploader.step()
    except GenerationFrozen:
        return True
    finally:
        await log.close()
    return False
