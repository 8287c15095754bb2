"""The projector: follows the evidence bundle by bundle and keeps the projections up with it.

Wakes on `notify` (the ingest calls it after its commit, never inside it) and projects within milliseconds; ingest
goes first, so it gives way every few entries. Cursor and rows change in one transaction: killed anywhere, it goes on
from the last whole bundle. When the evidence under the cursor is not what was projected (restored from a backup), it
starts over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

import sqlalchemy as sa
import structlog

from server.errors import Busy, Damaged
from server.projection import limits, queries
from server.projection.adopting import load_adopted
from server.projection.alerts import Alert
from server.projection.apply import Applied, Applier
from server.projection.composing import replace_alerts, result_of
from server.projection.errors import MovedOn
from server.projection.matching import take_matches
from server.projection.relogged import pieces_of
from server.projection.rubrics import Adopted, RubricBook
from server.projection.scores import Update
from server.projection.store import ProjectionStore, cursor_of, expect_cursor, set_cursor, set_matches_taken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scorelog.journal.clock import Clock
    from server.evidence.store import BundleRef, EntryStore, StoredEntry
    from server.projection.adopting import Known
    from server.projection.matching import Matches

UNSTORABLE: Final = (sa.exc.DataError, UnicodeError, OverflowError)
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
        self._applier = Applier(Adopted(self.book), {})
        self._wake = asyncio.Event()
        self._uncosigned: dict[str, int] = {}
        self._seq = 0
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
        if not self._ready:
            await self._load()
        while refs := await self._store.bundles_after(self._seq, limits.BUNDLES_AT_ONCE):
            for ref in refs:
                await self._project(ref)
        await self._take_matches()
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
        self._applier = Applier(adopted, await self._projections.rigs(), self._known)
        self._seq = cursor["seq"]
        self._matched = await self._projections.matches_taken()
        self._uncosigned = {state.origin: state.size for state in await self._store.logs()}
        self._ready = True
        if self._listener:
            async with self._projections.reading() as db:
                newest = await queries.newest_scores(db, limits.SCORES_AT_START)
                before = await queries.score_count(db) - len(newest)
                current = sorted({state.attempt for state in self._applier.rigs.values() if state.attempt})
                results = [result_of(row) for row in await queries.attempts_of(db, current)]
            states = tuple(self._applier.rigs.values())
            self._listener.projected(Update(states, tuple(newest), tuple(results), before))

    async def _project(self, ref: BundleRef) -> None:
        try:
            stored = await self._store.entries(ref.origin, ref.start, ref.stop)
            pieces = {one.index: found for one in stored if (found := await pieces_of(one, self._store.entries))}
        except Damaged as error:
            await self._skip(ref, str(error))
            return
        try:
            async with self._projections.writing() as db:
                await expect_cursor(db, self._seq)
                applied = await self._applier.apply(db, ref, stored, self._breathe, pieces)
                await set_cursor(db, ref)
        except UNSTORABLE:
            applied = await self._project_singly(ref, stored, pieces)
        self._applier.settle(applied)
        self._seq = ref.seq
        self.entries += applied.entries
        self._uncosigned[ref.origin] = max(ref.stop, self._uncosigned.get(ref.origin, 0))
        await self._look_for_cosignatures()
        self._tell(applied)

    async def _project_singly(
        self, ref: BundleRef, stored: list[StoredEntry], pieces: Mapping[int, Sequence[StoredEntry]]
    ) -> Applied:
        """A value that the database cannot hold: that entry alone is set aside (P8)."""
        whole = Applied()
        async with self._projections.writing() as db:
            await expect_cursor(db, self._seq)
            for entry in stored:
                part = replace(ref, start=entry.index, stop=entry.index + 1)
                try:
                    async with db.begin_nested():
                        applied = await self._applier.apply(db, part, [entry], self._breathe, pieces)
                except UNSTORABLE as error:
                    reason = f"the database cannot hold it ({type(error).__name__})"
                    applied = await self._applier.set_aside(db, part, entry, reason)
                self._applier.settle(applied)
                whole.add(applied)
            await set_cursor(db, ref)
        return whole

    async def _take_matches(self) -> None:
        """What people decided about staged attempts, in their order; the projections keep how far they are."""
        while self._matches and (found := await self._matches.after(self._matched)):
            async with self._projections.writing() as db:
                await expect_cursor(db, self._seq)
                results = await take_matches(db, found, self._applier.adopted)
                await set_matches_taken(db, found[-1].number)
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
        for origin, size in list(self._uncosigned.items()):
            state = await self._store.log(origin)
            if state is None:
                del self._uncosigned[origin]
                continue
            if self._listener:
                self._listener.cosigned(origin, state.cosigned_size)
            if state.cosigned_size >= size:
                del self._uncosigned[origin]

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

    async def _breathe(self) -> None:
        """Let ingest and streams run before the next few entries."""
        await asyncio.sleep(0)
