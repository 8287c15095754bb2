"""What a rig is doing, as its entries tell it: a pure fold over one gateway's entries about one rig, in log order.

Owns the proven side of a row of the live board. Never knows a heartbeat (server/live/board.py lays that over it).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from scorelog.format import types
from server.projection import limits
from server.projection.facts import number, optional_number, optional_text, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.projection.facts import Fact


@dataclass(frozen=True, slots=True)
class Deducted:
    """One deduction of the running item."""

    line: int
    points: int
    at_s: int | None
    veto: bool
    index: int


@dataclass(frozen=True, slots=True)
class DoneItem:
    """One item that ended."""

    item: str
    ordinal: int
    outcome: str
    score: int | None
    recomputed: int | None
    verdict: str
    origin: str
    index: int


@dataclass(frozen=True, slots=True)
class RigState:
    """The newest entry (`origin`, `index`) and what all entries up to it say."""

    gateway: str
    rig: str
    origin: str
    index: int
    received_us: int
    epoch: int = 0
    seq: int = 0
    station: str | None = None
    state: str = "idle"
    online: bool = True
    mode: str = "exam"
    attempt: str | None = None
    ticket: str | None = None
    exam_no: int | None = None
    try_no: int | None = None
    item: str | None = None
    ordinal: int | None = None
    limit_s: int | None = None
    started_us: int | None = None
    deductions: tuple[Deducted, ...] = ()
    done: tuple[DoneItem, ...] = ()
    closed: str | None = None
    guarantee: str | None = None
    source: str | None = None
    rubric: str | None = None
    owner: tuple[str, str, int, int] | None = None  # another gateway, by the plan; and the first entry that shows it

    def to_json(self) -> dict[str, Any]:
        """As the table keeps it."""
        body = {name: getattr(self, name) for name in _NAMES}
        body["deductions"] = [{name: getattr(one, name) for name in _DEDUCTED} for one in self.deductions]
        body["done"] = [{name: getattr(one, name) for name in _DONE} for one in self.done]
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> RigState:
        """Back from the table."""
        return cls(
            **{
                **body,
                "deductions": tuple(Deducted(**d) for d in body["deductions"]),
                "done": tuple(DoneItem(**d) for d in body["done"]),
                "owner": tuple(body["owner"]) if body.get("owner") else None,
            },
        )


_NAMES, _DEDUCTED, _DONE = (tuple(one.name for one in fields(each)) for each in (RigState, Deducted, DoneItem))


def fold(before: RigState | None, fact: Fact, done: DoneItem | None) -> RigState:
    """The state after one more entry; `done` is the judged item when the entry ends one."""
    place = fact.place
    if fact.rig is None:
        raise ValueError("only entries about a rig are folded")
    if before and before.origin == place.origin and place.index <= before.index:
        return before
    state = before or RigState(place.gateway, fact.rig, place.origin, place.index, place.received_us)
    late = _late(state, fact)
    state = replace(
        state,
        origin=place.origin,
        index=place.index,
        received_us=place.received_us,
        epoch=max(fact.entry.epoch or 0, state.epoch),
        seq=state.seq if late or fact.entry.seq is None else fact.entry.seq,
        station=fact.entry.station or state.station,
        guarantee=fact.entry.guarantee or state.guarantee,
        source=fact.entry.source or state.source,
    )
    step = _STEPS.get(fact.type)
    return step(state, fact, done) if step and not late else state


def _late(state: RigState, fact: Fact) -> bool:
    """A record that could be read only after its followers tells what was, not what is (rig interface v1, G1)."""
    seq, epoch = fact.entry.seq, fact.entry.epoch or 0
    return seq is not None and seq < state.seq and epoch <= state.epoch


def _identity(state: RigState, fact: Fact, _done: DoneItem | None) -> RigState:
    return replace(
        _opened(state, fact),
        state="open",
        done=(),
        closed=None,
        deductions=(),
        item=None,
        ordinal=None,
        limit_s=None,
        started_us=None,
        try_no=optional_number(fact.fields, "try"),
    )


def _opened(state: RigState, fact: Fact) -> RigState:
    """An exam of which the log holds a part: the first entry seen of an attempt opens it."""
    if fact.attempt == state.attempt and state.closed is None:
        return replace(state, online=True, ticket=fact.ticket or state.ticket)
    return replace(
        state,
        online=True,
        attempt=fact.attempt,
        ticket=fact.ticket,
        exam_no=optional_number(fact.fields, "exam_no"),
        try_no=None,
        done=(),
        closed=None,
        deductions=(),
    )


def _started(state: RigState, fact: Fact, _done: DoneItem | None) -> RigState:
    return replace(
        _opened(state, fact),
        state="running",
        item=text(fact.fields, "item"),
        ordinal=number(fact.fields, "ordinal"),
        limit_s=optional_number(fact.fields, "limit_s"),
        started_us=fact.read_us,
        deductions=(),
    )


def _deduction(state: RigState, fact: Fact, _done: DoneItem | None) -> RigState:
    state = _opened(state, fact)
    new = Deducted(
        line=number(fact.fields, "line"),
        points=number(fact.fields, "points"),
        at_s=optional_number(fact.fields, "at_s"),
        veto=bool(fact.fields.get("veto")),
        index=fact.place.index,
    )
    return replace(
        state,
        state="running",
        item=text(fact.fields, "item"),
        ordinal=number(fact.fields, "ordinal"),
        deductions=(*state.deductions, new)[-limits.DEDUCTIONS_KEPT :],
    )


def _finished(state: RigState, fact: Fact, done: DoneItem | None) -> RigState:
    state = _opened(state, fact)
    ended = (*state.done, done) if done else state.done
    return replace(
        state,
        state="finished",
        item=None,
        ordinal=None,
        limit_s=None,
        started_us=None,
        deductions=(),
        done=ended[-limits.DONE_ITEMS_SHOWN :],
    )


def _closed(state: RigState, fact: Fact, _done: DoneItem | None) -> RigState:
    state = _opened(state, fact)
    how = "finished" if fact.type == types.ATTEMPT_FINISHED else "aborted"
    return replace(state, state="idle", closed=how, item=None, ordinal=None, started_us=None, deductions=())


def _mode(state: RigState, fact: Fact, _done: DoneItem | None) -> RigState:
    return replace(state, mode=optional_text(fact.fields, "new") or state.mode)


def _rebooted(state: RigState, _fact: Fact, _done: DoneItem | None) -> RigState:
    """Its numbers may begin anew, even where its boot counter did not move."""
    return replace(state, online=True, seq=0)


def _offline(state: RigState, _fact: Fact, _done: DoneItem | None) -> RigState:
    return replace(state, online=False)


def _online(state: RigState, _fact: Fact, _done: DoneItem | None) -> RigState:
    return replace(state, online=True)


_STEPS = {
    types.IDENTITY_CHECKED: _identity,
    types.ITEM_STARTED: _started,
    types.DEDUCTION: _deduction,
    types.ITEM_FINISHED: _finished,
    types.ATTEMPT_FINISHED: _closed,
    types.ATTEMPT_ABORTED: _closed,
    types.RIG_MODE: _mode,
    types.RIG_OFFLINE: _offline,
    types.RIG_ONLINE: _online,
    types.RIG_REBOOTED: _rebooted,
}
