"""Heartbeats: what a gateway says about itself between uploads. Shown on the live board, never evidence, never logged.

Owns the strict reading of the body, the answer, and the signs that only heartbeats show: a log that is shorter than
what the gateway was told is stored (rolled back), two running instances of one gateway (cloned), and receipts for more
than is stored here (this server was put back, refill.py).
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from server import limits
from server.errors import Refused
from server.ingest.mirror import ROLLED_BACK
from server.ingest.origins import parse_origin
from server.ingest.refill import Refills

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scorelog.journal.clock import Clock
    from server.evidence.store import EntryStore

CLONED: Final = "cloned"
VERSION: Final = 1
# An older instance may still have one beat under way when the box restarts; a second one is another box.
STRAY_BEATS_MAX: Final = 1


class Heartbeat(msgspec.Struct, frozen=True):
    """The part of a heartbeat on which the server acts; the board reads the rest leniently."""

    v: int
    origin: str
    size: int
    instance: str
    unsent: int = 0
    rigs: list[dict[str, Any]] = []  # msgspec copies an empty default


@dataclass(slots=True)
class _Seen:
    """What one gateway's heartbeats said so far."""

    told_size: dict[str, int] = field(default_factory=dict)
    instances: OrderedDict[str, int] = field(default_factory=OrderedDict)  # oldest first; beats since superseded


class Heartbeats:
    """Reads, answers, and watches for the two signs."""

    def __init__(
        self,
        store: EntryStore,
        clock: Clock,
        show: Callable[[str, Mapping[str, Any], int], None],
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
        forward: Callable[[str, Mapping[str, Any], int, int], bool] = lambda *_: False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._show = show
        self._nonce = nonce
        self._forward = forward
        self._seen: dict[str, _Seen] = {}
        self._refills = Refills(store)

    async def beat(self, gateway_id: str, body: bytes) -> dict[str, Any]:
        """The answer to one heartbeat of an enrolled gateway."""
        document, beat = read(body)
        origin = parse_origin(beat.origin)
        if origin is None or origin.gateway_id != gateway_id:
            raise Refused(403, f"{beat.origin[:200]} is not a log of gateway {gateway_id}")
        state = await self._store.log(beat.origin)
        stored = state.size if state else 0
        now_us = self._clock.now_us()
        if not self._forward(gateway_id, document, stored, now_us):
            await self.take(gateway_id, document, stored, now_us)
        return self.answer(stored, None)

    async def take(self, gateway_id: str, document: Mapping[str, Any], stored: int, now_us: int) -> None:
        """Watch and show a beat, also one that came to another process: the signs need all of a gateway's beats."""
        beat = msgspec.convert(document, Heartbeat, strict=True)
        await self._watch(gateway_id, beat, stored)
        await self._refills.look(beat.origin, stored, max(0, beat.size - beat.unsent))
        self._show(gateway_id, document, now_us)

    def forget(self) -> None:
        """Other processes have watched meanwhile: begin anew."""
        self._seen.clear()
        self._refills = Refills(self._store)

    def answer(self, size: int, revoked: str | None) -> dict[str, Any]:
        """The answer; for a revoked gateway only the reason matters."""
        now = datetime.fromtimestamp(self._clock.now_us() / 1e6, UTC).isoformat(timespec="microseconds")
        return {
            "v": VERSION,
            "time": now.replace("+00:00", "Z"),
            "nonce": self._nonce(),
            "plan_version": None,
            "renew": False,
            "revoked": revoked,
            "size": size,
        }

    async def _watch(self, gateway_id: str, beat: Heartbeat, stored: int) -> None:
        seen = self._seen.setdefault(gateway_id, _Seen())
        told = seen.told_size.get(beat.origin, 0)
        if beat.size < told <= stored:  # a beat that another process passed on late knows a smaller `stored`
            detail = f"gateway {gateway_id} says size {beat.size}; it was told before that {told} are stored"
            await self._store.alarm(ROLLED_BACK, beat.origin, beat.size, detail)
        if len(seen.told_size) >= limits.INSTANCES_WATCHED_MAX and beat.origin not in seen.told_size:
            seen.told_size.clear()
        seen.told_size[beat.origin] = max(stored, told)
        if _superseded(seen.instances, beat.instance):
            detail = f"two running instances of gateway {gateway_id} send by turns: one log in two boxes"
            await self._store.alarm(CLONED, beat.origin, None, detail)


def read(body: bytes) -> tuple[dict[str, Any], Heartbeat]:
    """The document and the part that is acted on: no duplicate key, no NaN, no number for a word."""
    try:
        document = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
        beat = msgspec.convert(document, Heartbeat, strict=True)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise Refused(400, f"heartbeat: {error}"[: limits.DETAIL_MAX]) from error
    if beat.v != VERSION or not 0 <= beat.size < 1 << 53:
        raise Refused(400, f"heartbeat: v {beat.v}, size {beat.size}")
    return document, beat


def _superseded(instances: OrderedDict[str, int], instance: str) -> bool:
    """Whether an instance goes on sending although a newer one has taken over."""
    newest = next(reversed(instances), None)
    if newest == instance:
        return False
    if instance not in instances:
        instances[instance] = 0
        if len(instances) > limits.INSTANCES_WATCHED_MAX:
            instances.popitem(last=False)
        return False
    instances[instance] += 1
    return instances[instance] > STRAY_BEATS_MAX


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("the same key twice in one object")
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
