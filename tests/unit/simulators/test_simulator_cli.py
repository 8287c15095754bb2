"""kaofen-simulate as a user runs it: exit codes, files and words."""

# ruff: noqa: ASYNC240 - a condition is looked at until its deadline

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from modbus_probe import play_gateway

from simulators.faults import CATALOGUE

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-c", "from simulators.cli import main; main()")


async def start(*args: str | Path) -> asyncio.subprocess.Process:
    """The program in a process of its own."""
    return await asyncio.create_subprocess_exec(
        *COMMAND, *map(str, args), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def finish(process: asyncio.subprocess.Process, deadline_s: float = 40) -> tuple[int, str, str]:
    """Exit code and words; a process that stays is killed and fails the test."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), deadline_s)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, out.decode(), err.decode()


async def appears(path: Path) -> dict[str, object]:
    """The file once it is there."""
    async with asyncio.timeout(20):
        while not path.exists():
            await asyncio.sleep(0.02)
    return json.loads(path.read_text(encoding="utf-8"))


async def test_a_fleet_ends_with_0_when_all_is_acknowledged(tmp_path: Path) -> None:
    """ready.json is whole when it appears, the truth holds every record, the summary says what happened."""
    ready, truth = tmp_path / "ready.json", tmp_path / "truth.jsonl"
    process = await start(
        "fleet", "--rigs", "3", "--exams", "8", "--speed", "4000", "--truth", truth, "--ready", ready, "--timeout", "30"
    )
    stop = asyncio.Event()
    rigs = (await appears(ready))["rigs"]
    readers = [asyncio.create_task(play_gateway(rig["host"], rig["port"], stop)) for rig in rigs]  # type: ignore[attr-defined]
    code, out, err = await finish(process)
    stop.set()
    await asyncio.gather(*readers)
    assert (code, err) == (0, "")
    assert "all exams are done and all records acknowledged" in out
    records = len(truth.read_text(encoding="utf-8").splitlines())
    assert f"records: {records}" in out
    assert not (tmp_path / "ready.json.part").exists()


async def test_a_fleet_nobody_reads_ends_with_1_and_says_why() -> None:
    """--timeout: which rigs wait, and for what."""
    code, _, err = await finish(
        await start("fleet", "--rigs", "2", "--exams", "2", "--speed", "5000", "--timeout", "0.5")
    )
    assert code == 1
    assert "LV-0001: waits: gateway not ready: this exam cannot be recorded" in err


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_stops_in_order(tmp_path: Path, number: int, expected: int) -> None:
    """Stopped before it was done: the summary is still told, and the exit code says which signal."""
    ready = tmp_path / "ready.json"
    process = await start("fleet", "--rigs", "2", "--exams", "2", "--ready", ready)
    await appears(ready)
    os.kill(process.pid, number)
    code, out, err = await finish(process)
    assert (code, err) == (expected, "")
    assert "item runs: 0" in out


async def test_staying_ends_with_0_on_sigterm(tmp_path: Path) -> None:
    """--stay with nothing to do serves until it is told to stop."""
    ready = tmp_path / "ready.json"
    process = await start("fleet", "--rigs", "1", "--exams", "0", "--practice", "0", "--stay", "--ready", ready)
    await appears(ready)
    process.terminate()
    assert (await finish(process))[0] == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--fault", "drips"), "there is no fault 'drips'"),
        (("--fault", "XX-9=drip"), "there is no rig 'XX-9'"),
        (("--rigs", "0"), "--rigs 0"),
        (("--speed", "0"), "--speed 0"),
        (("--rubric", "/nowhere.toml"), "/nowhere.toml: No such file"),
        (("--truth", "/nowhere/truth.jsonl"), "--truth /nowhere/truth.jsonl: No such file"),
    ],
)
async def test_wrong_input_ends_with_2_and_one_line(args: tuple[str, ...], message: str) -> None:
    """A mistake on the command line is one sentence, not a traceback."""
    code, _, err = await finish(await start("fleet", *args))
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


async def test_faults_are_listed() -> None:
    """Every fault of the catalogue stands in the list."""
    code, out, _ = await finish(await start("faults"))
    assert code == 0
    assert all(name in out for name in CATALOGUE)


async def test_one_rig_tells_what_happens(tmp_path: Path) -> None:
    """kaofen-simulate rig writes one line a record, and says why it waits."""
    process = await start("rig", "--port", "0", "--exams", "1", "--speed", "5000")
    assert process.stdout is not None
    text = ""
    async with asyncio.timeout(20):
        while "waits: gateway not ready" not in text:
            text += (await process.stdout.readline()).decode()
    process.terminate()
    assert (await finish(process))[0] == 0
    assert "identity.checked" in text
