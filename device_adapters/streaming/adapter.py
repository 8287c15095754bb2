"""An adapter for rigs that say each record once: no acknowledgement, no second reading (`guarantee` unacknowledged).

Owns: position, gaps and reboots by the numbers that come, and telling refusals. See contract.Adapter for what callers
may rely on; of it 4 and 5 are different here: what was not heard is never heard again, so a number that is left out
is a `sequence.gap` at once, and `set_ready` and an `ack` tell the rig nothing. Spec: docs/formats/profile-values.md.

    Inbox ── refusal ──> BadReading, settled by the next read
       └──── record ──> rig.rebooted, sequence.gap ──> Observation ──> ack ──> settled
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from device_adapters.decoding.observed import GAP, REBOOTED
from device_adapters.errors import BadReading, NotConnected
from device_adapters.limits import CONNECT_WAIT_S, SILENT_AFTER_STATUSES
from device_adapters.messages.fates import LET_GO, Refused, Stored
from device_adapters.observation import Evidence, Position

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from device_adapters.contract import Ack, Reading
    from device_adapters.decoding.decode import Decoded
    from device_adapters.decoding.observed import Observer
    from device_adapters.messages.message_memory import Post
    from device_adapters.observation import Observation, RigStatus
    from device_adapters.streaming.inbox import Arrived, Inbox

    # Asks the rig what it must be asked; seconds until it is to be asked again, None if it is not.
    Chores: TypeAlias = Callable[[Post], Awaitable[float | None]]


class StreamAdapter:
    """One rig."""

    def __init__(
        self,
        post: Post,
        inbox: Inbox,
        observer: Observer,
        *,
        position: Position | None,
        every_ms: int,
        counts: bool,
        chores: Chores | None = None,
    ) -> None:
        self._post = post
        self._inbox = inbox
        self._observer = observer
        self._position = position
        self._every_ms = every_ms
        self._counts = counts
        self._chores = chores
        self._opened: tuple[int, int] | None = None
        self._offer: Observation | None = None
        self._record: Arrived | None = None
        self._told: Arrived | None = None
        self._shown: RigStatus | None = None
        self._shown_at = 0.0

    @property
    def position(self) -> Position | None:
        """The newest observation that was acked, or was stored before."""
        return self._position

    async def connect(self) -> None:
        """Until the broker is there and the rig says something, or left something. Raises NotConnected."""
        self._opened = self._shown = None
        until = self._now() + min(CONNECT_WAIT_S, self._every_ms / 1000 * SILENT_AFTER_STATUSES)
        while (why := self._absent()) is not None:
            if self._now() >= until:
                raise NotConnected(why)
            await self._rest(until - self._now())
        self._opened = (self._post.connection, self._inbox.presence)

    async def close(self) -> None:
        """The shared connection stays; so does what came."""
        self._opened = None
        self._inbox.wake()

    async def set_ready(self, ready: bool) -> None:  # noqa: ARG002  (the rig has no such word)
        """Nothing; but not before `connect`."""
        self._check()

    async def read(self) -> tuple[Reading, Ack]:
        """The next reading; waits for one."""
        while True:
            self._check()
            self._tell_refused()
            if self._offer is None:
                self._offer = self._next()
            if self._offer is not None:
                return self._offer, self._ack_of(self._offer)
            shown = self._news()
            if shown is not None:
                return shown, _nothing
            await self._rest(self._every_ms / 1000 - (self._now() - self._shown_at))

    async def _rest(self, seconds: float) -> None:
        """Until something came, at most so long; what the rig must be asked is asked first."""
        wanted = await self._chores(self._post) if self._chores is not None else None
        await self._inbox.wait(seconds if wanted is None else min(seconds, wanted))

    # ------------------------------------------------------------------ what is next

    def _tell_refused(self) -> None:
        """What was refused before is dealt with by now; what is next and no record is told. Raises BadReading."""
        inbox = self._inbox
        told, self._told = self._told, None
        if told is not None and isinstance(told.found, Evidence):
            told.settle(Refused(told.found))
        if inbox.lost:
            lost, inbox.lost = inbox.lost, 0
            detail = f"{lost} more messages came than can be kept until they are stored"
            raise BadReading(Evidence(inbox.serial, "oversize", detail, None))
        while self._record is None and inbox.arrived and isinstance(inbox.arrived[0].found, Evidence):
            refused = inbox.arrived.popleft()
            evidence = refused.found
            if isinstance(evidence, Evidence) and not self._is_stored(evidence):
                self._told = refused
                raise BadReading(evidence)
            refused.settle(LET_GO)

    def _is_stored(self, evidence: Evidence) -> bool:
        """Half a record that comes again after a restart, of one that the log has whole."""
        position, seq = self._position, evidence.asked
        half = evidence.reason == "missing_field" and seq is not None and position is not None
        return half and position is not None and evidence.epoch == position.epoch and (seq or 0) <= position.seq

    def _next(self) -> Observation | None:
        """The next record, or first the reboot or the gap before it."""
        if self._record is None and self._inbox.arrived:
            self._record = self._inbox.arrived.popleft()
        if self._record is None:
            return self._unheard()
        found = self._record.found
        assert not isinstance(found, Evidence)  # noqa: S101  (_tell_refused took these)
        return self._before(found) or self._observer.record(found)

    def _before(self, found: Decoded) -> Observation | None:
        """What must be said before this record."""
        position = self._position
        if position is None:
            return self._observer.reboot(found.epoch, found.seq - 1, None)
        if found.epoch > position.epoch:
            seq = position.seq if found.seq > position.seq else 0
            return self._observer.reboot(found.epoch, seq, position.epoch)
        if self._counts and found.epoch == position.epoch and found.seq > position.seq + 1:
            return self._observer.gap(position.epoch, position.seq + 1, found.seq - 1)
        return None

    def _unheard(self) -> Observation | None:
        """The rig speaks of a record that never came."""
        position, last = self._position, self._inbox.last
        if position is None or last is None or not self._counts or last[0] != position.epoch:
            return None
        return self._observer.gap(position.epoch, position.seq + 1, last[1]) if last[1] > position.seq else None

    def _ack_of(self, observation: Observation) -> Ack:
        async def ack(entry: bytes | None = None) -> None:
            if self._offer is not observation:
                return  # acked before
            self._offer = None
            position, reached = self._position, observation.position
            if position is None or (reached.epoch, reached.seq) > (position.epoch, position.seq):
                self._position = reached
            if observation.type == REBOOTED:
                self._position = reached
            record = self._record
            if observation.type in {REBOOTED, GAP} or record is None:
                return
            self._record = None
            digest = hashlib.sha256(b"".join(area.data for area in observation.raw)).digest()
            record.settle(Stored(observation.epoch, observation.seq, digest, entry))

        return ack

    def _news(self) -> RigStatus | None:
        """The live state, if it changed or was not shown for a while."""
        seq = self._position.seq if self._position is not None else 0
        live = replace(self._inbox.live, last_seq=max(seq, self._inbox.live.last_seq), acked_seq=0)
        if live == self._shown and self._now() - self._shown_at < self._every_ms / 1000:
            return None
        self._shown, self._shown_at = live, self._now()
        return live

    # ------------------------------------------------------------------ presence

    def _check(self) -> None:
        if self._opened is None:
            raise NotConnected(self._post.trouble or "not connected")
        why = self._absent()
        if why is None and self._opened != (self._post.connection, self._inbox.presence):
            why = "the rig was gone" if self._opened[0] == self._post.connection else "another connection by now"
        if why is not None and not self._waiting:
            self._opened = None
            raise NotConnected(why)

    @property
    def _waiting(self) -> bool:
        """Whether something is here that does not need the rig any more: it is stored first."""
        return self._record is not None or bool(self._inbox.arrived) or self._told is not None

    def _absent(self) -> str | None:
        """Why the rig is not there."""
        if self._waiting:
            return None
        return self._post.trouble or self._inbox.absent(self._every_ms)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _nothing(entry: bytes | None = None) -> None:
    """The ack of what needs none."""
