"""B2, B3, G2, G3: power cuts at any moment of a recorded life, with any part of what no fsync covered.

An honest disk keeps what was synced: nothing acknowledged is lost. A lying one may lose it, but never unnamed.
`KAOFEN_POWER_CUTS` is how many the long tests make (2,000).
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

import log_crash_way
import pytest
from block_log import Recording, clear
from fake_server_client import FakeServer, FakeServerClient
from log_crash import ROOM, WAL_BYTES, Oracle, Round, Zygote
from log_crash_way import WayOracle
from log_entries import plain
from log_harness import signer_for

from gateway.errors import GenerationFrozen
from gateway.freeze import Freezer
from gateway.meters import Meters
from gateway.uploader import Uploader
from scorelog.journal.clock import SystemClock
from scorelog.journal.errors import LogUntrusted
from scorelog.journal.sqlite import open_log

if TYPE_CHECKING:
    from pathlib import Path

    from scorelog.journal.log import SqliteLog

pytestmark = [pytest.mark.crash, pytest.mark.needs("strace")]

MANY = int(os.environ.get("KAOFEN_POWER_CUTS", "2000"))
APPENDS = 30


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recording]:
    """Thirty records one by one, with receipts and foldings; the home as it was left, and what was done."""
    home = tmp_path_factory.mktemp("life")
    oracle = Oracle(home).start()
    with Zygote() as zygote:
        made = Round(str(home), str(oracle.told), scenario="one-by-one", appends=APPENDS, wal_bytes=60_000)
        return home, Recording.of(zygote, made)


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The same with a server at the other end."""
    home = tmp_path_factory.mktemp("way")
    oracle = WayOracle(home).start()
    with Zygote(log_crash_way.__file__) as zygote:
        return Recording.of(zygote, Round(str(home), str(oracle.told), scenario="way", appends=12))


def cut_logs(recording: Recording, folder: Path, cuts: int, seed: int) -> int:
    """Cut, open, compare; how many acknowledged records were looked for."""
    source, acknowledged = random.Random(seed), 0
    for _ in range(cuts):
        recording.lay_out(folder / "home", source.randrange(1, len(recording.events) + 1), source)
        oracle = Oracle(folder / "home")
        oracle.check()
        acknowledged += len(oracle.acks)
        clear(folder / "home")
    return acknowledged


@pytest.mark.timeout(240)
def test_a_hundred_power_cuts_of_a_log(tmp_path: Path, life: tuple[Path, Recording]) -> None:
    """B2, P1: the log opens at once, holds every acknowledged record once and in order, and fsck finds nothing."""
    assert cut_logs(life[1], tmp_path, 100, seed=2026) > 500


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_power_cuts_of_a_log(tmp_path: Path, life: tuple[Path, Recording]) -> None:
    """B2: the same 2,000 times, about two minutes."""
    cut_logs(life[1], tmp_path, MANY, seed=1123)


def cut_ways(recording: Recording, folder: Path, cuts: int, seed: int) -> int:
    source, receipted = random.Random(seed), 0
    for _ in range(cuts):
        recording.lay_out(folder / "home", source.randrange(1, len(recording.events) + 1), source)
        oracle = WayOracle(folder / "home")
        oracle.check()
        oracle.look_at_both()
        receipted += oracle.receipted
        clear(folder / "home")
    return receipted


@pytest.mark.timeout(240)
def test_power_cuts_of_log_and_server_at_once(tmp_path: Path, way: Recording) -> None:
    """B2, P2, S3: every receipt that was given is covered by the server's evidence, which opens at once."""
    assert cut_ways(way, tmp_path, 15, seed=2026) > 0


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_power_cuts_of_log_and_server(tmp_path: Path, way: Recording) -> None:
    """B2: the same 1,000 times, about two minutes."""
    cut_ways(way, tmp_path, MANY // 2, seed=1123)


def uploader_of(log: SqliteLog, server: FakeServer, home: Path) -> Uploader:
    return Uploader(
        log, FakeServerClient(server), server.verifier, clock=SystemClock(), rng=random.Random(1),
        freezer=Freezer(home), meters=Meters(), backoff_cap_s=0.01,
    )  # fmt: skip


def opened(home: Path) -> SqliteLog:
    return open_log(home / "log", signer_for, SystemClock(), home / "state", room=ROOM, wal_bytes=WAL_BYTES)


async def serve_whole(home: Path) -> FakeServer:
    """A server that got everything before the cut."""
    server, log = FakeServer(), opened(home)
    try:
        uploader = uploader_of(log, server, home)
        for _ in range(4):  # it asks for the newest receipt, learns that the server is empty, sends
            await uploader.step()
        assert server.entries(log.origin) == log.entries(0, log.size)
    finally:
        await log.close()
    return server


async def named_at_contact(home: Path, server: FakeServer) -> bool:
    """Whether the first upload of a new record names it; the start already may have."""
    try:
        log = opened(home)
    except LogUntrusted:
        return True
    try:
        await log.append(plain("the next record").build)
        uploader = uploader_of(log, server, home)
        for _ in range(8):
            await uploader.step()
    except GenerationFrozen:
        return True
    finally:
        await log.close()
    return False


def lying_cuts(life: tuple[Path, Recording], folder: Path, losses: int, seed: int) -> tuple[int, int]:
    """Cuts of a disk that forgot its last syncs: how many lost something acknowledged, how many of them were named."""
    home, recording = life
    source, lost, named = random.Random(seed), 0, 0
    server = asyncio.run(serve_whole(home))
    while lost < losses:
        cut = source.randrange(len(recording.events) // 4, len(recording.events) + 1)
        recording.lay_out(folder / "home", cut, source, lies=source.randrange(cut))
        oracle = Oracle(folder / "home")
        try:
            oracle.look()
        except Exception:  # noqa: BLE001  # whatever is missing or broken: the question is who names it
            lost += 1
            named += asyncio.run(named_at_contact(folder / "home", server))
        clear(folder / "home")
    return lost, named


@pytest.mark.timeout(240)
def test_a_disk_that_lies_about_flush_is_found_out(tmp_path: Path, life: tuple[Path, Recording]) -> None:
    """B3, G3, P3: twenty losses, each named by the start, by the second file, or by the first upload."""
    assert lying_cuts(life, tmp_path, 20, seed=2026) == (20, 20)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_lies_about_flush(tmp_path: Path, life: tuple[Path, Recording]) -> None:
    """B3: 1,000 losses, about two minutes."""
    assert lying_cuts(life, tmp_path, MANY // 2, seed=1123) == (MANY // 2, MANY // 2)
