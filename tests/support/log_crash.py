"""Crashing a process that writes a log, again and again, and the oracle of what must hold afterwards.

A *zygote* (a servant of this file run as a program) has everything imported and forks one writer per request, so that a
crash costs milliseconds. The writer tells what it was told by unbuffered lines in a file: they survive its SIGKILL.

    ack <index> <leaf> <writer> <seq>     an append returned
    root <size> <root>                    a checkpoint was released
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from log_entries import key_of, scored
from log_harness import ORIGIN_BASE, cosigned, new_log, signer_for
from log_strace import attach_strace
from servants import Servant, serve_forks

from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.entry import parse_entry
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.journal import failpoints
from scorelog.journal.clock import SystemClock
from scorelog.journal.errors import JournalError, LogFailed
from scorelog.journal.fsck import fsck
from scorelog.journal.generation import open_generation, pending_quarantine, quarantine
from scorelog.journal.relog import key_of as key_in
from scorelog.journal.room import RoomPolicy
from scorelog.journal.rows import read_entries
from scorelog.journal.salvage import reader
from scorelog.journal.sqlite import create_log, open_log

if TYPE_CHECKING:
    from scorelog.journal.log import SqliteLog

WRITERS = 4
WAL_BYTES = 64 << 10  # small, so that folding happens within a short run
DONE, FAILED = 0, 3
ROOM = RoomPolicy(exams_bytes=0, reserve_bytes=1 << 20, floor_bytes=1 << 20)
OPEN_S_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Round:
    """One life of a writer process."""

    directory: str
    told: str
    failpoints: str = ""
    appends: int = 12
    first_seq: int = 0
    kill_after_s: float | None = None
    pause_s: float = 0.0  # stopped for so long, instead of killed
    kill_after_bytes: int = 0  # the time runs from when the writer has told so much
    scenario: str = "append"
    wal_bytes: int = WAL_BYTES
    patience_s: float = 20.0  # how long it waits for its last receipt
    strace: tuple[str, ...] = ()  # under strace, with these words


# --- the writer process


Scenario = Callable[["Round", "Tell"], Coroutine[object, object, None]]
Tell = Callable[[str], object]


def _live(life: Round, scenarios: Mapping[str, Scenario]) -> int:
    """One life: open (or make, or follow up) the log, append, close."""
    told = os.open(life.told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    failpoints.arm(life.failpoints)
    try:
        asyncio.run(scenarios[life.scenario](life, lambda line: os.write(told, f"{line}\n".encode())))
    except LogFailed:
        return FAILED
    except OSError:
        return FAILED
    return DONE


async def _append(life: Round, tell: Tell) -> None:
    path = Path(life.directory) / "log"
    log = open_log(path, signer_for, SystemClock(), path.with_name("state"), room=ROOM, wal_bytes=WAL_BYTES)
    await _use(log, life, tell)


async def _create(life: Round, tell: Tell) -> None:
    create_log(Path(life.directory) / "log", ORIGIN_BASE, signer_for)
    await _append(life, tell)


async def _next_generation(life: Round, tell: Tell) -> None:
    path = Path(life.directory) / "log"
    put_aside = pending_quarantine(path) or quarantine(path, "the test says so", path.with_name("state"))
    log = open_generation(path, put_aside, signer_for, SystemClock(), path.with_name("state"), room=ROOM)
    await _use(log, life, tell)


async def _one_by_one(life: Round, tell: Tell) -> None:
    """One writer, so that nothing of a later record is under way when a record is acknowledged."""
    path = Path(life.directory) / "log"
    if not path.exists():
        create_log(path, ORIGIN_BASE, signer_for)
    log = open_log(path, signer_for, SystemClock(), path.with_name("state"), room=ROOM, wal_bytes=life.wal_bytes)
    try:
        for seq in range(life.first_seq, life.first_seq + life.appends):
            request = scored(key_of(seq, rig="LV-0"), note=str(seq))
            answer = await log.append(request.build, request.key, request.content)
            tell(f"ack {answer.index} {answer.leaf.hex()} 0 {seq}")
            if seq % 2:
                await log.save_receipt(cosigned(log.checkpoint()))
    except JournalError as error:
        raise LogFailed(str(error)) from error
    finally:
        await log.close()


SCENARIOS: Mapping[str, Scenario] = {
    "one-by-one": _one_by_one,
    "append": _append,
    "create": _create,
    "generation": _next_generation,
}


async def _use(log: SqliteLog, life: Round, tell: Tell) -> None:
    tell_root(log.checkpoint(), tell)
    watching = asyncio.create_task(_watch(log, tell))
    try:
        async with asyncio.TaskGroup() as group:
            for writer in range(WRITERS):
                group.create_task(_write(log, writer, life, tell))
    except* JournalError as errors:
        raise LogFailed(str(errors.exceptions[0])) from errors
    finally:
        watching.cancel()
    await log.close()


async def _write(log: SqliteLog, writer: int, life: Round, tell: Tell) -> None:
    for seq in range(life.first_seq, life.first_seq + life.appends):
        request = scored(key_of(seq, rig=f"LV-{writer}"), note=f"{writer}/{seq}")
        answer = await log.append(request.build, request.key, request.content)
        tell(f"ack {answer.index if answer.generation == log.generation else -1} {answer.leaf.hex()} {writer} {seq}")
        tell_root(log.checkpoint(), tell)
        if writer == 0 and seq % 10 == 9:
            await log.save_receipt(cosigned(log.checkpoint()))


async def _watch(log: SqliteLog, tell: Tell) -> None:
    while True:
        piece = await log.piece(log.size)
        tell_root(piece.checkpoint, tell)
        await log.wait_grown(piece.start)


def tell_root(note: bytes, tell: Tell) -> None:
    checkpoint, _ = parse_checkpoint(note)
    tell(f"root {checkpoint.size} {checkpoint.root.hex()}")


def serve(scenarios: Mapping[str, Scenario]) -> None:
    """For each who asks, a servant of these scenarios."""
    serve_forks(partial(_serve, scenarios))


def _serve(scenarios: Mapping[str, Scenario]) -> None:
    """Fork a writer per request line; answer with how it ended."""
    for line in sys.stdin:
        asked = json.loads(line)
        life = Round(**{**asked, "strace": tuple(asked["strace"])})
        child = os.fork()
        if child == 0:
            code = 99
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # log lines are no answer
            try:
                if life.strace:
                    attach_strace(life.strace)
                code = _live(life, scenarios)
            except BaseException:  # noqa: BLE001  # the fork must never return into the serving loop
                traceback.print_exc()
            finally:
                os._exit(code)
        if life.kill_after_s is not None:
            _until_told(life, child)
            time.sleep(life.kill_after_s)  # the moment of the crash is the point of the test, not a wait
            if life.pause_s:
                os.kill(child, signal.SIGSTOP)
                time.sleep(life.pause_s)
            os.kill(child, signal.SIGCONT if life.pause_s else signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _until_told(life: Round, child: int) -> None:
    """Until the writer has told that many bytes, or is gone (which its exit code says)."""
    wanted = _size(life.told) + life.kill_after_bytes
    while _size(life.told) < wanted and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.0005)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return 0


# --- the test's side


class Zygote:
    """The process that forks writers."""

    def __init__(self, program: str = __file__) -> None:
        self._servant = Servant(program)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._servant.close()

    def run(self, life: Round) -> int:
        """Exit code, or minus the signal."""
        self._servant.say(json.dumps({name: getattr(life, name) for name in Round.__dataclass_fields__}))
        return int(self._servant.hear())


@dataclass(slots=True)
class Oracle:
    """What writers were told over all lives of one log, held against what the log holds now."""

    directory: Path
    roots: dict[int, str] = field(default_factory=dict)  # of the newest generation
    acks: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    taken: int = 0
    entries: list[bytes] = field(default_factory=list)  # as last looked at

    @property
    def told(self) -> Path:
        return self.directory / "told"

    def start(self) -> Self:
        new_log(self.directory)
        return self

    def listen(self) -> None:
        """Take in what writers told since the last time; two roots of one size are the worst that can be."""
        said = self.told.read_bytes() if self.told.exists() else b""
        if not said.endswith(b"\n"):  # SIGKILL ends a write between two pages of the file: that line was never told
            said = said[: said.rfind(b"\n") + 1]
            if self.told.exists():
                os.truncate(self.told, len(said))
        lines = said.decode("ascii").splitlines()
        for line in lines[self.taken :]:
            self.heard(*_parted(line))
        self.taken = len(lines)

    def heard(self, word: str, rest: list[str]) -> None:
        """One line of a writer."""
        if word == "root":
            size, root = int(rest[0]), rest[1]
            assert self.roots.setdefault(size, root) == root, f"two roots of size {size} were released"
        else:
            index, leaf, writer, seq = int(rest[0]), rest[1], int(rest[2]), int(rest[3])
            before = self.acks.setdefault((writer, seq), (index, leaf))
            assert before == (index, leaf) or index < 0, f"record {writer}/{seq} was acknowledged as two entries"

    def check(self) -> int:
        """P1 after a crash: opens at once; all acknowledged is there, once, in order; fsck finds nothing."""
        self.listen()
        entries = asyncio.run(self._reopen())
        self._compare(entries)
        report = fsck(self.directory / "log", state_path=self.directory / "state")
        assert report.ok, "\n".join(map(str, report.findings))
        return len(entries)

    def look(self) -> int:
        """The same without opening it, which would put it in order: what the killed process left is read beside."""
        self.listen()
        with reader(self.directory / "log") as connection:
            self.entries = [row[2] for row in read_entries(connection, 0, 1 << 30)]
        self._compare(self.entries)
        return len(self.entries)

    def _compare(self, entries: list[bytes]) -> None:
        leaves = [leaf_hash(entry) for entry in entries]
        for (writer, seq), (index, leaf) in self.acks.items():
            assert leaves[index].hex() == leaf, f"acknowledged record {writer}/{seq} is not at index {index}"
        self._check_order(entries)
        self._check_roots(leaves)

    async def _reopen(self) -> list[bytes]:
        path = self.directory / "log"
        before = time.monotonic()
        log = open_log(path, signer_for, SystemClock(), path.with_name("state"), room=ROOM, wal_bytes=WAL_BYTES)
        assert time.monotonic() - before < OPEN_S_MAX
        try:
            tell_root(log.checkpoint(), lambda line: self.heard(*_parted(line)))
            return log.entries(0, log.size)
        finally:
            await log.close()

    def _check_order(self, entries: list[bytes]) -> None:
        last: dict[str, int] = {}
        for entry in entries:
            known = key_in(parse_entry(entry))
            if known is not None:
                key = known[0]
                assert key.seq > last.get(key.rig, -1), f"{key} is there twice or out of order"
                last[key.rig] = key.seq

    def _check_roots(self, leaves: list[bytes]) -> None:
        compact = CompactRange()
        for size in range(len(leaves) + 1):
            if size in self.roots:
                assert compact.root().hex() == self.roots[size], f"the released root of size {size} is not the log's"
            if size < len(leaves):
                compact.append(leaves[size])
        assert max(self.roots, default=0) <= len(leaves), "a root was released of entries that are gone"

    def next_seq(self) -> int:
        """Repeat the last records, as rigs do that saw no acknowledgement, and go on."""
        return max(0, max((seq for _, seq in self.acks), default=0) - 2)


def _parted(line: str) -> tuple[str, list[str]]:
    word, *rest = line.split(" ")
    return word, rest


if __name__ == "__main__":
    serve(SCENARIOS)
