"""The log against a model that is a list: any sequence of appends, repeats, conflicts, crashes and receipts."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fake_clock import FakeClock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from log_entries import key_of, plain, scored
from log_harness import cosigned, new_log, signer_for

from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.note import parse_vkey
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.journal import failpoints
from scorelog.journal.errors import LogFailed
from scorelog.journal.fsck import fsck
from scorelog.journal.sqlite import open_log

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from scorelog.format.entry import EntryKey
    from scorelog.journal.log import SqliteLog
    from scorelog.journal.store import AppendRequest

SEQS = st.integers(0, 5)
CONTENTS = st.sampled_from(["one", "two", "three"])
FAILING = st.sampled_from(["journal.begin", "journal.rows", "journal.sign", "journal.commit", "journal.answer"])


class LogModel(RuleBasedStateMachine):
    """`entries` is what the log must hold; `keys` what it must recognise."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp(prefix="kaofen-model-"))
        self.entries: list[bytes] = []
        self.keys: dict[EntryKey, list[tuple[str, int]]] = {}
        self.roots: dict[int, bytes] = {}
        self.counter = 0
        self.log: SqliteLog

    @initialize()
    def make(self) -> None:
        new_log(self.directory)
        self.open()

    def open(self) -> None:
        self.log = open_log(self.directory / "log", signer_for, FakeClock(), self.directory / "state")

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def expect(self, request: AppendRequest) -> tuple[int, bool, int | None]:
        """What the model says, and takes in."""
        known = self.keys.get(request.key, []) if request.key is not None else []
        for content, index in known:
            if content == request.content:
                return index, True, None
        conflict = known[0][1] if known else None
        index = len(self.entries)
        self.entries.append(request.build(conflict))
        if request.key is not None and request.content is not None:
            self.keys.setdefault(request.key, []).append((request.content, index))
        return index, False, conflict

    def request(self, seq: int | None, content: str) -> AppendRequest:
        self.counter += 1
        return plain(f"event {self.counter}") if seq is None else scored(key_of(seq), content)

    @rule(wanted=st.lists(st.tuples(st.none() | SEQS, CONTENTS), min_size=1, max_size=6), together=st.booleans())
    def append(self, wanted: list[tuple[int | None, str]], together: bool) -> None:
        requests = [self.request(*one) for one in wanted]
        expected = [self.expect(one) for one in requests]
        answers = self.run(self.log.append_many(requests)) if together else self.run(self.all_at_once(requests))
        assert [(one.index, one.existing, one.conflict_with) for one in answers] == expected

    async def all_at_once(self, requests: list[AppendRequest]) -> list[Any]:
        return await asyncio.gather(*(self.log.append(one.build, one.key, one.content) for one in requests))

    @rule()
    def receipt(self) -> None:
        self.run(self.log.save_receipt(cosigned(self.log.checkpoint())))
        assert self.log.receipted_size == len(self.entries)

    @rule()
    def stop_and_start(self) -> None:
        self.run(self.log.close())
        self.open()

    @rule()
    def crash(self) -> None:
        """The files as they are at this moment, taken over by the next process."""
        shutil.rmtree(self.directory / "copy", ignore_errors=True)
        shutil.copytree(self.directory / "log", self.directory / "copy")
        self.run(self.log.close())
        shutil.rmtree(self.directory / "log")
        (self.directory / "copy").rename(self.directory / "log")
        (self.directory / "state").unlink(missing_ok=True)  # written at the orderly close, later than the crash
        self.open()

    @rule(name=FAILING, seq=SEQS, content=CONTENTS, after=st.booleans())
    def fail(self, name: str, seq: int, content: str, after: bool) -> None:
        """A failed step is never acknowledged; whether the entry is there is found out at the next start."""
        request = scored(key_of(seq), content)
        with failpoints.armed(f"{name}={'error-after' if after else 'error'}"):
            try:
                self.run(self.log.append(request.build, request.key, request.content))
            except LogFailed:
                pass
            else:  # a repeat writes nothing, and a step after the commit may fail after the answer
                self.expect(request)
        self.run(self.log.close())
        self.open()
        if self.log.size > len(self.entries):
            self.expect(request)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "log"):
            return
        assert self.log.entries(0, self.log.size) == self.entries
        compact = CompactRange()
        compact.extend(map(leaf_hash, self.entries))
        checkpoint, _ = open_checkpoint(self.log.checkpoint(), parse_vkey(self.log.vkey))
        assert (checkpoint.size, checkpoint.root) == (len(self.entries), compact.root())
        assert self.roots.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root
        assert all(self.log.find(key) == known[0][1] for key, known in self.keys.items())

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.run(self.log.close())
            report = fsck(self.directory / "log", state_path=self.directory / "state")
            assert report.ok, report.findings
        self.loop.close()
        shutil.rmtree(self.directory)


LogModel.TestCase.settings = settings(max_examples=settings().max_examples // 7, stateful_step_count=15, deadline=None)


class TestLogModel(LogModel.TestCase):
    """Any sequence of calls leaves the log equal to the list."""
