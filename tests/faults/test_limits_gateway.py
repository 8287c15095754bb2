"""G11: a gateway that gets no more descriptors, threads or memory, between rigs that go on and a server that listens.

It goes on, or ends in one line that says what is missing; a restart has everything, and no rig was told what is lost.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_https_server import https_server
from gateway_process import Fleet, GatewayBox, judge
from long_times import times

from gateway import limits
from gateway.resources import descriptors_least
from gateway.settings.config import parse_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

ORIGIN = "kaofen.example/gw/gw-01/0"
HOLD_S = 0.3  # so long nothing more is given
THREADS_OF_A_LIFE = limits.THREADS + 2  # and the log's writer, and the second file's


class Point:
    """A box and its rigs as processes; the server in the test."""

    def __init__(self, folder: Path, exams: int = 2) -> None:
        self.box = GatewayBox(folder)
        words = ("--rigs", "3", "--exams", str(exams), "--speed", "1500", "--practice", "1", "--timeout", "170")
        self.fleet = Fleet(folder, *words)
        self.endings: list[int] = []

    async def start(self, environment: Mapping[str, str] | None = None) -> int:
        """Start the box; its pid once it records."""
        run_file = self.box.folder / "data" / "run.json"
        run_file.unlink(missing_ok=True)
        await self.box.start(environment)
        assert self.box.process is not None
        async with asyncio.timeout(60):
            while not run_file.exists() and self.box.process.returncode is None:
                await asyncio.sleep(0.01)
        return self.box.process.pid

    async def hold(self, seconds: float) -> None:
        """Let it live on for so long, or until it ends."""
        assert self.box.process is not None
        try:
            self.endings.append(await asyncio.wait_for(self.box.process.wait(), seconds))
        except TimeoutError:
            return

    async def see_it_through(self) -> None:
        """Whatever it ended of, the service manager starts it again, until every rig and the server have everything."""
        assert self.box.process is not None
        assert self.fleet.process is not None
        async with asyncio.timeout(200):
            while self.fleet.process.returncode is None:
                if self.box.process.returncode is not None:
                    await self.start()
                await asyncio.sleep(0.02)
            if self.box.process.returncode is not None:
                await self.start()
            await self.box.drained()
        assert self.fleet.process.returncode == 0, "a rig is left with records that nobody acknowledged"
        assert await self.box.end() == 0
        assert judge(self.fleet.truth, self.box.server.entries(ORIGIN))["truth"] > 20
        code, said = await self.box.command("fsck")
        assert code == 0, said
        assert not self.box.server.refused
        assert not list((self.box.folder / "data").glob("*quarantined*")), "a log was given up for want of something"


@pytest.fixture
async def point(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Point]:
    made = Point(tmp_path, getattr(request, "param", 2))
    try:
        rigs = await made.fleet.start()
        async with https_server(made.box.server, made.box.tls) as url:
            made.box.configure([f"{rig['serial']} {rig['host']} {rig['port']}" for rig in rigs], url)
            assert (await made.box.command("init"))[0] == 0
            yield made
    finally:
        await made.box.kill_for_sure()
        await made.fleet.kill_for_sure()


def said(box: GatewayBox) -> list[dict[str, Any]]:
    """The log lines of all runs; what is no such line is the one word of a refused start."""
    lines = [line for line in box.output.splitlines() if line]
    return [json.loads(line) if line.startswith("{") else {"event": line} for line in lines]


def in_one_line(box: GatewayBox) -> None:
    """No ending told in the words of the interpreter."""
    assert "Traceback" not in box.output, box.output[-3000:]


def without_descriptors(pid: int) -> Callable[[], None]:
    """No descriptor more than it has now; what gives them back."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(list(Path(f"/proc/{pid}/fd").iterdir())), before[1]))
    return lambda: give_back(pid, resource.RLIMIT_NOFILE, before)


def without_memory(pid: int) -> Callable[[], None]:
    """Not a page more, nor the stack of a thread."""
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize() // 2, before[1]))
    return lambda: give_back(pid, resource.RLIMIT_AS, before)


def give_back(pid: int, kind: int, before: tuple[int, int]) -> None:
    try:
        resource.prlimit(pid, kind, before)
    except ProcessLookupError:
        return  # it has ended


async def test_a_start_takes_what_a_life_needs_or_says_what_is_missing(point: Point) -> None:
    """G11: too few descriptors, or no thread at any of its starts: one line and an exit code, and nothing changed.

    With just so many it runs: no thread is begun after the start, and the descriptors are enough.
    """
    box = point.box
    least = descriptors_least(parse_config(box.config.read_bytes(), box.folder))
    await point.start({"KAOFEN_TEST_DESCRIPTORS": str(least - 1)})
    await point.hold(60)
    for threads in range(THREADS_OF_A_LIFE):
        await point.start({"KAOFEN_TEST_THREADS": str(threads)})
        await point.hold(60)
    assert point.endings == [2] + [1] * THREADS_OF_A_LIFE, box.output
    first, *others = [line["event"] for line in said(box)]
    assert f"this process may have {least - 1} file descriptors, and 3 rigs need {least}" in first
    assert len(others) == THREADS_OF_A_LIFE
    assert all("no thread can be started: see TasksMax=" in line for line in others), others
    await point.start({"KAOFEN_TEST_DESCRIPTORS": str(least), "KAOFEN_TEST_THREADS": str(THREADS_OF_A_LIFE)})
    await point.see_it_through()
    assert box.starts == THREADS_OF_A_LIFE + 2, "it ended once more"
    in_one_line(box)


@pytest.mark.parametrize("take", [without_descriptors, without_memory])
async def test_an_exam_outlives_a_gateway_without(point: Point, take: Callable[[int], Callable[[], None]]) -> None:
    """P1, P2, G11: in mid-exam there is nothing more, then there is again: all is stored once, as it was latched."""
    pid = await point.start()
    give = take(pid)
    await point.hold(HOLD_S)
    give()
    await point.see_it_through()


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", [times(12)], indirect=True)
@pytest.mark.parametrize("take", [without_descriptors, without_memory])
async def test_exams_outlive_a_gateway_without(point: Point, take: Callable[[int], Callable[[], None]]) -> None:
    """P1, P2, G11: the same again and again, at any moment, also of a start."""
    rng = random.Random(20261124)
    assert point.fleet.process is not None
    while point.fleet.process.returncode is None:
        if rng.random() < 0.5 or point.box.process is None or point.box.process.returncode is not None:
            await point.box.kill_for_sure()
            await point.box.start()
        assert point.box.process is not None
        await point.hold(rng.random())
        if point.box.process.returncode is None:
            give = take(point.box.process.pid)
            await point.hold(rng.random())
            give()
    await point.see_it_through()
