"""What one rig says value by value, each under its own topic, until it is a whole record.

Owns: the newest payload of each topic, whether it is of this record, and when the record is whole: at the message of
a trigger topic, or when all has come with one number. Half records and retained values are refused, never filled up.
Knows no library. Spec: docs/formats/profile-values.md rules V10 to V14.

    topic ──> newest payload, not yet settled ──whole?──> decoded ──> Inbox       a value that nobody needs: settled
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from device_adapters.decoding.plain import TOPIC, areas_of, decode_plain, needed_areas, read_plain
from device_adapters.decoding.values import from_text
from device_adapters.errors import DecodeError
from device_adapters.language.jsonspans import Node
from device_adapters.language.values import NUMBER, Value, topic_filter, topic_pattern
from device_adapters.limits import KEPT_WAIT_S, NUMBERS_OPEN_MAX, PLAIN_BYTES_MAX, TOPIC_BYTES_MAX
from device_adapters.messages.fates import LET_GO
from device_adapters.observation import Evidence, RawArea
from device_adapters.streaming.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from device_adapters.language.values import PlainShape
    from device_adapters.messages.fates import Fate, Settle

LIVE_TEXTS: Final = {"state": "unknown", "mode": "unknown", "item": ""}
LIVE_NUMBERS: Final = (
    "ordinal",
    "exam_no",
    "elapsed_s",
    "limit_s",
    "running_score",
    "deduction_count",
    "fault",
)


@dataclass(slots=True)
class _Kept:
    """The newest payload of one topic."""

    payload: bytes
    settle: Settle | None = None
    fresh: bool = True
    retained: bool = False

    def let_go(self) -> bool:
        """Settled, but not forgotten."""
        settle, self.settle = self.settle, None
        if settle is not None:
            settle(LET_GO)
        return settle is not None


@dataclass(slots=True)
class _Half:
    """What has come with one number."""

    kept: dict[str, _Kept] = field(default_factory=dict)


@dataclass(slots=True)
class _Waiting:
    """A record that came before the broker gave its kept values: on a session that stands it gives them last."""

    topic: str
    kind: str
    payloads: dict[str, bytes]
    settles: list[Settle]


class PlainBox:
    """Of one rig, on one broker."""

    def __init__(self, serial: str, shape: PlainShape) -> None:
        self.serial = serial
        self.shape = shape
        self.inbox = Inbox(serial)
        self._needed = {shape.area_of(name) for kind in shape.said.kinds() for name in shape.said.needed(kind)}
        self._trigger = "" if shape.said.by == NUMBER else shape.area_of(shape.said.trigger)
        self._kept: dict[str, _Kept] = {}
        self._halves: dict[str, _Half] = {}
        self._done: dict[str, dict[str, bytes]] = {}
        self._waiting: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._waited = False

    # ------------------------------------------------------------------ the broker's side

    def routes(self) -> Iterator[tuple[str, Callable[[str, bytes, Settle, bool], object]]]:
        """What to subscribe to, and who takes it."""
        for template in self.shape.templates():
            area = self.shape.names_of(template)[0]
            take = self._take_numbered if self.shape.said.by == NUMBER else self._take
            yield topic_filter(template, self.serial), partial(take, area)
        if self.shape.presence is not None:
            yield topic_filter(self.shape.presence, self.serial), self._take_presence

    def wake(self) -> None:
        """Something about the connection changed."""
        self.inbox.wake()

    def lost(self) -> None:
        """The connection is gone: what was said before it may have changed since. What is not settled comes again."""
        self._kept.clear()
        self._halves.clear()
        self._waiting.clear()
        self._waited = False
        if self._timer is not None:
            self._timer.cancel()
        self.inbox.unheard()

    def let_go(self) -> bool:
        """Settle the oldest value of half a record; it is kept as long as this process lives."""
        halves = (kept for half in self._halves.values() for kept in half.kept.values())
        return any(kept.let_go() for kept in (*self._kept.values(), *halves))

    def _take_presence(self, _topic: str, payload: bytes, settle: Settle, retained: bool) -> None:
        settle(LET_GO)
        if payload == self.shape.away.encode():
            self.inbox.away()
        elif not retained:
            self.inbox.heard()

    # ------------------------------------------------------------------ a trigger ends the record

    def _take(self, area: str, topic: str, payload: bytes, settle: Settle, retained: bool) -> None:
        if area == self._trigger and retained:
            self._refuse("retained", "a retained record would come again for ever", topic, {area: payload}, [settle])
            return
        known = self._kept.pop(area, None)
        if retained and known is not None and not known.retained:
            self._kept[area] = known  # what was heard is newer
            settle(LET_GO)
            return
        if known is not None:
            known.let_go()
        kept = self._kept[area] = _Kept(payload, settle, fresh=not retained, retained=retained)
        if not retained:
            self.inbox.heard()
        if not retained or self._keeps(area):
            self._show(area, payload)
        self._awaited(area, payload, retained=retained)
        if retained or area not in self._needed:
            kept.let_go()
        elif area == self._trigger:
            self._whole(topic)

    def _whole(self, topic: str) -> None:
        """The trigger came: what was said is a record, or it is refused."""
        payloads = {area: kept.payload for area, kept in self._kept.items() if area in self._needed}
        settles = [kept.settle for area, kept in self._kept.items() if area in self._needed and kept.settle is not None]
        repeated = payloads[self._trigger] in self._done.get(self._trigger, {}).values()
        try:
            kind = self._kind(payloads)
            waits = self._check(kind)
        except DecodeError as error:
            if repeated and error.reason == "missing_field":
                _settle_all(settles, LET_GO)  # the message that ended the last record came again
            else:
                self._refuse(error.reason, error.detail, topic, payloads, settles)
        else:
            self._done[self._trigger] = {"": payloads[self._trigger]}
            record = _Waiting(topic, kind, payloads, settles)
            if waits:
                self._wait_for_kept(record)
            else:
                self._arrive(record)
        for kept in self._kept.values():
            kept.settle, kept.fresh = None, False

    def _arrive(self, record: _Waiting) -> None:
        try:
            areas = areas_of(self.shape, record.topic, record.payloads, record.kind)
            found = decode_plain(self.shape, areas, rig=self.serial)
        except DecodeError as error:
            self._refuse(error.reason, error.detail, record.topic, record.payloads, record.settles)
        else:
            self.inbox.arrive(found, partial(_settle_all, record.settles))

    def _wait_for_kept(self, record: _Waiting) -> None:
        self._waiting.append(record)
        if self._timer is None or self._timer.cancelled():
            self._timer = asyncio.get_running_loop().call_later(KEPT_WAIT_S, self._wait_no_longer)

    def _awaited(self, area: str, payload: bytes, *, retained: bool) -> None:
        """A kept value held for what came before it; one that is said only now may not have."""
        waiting, self._waiting = self._waiting, []
        for record in waiting:
            if area in record.payloads or area not in needed_areas(self.shape, record.kind):
                self._waiting.append(record)
            elif retained:
                record.payloads[area] = payload
                whole = set(record.payloads).issuperset(needed_areas(self.shape, record.kind))
                (self._arrive if whole else self._waiting.append)(record)
            else:
                detail = f"{area} was said only after the record"
                self._refuse("missing_field", detail, record.topic, record.payloads, record.settles)

    def _wait_no_longer(self) -> None:
        """The broker keeps nothing."""
        self._waited, waiting, self._waiting = True, self._waiting, []
        for record in waiting:
            missing = [area for area in needed_areas(self.shape, record.kind) if area not in record.payloads]
            detail = f"{', '.join(missing)} was not said on this connection, and is not kept by the broker"
            self._refuse("missing_field", detail, record.topic, record.payloads, record.settles)

    def _check(self, kind: str) -> bool:
        """Every value of the record is of this record, or one that stays. True: those of the broker are to come."""
        waits = False
        for area in needed_areas(self.shape, kind):
            kept, stays, retained = self._kept.get(area), self._stays(area), self._keeps(area)
            if kept is None and retained and not self._waited:
                waits = True
            elif kept is None:
                raise DecodeError("missing_field", f"{area} was not said on this connection")
            elif kept.retained and not retained:
                raise DecodeError("retained", f"{area} stands there retained, and was not said since")
            elif not kept.fresh and not stays:
                raise DecodeError("missing_field", f"{area} was not said since the last record")
        return waits

    def _stays(self, area: str) -> bool:
        return all(self.shape.said.values[name].stays for name in self._names(area))

    def _keeps(self, area: str) -> bool:
        return all(self.shape.said.values[name].retained for name in self._names(area))

    def _names(self, area: str) -> tuple[str, ...]:
        return self.shape.names_of(self.shape.said.values[area].source)

    # ------------------------------------------------------------------ one number in every topic

    def _take_numbered(
        self,
        area: str,
        topic: str,
        payload: bytes,
        settle: Settle,
        retained: bool,
    ) -> None:
        match = topic_pattern(self.shape.said.values[area].source).fullmatch(topic)
        number = match["seq"] if match is not None else ""
        if retained or len(topic.encode()) > TOPIC_BYTES_MAX:
            reason = "retained" if retained else "oversize"
            self._refuse(reason, f"{area} of a record cannot be taken as it came", topic, {area: payload}, [settle])
            return
        self.inbox.heard()
        self._show(area, payload)
        done = self._done.get(number)
        if area not in self._needed or (done is not None and done.get(area) == payload):
            settle(LET_GO)
            return
        if done is not None:
            self._refuse(
                "changed", f"{area} differs from the record that has its number", topic, {area: payload}, [settle]
            )
            return
        half = self._halves.setdefault(number, _Half())
        known = half.kept.get(area)
        if known is not None and known.payload != payload:
            half.kept[f"{area} again"] = _Kept(payload, settle)
            self._give_up(number, topic, "changed", f"{area} came with two values for one number")
            return
        if known is not None:
            known.let_go()
        half.kept[area] = _Kept(payload, settle)
        self._whole_number(number, topic, half)
        while len(self._halves) > NUMBERS_OPEN_MAX:
            self._give_up(next(iter(self._halves)), topic, "missing_field", "the record never became whole")

    def _whole_number(self, number: str, topic: str, half: _Half) -> None:
        payloads = {area: kept.payload for area, kept in half.kept.items()}
        try:
            kind = self._kind(payloads)
            if not set(payloads).issuperset(needed_areas(self.shape, kind)):
                return
            found = decode_plain(self.shape, areas_of(self.shape, topic, payloads, kind), rig=self.serial)
        except DecodeError as error:
            if error.reason != "missing_field" or error.detail != "no type":
                self._give_up(number, topic, error.reason, error.detail)
            return
        before = list(self._halves)[: list(self._halves).index(number)]
        for older in before:
            self._give_up(older, topic, "missing_field", "the record never became whole, and a later one did")
        del self._halves[number]
        self._close(number, payloads)
        settles = [kept.settle for kept in half.kept.values() if kept.settle is not None]
        self.inbox.arrive(found, partial(_settle_all, settles))

    def _give_up(self, number: str, topic: str, reason: str, detail: str) -> None:
        half = self._halves.pop(number)
        payloads = {area: kept.payload for area, kept in half.kept.items()}
        self._close(number, payloads)
        settles = [kept.settle for kept in half.kept.values() if kept.settle is not None]
        self._refuse(reason, detail, topic, payloads, settles, number=number)

    def _close(self, number: str, payloads: dict[str, bytes]) -> None:
        """What comes with this number from here on is a repetition, or another value under a used number."""
        self._done[number] = payloads
        while len(self._done) > NUMBERS_OPEN_MAX:
            del self._done[next(iter(self._done))]

    # ------------------------------------------------------------------ both

    def _kind(self, payloads: dict[str, bytes]) -> str:
        fixed = self.shape.said.fixed.get("type")
        if fixed is not None:
            return str(fixed)
        payload = payloads.get(self.shape.area_of("type"))
        if payload is None:
            raise DecodeError("missing_field", "no type")
        word = read_plain(self.shape.said.values["type"], payload)
        return str(word.value) if isinstance(word, Node) else ""

    def _refuse(
        self,
        reason: str,
        detail: str,
        topic: str,
        payloads: dict[str, bytes],
        settles: Iterable[Settle],
        *,
        number: str | None = None,
    ) -> None:
        """With everything that came, cut whole: what is not proven to be impersonal is not shown."""
        shown = {area: payload[:PLAIN_BYTES_MAX] for area, payload in payloads.items()}
        areas = [RawArea(area, 0, data, ((0, len(data)),) if data else ()) for area, data in shown.items()]
        place = RawArea(TOPIC, 0, topic.encode()[:TOPIC_BYTES_MAX])
        asked, epoch = self._number(payloads, number), self._epoch(payloads)
        evidence = Evidence(self.serial, reason, detail, asked, epoch, (place, *areas))
        self.inbox.arrive(evidence, partial(_settle_all, list(settles)))

    def _number(self, payloads: dict[str, bytes], number: str | None) -> int | None:
        said = self.shape.said.values.get("seq")
        if said is None:
            return _whole(Value("seq", ""), (number or "").encode())
        return _whole(said, payloads.get(self.shape.area_of("seq"), b""))

    def _epoch(self, payloads: dict[str, bytes]) -> int | None:
        fixed = self.shape.said.fixed.get("boot")
        if isinstance(fixed, int):
            return fixed
        return _whole(self.shape.said.values["boot"], payloads.get(self.shape.area_of("boot"), b""))

    def _show(self, area: str, payload: bytes) -> None:
        """The live state, of values that one shows; not evidence."""
        changed: dict[str, Any] = {}
        for name in self._names(area):
            value = self.shape.said.values[name]
            if name in LIVE_TEXTS:
                changed[name] = _text(value, payload) or LIVE_TEXTS[name]
            elif name in LIVE_NUMBERS:
                changed[name] = _whole(value, payload) or 0
        live = replace(self.inbox.live, **changed)
        self.inbox.show(live)


def _text(value: Value, payload: bytes) -> str | None:
    try:
        found = read_plain(value, payload)
    except DecodeError:
        return None
    return found.value if isinstance(found, Node) and isinstance(found.value, str) else None


def _whole(value: Value, payload: bytes) -> int | None:
    try:
        found = from_text(value, payload.decode("ascii", "replace"))
    except DecodeError:
        return None
    return found.value if isinstance(found, Node) and isinstance(found.value, int) and found.value >= 0 else None


def _settle_all(settles: Iterable[Settle], fate: Fate) -> None:
    for settle in settles:
        settle(fate)
