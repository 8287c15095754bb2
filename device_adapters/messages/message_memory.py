"""A rig's memory as its messages show it: records as they come, in order of their numbers. See `memory.RigMemory`.

Owns: waiting for a record, asking for it again, and what is published to the rig: acknowledgement, ready, resend
(docs/rig-interface-v1-mqtt.md H1 to H7). Knows no library: what carries messages is a `Post`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from device_adapters.decoding.message import MESSAGE
from device_adapters.errors import BadReading, DecodeError, NotConnected
from device_adapters.language.profile import Poll
from device_adapters.limits import (
    ACK_AGAIN_S,
    CONNECT_WAIT_S,
    DIGESTS_KEPT_MAX,
    RECORD_GRACE_PART,
    SILENT_AFTER_STATUSES,
)
from device_adapters.messages.fates import Refused, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from device_adapters.decoding.decode import Decoded, Standing
    from device_adapters.messages.mailbox import Held, Mailbox
    from device_adapters.observation import Observation, RigStatus


class Post(Protocol):
    """What carries a rig's messages: the connection to a broker, shared by its rigs; the place to which it pushes."""

    @property
    def connection(self) -> int:
        """Another number, another connection."""

    @property
    def trouble(self) -> str | None:
        """Why there is no connection; None while there is one."""

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Hand a message on to the rig. Raises NotConnected."""


@dataclass(slots=True)
class _Wanted:
    """A record that did not come: when to do something about it, and whether the rig was asked."""

    at: float
    asked: bool = False


@dataclass(frozen=True, slots=True)
class _Stored:
    """A record that the log has, as this object saw it."""

    boot: int
    digest: bytes
    entry: bytes | None


class MessageMemory:
    """One rig's messages."""

    tells_at_once = True

    def __init__(self, post: Post, box: Mailbox, poll: Poll) -> None:
        self._post = post
        self._box = box
        self.poll = Poll(poll.status_every_ms, {"idle": poll.status_every_ms})
        self._resend_s = box.shape.resend_every_ms / 1000
        self._opened: tuple[int, int] | None = None
        self._connection = 0
        self._looked, self._fresh = 0, False
        self._wanted: dict[int, _Wanted] = {}
        self._resend_at = float("-inf")
        # Refused, told, and settled as soon as the next call shows that the refusal was dealt with.
        self._settling: deque[Callable[[], None]] = deque()
        self._stored: dict[int, _Stored] = {}
        self._told: tuple[int, float] = (0, float("-inf"))
        self._again = 0

    # ------------------------------------------------------------------ connection

    @property
    def connected(self) -> bool:
        """Whether the rig is there, as far as it and the broker say."""
        return self._trouble() is None

    @property
    def connection(self) -> int:
        """One per `connect`."""
        return self._connection

    async def connect(self) -> None:
        """Until broker and rig are there: a live status is at hand. Raises NotConnected."""
        self._opened = None
        box, began = self._box, self._now()
        self._looked, self._fresh = box.statuses, False
        while (why := self._absent()) is not None:
            left = began + min(CONNECT_WAIT_S, self._silence_s) - self._now()
            if left <= 0:
                raise NotConnected(why)
            await box.wait(left)
        self._opened = (self._post.connection, box.presence)
        self._connection += 1
        self._told = (0, float("-inf"))

    def drop(self) -> None:
        """The shared connection stays; so does what came."""
        self._opened = None
        self._box.due = None
        self._box.wake()

    async def wait(self, until: float) -> None:
        """Until news, or the time."""
        await self._box.wait(until - self._now())

    # ------------------------------------------------------------------ reading

    async def look(self, *, again: bool) -> tuple[RigStatus, Standing]:
        """The newest live status of this connection; with `again` the next one."""
        self._tell_refused()
        box = self._box
        self._check()
        while (again or not self._fresh) and box.statuses == self._looked:
            await box.wait(self._silence_s / 4)
            self._tell_refused()
            self._check()
        status, self._looked, self._fresh = box.status, box.statuses, True
        if status is None or status.standing is None or status.live is None:
            raise NotConnected("no status of the rig")
        last = max(box.last_seq, status.standing.last_seq)
        return replace(status.live, last_seq=last), replace(status.standing, last_seq=last, oldest_seq=box.first_held)

    async def fetch(self, seq: int, boot: int, floor: int) -> Decoded | None:
        """The record, as soon as it is here. None when anything else came meanwhile."""
        self._tell_refused()
        box, interval = self._box, self._resend_s
        statuses, records = box.statuses, box.records
        while (held := box.see(seq, range(floor, boot + 1))) is None:
            self._check()
            if (statuses, records) != (box.statuses, box.records):
                return None
            wanted, now = self._want(seq), self._now()
            if now < wanted.at:
                await box.wait(wanted.at - now)
            elif wanted.asked:
                wanted.asked = False
                raise DecodeError("wire", "the record never came although the status counts it")
            else:
                wanted.asked, wanted.at = True, now + interval
                self._resend_at = now + interval
                await self._ask(seq)
            self._tell_refused()
        self._wanted.pop(seq, None)
        if held.found is None:
            self._spoil(held)
        return held.found

    def _want(self, seq: int) -> _Wanted:
        """A record that others overtook is asked for at once, any other gets a moment; never faster than allowed."""
        known = self._wanted.get(seq)
        if known is None:
            grace = 0.0 if self._box.has_above(seq) else self._resend_s * RECORD_GRACE_PART
            known = self._wanted[seq] = _Wanted(self._now() + grace)
        if not known.asked:
            known.at = max(known.at, self._resend_at)
        return known

    async def _ask(self, seq: int) -> None:
        topics = self._box.shape.topics
        if topics.resend is not None:
            await self._publish(topics.resend, {"v": 1, "from": seq}, 1)

    def _spoil(self, held: Held) -> None:
        """A record that came and is none: one failed reading, settled once that is dealt with."""
        self._box.take(held)
        evidence = held.evidence
        if evidence is not None:
            self._settling.append(partial(held.settle, Refused(evidence)))
            raise DecodeError(evidence.reason, evidence.detail, evidence.raw)

    def _tell_refused(self) -> None:
        """What was refused before is dealt with by now; what came since is told. Raises BadReading."""
        while self._settling:
            self._settling.popleft()()
        if self._box.refused:
            evidence, settle = self._box.refused.popleft()
            self._settling.append(partial(settle, Refused(evidence)))
            raise BadReading(evidence)

    # ------------------------------------------------------------------ what is stored

    def confirms(self, standing: Standing, again: Standing) -> bool:
        """A status comes because something changed: the next one may have more records, but never other ones."""
        grown = again.last_seq >= standing.last_seq and again.oldest_seq >= standing.oldest_seq
        return grown and again.boot == standing.boot

    def stored(self, observation: Observation, entry: bytes | None) -> None:
        """Settle the message that it came in, and remember it by its bytes."""
        if not observation.raw or observation.raw[0].area != MESSAGE:
            return
        digest = hashlib.sha256(observation.raw[0].data).digest()
        known = self._stored.pop(observation.seq, None)
        if known is not None and (known.boot, known.digest) == (observation.epoch, digest):
            entry = entry if entry is not None else known.entry
        elif known is not None:  # other bytes under a stored number: the rig waits for the acknowledgement of these
            self._again, self._told = max(self._again, observation.seq), (0, float("-inf"))
        self._stored[observation.seq] = _Stored(observation.epoch, digest, entry)
        if len(self._stored) > DIGESTS_KEPT_MAX:  # never the newest: it is the one that the rig waits to be told
            del self._stored[min(self._stored, key=lambda number: (self._stored[number].boot, number))]
        held = self._box.kept(observation.seq, digest)
        if held is not None:
            self._box.take(held)
            held.settle(Stored(held.boot, held.seq, held.digest, entry))

    def stray(self, following: int, holes: Collection[int], boot: int) -> Decoded | None:
        """A repetition is settled here; anything else is for the log to judge, by key and content."""
        self._box.due = following
        while (held := self._box.uncalled(following, holes, boot)) is not None:
            if held.boot > boot:  # the rig says that it never had this boot
                self._box.take(held)
                self._box.refuse(
                    held.refusal("pair", "boot of the record is later than the one of the rig"), held.settle
                )
                continue
            known = self._stored.get(held.seq)
            if held.found is not None and (known is None or (known.boot, known.digest) != (held.boot, held.digest)):
                return held.found
            self._box.take(held)
            if held.evidence is not None:
                self._box.refuse(held.evidence, held.settle)
            elif known is not None:
                held.settle(Stored(held.boot, held.seq, held.digest, known.entry))
                self._again = max(self._again, held.seq)
        return None

    def repeated(self) -> int:
        """Numbers that came again; the rig may not have heard that they are stored."""
        again, self._again = self._again, 0
        return again

    # ------------------------------------------------------------------ publishing

    async def tell(self, seq: int, connection: int) -> None:
        """The application acknowledgement (H5)."""
        known, now = self._stored.get(seq), self._now()
        if known is None or (self._told[0] == seq and now - self._told[1] < ACK_AGAIN_S):
            return
        self._told = (seq, now)
        entry = known.entry.hex() if known.entry is not None else None
        document = {"v": 1, "boot": known.boot, "seq": seq, "record": known.digest.hex(), "entry": entry}
        await self._publish_on(connection, self._box.shape.topics.ack, document, 1)

    async def write_ready(self, counter: int, connection: int) -> None:
        """Whether an exam can be recorded (H6)."""
        topic = self._box.shape.topics.ready
        if topic is not None:
            await self._publish_on(connection, topic, {"v": 1, "counter": counter}, 0)

    async def _publish_on(self, connection: int, topic: str, document: dict[str, Any], qos: int) -> None:
        why = self._trouble()
        if why is not None or connection != self._connection:
            raise NotConnected(why or "another connection by now")
        await self._publish(topic, document, qos)

    async def _publish(self, topic: str, document: dict[str, Any], qos: int) -> None:
        payload = json.dumps(document, separators=(",", ":")).encode()
        await self._post.publish(self._box.shape.topics.of(topic, self._box.serial), payload, qos)

    # ------------------------------------------------------------------ presence

    @property
    def _silence_s(self) -> float:
        return self.poll.status_every_ms / 1000 * SILENT_AFTER_STATUSES

    def _check(self) -> None:
        why = self._trouble()
        if why is not None:
            raise NotConnected(why)

    def _trouble(self) -> str | None:
        if self._opened is None:
            return self._post.trouble or "not connected"
        if self._post.trouble is not None:
            return self._post.trouble
        if self._opened != (self._post.connection, self._box.presence):
            return "the rig was gone" if self._opened[0] == self._post.connection else "another connection by now"
        return self._absent()

    def _absent(self) -> str | None:
        """Why the rig is not there."""
        if self._post.trouble is not None:
            return self._post.trouble
        if self._box.offline:
            return "the rig is away from its broker"
        if self._now() - self._box.heard_at > self._silence_s:
            return f"no status of the rig for {self._silence_s:g} s"
        return None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
