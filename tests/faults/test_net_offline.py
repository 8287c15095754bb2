"""N11, B8: three days without an uplink on a moved clock, with the real log, recorder and uploader; then it is back."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from fake_server_client import FakeServer, FakeServerClient
from gateway_parts import RigScript, make_recorder, subject
from log_harness import new_log, opened

from gateway.meters import Meters
from gateway.recording.freeze import Freezer
from gateway.sending.uploader import Uploader
from scorelog.format.cosignature import verify_cosignature
from scorelog.format.entry import parse_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from device_adapters.contract import Observation
    from scorelog.journal.log import SqliteLog

HOURS = 72
AN_HOUR = 20  # records of one rig; ten rigs make 14,400 in all
BACKOFF_CAP_S = 3600  # six times what an installer may set: fewer tries, each of which makes a whole piece
RSS_GROWTH_MAX = 48 << 20
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # a folder of its own in it


def records(script: RigScript, count: int) -> Iterator[Observation]:
    """Whole exams at one rig, cut after so many records."""
    made = 0
    for number in range(count):
        for observation in script.exam(f"{script.serial}-{number:05d}".encode()):
            if made == count:
                return
            made += 1
            yield observation


def rss() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGESIZE")


class Box:
    """A gateway without its process: what it records, and what it sends."""

    def __init__(self, log: SqliteLog, folder: Path, rigs: int) -> None:
        self.clock = FakeClock()
        self.log = log
        self.server = FakeServer()
        self.recorder = make_recorder(log, self.clock, folder)
        self.meters = Meters()
        self.uploader = Uploader(
            log,
            FakeServerClient(self.server),
            self.server.verifier,
            clock=self.clock,
            rng=random.Random(7),
            freezer=Freezer(folder),
            meters=self.meters,
            backoff_cap_s=BACKOFF_CAP_S,
        )
        self.rigs = {f"LV-{number:04d}": RigScript(f"LV-{number:04d}") for number in range(rigs)}
        self.expected = {serial: list(records(script, HOURS * AN_HOUR)) for serial, script in self.rigs.items()}
        self.indexes: dict[str, list[int]] = {serial: [] for serial in self.rigs}

    async def hour(self, number: int) -> None:
        """What every rig yields in one hour; rigs beside each other, each in its order."""
        await asyncio.gather(*(self._rig(serial, number) for serial in self.rigs))
        await self.clock.advance(3600)

    async def _rig(self, serial: str, hour: int) -> None:
        for observation in self.expected[serial][hour * AN_HOUR : (hour + 1) * AN_HOUR]:
            self.indexes[serial].append(await self.recorder.observe(subject(serial), observation))


@asynccontextmanager
async def box(rigs: int) -> AsyncIterator[Box]:
    """In memory where the machine allows it: the disk is not what is tested here."""
    with TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name)
        async with opened(new_log(folder / "log")) as log:
            made = Box(log, folder, rigs)
            tasks = [asyncio.create_task(made.uploader.run()), asyncio.create_task(made.uploader.watch_log())]
            try:
                yield made
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("rigs", [2, pytest.param(10, marks=pytest.mark.long)])
async def test_three_days_offline_are_drained_in_order_with_a_fresh_score_behind(rigs: int) -> None:
    """N11, B8, I2, I10: no record refused or lost, memory bounded; then in order, once, without a wait."""
    async with box(rigs) as at:
        at.server.down = True
        await at.hour(0)
        before = rss()
        for number in range(1, HOURS):
            await at.hour(number)
        assert rss() - before < RSS_GROWTH_MAX
        backlog = at.log.size
        assert backlog >= rigs * HOURS * AN_HOUR
        assert at.log.receipted_size == 0
        at.server.down = False
        began_us = at.clock.mono_us()
        await at.clock.advance(BACKOFF_CAP_S)
        await until(lambda: at.log.receipted_size > 1000)
        fresh = RigScript("LV-9999").exam(b"44010020269999")[0]
        await at.recorder.observe(subject("LV-9999"), fresh)
        await until(lambda: at.uploader.done)
        assert at.clock.mono_us() - began_us == BACKOFF_CAP_S * 1_000_000  # not one wait after the first answer
        check(at, backlog)


def check(at: Box, backlog: int) -> None:
    """Exactly the log, the rigs' order in it, every receipt good, pieces bounded."""
    stored = at.server.entries(at.log.origin)
    assert stored == at.log.entries(0, at.log.size)
    assert max(at.server.uploads) <= 256
    assert not at.server.refused
    parsed = [parse_entry(entry).document for entry in stored]
    for serial, observations in at.expected.items():
        seqs = [one["seq"] for one in parsed if one.get("rig") == serial and "seq" in one]
        assert seqs == [observation.seq for observation in observations]
    assert parsed[backlog].get("rig", "LV-9999") == "LV-9999"
    receipt = at.log.receipt()
    assert receipt is not None
    assert receipt.size == at.log.size
    assert verify_cosignature(receipt.note, at.server.verifier) > 0


async def until(true, within_s: float = 60) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0)
