"""The projector: follows the evidence and keeps the projections up with it, one transaction a batch of bundles.

Wakes on `notify` (the ingest calls it after its commit, never inside it) and projects within milliseconds: a batch is
whatever has arrived meanwhile. After many bundles it rests for a moment, so that under load a batch is larger and costs
less (a batch costs as much as a dozen entries); few bundles wait for nothing. Ingest goes first (turns.py). Cursor and
rows change in one transaction: killed anywhere, it goes on from the last whole batch. A batch that the tables do not
take is cut in halves, down to the one entry that is to blame, which is set aside (P8). When the evidence under the
cursor is not what was projected (restored from a backup), it starts over.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa
import structlog

from server.errors import Busy
from server.projection import limits, queries
from server.projection.adopting import load_adopted
from server.projection.alerts import Alert
from server.projection.apply import Applied, Applier
from server.projection.composing import result_of
from server.projection.errors import POISON, MovedOn, refuse_other
from server.projection.matching import take_matches
from server.projection.reading import Reader
from server.projection.rubrics import Adopted, RubricBook
from server.projection.scores import Update
from server.projection.store import ProjectionStore, cursor_of, expect_cursor, set_cursor, set_matches_taken
from server.projection.turns import Turns
from server.projection.writing import replace_alerts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from scorelog.journal.clock import Clock
    from server.evidence.store import BundleRef, EntryStore
    from server.projection.adopting import Known
    from server.projection.matching import Matches
    from server.projection.reading import Read

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Who wants to hear what was proven: the live board."""

    def projected(self, update: Update) -> None:
        """New states, scores and results, in order."""

    def cosigned(self, origin: str, size: int) -> None:
        """How far the mirror's cosignature reaches."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the projector stands."""

    seq: int
    entries: int


class Projector:
    """One per process and projections file."""

    def __init__(
        self,
        store: EntryStore,
        projections: ProjectionStore,
        clock: Clock,
        *,
        book: RubricBook | None = None,
        listener: Listener | None = None,
        alerted: Callable[[], None] | None = None,
        known: Known | None = None,
        matches: Matches | None = None,
    ) -> None:
        self._store = store
        self._projections = projections
        self._clock = clock
        self._listener = listener
        self._alerted = alerted
        self._known = known
        self._matches = matches
        self._matched = 0
        self.book = book or RubricBook()
        self._turns = Turns(clock)
        self._reader = Reader(store)
        self._applier = Applier(Adopted(self.book), {}, self._turns)
        self._wake = asyncio.Event()
        self._uncosigned: dict[str, int] = {}
        self._seq = 0
        self._bundles = 0  # of the last pass
        self._ready = False
        self._busy = asyncio.Lock()
        self.entries = 0

    @property
    def progress(self) -> Progress:
        """For status and metrics."""
        return Progress(self._seq, self.entries)

    def notify(self) -> None:
        """Something was stored or cosigned. Cheap, never blocks."""
        self._wake.set()

    async def run(self) -> None:
        """Follow the evidence until cancelled. A failing projections database makes it wait; nothing makes it stop."""
        while True:
            self._wake.clear()
            try:
                await self.catch_up()
            except MovedOn:
                self._ready = False
                continue
            except Busy as error:
                log.warning("projection_waits", reason=error.reason)
                await self._clock.sleep(limits.RETRY_S)
                continue
            except sa.exc.SQLAlchemyError as error:
                log.warning("projection_failed", error=type(error).__name__)
                self._ready = False
                await self._clock.sleep(limits.RETRY_S)
                continue
            if self._bundles >= limits.REST_FROM_BUNDLES:
                await self._clock.sleep(limits.REST_S)
            await self._woken()

    def forget(self) -> None:
        """Take up the state of the tables again: another process may have moved it."""
        self._ready = False

    async def catch_up(self) -> int:
        """Project everything that is stored now; how many entries that were."""
        async with self._busy:
            return await self._catch_up()

    async def _catch_up(self) -> int:
        before = self.entries
        self._bundles = 0
        if not self._ready:
            await self._load()
        while reads := await self._reader.next(self._seq):
            self._bundles += len(reads)
            for damaged, several in itertools.groupby(reads, lambda one: one.damage is not None):
                if damaged:
                    for one in several:
                        await self._skip(one.ref, one.damage or "")
                else:
                    await self._project(list(several))
            if self._reader.drained:
                break
        await self._take_matches()
        if self.entries == before:
            await self._look_for_cosignatures()
        return self.entries - before

    async def rebuild(self) -> int:
        """Throw the projections away and make them again; how many entries they rest on."""
        async with self._busy:
            await self._projections.reset()
            self._ready = False
            return await self._catch_up()

    async def _load(self) -> None:
        """Take up the state of the tables, or start over when they rest on other evidence."""
        cursor = await self._projections.cursor()
        if cursor["seq"]:
            there = await self._store.bundles_after(cursor["seq"] - 1, 1)
            if not there or cursor_of(there[0]) != cursor:
                log.warning("projections_rebuilt", reason="the evidence under them is another")
                await self._projections.reset()
                cursor = {"seq": 0}
        adopted = await load_adopted(self._projections, self.book)
        self._matched = await self._projections.matches_taken()
        rigs = await self._projections.rigs()
        self._applier = Applier(adopted, rigs, self._turns, self._known, matched=self._matched > 0)
        self._seq = cursor["seq"]
        self._uncosigned = {state.origin: state.size for state in await self._store.logs()}
        self._ready = True
        if self._listener:
            async with self._projections.reading() as db:
                newest = await queries.newest_scores(db, limits.SCORES_AT_START)
                before = await queries.score_count(db) - len(newest)
                current = sorted({state.attempt for state in self._applier.rigs.states.values() if state.attempt})
                results = [result_of(row) for row in await queries.attempts_of(db, current)]
            states = tuple(self._applier.rigs.states.values())
            self._listener.projected(Update(states, tuple(newest), tuple(results), before))

    async def _project(self, reads: Sequence[Read]) -> None:
        """One transaction; where the tables do not take it, each half in one of its own."""
        self._ready = False  # until this has ended in one way or the other: else the state of the tables is taken up
        last = reads[-1].ref
        try:
            async with self._projections.writing() as db:
                await expect_cursor(db, self._seq)
                applied = await self._applier.apply(db, reads)
                await set_cursor(db, last)
        except POISON as error:
            refuse_other(error)
            self._applier.undo()
            if len(reads) > 1:
                middle = len(reads) // 2
                await self._project(reads[:middle])
                await self._project(reads[middle:])
                return
            applied = await self._project_parts(reads[0])
        self._applier.settle(applied)
        self._ready = True
        self._seq = last.seq
        self.entries += applied.entries
        for one in reads:
            self._uncosigned[one.ref.origin] = max(one.ref.stop, self._uncosigned.get(one.ref.origin, 0))
        await self._look_for_cosignatures()
        self._tell(applied)

    async def _project_parts(self, read: Read) -> Applied:
        """One bundle, in one transaction all the same; what the tables do not take of it is set aside."""
        whole = Applied()
        async with self._projections.writing() as db:
            await expect_cursor(db, self._seq)
            await self._part(db, read, whole)
            await set_cursor(db, read.ref)
        return whole

    async def _part(self, db: AsyncConnection, read: Read, whole: Applied) -> None:
        """In halves down to single entries: one poison among many costs as many tries as halvings, twice (P8)."""
        try:
            async with db.begin_nested():
                applied = await self._applier.apply(db, [read])
        except POISON as error:
            refuse_other(error)
            self._applier.undo()
            if len(read.stored) > 1:
                for half in read.halves():
                    await self._part(db, half, whole)
                return
            applied = await self._applier.set_aside(db, read, f"the server cannot keep it ({type(error).__name__})")
        self._applier.settle(applied)
        whole.add(applied)

    async def _take_matches(self) -> None:
        """What people decided about staged attempts, in their order; the projections keep how far they are."""
        while self._matches and (found := await self._matches.after(self._matched)):
            self._ready = False
            async with self._projections.writing() as db:
                await expect_cursor(db, self._seq)
                results = await take_matches(db, found, self._applier.composing)
                await set_matches_taken(db, found[-1].number)
            self._ready = True
            self._matched = found[-1].number
            self._tell(Applied(results=results, alerts=1))

    async def _skip(self, ref: BundleRef, reason: str) -> None:
        """A bundle that cannot be read back must not hide the ones after it."""
        scope = f"bundle/{ref.origin}/{ref.start}"
        detail = {"start": ref.start, "stop": ref.stop, "reason": reason[: limits.REASON_MAX]}
        alert = Alert("evidence_damaged", "alarm", ref.origin, ref.start, None, None, ref.received_us, detail, "bundle")
        async with self._projections.writing() as db:
            await expect_cursor(db, self._seq)
            await replace_alerts(db, {scope}, [alert.to_row(scope)])
            await set_cursor(db, ref)
        self._seq = ref.seq
        if self._alerted:
            self._alerted()

    def _tell(self, applied: Applied) -> None:
        if self._listener:
            self._listener.projected(
                Update(tuple(applied.rigs.values()), tuple(applied.scores), tuple(applied.results)),
            )
        if applied.alerts and self._alerted:
            self._alerted()

    async def _look_for_cosignatures(self) -> None:
        """The mirror cosigns after it stored: look until the cosignature has caught up with the size."""
        waiting = self._uncosigned
        if not waiting:
            return
        known = [await self._store.log(origin) for origin in waiting] if len(waiting) == 1 else await self._store.logs()
        states = {state.origin: state for state in known if state is not None}
        for origin, size in list(waiting.items()):
            state = states.get(origin)
            if state is not None and self._listener:
                self._listener.cosigned(origin, state.cosigned_size)
            if state is None or state.cosigned_size >= size:
                waiting.pop(origin, None)

    async def _woken(self) -> None:
        """Until the next notify; not for ever while a cosignature is still on its way."""
        if not self._uncosigned:
            await self._wake.wait()
            return
        wake = asyncio.ensure_future(self._wake.wait())
        soon = asyncio.ensure_future(self._clock.sleep(limits.COSIGNATURE_LOOK_S))
        try:
            await asyncio.wait({wake, soon}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wake.cancel()
            soon.cancel()
