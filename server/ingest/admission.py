"""Who may send an upload now: bounded places and bytes, fair turns, and an early word to everybody else.

    head ─▶ admitted ─▶ body is read ─▶ turn ─▶ verified, stored ─▶ answer
              │ no room                  └ one per gateway; live scores before backlogs, every fourth the other way
              └▶ 429 or 503 with Retry-After, before a byte of the body is read

1. Every admitted upload counts with the bytes it says it has: all together, those of one gateway, those of backlogs.
2. A backlog is a body above LIVE_BODY_MAX. Backlogs never take the last places and bytes, nor all turns: a gateway that
   catches up, or floods, does not keep another one's fresh score waiting (P6, P8).
3. When the turns that are due would take longer than TURN_WAIT_S, the next one is sent away at its head; who was sent
   away and comes back is let in before others are. Bodies that come slowly are no work yet and do not count there.
4. Retry-After lies beyond that wait, and is drawn over the time that those sent away will need (server/ingest/pace.py):
   a fleet that comes back does not come back at once.

Never knows what an upload holds. Spec: docs/limits.md; reliability.md S4, B13.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Self

from server import limits
from server.errors import Busy
from server.ingest.pace import Pace, SentAway

if TYPE_CHECKING:
    from random import Random

    from scorelog.journal.clock import Clock


class Place:
    """One admitted upload; `turn` when its body is there."""

    __slots__ = ("_admission", "backlog", "gateway_id", "since_us", "size", "working")

    def __init__(self, admission: Admission, gateway_id: str, size: int, since_us: int) -> None:
        self._admission = admission
        self.gateway_id = gateway_id
        self.size = size
        self.since_us = since_us
        self.backlog = size > limits.LIVE_BODY_MAX
        self.working = False

    async def __aenter__(self) -> Self:
        """It counts from here on, or Busy at once."""
        self._admission.admit(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        """It counts no more."""
        self._admission.leave(self)

    def turn(self) -> Turn:
        """From here on the server works on it."""
        return Turn(self, self._admission)


class Turn:
    """While the server works on one place. Classes, not generators: every upload goes through both."""

    __slots__ = ("_admission", "_place")

    def __init__(self, place: Place, admission: Admission) -> None:
        self._place = place
        self._admission = admission

    async def __aenter__(self) -> None:
        """When it is its turn."""
        self._place.working = True
        await self._admission.turns.wait(self._place)

    async def __aexit__(self, *_: object) -> None:
        """Whoever is next."""
        turns = self._admission.turns
        turns.over(self._place)
        self._admission.pace.stored(turns.busy)


class Turns:
    """So many uploads at work at once, one per gateway; who waits is asked in order, live ones first."""

    def __init__(self) -> None:
        self._working: set[str] = set()
        self._backlogs = 0
        self._waiting: tuple[deque[tuple[Place, asyncio.Future[None]]], ...] = (deque(), deque())  # live, backlogs
        self._live_in_a_row = 0

    @property
    def busy(self) -> int:
        """At work or waiting for it."""
        return len(self._working) + sum(map(len, self._waiting))

    async def wait(self, place: Place) -> None:
        """Until it is its turn."""
        if not any(self._waiting) and self._free(place):
            self._begin(place)
            return
        waiting = self._waiting[place.backlog]
        asked = place, asyncio.get_running_loop().create_future()
        waiting.append(asked)
        self._call()
        try:
            await asked[1]
        except asyncio.CancelledError:
            if asked in waiting:
                waiting.remove(asked)
            elif not asked[1].cancelled():  # called and cancelled in one turn of the loop
                self.over(place)
            raise

    def over(self, place: Place) -> None:
        """Its work is done: whoever is next."""
        self._working.discard(place.gateway_id)
        self._backlogs -= place.backlog
        self._call()

    def _free(self, place: Place) -> bool:
        return (
            len(self._working) < limits.INGEST_QUEUE_MAX
            and place.gateway_id not in self._working
            and not (place.backlog and self._backlogs >= limits.BACKLOGS_AT_WORK_MAX)
        )

    def _begin(self, place: Place) -> None:
        self._working.add(place.gateway_id)
        self._backlogs += place.backlog
        self._live_in_a_row = 0 if place.backlog else self._live_in_a_row + 1

    def _call(self) -> None:
        """Call everybody who may work now."""
        while len(self._working) < limits.INGEST_QUEUE_MAX:
            backlog_first = self._live_in_a_row >= limits.LIVE_TURNS_IN_A_ROW
            order = (1, 0) if backlog_first else (0, 1)
            if not any(self._call_one(self._waiting[kind]) for kind in order):
                return

    def _call_one(self, waiting: deque[tuple[Place, asyncio.Future[None]]]) -> bool:
        for at, (place, turn) in enumerate(waiting):
            if not turn.done() and self._free(place):
                del waiting[at]
                self._begin(place)
                turn.set_result(None)
                return True
        return False


class Admission:
    """The gateways' uploads of this process."""

    def __init__(self, clock: Clock, rng: Random) -> None:
        self._now_us = clock.mono_us
        self.pace = Pace(clock.mono_us)
        self.turns = Turns()
        self._away = SentAway(clock.mono_us, rng)
        self._owed: OrderedDict[str, int] = OrderedDict()  # who was sent away, and until when that counts
        self._places: dict[Place, None] = {}
        self._of: Counter[str] = Counter()
        self._bytes = 0
        self._backlogs = 0
        self._backlog_bytes = 0
        self.sent_away: Counter[int] = Counter()

    @property
    def places(self) -> int:
        """Uploads that are admitted now."""
        return len(self._places)

    @property
    def bytes(self) -> int:
        """What their bodies may take."""
        return self._bytes

    def figures(self) -> dict[str, float]:
        """For /metrics."""
        return {
            "uploads_admitted": len(self._places),
            "uploads_admitted_bytes": self._bytes,
            "uploads_at_work": self.turns.busy,
            "upload_pace_seconds": self.pace.seconds,
            **{f"uploads_sent_away_{status}": float(count) for status, count in self.sent_away.items()},
        }

    def admitted(self, gateway_id: str, size: int) -> Place:
        """A place for a body of at most `size` bytes: `async with` takes it, or raises Busy at once."""
        return Place(self, gateway_id, size, self._now_us())

    def admit(self, place: Place) -> None:
        """Count it, or Busy."""
        self._check(place)
        self._count(place, 1)

    def leave(self, place: Place) -> None:
        """Count it no more."""
        self._count(place, -1)

    def _check(self, place: Place) -> None:
        if self._of[place.gateway_id] >= limits.UPLOADS_PER_GATEWAY_MAX:
            self._send_away(place, "too many uploads of this gateway at once", 429)
        if len(self._places) >= limits.PLACES_MAX or self._bytes + place.size > limits.PLACES_BYTES_MAX:
            self._send_away(place, "too many uploads at once", 503)
        if place.backlog and (
            self._backlogs >= limits.BACKLOG_PLACES_MAX
            or self._backlog_bytes + place.size > limits.BACKLOG_PLACES_BYTES_MAX
        ):
            self._send_away(place, "too many gateways are catching up at once", 503)
        if len(self._places) * self.pace.seconds > limits.TURN_WAIT_S:
            owed = self._owed.pop(place.gateway_id, 0) >= place.since_us
            if self._wait_s(place) > (limits.TURN_WAIT_AGAIN_S if owed else limits.TURN_WAIT_S):
                self._send_away(place, "more uploads than can be stored at once", 503)

    def _wait_s(self, place: Place) -> float:
        """Of those that work, wait, or will soon have their body here; a fresh score waits for no backlogs."""
        recent_us = place.since_us - limits.SLOW_BODY_US
        before = (each for each in self._places if place.backlog or not each.backlog)
        return self.pace.seconds * sum(each.working or each.since_us > recent_us for each in before)

    def _send_away(self, place: Place, reason: str, status: int) -> None:
        self.sent_away[status] += 1
        wait_s = min(self._wait_s(place), limits.TURN_WAIT_AGAIN_S)
        retry_after_s = self._away.retry_after_s(self.pace.seconds) + int(wait_s + 0.5)
        self._owed[place.gateway_id] = place.since_us + retry_after_s * 1_000_000 + limits.OWED_US
        self._owed.move_to_end(place.gateway_id)
        if len(self._owed) > limits.OWED_MAX:
            self._owed.popitem(last=False)
        raise Busy(reason, retry_after_s, status)

    def _count(self, place: Place, sign: int) -> None:
        if sign > 0:
            self._places[place] = None
        else:
            del self._places[place]
        self._of[place.gateway_id] += sign
        if not self._of[place.gateway_id]:
            del self._of[place.gateway_id]
        self._bytes += sign * place.size
        if place.backlog:
            self._backlogs += sign
            self._backlog_bytes += sign * place.size
