"""What came from one rig as messages and is not dealt with yet: records, refusals, the newest status.

Owns: the bounded store of messages between the connection that brings them and the rig's adapter, and the law that
nothing is settled (PUBACKed, answered) before somebody said that it is durable, or that it changes nothing (H2).
Decodes at once, so that a bad message is known as one before its turn. Knows no library and no log. Outlives adapters
and connections.

    deliver ─> held by number ──take──> the adapter ──settle(fate)──> PUBACK, or an HTTP answer
          ├──> refused (no number)                 └─ let go: settled and forgotten, the rig is asked again (H2)
          └──> status
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_adapters.decoding.message import read_status, take_message
from device_adapters.errors import BadReading
from device_adapters.limits import KEPT_BACK_MAX, REFUSED_KEPT_MAX
from device_adapters.messages.fates import LET_GO
from device_adapters.observation import Evidence, RawArea

if TYPE_CHECKING:
    from collections.abc import Collection

    from device_adapters.decoding.decode import Decoded
    from device_adapters.decoding.message import StatusMessage
    from device_adapters.language.shape import Shape
    from device_adapters.messages.fates import Settle


@dataclass(slots=True)
class Held:
    """One record message. Exactly one of `found` and `evidence` is there."""

    seq: int
    boot: int
    digest: bytes
    settle: Settle
    found: Decoded | None
    evidence: Evidence | None

    def refusal(self, reason: str, detail: str) -> Evidence:
        """A record that is whole and yet not believed."""
        if self.found is None:
            raise TypeError("refused already")
        areas = tuple(RawArea(area.area, area.at, area.data, ((0, len(area.data)),)) for area in self.found.areas)
        return Evidence(self.found.rig, reason, detail, self.seq, self.boot, areas)


class Mailbox:
    """Of one rig, at the place where its messages come in."""

    def __init__(self, serial: str, shape: Shape) -> None:
        self.serial = serial
        self.shape = shape
        self.refused: deque[tuple[Evidence, Settle]] = deque()
        self.status: StatusMessage | None = None  # the newest live one
        self._said: tuple[bytes, StatusMessage] | None = None  # what was read last, and what it says
        self.statuses = 0  # how many live ones came
        self.records = 0
        self.heard_at = float("-inf")
        self.presence = 0  # changes whenever the rig is said to be gone
        self.offline = False
        self.last_seq = 0  # the newest number that the rig is known to have
        self.due: int | None = None  # the number that the adapter waits for
        self._held: dict[int, Held] = {}
        self._aside: deque[Held] = deque()
        self._news = asyncio.Event()

    # ------------------------------------------------------------------ the bringer's side

    def deliver_record(self, payload: bytes, settle: Settle, *, retained: bool) -> int | None:
        """A record message. The number that it has, None where that cannot be told."""
        self.records += 1
        self._news.set()
        digest = hashlib.sha256(payload).digest()
        try:
            found = take_message(payload, serial=self.serial, retained=retained, shape=self.shape)
        except BadReading as error:
            evidence = error.evidence
            if evidence.asked is None or evidence.epoch is None:
                self.refuse(evidence, settle)
                return None
            self._keep(Held(evidence.asked, evidence.epoch, digest, settle, None, evidence))
            return evidence.asked
        self._keep(Held(found.seq, found.epoch, digest, settle, found, None))
        return found.seq

    def deliver_status(self, payload: bytes, settle: Settle, *, retained: bool) -> Evidence | None:
        """A status message. It changes nothing that is kept: settled at once, unless it is refused: then why.

        A retained one may be as old as the broker's file: only that the rig is away is believed, until it is heard.
        """
        try:
            status = self._read_status(payload)
        except BadReading as error:
            self.refuse(error.evidence, settle)
            return error.evidence
        settle(LET_GO)
        if not status.online or status.standing is None:
            self.status, self.offline = None, True
            self.presence += 1
        elif not retained:
            self.status, self.offline = status, False
            self.statuses += 1
            self.heard_at = asyncio.get_running_loop().time()
            self.last_seq = status.standing.last_seq
            self._lift()
        self._news.set()
        return None

    def _read_status(self, payload: bytes) -> StatusMessage:
        """A quiet rig says the same again and again: the same bytes say the same, any other are read anew."""
        if self._said is None or self._said[0] != payload:
            self._said = (payload, read_status(payload, serial=self.serial, shape=self.shape))
        return self._said[1]

    def refuse(self, evidence: Evidence, settle: Settle) -> None:
        """To be told. In a flood the oldest stand for the rest."""
        if len(self.refused) < REFUSED_KEPT_MAX:
            self.refused.append((evidence, settle))
        else:
            settle(LET_GO)
        self._news.set()

    def lost(self) -> None:
        """The connection is gone: what the rig showed does not count any more, what it said does."""
        self.status, self.heard_at = None, float("-inf")
        self._news.set()

    def wake(self) -> None:
        """Something about the connection changed."""
        self._news.set()

    def let_go(self) -> bool:
        """Forget the newest record that cannot be stored yet; False when every one only waits for its turn."""
        seq = max(self._held, default=0)
        run = self.due
        while run is not None and run in self._held:
            run += 1
        if not seq or (run is not None and seq < run):
            return False
        self._held.pop(seq).settle(LET_GO)
        return True

    # ------------------------------------------------------------------ the adapter's side

    async def wait(self, seconds: float) -> None:
        """Until something came, at most so long."""
        if seconds > 0 and not self._news.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return
        self._news.clear()

    @property
    def first_held(self) -> int:
        """The oldest number of the run that ends right below what the rig says it holds; 0: the rig holds none."""
        standing = self.status.standing if self.status is not None else None
        if standing is None:
            return 0
        oldest = standing.oldest_seq or (standing.last_seq + 1 if self.last_seq > standing.last_seq else 0)
        below = oldest or standing.last_seq + 1
        while below - 1 in self._held and self._held[below - 1].boot <= standing.boot:
            oldest = below = below - 1
        return oldest

    def has_above(self, seq: int) -> bool:
        """Whether a later record is here already: then this one is late."""
        return any(one > seq for one in self._held)

    def see(self, seq: int, boots: range) -> Held | None:
        """The record of this number, if it is of one of these boots; it stays here."""
        held = self._held.get(seq)
        if held is not None and held.boot < boots.start:
            self._aside.append(self._held.pop(seq))
            return None
        return held if held is not None and held.boot in boots else None

    def take(self, held: Held) -> None:
        """It is dealt with, or its owner takes care of settling it."""
        if self._held.get(held.seq) is held:
            del self._held[held.seq]
        elif held in self._aside:
            self._aside.remove(held)

    def kept(self, seq: int, digest: bytes) -> Held | None:
        """The message with this number and these bytes."""
        places = [*self._aside, *([self._held[seq]] if seq in self._held else [])]
        return next((held for held in places if (held.seq, held.digest) == (seq, digest)), None)

    def uncalled(self, following: int, holes: Collection[int], boot: int) -> Held | None:
        """One that nobody waits for; it stays here."""
        if self._aside:
            return self._aside[0]
        low = (held for held in self._held.values() if held.seq < following and held.boot <= boot)
        return next((held for held in low if held.seq not in holes), None)

    def _keep(self, held: Held) -> None:
        known = self._held.get(held.seq)
        if known is not None and known.digest != held.digest and known.found is not None:
            if held.found is None or len(self._aside) >= KEPT_BACK_MAX:
                held.settle(LET_GO)  # the rig has it still, if it is one
                return
            self._aside.append(known)
        elif known is not None:
            known.settle(LET_GO)  # the same again
        self._held[held.seq] = held
        while len(self._held) > KEPT_BACK_MAX and self.let_go():
            pass
        self._lift()

    def _lift(self) -> None:
        """A record says by itself that the rig has it."""
        boot = self.status.boot if self.status is not None else None
        while (held := self._held.get(self.last_seq + 1)) is not None and held.boot == boot:
            self.last_seq += 1
