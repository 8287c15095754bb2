"""From an observation to a durable entry: the one door into the gateway's log.

    observe ─> bind ─> draft ─> log.append ─fsync─> fold ─> return; now it may be acked (P1)

Owns the order of these steps, the anchors, the record of clock steps and the practice runs. Never talks to a rig or a
server.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gateway import limits
from gateway.errors import StorageFailed
from gateway.plan.binding import Binder
from gateway.recording.attempts import Attempts, Fact, fact_of_entry, fact_of_observation
from gateway.recording.documents import Draft, Subject, content_of, observed, own_entry, practised, refused
from gateway.recording.practice import PracticeRun, belongs, fold, is_practice
from scorelog.format import canonical, types
from scorelog.format.limits import ATTEMPT_BYTES
from scorelog.format.text import utc_text
from scorelog.journal.clock import read_time
from scorelog.journal.errors import LogFailed
from scorelog.journal.failpoints import failpoint, register

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from device_adapters.contract import Evidence, Observation, Position
    from gateway.meters import Meters
    from gateway.plan.binding import Bound
    from gateway.plan.roster import View
    from gateway.recording.spool import Spool
    from scorelog.format.entry import ReadTime
    from scorelog.journal.clock import Clock
    from scorelog.journal.store import Appended, LogStore

_APPEND = register("gateway.append", "an observation is appended to the log, before any ack")


@dataclass(slots=True)
class _Repeats:
    """Identical refusals since the last one that was written."""

    written_mono_us: int
    count: int = 0


class ClockWatch:
    """Sees a wall clock that moved against the monotonic one. Records, never corrects (design.md section 10)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_us = clock.now_us() - clock.mono_us()

    def resume(self, offset_us: int) -> None:
        """Go on from the offset of the last entry of this boot."""
        self._offset_us = offset_us

    def step(self) -> dict[str, Any] | None:
        """The fields of `clock.stepped`, once per step."""
        now, mono = self._clock.now_us(), self._clock.mono_us()
        delta = now - mono - self._offset_us
        if abs(delta) <= limits.CLOCK_STEP_US:
            return None
        self._offset_us += delta
        return {"delta_us": delta, "before": utc_text(now - delta), "after": utc_text(now)}


class Recorder:
    """Appends; one per process."""

    def __init__(
        self,
        log: LogStore,
        clock: Clock,
        random: Callable[[int], bytes],
        *,
        attempts: Attempts,
        spool: Spool,
        meters: Meters,
        anchor_age_s: int,
        content_key: bytes,
        view: Callable[[], View | None] = lambda: None,
    ) -> None:
        self._log = log
        self._clock = clock
        self._random = random
        self._attempts = attempts
        self._binder = Binder(attempts, lambda: random(ATTEMPT_BYTES).hex(), view)
        self._spool = spool
        self._meters = meters
        self._anchor_age_us = anchor_age_s * 1_000_000
        self._content_key = content_key
        self._anchored: tuple[int, bytes] | None = None  # when (monotonic), which note
        self._runs: dict[str, PracticeRun] = {}
        self._results: Counter[str] = Counter()  # by rig, new as entries since this process began
        self._repeats: dict[tuple[str, str, int | None], _Repeats] = {}
        self.watch = ClockWatch(clock)

    async def resume(self, subject: Subject) -> None:
        """At start: the practice run that this rig was in; its summary, if that is all that was missing."""
        run = self._spool.load(subject.serial)
        if run is None:
            return
        self._runs[subject.serial] = run
        if run.ended is not None:
            await self._summarise(subject, run)

    def position(self, subject: Subject) -> Position | None:
        """How far this rig was followed, by the log or by an open practice run."""
        stored = self._attempts.position(subject.serial)
        run = self._runs.get(subject.serial)
        if run is None or (stored is not None and (stored.epoch, stored.seq) > (run.epoch, run.last_seq)):
            return stored
        return run.position

    def stored(self, subject: Subject) -> dict[str, int | None]:
        """For the box's own status: up to which record, and how many results as entries since this process began."""
        at = self.position(subject)
        return {"stored_seq": None if at is None else at.seq, "results": self._results[subject.serial]}

    async def observe(self, subject: Subject, observation: Observation) -> bytes | None:
        """Durable when it returns: the entry's leaf hash, None of a practice record, which is no entry of its own.

        Raises StorageFailed (fatal), LogFull (nothing written, nothing to ack).
        """
        if is_practice(observation) and not self._in_exam(observation):
            await self._practise(subject, observation)
            return None
        if not self._behind(subject, observation):
            await self._end_run(subject, "interrupted")
        bound, leaves = self._place(observation)
        read = read_time(self._clock)
        content = content_of(observation, self._content_key)
        draft = observed(observation, subject, read, self._random, content=content, bound=bound, leaves=leaves)
        before = self._anchor(read) if observation.type == types.ITEM_STARTED else []
        appended = (await self._append([*before, draft]))[-1]
        self._take_in(observation, bound, appended)
        if not appended.existing:
            self._meters.journey.stored(appended.index, observation.first_read_us, self._clock.mono_us())
        return appended.leaf

    async def refuse(self, subject: Subject, evidence: Evidence) -> None:
        """A reading that failed its checks: the first at once, its repetitions as one counted entry a minute."""
        kind = (subject.serial, evidence.reason, evidence.asked)
        now = self._clock.mono_us()
        repeats = self._repeats.get(kind)
        if repeats is not None and now - repeats.written_mono_us < limits.REFUSAL_REPEAT_S * 1_000_000:
            repeats.count += 1
            return
        count = 1 + (repeats.count if repeats else 0)
        self._repeats[kind] = _Repeats(now)
        if len(self._repeats) > limits.REFUSAL_KINDS_MAX:
            self._repeats.pop(next(iter(self._repeats)))
        await self._append([refused(evidence, subject, read_time(self._clock), self._random, count)])

    async def note(self, kind: str, **fields: Any) -> Appended:
        """An entry of the gateway about itself or about a rig's connection."""
        return (await self.note_all([(kind, fields)]))[-1]

    async def note_all(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> list[Appended]:
        """Several of them in one transaction, in order."""
        read = read_time(self._clock)
        return await self._append([own_entry(kind, read, self._random, fields) for kind, fields in entries])

    async def anchor(self) -> None:
        """The last receipt as an entry, if there is one that is not anchored yet."""
        await self._append(self._anchor(read_time(self._clock)))

    async def check_clock(self) -> None:
        """Called every few seconds, so that a step is recorded even when nothing else is."""
        await self._append([])

    def _place(self, observation: Observation) -> tuple[Bound | None, tuple[bytes, ...]]:
        if observation.mode is None or observation.type == types.RIG_MODE:
            return None, ()
        bound = self._binder.bind(observation)
        closing = observation.type in types.CLOSING
        return bound, self._attempts.leaves(bound.attempt) if closing else ()

    def _in_exam(self, observation: Observation) -> bool:
        """A rig that says practice in mid-exam: the record stays an entry of the exam and is judged later."""
        exam = self._attempts.exam(observation.rig)
        return exam is not None and not exam.closed and exam.number == observation.fields.get("exam_no")

    def _take_in(self, observation: Observation, bound: Bound | None, appended: Appended) -> None:
        if not appended.existing:
            self._results[observation.rig] += observation.type == types.ITEM_FINISHED
            self._attempts.apply(fact_of_observation(observation, bound, appended.leaf))
            return
        self._meters.repeated.inc()
        if self._attempts.covers(observation.rig, observation.position):
            return
        # Stored before the part of the log that was read back at start: the log says which attempt it is.
        if appended.generation == self._log.generation:
            document = canonical.decode(self._log.entries(appended.index, appended.index + 1)[0])
            ticket = observation.personal.get("ticket", b"")
            self._attempts.apply(fact_of_entry(document, appended.leaf, ticket))

    def _behind(self, subject: Subject, observation: Observation) -> bool:
        """A record that comes again, or late because it could not be read before (rig interface G1)."""
        at = self.position(subject)
        return at is not None and (observation.epoch, observation.seq) <= (at.epoch, at.seq)

    async def _practise(self, subject: Subject, observation: Observation) -> None:
        run, content = self._runs.get(subject.serial), content_of(observation, self._content_key)
        if (run is not None and content in run.records) or self._attempts.practised(subject.serial, content):
            return  # stored already
        if self._behind(subject, observation):  # late: its run has gone on, or is over
            await self._append_run(subject, replace(fold(None, observation, content), ended="interrupted"))
            return
        if run is not None and not belongs(run, observation):
            await self._end_run(subject, "interrupted")
            run = None
        run = fold(run, observation, content)
        await self._keep(run)
        self._runs[subject.serial] = run
        if run.ended is not None:
            await self._summarise(subject, run)

    async def _keep(self, run: PracticeRun) -> None:
        try:
            await asyncio.to_thread(self._spool.keep, run)
        except (OSError, RuntimeError) as error:
            raise StorageFailed(f"practice spool: {error}") from error

    async def _end_run(self, subject: Subject, how: str) -> None:
        run = self._runs.get(subject.serial)
        if run is not None:
            await self._summarise(subject, run if run.ended else replace(run, ended=how))

    async def _summarise(self, subject: Subject, run: PracticeRun) -> None:
        await self._append_run(subject, run)
        self._spool.remove(run.rig)
        self._runs.pop(subject.serial, None)

    async def _append_run(self, subject: Subject, run: PracticeRun) -> None:
        read = read_time(self._clock)
        await self._append([practised(run, subject, read, self._random, secret=self._content_key)])
        self._attempts.apply(Fact(types.PRACTICE_SUMMARY, run.rig, run.epoch, run.last_seq, contents=run.records))

    def _anchor(self, read: ReadTime) -> list[Draft]:
        receipt = self._log.receipt()
        if receipt is None:
            return []
        now = self._clock.mono_us()
        if self._anchored is not None:
            when, note = self._anchored
            if now - when < self._anchor_age_us or note == receipt.note:
                return []
        self._anchored = (now, receipt.note)
        return [own_entry(types.ANCHOR, read, self._random, {"receipt": receipt.note.decode("utf-8")})]

    async def _append(self, drafts: Sequence[Draft]) -> list[Appended]:
        """One transaction, and everything that must stand before it. Returns after its fsync."""
        stepped = self.watch.step()
        if stepped is not None:
            drafts = [own_entry(types.CLOCK_STEPPED, read_time(self._clock), self._random, stepped), *drafts]
        if not drafts:
            return []
        began = self._clock.mono_us()
        try:
            with failpoint(_APPEND):
                appended = await self._log.append_many([draft.request() for draft in drafts])
        except (LogFailed, OSError) as error:
            raise StorageFailed(f"log {self._log.origin}: {error}") from error
        self._meters.append_seconds.observe((self._clock.mono_us() - began) / 1e6)
        return appended
