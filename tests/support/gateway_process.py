"""`kaofen-gateway run` and simulated rigs as processes, the fake server over TLS in the test; and the oracle."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import service
from fake_server_client import FakeServer
from gateway_world import config_text
from tls_material import make_tls_material

from scorelog.format.entry import parse_entry

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

BIN = Path(sys.executable).parent


class Running:
    """A process, to be awaited."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid, self.send_signal, self.kill = process.pid, process.send_signal, process.kill

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    async def wait(self) -> int:
        """Its exit code."""
        while (code := self.returncode) is None:
            await asyncio.sleep(0.01)
        return code


class GatewayBox:
    """One box: its folder, its server, and one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tls = make_tls_material(folder / "tls-material")
        self.server = FakeServer()
        self.config = folder / "gateway.toml"
        self.process: Running | None = None
        self.starts = 0

    def configure(self, rigs: list[str], url: str) -> None:
        """Write the settings."""
        tls = str(self.tls.gateway)
        self.config.write_text(config_text(rigs, self.server, url=url, tls=tls))

    async def command(self, *words: str) -> tuple[int, str]:
        """One command to its end: exit code and everything it printed."""
        line = [str(word) for word in (BIN / "kaofen-gateway", words[0], self.config, *words[1:])]
        done = await asyncio.to_thread(service.programs.run, line, os.environ, 30)
        return done.returncode, done.stdout + done.stderr

    async def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start `run`; its output goes to out.log."""
        self.starts += 1
        with (self.folder / "out.log").open("ab") as out:
            line = [str(BIN / "kaofen-gateway"), "run", str(self.config)]
            self.process = Running(service.programs.start(line, out, {**os.environ, **(environment or {})}))

    async def end(self, number: signal.Signals = signal.SIGTERM, within_s: float = 20) -> int:
        """Send a signal and wait for the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), within_s)

    async def drained(self, within_s: float = 120) -> None:
        """Wait until every entry has its receipt."""
        async with asyncio.timeout(within_s):
            while json.loads((await self.command("status", "--json"))[1])["unsent"]:
                await asyncio.sleep(0.1)

    async def kill_for_sure(self) -> None:
        """For a test's finally."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    @property
    def output(self) -> str:
        """Everything that all runs printed."""
        return (self.folder / "out.log").read_text()


class Fleet:
    """`kaofen-simulate fleet` as a process."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.truth_file, self.ready_file = folder / "truth.jsonl", folder / "ready.json"
        self._options = options
        self._out = folder / "fleet.log"
        self.process: Running | None = None

    async def start(self) -> list[dict[str, Any]]:
        """The rigs, once all of them listen."""
        with self._out.open("wb") as out:
            line = [str(BIN / "kaofen-simulate"), "fleet", *self._options]
            files = ("--truth", str(self.truth_file), "--ready", str(self.ready_file))
            self.process = Running(service.programs.start([*line, *files], out, os.environ))
        async with asyncio.timeout(20):
            while not self.ready_file.exists():
                assert self.process.returncode is None, self._out.read_text()
                await asyncio.sleep(0.02)
        rigs: list[dict[str, Any]] = json.loads(self.ready_file.read_text())["rigs"]
        return rigs

    async def done(self, within_s: float) -> None:
        """Every exam is over and every record acknowledged."""
        assert self.process is not None
        code = await asyncio.wait_for(self.process.wait(), within_s)
        assert code == 0, self._out.read_text()

    async def kill_for_sure(self) -> None:
        """For a test's finally."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    @property
    def truth(self) -> list[dict[str, Any]]:
        """Every record that a rig latched."""
        return [json.loads(line) for line in self.truth_file.read_text().splitlines()]


def judge(truth: list[dict[str, Any]], stored: list[bytes]) -> dict[str, int]:
    """The oracle: every latched record is stored, once, in order, unaltered; practice is in exactly one summary."""
    entries = [parse_entry(entry) for entry in stored]
    keyed = [entry for entry in entries if entry.key is not None]
    twice = [key for key, count in Counter(entry.key for entry in keyed).items() if count > 1]
    assert not twice, f"stored twice: {twice[:3]}"
    by_seq = {(entry.rig, entry.seq): entry for entry in keyed if entry.type not in _OWN}
    summaries = [entry for entry in keyed if entry.type == "practice.summary"]
    practised = {
        (entry.rig, seq)
        for entry in summaries
        for seq in range(entry.fields["first_seq"], entry.fields["last_seq"] + 1)
    }
    exam = 0
    for record in truth:
        place = (record["serial"], record["seq"])
        if place in by_seq:
            exam += 1
            _same(record, by_seq[place])
        else:
            assert place in practised, f"lost: {record}"
    for rig in {entry.rig for entry in keyed}:
        order = [entry.seq for entry in keyed if entry.rig == rig and entry.type not in _OWN]
        assert order == sorted(order), f"out of order at {rig}"
    return {"truth": len(truth), "entries": exam, "practice": len(truth) - exam, "summaries": len(summaries)}


_OWN = {"practice.summary", "rig.rebooted", "sequence.gap"}


def _same(record: dict[str, Any], entry: Any) -> None:
    for name in ("item", "ordinal", "outcome", "score"):
        if record.get(name) is not None and name in entry.fields:
            assert entry.fields[name] == record[name], f"{name}: {record} became {entry.fields}"
