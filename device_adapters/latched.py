"""An adapter for rigs that latch their results: status block, event ring, result store, acknowledgement.

Owns: position, gaps and reboots (G2), acknowledging (G3), polling, and what a refusal leads to. Knows no wire
library and no log. Spec: docs/rig-interface-v1.md for the behaviour, docs/formats/profile.md for where things
lie; contract.py for what callers may rely on.

    status ──> what is due? ── nothing ──> RigStatus, or wait for the next poll
                  │
                  ├─ another boot, a gap ──> rig.rebooted, sequence.gap
                  └─ record s ──> read twice, compare, prove, decode ──> Observation ──> ack(s)
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from device_adapters.decode import Decoded, decode_status
from device_adapters.errors import BackOff, BadReading, DecodeError, NotConnected
from device_adapters.limits import RESTART_AFTER_S
from device_adapters.observation import Evidence, Observation, Position, RawArea, RigStatus
from device_adapters.reading import RefusedRecordError, marked, read_record
from device_adapters.refusals import Refusals
from device_adapters.wire import ExceptionReply, OddReply

if TYPE_CHECKING:
    from random import Random

    from device_adapters.contract import Ack, Reading
    from device_adapters.decode import Standing
    from device_adapters.observation import FieldValue, Source
    from device_adapters.profile import Profile, Word
    from device_adapters.wire import Wire


class LatchedAdapter:
    """One rig. See contract.Adapter."""

    def __init__(
        self, profile: Profile, wire: Wire, serial: str, *, position: Position | None, source: Source, rng: Random
    ) -> None:
        self._profile = profile
        self._wire = wire
        self._serial = serial
        self._source = source
        self._rng = rng
        self._refusals = Refusals()
        # What the caller has stored, what it was offered, the record read last and the boot it was read under.
        self._position = position
        self._offer: Observation | None = None
        self._record: Observation | None = None
        self._record_boot = 0
        # What the rig showed last, and what was shown of it.
        self._standing: Standing | None = None
        self._live: RigStatus | None = None
        self._shown: RigStatus | None = None
        self._shown_at = 0.0
        self._poll_at = float("-inf")
        # Writing: the connection on which the serial was read, its boot, what was stored and told under which boot.
        self._proven: tuple[int, int] | None = None
        self._stored: tuple[int, int] | None = None
        self._reminded = 0
        self._replay: int | None = None
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
        await self._wire.connect()
        self._shown_at = self._now()

    async def close(self) -> None:
        """Drop the connection."""
        self._wire.drop()
        self._forget()

    async def read(self) -> tuple[Reading, Ack]:
        """The next reading; waits for one."""
        while True:
            if not self._wire.connected:
                await self._poll()  # raises, and says why
            if self._offer is not None:
                return self._offer, self._ack_of(self._offer)
            due = self._due()
            if due and not self._overdue():
                self._offer = await self._next()
                continue
            if due:
                await self._poll()  # a long backlog must not hide the rig's state
            shown = self._news()
            if shown is not None:
                return shown, _nothing
            await self._wait_for_poll()
            await self._poll()

    async def set_ready(self, ready: bool) -> None:
        """Write the ready word once. Raises NotConnected, BackOff."""
        if self._profile.ready is None:
            return
        self._ready = self._ready % 0xFFFF + 1
        self._ready_due = self._ready if ready else 0
        if self._proven is not None or not self._wire.connected:
            await self._write_ready()

    async def _write_ready(self) -> None:
        """Write what `set_ready` left, once."""
        value, word = self._ready_due, self._profile.ready
        if value is not None and word is not None:
            self._ready_due = None
            await self._write(word, value)

    # ------------------------------------------------------------------ acknowledging

    def _ack_of(self, observation: Observation) -> Ack:
        async def ack() -> None:
            if self._offer is not observation:
                return  # acked before: the same observation may have been yielded more than once
            self._offer = None
            if self._replay is None:
                self._position = observation.position
            else:
                self._replay = observation.seq + 1
            if observation is not self._record:
                return
            self._record = None
            self._stored = (observation.seq, self._record_boot)
            # On a new connection, or after a reboot in between, the next status decides what is told (_remind).
            if not self._wire.connected or (self._proven is not None and self._proven[1] == self._record_boot):
                await self._tell(observation.seq)

        return ack

    async def _remind(self, standing: Standing, connection: int) -> None:
        """The rig holds records that are stored already: an ack was lost, or this process is new. Once per connection.

        What this process stored under the same boot is told again. Anything else is read again first, and the log
        says that it has it: a number alone does not prove that a rig whose memory was changed means the same
        record.
        """
        position = self._position
        if position is None or self._replay is not None or self._reminded == connection:
            return
        if not (standing.acked_seq < position.seq <= standing.last_seq and 0 < standing.oldest_seq <= position.seq):
            return
        if self._stored == (position.seq, standing.boot):
            await self._tell(position.seq)
        else:
            self._replay = standing.oldest_seq
        self._reminded = connection

    async def _tell(self, seq: int) -> None:
        if self._profile.ack is not None:
            await self._write(self._profile.ack, seq)

    async def _write(self, word: Word, value: int) -> None:
        """Nothing is written to a rig whose serial number was not read on this very connection."""
        connection = self._proven[0] if self._proven is not None else -1
        try:
            await self._wire.write(word.at, word.encode(value), connection)
        except OddReply as error:
            raise NotConnected(error.detail) from None
        except ExceptionReply as error:
            raise BackOff(self._profile.transport.busy_wait_ms / 1000, error.detail) from None

    # ------------------------------------------------------------------ what is due

    def _due(self) -> bool:
        """Whether the standing that was read last holds something that the caller has not got."""
        standing, position = self._standing, self._position
        if standing is None:
            return False
        if self._replay is None and position is not None and position == Position(standing.boot, standing.last_seq):
            return False
        if self._back_since is not None and self._now() - self._back_since < RESTART_AFTER_S:
            return False
        return self._refusals.pause_s(self._wanted(standing), self._now()) <= 0

    def _went_back(self, standing: Standing) -> bool:
        """Fewer records than before without a reboot: a new memory, or a counter that bounces (R3). Time tells."""
        position = self._position
        return position is not None and standing.boot == position.epoch and standing.last_seq < position.seq

    def _wanted(self, standing: Standing) -> int:
        """The sequence number of the next record; one above the newest when there is none."""
        position = self._position
        held = standing.oldest_seq or standing.last_seq + 1
        if self._replay is not None:
            return max(self._replay, held)
        return max(position.seq + 1 if position is not None and position.seq <= standing.last_seq else 1, held)

    async def _next(self) -> Observation | None:
        """The next observation, or None if there is none yet."""
        standing, position = self._standing, self._position
        if standing is None:
            return None
        wanted = self._wanted(standing)
        if position is None or standing.last_seq < position.seq:
            return await self._first(standing, wanted)
        if self._replay is not None:
            return await self._again(standing, position, wanted)
        return await self._further(standing, position, wanted)

    async def _further(self, standing: Standing, position: Position, wanted: int) -> Observation | None:
        """What comes after the position: a gap, a reboot, or the next record."""
        if wanted > position.seq + 1:
            return await self._confirmed(standing, self._gap(position.epoch, position.seq + 1, wanted - 1))
        if wanted > standing.last_seq:
            return await self._confirmed(standing, self._reboot(standing.boot, position.seq))
        record = await self._fetch(wanted, standing)
        if record is not None and record.epoch != position.epoch:
            return self._reboot(record.epoch, position.seq)
        return record

    async def _first(self, standing: Standing, wanted: int) -> Observation | None:
        """The opening of an epoch: first contact, or a rig whose sequence numbers went back."""
        self._replay = None
        epoch = standing.boot
        if wanted <= standing.last_seq:
            record = await self._fetch(wanted, standing)
            if record is None:
                return None
            epoch = record.epoch
        return await self._confirmed(standing, self._reboot(epoch, 0))

    async def _again(self, standing: Standing, position: Position, wanted: int) -> Observation | None:
        """A record that should be stored already (_remind). One of a later boot is not: the numbers began anew."""
        if wanted > position.seq:
            self._replay = None
            return None
        record = await self._fetch(wanted, standing)
        if record is not None and record.epoch > position.epoch:
            self._replay = None
            return self._reboot(record.epoch, wanted - 1)
        return record

    async def _confirmed(self, standing: Standing, made: Observation) -> Observation | None:
        """What follows from the status block alone is said only if a second reading says the same."""
        await self._poll()
        again = self._standing
        if again is not None and replace(again, acked_seq=0) == replace(standing, acked_seq=0):
            return made
        return None

    def _reboot(self, epoch: int, seq: int) -> Observation:
        previous = self._position.epoch if self._position is not None else None
        return self._made("rig.rebooted", epoch, seq, {"epoch": epoch, "previous_epoch": previous})

    def _gap(self, epoch: int, first: int, last: int) -> Observation:
        return self._made("sequence.gap", epoch, last, {"epoch": epoch, "from": first, "to": last})

    def _made(self, kind: str, epoch: int, seq: int, fields: dict[str, FieldValue]) -> Observation:
        return Observation(kind, self._serial, epoch, seq, 0, fields, self._profile.guarantee, self._source)

    # ------------------------------------------------------------------ reading

    async def _fetch(self, seq: int, standing: Standing) -> Observation | None:
        """Record `seq`, proven; None after a failed reading. It is latched, so it is kept until it is acked."""
        if self._record is not None and self._record.seq == seq and self._record_boot == standing.boot:
            return self._record
        try:
            found = await read_record(self._wire, self._profile, self._serial, seq, standing.boot)
        except RefusedRecordError as error:
            self._refuse(seq, error)
        except (ExceptionReply, OddReply) as error:
            self._refuse(seq, _reply_refused(error))
        else:
            self._refusals.good(seq)
            self._record, self._record_boot = self._observed(found), standing.boot
            return self._record
        return None

    def _observed(self, found: Decoded) -> Observation:
        return Observation(
            type=found.type,
            rig=found.rig,
            epoch=found.epoch,
            seq=found.seq,
            ordinal=0,
            fields=found.fields,
            guarantee=self._profile.guarantee,
            source=self._source,
            personal=found.personal,
            raw=found.areas,
            rig_time=found.rig_time,
            mode=found.mode,
        )

    async def _poll(self) -> None:
        """Read the status block, and tell the rig again what it should know already."""
        block, began = self._profile.status, self._now()
        self._standing = self._live = None
        connection = self._wire.connection
        data = b""
        try:
            data = await self._wire.read(block.at, block.words)
            live, standing = decode_status(self._profile, data, rig=self._serial)
        except DecodeError as error:
            areas = marked(self._profile, error.reason, [RawArea(block.name, block.at, data)])
            self._refuse(None, DecodeError(error.reason, error.detail, areas))
        except (ExceptionReply, OddReply) as error:
            self._refuse(None, _reply_refused(error))
        else:
            self._refusals.good(None)
            self._proven = connection, standing.boot
            self._live, self._standing = live, standing
            self._back_since = (self._back_since or began) if self._went_back(standing) else None
            self._poll_at = began + self._profile.poll.interval_s(live.state) * self._rng.uniform(0.9, 1.1)
            await self._write_ready()
            await self._remind(standing, connection)

    def _news(self) -> RigStatus | None:
        """The live status, if it changed or was not shown for a while."""
        live, shown = self._live, self._shown
        if live is None or (
            shown is not None and replace(live, heartbeat=shown.heartbeat) == shown and not self._stale()
        ):
            return None
        self._shown, self._shown_at = live, self._now()
        return live

    def _stale(self) -> bool:
        return self._now() - self._shown_at >= self._profile.poll.status_every_ms / 1000

    def _overdue(self) -> bool:
        """Whether the rig's state was not shown for a while although it is known."""
        return self._live is not None and self._stale()

    async def _wait_for_poll(self) -> None:
        wait = self._poll_at - self._now()
        if wait > 0:
            await asyncio.sleep(wait)

    # ------------------------------------------------------------------ refusing

    def _refuse(self, asked: int | None, error: DecodeError) -> None:
        """One reading failed. Raises BadReading when that is to be told, NotConnected when the socket is gone."""
        epoch = self._position.epoch if self._position is not None else None
        evidence = Evidence(self._serial, error.reason, error.detail, asked, epoch, error.raw)
        told = self._refusals.failed(evidence, self._now())
        paused = self._refusals.pause_s(asked, self._now()) > 0
        if asked is None and paused:
            self._wire.drop()  # whatever answers there is not this rig, or not now
        self._standing = None  # the next try begins with a fresh look at the status block
        self._poll_at = float("-inf")
        if told:
            raise BadReading(evidence)
        if not self._wire.connected:
            raise NotConnected(f"{error.reason}: {error.detail}")

    def _forget(self) -> None:
        """Nothing that was seen on the old connection counts on the new one."""
        self._standing = self._live = self._shown = self._proven = self._ready_due = None
        self._poll_at = float("-inf")

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _reply_refused(error: ExceptionReply | OddReply) -> DecodeError:
    """A reply that is no record, as evidence."""
    odd = isinstance(error, OddReply)
    cut = ((0, len(error.frame)),) if odd and error.frame else ()
    return DecodeError("wire" if odd else "exception", error.detail, (RawArea("reply", 0, error.frame, cut),))


async def _nothing() -> None:
    """The ack of what needs none."""
