"""An adapter for rigs that latch their results: status, numbered records, acknowledgement.

Owns: position, gaps and reboots (G2), acknowledging (G3), polling, and what a refusal leads to. The `Course` says
what was passed over and how far the acknowledgement goes. A `RigMemory` gets the records, from registers or over
MQTT. Knows no wire and no log. Spec: docs/rig-interface-v1.md and its MQTT half for the behaviour; contract.py for
what callers may rely on.

    status ──> what is due? ── nothing ──> RigStatus, or wait for the next poll
                  │
                  ├─ another boot, a gap ──> rig.rebooted, sequence.gap
                  └─ record s ──> fetched and proven ──> Observation ──> ack
                        └─ refused three times ──> a hole: BadReading, on with s + 1, s again later
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from device_adapters.decoding.observed import GAP, REBOOTED
from device_adapters.errors import BadReading, DecodeError, NotConnected
from device_adapters.latching.course import Course, held_from
from device_adapters.latching.pace import Pace
from device_adapters.latching.refusals import Refusals
from device_adapters.latching.sightings import Sightings
from device_adapters.limits import RESTART_AFTER_S
from device_adapters.observation import Evidence, Position

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from device_adapters.contract import Ack, Reading
    from device_adapters.decoding.decode import Standing
    from device_adapters.decoding.observed import Observer
    from device_adapters.latching.memory import RigMemory
    from device_adapters.latching.pace import Watch
    from device_adapters.observation import Observation, RigStatus


class LatchedAdapter:
    """One rig. See contract.Adapter."""

    def __init__(
        self,
        memory: RigMemory,
        observer: Observer,
        *,
        position: Position | None,
        rng: Random,
        mono_us: Callable[[], int] = lambda: 0,
        watch: Watch | None = None,
    ) -> None:
        self._memory = memory
        self._watch = watch
        self._observer = observer
        self._pace = Pace(memory.poll, rng, self._now)
        self._mono_us = mono_us
        self._sightings = Sightings()
        self._refusals = Refusals()
        # What the caller has stored, what it was offered, the record read last and the boot it was read under.
        self._position = position
        self._course: Course | None = None
        self._offer: Observation | None = None
        self._stray: Observation | None = None
        self._record: Observation | None = None
        self._record_boot = 0
        # What the rig showed last, and what was shown of it.
        self._standing: Standing | None = None
        self._live: RigStatus | None = None
        self._shown: RigStatus | None = None
        # Writing: the connection on which the serial was read, its boot, what was told again on which connection.
        self._proven: tuple[int, int] | None = None
        self._reminded = (0, 0)
        self._back_since: float | None = None
        self._ready = rng.randrange(1, 0x10000)
        self._ready_due: int | None = None

    @property
    def position(self) -> Position | None:
        """The newest observation that was acked, or was stored before."""
        return self._position

    async def connect(self) -> None:
        """Open the connection. Raises NotConnected."""
        self._forget()
        await self._memory.connect()
        self._pace.shown()

    async def close(self) -> None:
        """Drop the connection."""
        self._memory.drop()
        self._forget()

    async def read(self) -> tuple[Reading, Ack]:
        """The next reading; waits for one."""
        while True:
            if not self._memory.connected:
                await self._poll()  # raises, and says why
            if self._offer is not None:
                return self._offer, self._ack_of(self._offer)
            if await self._uncalled():
                continue
            due = self._due()
            if due is not None and not (self._live is not None and self._pace.stale):
                self._offer = await self._next(due)
                continue
            if due is not None:
                await self._poll()  # a long backlog must not hide the rig's state
            shown = self._news()
            if shown is not None:
                return shown, _nothing
            if self._watch is None:
                await self._memory.wait(self._pace.next)
            await self._poll(watch=self._watch)

    async def set_ready(self, ready: bool) -> None:
        """Write the ready word once. Raises NotConnected, BackOff."""
        self._ready = self._ready % 0xFFFF + 1
        self._ready_due = self._ready if ready else 0
        if self._proven is not None or not self._memory.connected:
            await self._write_ready()

    async def _write_ready(self) -> None:
        """Write what `set_ready` left, once."""
        value = self._ready_due
        if value is not None:
            self._ready_due = None
            await self._memory.write_ready(value, self._known_connection)

    # ------------------------------------------------------------------ acknowledging

    def _ack_of(self, observation: Observation) -> Ack:
        async def ack(entry: bytes | None = None) -> None:
            course = self._course
            if self._offer is not observation or course is None:
                return  # acked before: the same observation may have been yielded more than once
            self._offer = None
            self._memory.stored(observation, entry)
            if observation is self._stray:
                return
            before = course.acknowledged
            self._moved(observation, course)
            if observation is not self._record:
                return
            self._record = None
            # On a new connection, or after a reboot in between, the next status decides what is told (_remind).
            known = not self._memory.connected or (self._proven is not None and self._proven[1] == self._record_boot)
            if known and course.acknowledged > before:
                await self._memory.tell(course.acknowledged, self._known_connection)

        return ack

    @property
    def _known_connection(self) -> int:
        """Nothing is written to a rig whose serial number was not read on this very connection."""
        return self._proven[0] if self._proven is not None else -1

    def _moved(self, observation: Observation, course: Course) -> None:
        """The observation is stored. A late one leaves the position where it is."""
        position, reached = self._position, observation.position
        if observation.type == REBOOTED:
            self._position, course.opening = reached, False
            return
        if position is None or (reached.epoch, reached.seq) > (position.epoch, position.seq):
            self._position = reached
        if observation.type == GAP:
            course.gone(observation.seq)
        else:
            course.stored(observation.seq)

    def _chart(self, standing: Standing) -> None:
        """Where reading begins in the memory that the rig shows, if that is not the one that is being read.

        Records up to the position that the rig still holds, and that were not stored by this object under this
        boot, are read again, and the log says that it has them: a number alone does not prove that a rig whose
        memory was changed means the same record.
        """
        position, course = self._position, self._course
        new = position is None or standing.last_seq < position.seq
        if new and self._bouncing():
            return
        if course is not None and (course.boot, course.opening) == (standing.boot, new):
            return
        first = 1
        if position is not None and not new:
            first = standing.oldest_seq if 0 < standing.oldest_seq <= position.seq else position.seq + 1
        self._course = Course(first, standing.boot, opening=new)
        self._refusals.forget_records()

    async def _remind(self, standing: Standing, connection: int) -> None:
        """The rig holds records that were stored: an ack was lost. The same is told once per connection."""
        course = self._course
        if course is None or course.boot != standing.boot or course.opening:
            return
        end = course.acknowledged
        if standing.acked_seq < end <= standing.last_seq and self._reminded != (connection, end):
            await self._memory.tell(end, self._known_connection)
            self._reminded = (connection, end)

    async def _uncalled(self) -> bool:
        """What came although nobody waits for it: a stored record again is acknowledged again, another is offered."""
        course, standing = self._course, self._standing
        if course is None or standing is None or course.opening or course.boot != standing.boot:
            return False
        if 0 < self._memory.repeated() <= course.acknowledged:
            await self._memory.tell(course.acknowledged, self._known_connection)
        stray = self._memory.stray(course.next, course.holes, standing.boot)
        if stray is not None:
            self._offer = self._stray = self._observer.record(stray)
        return stray is not None

    # ------------------------------------------------------------------ what is due

    def _due(self) -> int | None:
        """The number to deal with now: a hole that is lost, the next one, or a hole whose pause is over."""
        standing, course, position = self._standing, self._course, self._position
        if standing is None or course is None or self._bouncing():
            return None
        held = held_from(standing)
        if course.opening or position is None:
            return max(course.next, held)
        holes = course.holes
        if holes and holes[0] < held:
            return holes[0]
        while held <= course.next <= standing.last_seq and self._refusals.given_up(course.next):
            course.pass_over(course.next)
        if held > course.next or course.next <= standing.last_seq or position.epoch != standing.boot:
            return max(course.next, held)
        return next((hole for hole in course.holes if self._refusals.pause_s(hole, self._now()) <= 0), None)

    def _went_back(self, standing: Standing) -> bool:
        """Fewer records than before without a reboot: a new memory, or a counter that bounces (R3). Time tells."""
        position = self._position
        return position is not None and standing.boot == position.epoch and standing.last_seq < position.seq

    def _bouncing(self) -> bool:
        """Whether numbers went back so lately that it may be nothing."""
        return self._back_since is not None and self._now() - self._back_since < RESTART_AFTER_S

    async def _next(self, due: int) -> Observation | None:
        """The next observation, or None if there is none yet."""
        standing, course, position = self._standing, self._course, self._position
        if standing is None or course is None:
            return None
        if course.opening or position is None:
            return await self._first(standing, due)
        held = held_from(standing)
        if due < held:  # a hole that the rig has lost
            return await self._confirmed(standing, self._observer.gap(position.epoch, due, due))
        if due > course.next:
            return await self._jump(standing, course, position, due)
        if due > standing.last_seq:
            return await self._confirmed(standing, self._reboot(standing.boot, position.seq))
        return self._in_epoch(await self._fetch(due, standing), course, position)

    async def _first(self, standing: Standing, wanted: int) -> Observation | None:
        """The opening of an epoch: first contact, or a rig whose sequence numbers went back."""
        epoch = standing.boot
        while wanted <= standing.last_seq and self._refusals.given_up(wanted):
            wanted += 1
        if wanted <= standing.last_seq:
            record = await self._fetch(wanted, standing)
            if record is None:
                return None
            epoch = record.epoch
        return await self._confirmed(standing, self._reboot(epoch, 0))

    async def _jump(self, standing: Standing, course: Course, position: Position, held: int) -> Observation | None:
        """The rig holds nothing below `held`: a gap, but for what is stored already."""
        missing = max(course.next, position.seq + 1)
        if missing < held:
            return await self._confirmed(standing, self._observer.gap(position.epoch, missing, held - 1))
        course.gone(held - 1)
        return None

    def _in_epoch(self, record: Observation | None, course: Course, position: Position) -> Observation | None:
        """The record, or first the reboot that it is the first record after."""
        if record is None or record.epoch == position.epoch:
            return record
        late = record.seq < course.next
        again = not late and record.seq <= position.seq
        if (late or again) and record.epoch < position.epoch:
            return record
        # One that comes again and is of a later boot is not the one that is stored: the numbers began anew.
        return self._reboot(record.epoch, record.seq - 1 if again else position.seq)

    async def _confirmed(self, standing: Standing, made: Observation) -> Observation | None:
        """What follows from the status block alone is said only if a second reading says the same."""
        await self._poll(again=True)
        again = self._standing
        return made if again is not None and self._memory.confirms(standing, again) else None

    def _reboot(self, epoch: int, seq: int) -> Observation:
        return self._observer.reboot(epoch, seq, self._position.epoch if self._position is not None else None)

    # ------------------------------------------------------------------ reading

    async def _fetch(self, seq: int, standing: Standing) -> Observation | None:
        """Record `seq`, proven; None after a failed reading. It is latched, so it is kept until it is acked."""
        if self._record is not None and self._record.seq == seq and self._record_boot == standing.boot:
            return self._record
        try:
            found = await self._memory.fetch(seq, standing.boot, self._floor(seq, standing))
        except DecodeError as error:
            self._refuse(seq, error)
            return None
        if found is None:
            self._standing = None
            self._pace.at_once()
            return None
        self._refusals.good(seq)
        self._record, self._record_boot = self._observer.record(found, self._sightings.of(seq)), standing.boot
        return self._record

    def _floor(self, seq: int, standing: Standing) -> int:
        """No boot below this has the record: in one memory a later number is never of an earlier boot."""
        position = self._position
        if position is None or standing.boot < position.epoch:
            return 0
        return position.epoch if seq > position.seq or standing.last_seq < position.seq else 0

    async def _poll(self, *, again: bool = False, watch: Watch | None = None) -> None:
        """Look at the status, and tell the rig again what it should know already."""
        began, connection, state = self._now(), self._memory.connection, self._quiet()
        self._standing = self._live = None
        try:
            if watch is None:
                live, standing = await self._memory.look(again=again)
            else:
                live, standing = await watch(self._pace.next, lambda ticks: self._rest(state, ticks))
                began = max(self._pace.next, began)
        except DecodeError as error:
            self._refuse(None, error)
        else:
            self._refusals.good(None)
            self._proven = connection, standing.boot
            self._live, self._standing = live, standing
            self._sightings.shown(standing.last_seq, self._mono_us())
            self._back_since = (self._back_since or began) if self._went_back(standing) else None
            self._pace.looked(began, live.state)
            self._chart(standing)
            await self._write_ready()
            await self._remind(standing, connection)

    def _quiet(self) -> str | None:
        """The state shown, if nothing is to be done until the rig says something else: no hole, no doubt."""
        live, course = self._live, self._course
        calm = self._standing is not None and self._back_since is None
        return live.state if calm and live is not None and course is not None and not course.holes else None

    def _rest(self, state: str | None, ticks: bool) -> float | None:
        """The next time for a status that says the same again; None when it is to be shown, or a word to be written."""
        return None if state is None or self._ready_due is not None else self._pace.again(state, ticks=ticks)

    def _news(self) -> RigStatus | None:
        """The live status, if it changed or was not shown for a while."""
        live, shown = self._live, self._shown
        if live is None:
            return None
        holes = self._course.holes if self._course is not None else ()
        if holes:
            live = replace(live, unreadable=holes[0])
        if shown is not None and live == shown and not self._pace.stale:
            return None
        self._shown = live
        self._pace.shown()
        return live

    # ------------------------------------------------------------------ refusing

    def _refuse(self, asked: int | None, error: DecodeError) -> None:
        """One reading failed. Raises BadReading when that is to be told, NotConnected when the socket is gone."""
        epoch = self._position.epoch if self._position is not None else None
        evidence = Evidence(self._observer.rig, error.reason, error.detail, asked, epoch, error.raw)
        told = self._refusals.failed(evidence, self._now(), at_once=self._memory.tells_at_once and bool(error.raw))
        paused = self._refusals.pause_s(asked, self._now()) > 0
        if asked is None and paused:
            self._memory.drop()  # whatever answers there is not this rig, or not now
        self._standing = None  # the next try begins with a fresh look at the status block
        self._pace.at_once()
        if told:
            raise BadReading(evidence)
        if not self._memory.connected:
            raise NotConnected(f"{error.reason}: {error.detail}")

    def _forget(self) -> None:
        """Nothing that was seen on the old connection counts on the new one."""
        self._standing = self._live = self._shown = self._proven = self._ready_due = None
        self._pace.at_once()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _nothing(entry: bytes | None = None) -> None:
    """The ack of what needs none."""
