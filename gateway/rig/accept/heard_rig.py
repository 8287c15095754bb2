"""The rig under test that is heard: what it said, and what is said to it as a gateway would.

    HeardRig <──messages── broker     ack, resend, ready ──> broker ──> rig      (only where its form has such words)

Owns: every record as it came first, and whether it came again with the same bytes (M6). Acknowledges only what came.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from device_adapters.decoding.decode import Decoded
from device_adapters.decoding.message import read_status
from device_adapters.errors import BadReading, NotConnected
from device_adapters.language.shape import Shape
from gateway.rig.heard.hearing import refusal_text
from gateway.rig.heard.objects import STATUS, WILL
from gateway.rig.heard.reader import reader_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from device_adapters.decoding.message import StatusMessage
    from device_adapters.language.profile import Profile
    from device_adapters.messages.message_memory import Post
    from gateway.rig.heard.message import Message
    from scorelog.journal.clock import Clock

RESULT: Final = "item.finished"
_READY_EVERY_S: Final = 2.5


@dataclass(slots=True)
class Came:
    """What came otherwise than it should, and how often."""

    messages: int = 0
    largest: int = 0
    retained: int = 0
    refused: list[str] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)  # numbers that came behind a higher one
    again: Counter[int] = field(default_factory=Counter)


class HeardRig:
    """See `ear.Hearer`. `post` is where to answer; None until there is a connection."""

    def __init__(self, profile: Profile, serial: str, clock: Clock) -> None:
        self.profile = profile
        self.serial = serial
        self.reader = reader_of(profile, serial)
        self.shape = profile.message if isinstance(profile.message, Shape) else None
        self.post: Post | None = None
        self.records: dict[int, Decoded] = {}
        self.seen_at_us: dict[int, int] = {}
        self.status: StatusMessage | None = None
        self.statuses_us: list[int] = []
        self.came = Came()
        self.away = 0  # how often it, or its will, said that it goes
        self.breaks = 0
        self._digests: dict[int, bytes] = {}
        self._here = False
        self._clock = clock
        self._counter = 1
        self._vouching: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ hearing

    def topics(self) -> Iterable[str]:
        """Those of the rig."""
        return self.reader.topics()

    def take(self, message: Message, verdict: str = "") -> None:  # noqa: ARG002  (the seam's)
        """One message."""
        came, taken = self.came, self.reader.read(message)
        came.messages += 1
        came.largest = max(came.largest, len(message.payload))
        if taken.kind == STATUS and not taken.found:
            self._take_status(message)
        for found in taken.found:
            if isinstance(found, Decoded):
                self._take_record(found, message)
            else:
                came.retained += found.reason == "retained"
                came.refused.append(refusal_text(found))
        here = taken.kind != WILL and not self.reader.wants()
        self.away += self._here and not here
        self._here = here

    def lost(self) -> None:
        """The connection to the broker is gone."""
        self.breaks += 1
        self.reader.lost()

    def _take_status(self, message: Message) -> None:
        if message.retained or self.shape is None:
            return
        with contextlib.suppress(BadReading):
            self.status = read_status(message.payload, serial=self.serial, shape=self.shape)
            self.statuses_us.append(message.at_us)

    def _take_record(self, found: Decoded, message: Message) -> None:
        digest = hashlib.sha256(message.payload if self.shape else b"".join(one.data for one in found.areas)).digest()
        known = self._digests.get(found.seq)
        if known is None:
            if self.records and found.seq < max(self.records):
                self.came.late.append(found.seq)
            self.records[found.seq], self._digests[found.seq] = found, digest
            self.seen_at_us[found.seq] = self._clock.now_us()
        elif known == digest:
            self.came.again[found.seq] += 1
        else:
            self.came.changed.append(found.seq)

    @property
    def here(self) -> bool:
        """Whether it is believed: a live status, a birth certificate, or no word that it is away."""
        return self._here and bool(self.came.messages)

    def results(self, above: int = 0) -> list[int]:
        """Sequence numbers of results above this one."""
        return [seq for seq, record in self.records.items() if seq > above and record.type == RESULT]

    def digest(self, seqs: Iterable[int]) -> str:
        """Of the bytes of these records."""
        return hashlib.sha256(b"".join(self._digests[seq] for seq in seqs)).hexdigest()[:16]

    # ------------------------------------------------------------------ saying

    async def acknowledge(self, seq: int) -> None:
        """As a gateway whose log has everything up to it (H5)."""
        if self.shape is not None and seq in self._digests:
            said = {"v": 1, "boot": self.records[seq].epoch, "seq": seq}
            await self._say(self.shape.topics.ack, {**said, "record": self._digests[seq].hex(), "entry": None})

    async def ask_again(self, first: int) -> None:
        """For the records from there on (H3)."""
        if self.shape is not None and self.shape.topics.resend is not None:
            await self._say(self.shape.topics.resend, {"v": 1, "from": first})

    def vouch(self) -> None:
        """Say again and again that a gateway is ready."""
        if self.shape is not None and self.shape.topics.ready is not None and self._vouching is None:
            self._vouching = asyncio.create_task(self._vouch(), name="gateway ready")

    async def vouch_no_more(self, *, told: bool = False) -> None:
        """Stop; with `told` the rig is told so."""
        task, self._vouching = self._vouching, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if told and self.shape is not None and self.shape.topics.ready is not None:
            await self._say(self.shape.topics.ready, {"v": 1, "counter": 0}, 0)

    async def _vouch(self) -> None:
        while self.shape is not None and self.shape.topics.ready is not None:
            self._counter = self._counter % 0xFFFF + 1
            with contextlib.suppress(NotConnected):
                await self._say(self.shape.topics.ready, {"v": 1, "counter": self._counter}, 0)
            await asyncio.sleep(_READY_EVERY_S)

    async def _say(self, template: str, document: dict[str, Any], qos: int = 1) -> None:
        if self.post is None or self.shape is None:
            raise NotConnected("no connection to the broker yet")
        payload = json.dumps(document, separators=(",", ":")).encode()
        await self.post.publish(self.shape.topics.of(template, self.serial), payload, qos)
