"""What a rig is doing, as its entries tell it: a pure fold over one gateway's entries about one rig, in log order.

Owns the proven side of a row of the live board. Never knows a heartbeat (server/live/board.py lays that over it).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
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
        body = dict(zip(_NAMES, _VALUES(self), strict=True))
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
_VALUES = attrgetter(*_NAMES)
Changes = dict[str, Any]


def fold(before: RigState | None, fact: Fact, done: DoneItem | None) -> RigState:
    """The state after one more entry; `done` is the judged item when the entry ends one."""
    place, entry = fact.place, fact.entry
    if fact.rig is None:
        raise ValueError("only entries about a rig are folded")
    if before and before.origin == place.origin and place.index <= before.index:
        return before
    state = before or RigState(place.gateway, fact.rig, place.origin, place.index, place.received_us)
    late, epoch, seq = _late(state, fact), entry.epoch or 0, entry.seq
    changes: Changes = {
        "origin": place.origin,
        "index": place.index,
        "received_us": place.received_us,
        "epoch": max(epoch, state.epoch),
        "seq": state.seq if late or seq is None else seq,
        "station": entry.station or state.station,
        "guarantee": entry.guarantee or state.guarantee,
        "source": entry.source or state.source,
    }
    step = _STEPS.get(fact.type)
    if step and not late:
        changes |= step(state, fact, done)
    return changed(state, changes)


def changed(state: RigState, changes: Changes) -> RigState:
    """As dataclasses.replace does it, in a third of the time: this is done for every entry."""
    return RigState(**{**dict(zip(_NAMES, _VALUES(state), strict=True)), **changes})


def _late(state: RigState, fact: Fact) -> bool:
    """A record that could be read only after its followers tells what was, not what is (rig interface v1, G1)."""
    seq, epoch = fact.entry.seq, fact.entry.epoch or 0
    return seq is not None and seq < state.seq and epoch <= state.epoch


def _identity(state: RigState, fact: Fact, _done: DoneItem | None) -> Changes:
    return _opened(state, fact) | {
        "state": "open",
        "done": (),
        "closed": None,
        "deductions": (),
        "item": None,
        "ordinal": None,
        "limit_s": None,
        "started_us": None,
        "try_no": optional_number(fact.fields, "try"),
    }


def _same_exam(state: RigState, fact: Fact) -> bool:
    return fact.attempt == state.attempt and state.closed is None


def _opened(state: RigState, fact: Fact) -> Changes:
    """An exam of which the log holds a part: the first entry seen of an attempt opens it."""
    if _same_exam(state, fact):
        return {"online": True, "ticket": fact.ticket or state.ticket}
    return {
        "online": True,
        "attempt": fact.attempt,
        "ticket": fact.ticket,
        "exam_no": optional_number(fact.fields, "exam_no"),
        "try_no": None,
        "done": (),
        "closed": None,
        "deductions": (),
    }


def _started(state: RigState, fact: Fact, _done: DoneItem | None) -> Changes:
    return _opened(state, fact) | {
        "state": "running",
        "item": text(fact.fields, "item"),
        "ordinal": number(fact.fields, "ordinal"),
        "limit_s": optional_number(fact.fields, "limit_s"),
        "started_us": fact.read_us,
        "deductions": (),
    }


def _deduction(state: RigState, fact: Fact, _done: DoneItem | None) -> Changes:
    before = state.deductions if _same_exam(state, fact) else ()
    new = Deducted(
        line=number(fact.fields, "line"),
        points=number(fact.fields, "points"),
        at_s=optional_number(fact.fields, "at_s"),
        veto=bool(fact.fields.get("veto")),
        index=fact.place.index,
    )
    return _opened(state, fact) | {
        "state": "running",
        "item": text(fact.fields, "item"),
        "ordinal": number(fact.fields, "ordinal"),
        "deductions": (*before, new)[-limits.DEDUCTIONS_KEPT :],
    }


def _finished(state: RigState, fact: Fact, done: DoneItem | None) -> Changes:
    before = state.done if _same_exam(state, fact) else ()
    ended = (*before, done) if done else before
    return _opened(state, fact) | {
        "state": "finished",
        "item": None,
        "ordinal": None,
        "limit_s": None,
        "started_us": None,
        "deductions": (),
        "done": ended[-limits.DONE_ITEMS_SHOWN :],
    }


def _closed(state: RigState, fact: Fact, _done: DoneItem | None) -> Changes:
    how = "finished" if fact.type == types.ATTEMPT_FINISHED else "aborted"
    now = {"state": "idle", "closed": how, "item": None, "ordinal": None, "started_us": None, "deductions": ()}
    return _opened(state, fact) | now


def _mode(state: RigState, fact: Fact, _done: DoneItem | None) -> Changes:
    return {"mode": optional_text(fact.fields, "new") or state.mode}


def _rebooted(_state: RigState, _fact: Fact, _done: DoneItem | None) -> Changes:
    """Its numbers may begin anew, even where its boot counter did not move."""
    return {"online": True, "seq": 0}


def _offline(_state: RigState, _fact: Fact, _done: DoneItem | None) -> Changes:
    return {"online": False}


def _online(_state: RigState, _fact: Fact, _done: DoneItem | None) -> Changes:
    return {"online": True}


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
