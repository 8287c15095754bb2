"""Small makers for the gateway's tests: observations of a whole exam, subjects, entries in a log."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from device_adapters.contract import Observation, RawArea
from gateway.meters import Meters
from gateway.recording.attempts import Attempts
from gateway.recording.documents import Subject
from gateway.recording.recorder import Recorder
from gateway.recording.spool import Spool
from scorelog.format.types import GATEWAY_STARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.plan.roster import View
    from scorelog.journal.clock import Clock
    from scorelog.journal.store import LogStore

PROFILE = "ab" * 32
CONTENT_KEY = bytes(range(32))


def subject(serial: str = "LV-0001", station: str = "A-01") -> Subject:
    """A rig as configured."""
    return Subject(serial, station, PROFILE, "simulator")


def counted_bytes(seed: str = "") -> Callable[[int], bytes]:
    """A source of bytes that is different at every call and the same in every run."""
    numbers = itertools.count()

    def draw(size: int) -> bytes:
        return hashlib.shake_128(f"{seed}/{next(numbers)}".encode()).digest(size)

    return draw


@dataclass
class RigScript:
    """Writes the records of one rig, in order, as its adapter yields them."""

    serial: str = "LV-0001"
    epoch: int = 3
    seq: int = 0
    exam_no: int = 0
    mode: str = "exam"
    ticket: bytes = b"44010020260001"
    made: list[Observation] = field(default_factory=list)

    def record(self, kind: str, **fields: Any) -> Observation:
        """One record; its raw bytes hold the ticket at byte 28, marked to be cut."""
        self.seq += 1
        ticket = self.ticket.ljust(32, b"\0") if self.ticket else bytes(32)
        head = self.seq.to_bytes(4, "big") + kind.encode().ljust(24, b"\0")
        data = head + ticket + repr(sorted(fields.items())).encode()
        observation = Observation(
            type=kind,
            rig=self.serial,
            epoch=self.epoch,
            seq=self.seq,
            ordinal=0,
            fields={**fields, "exam_no": self.exam_no} if kind != "rig.mode" else fields,
            guarantee="latched",
            source="simulator",
            personal={"ticket": self.ticket} if self.ticket else {},
            raw=(RawArea("event", 4096, data, ((28, 32),)),),
            rig_time="2026-11-23T06:42:05.031Z",
            mode=self.mode,
        )
        self.made.append(observation)
        return observation

    def exam(self, ticket: bytes, *, retry: int = 1, items: int = 2, abort: bool = False) -> list[Observation]:
        """A whole exam at this rig."""
        first = len(self.made)
        self.ticket = ticket
        self.exam_no += 1
        self.record("identity.checked", verdict="match", **{"try": retry})
        for ordinal in range(1, items + 1):
            self.record("item.started", item=f"K{ordinal}1", ordinal=ordinal, limit_s=600)
            self.record("deduction", item=f"K{ordinal}1", ordinal=ordinal, line=1, points=500, at_s=30, veto=False)
            self.record(
                "item.finished",
                item=f"K{ordinal}1",
                ordinal=ordinal,
                outcome="finished",
                score=9500,
                elapsed_s=300,
                limit_s=600,
                mode=self.mode,
            )
        if abort:
            self.record("attempt.aborted", reason="candidate")
        else:
            self.record("attempt.finished", claimed_total=9500, items=items, exam_failed=False)
        return self.made[first:]


def make_recorder(
    log: LogStore,
    clock: Clock,
    folder: Path,
    *,
    attempts: Attempts | None = None,
    random: Callable[[int], bytes] | None = None,
    meters: Meters | None = None,
    content_key: bytes = CONTENT_KEY,
    view: Callable[[], View | None] = lambda: None,
) -> Recorder:
    """A recorder as the composition root makes it."""
    return Recorder(
        log,
        clock,
        random or counted_bytes(),
        attempts=attempts or Attempts(),
        spool=Spool(folder / "practice"),
        meters=meters or Meters(),
        anchor_age_s=60,
        content_key=content_key,
        view=view,
    )


async def fill(recorder: Recorder, count: int) -> None:
    """That many entries of no rig."""
    for number in range(count):
        await recorder.note(GATEWAY_STARTED, instance=f"{number:032x}")


def exams(script: RigScript, tickets: int) -> Iterator[Observation]:
    """Several exams one after the other, every third aborted and taken again."""
    for number in range(tickets):
        ticket = f"4401002026{number:04d}".encode()
        abort = number % 3 == 2
        yield from script.exam(ticket, items=1 + number % 2, abort=abort)
        if abort:
            yield from script.exam(ticket, retry=2)
