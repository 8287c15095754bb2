"""Where one rig hands its messages in and hears what became of them (docs/rig-interface-v1-http.md).

Owns: the way from a request to a fate, and what a rig is told with every answer: the acknowledgement so far, `ready`,
from where to say its records again. The mailbox and the memory are those of every message rig; to them this is the
`Post`. Knows no HTTP library and no log: an answer is a `Verdict`.

    hand_in ──> Mailbox ──> adapter ──> log (fsync) ──> settle(fate) ──> Verdict      P1: no other way to `Stored`
       └── nothing in time: Late, the rig repeats          └── a number is missing below: OutOfOrder
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from device_adapters.errors import NotConnected
from device_adapters.limits import PUSH_ANSWER_S, PUSH_ORDER_S, PUSH_WAITING_MAX
from device_adapters.messages.fates import Fate, Stored
from device_adapters.observation import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_adapters.messages.mailbox import Mailbox
    from device_adapters.observation import Evidence

CLOSED: Final = "nobody listens for its pushes"


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """It is kept and cannot be stored yet: the record `first` is missing."""

    first: int


@dataclass(frozen=True, slots=True)
class Late:
    """Nothing is known yet."""


Verdict: TypeAlias = Fate | OutOfOrder | Late


@dataclass(slots=True)
class _Waiting:
    seq: int | None
    verdict: asyncio.Future[Verdict]

    def tell(self, verdict: Verdict) -> None:
        if not self.verdict.done():
            self.verdict.set_result(verdict)


class Window:
    """Of one rig; outlives requests, adapters and listeners."""

    def __init__(self, box: Mailbox, answer_s: float = PUSH_ANSWER_S) -> None:
        self.box = box
        self._answer_s = answer_s
        self._position: Position | None = None
        self._connection = 0
        self._trouble: str | None = CLOSED
        self._waiting: list[_Waiting] = []
        self._ack: dict[str, Any] | None = None
        self._ready = 0
        self._resend: int | None = None

    # ------------------------------------------------------------------ the listener's side

    def open(self) -> None:
        """Somebody listens."""
        self._connection += 1
        self._trouble, self._ready = None, 0
        self.box.wake()

    def shut(self) -> None:
        """Nobody listens any more; who waits for an answer gets none."""
        self._trouble, self._ready = CLOSED, 0
        self.box.lost()
        for one in self._waiting:
            one.tell(Late())

    @property
    def full(self) -> bool:
        """Whether so many records wait that another must come later."""
        return len(self._waiting) >= PUSH_WAITING_MAX

    async def hand_in(self, payloads: Sequence[bytes]) -> list[Verdict]:
        """Records, in the order of the rig. Returns once something is known of each, or it took too long."""
        waiting = [self._hand_in(payload) for payload in payloads]
        try:
            await asyncio.wait([one.verdict for one in waiting], timeout=self._answer_s)
        finally:
            self._waiting = [one for one in self._waiting if one not in waiting]
        return [one.verdict.result() if one.verdict.done() else Late() for one in waiting]

    def _hand_in(self, payload: bytes) -> _Waiting:
        one = _Waiting(None, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        one.seq = self.box.deliver_record(payload, lambda fate: self._settled(one, fate), retained=False)
        if one.seq is not None and self._resend is not None and one.seq > self._resend:
            asyncio.get_running_loop().call_later(PUSH_ORDER_S, self._out_of_order, self._resend)
        elif one.seq is not None and one.seq == self._resend:
            self._resend = None
        if self.box.status is not None:  # a record is a sign of life, too: its sender cannot say a status meanwhile
            self.box.heard_at = asyncio.get_running_loop().time()
        return one

    def _settled(self, one: _Waiting, fate: Fate) -> None:
        known = self._position
        if isinstance(fate, Stored) and (known is None or (fate.boot, fate.seq) > (known.epoch, known.seq)):
            self._position = Position(fate.boot, fate.seq)
        one.tell(fate)

    def say_status(self, payload: bytes) -> Evidence | None:
        """The rig's live state; why it is refused, if it is."""
        return self.box.deliver_status(payload, lambda _fate: None, retained=False)

    def told(self) -> dict[str, Any]:
        """What goes with every answer."""
        return {"ack": self._ack, "ready": self._ready, "resend": self._resend}

    @property
    def newest(self) -> dict[str, int] | None:
        """The newest record that the log is known to have; None: it has none of this rig."""
        return None if self._position is None else {"boot": self._position.epoch, "seq": self._position.seq}

    # ------------------------------------------------------------------ the gateway's side

    def begin(self, position: Position | None) -> None:
        """Where the log stands."""
        self._position = position

    # ------------------------------------------------------------------ Post

    @property
    def connection(self) -> int:
        """Counts listeners."""
        return self._connection

    @property
    def trouble(self) -> str | None:
        """Why nothing can come; None while it can."""
        return self._trouble

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:  # noqa: ARG002  (a Post has one)
        """Kept for the answers to come: a rig that pushes cannot be called. Raises NotConnected."""
        if self._trouble is not None:
            raise NotConnected(self._trouble)
        said = json.loads(payload)
        if topic == "ready":
            self._ready = said["counter"]
        elif topic == "ack":
            self._ack = said
        else:
            self._resend = said["from"]
            asyncio.get_running_loop().call_later(PUSH_ORDER_S, self._out_of_order, said["from"])

    def _out_of_order(self, first: int) -> None:
        """What waits above a number that is still missing is not kept waiting: the rig says it again from there."""
        if self._resend != first:
            return
        for one in self._waiting:
            if one.seq is not None and one.seq > first:
                one.tell(OutOfOrder(first))
