"""What the log says of attempts and rigs: a pure fold over the gateway's own entries and openings.

    fact (one entry: rig, exam, ticket, leaf) ──apply──> attempts, open exams, ended items, positions
                                                             └──asked by──> plan/binding.py, for the next record

The live path and the restart feed the same `Fact` into the same `apply`, so a restart in the middle of an exam goes on
where it was. Attempt ids of the plan come from the server; others are random and minted once per (ticket, try) seen
here. Tickets never leave the gateway other than as openings. Never does IO, never reads a clock.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from device_adapters.observation import Position
from gateway import limits
from scorelog.format import types

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from device_adapters.observation import Observation
    from gateway.plan.binding import Bound

TICKET = "ticket"
# They say how far the rig was followed, so that a rig that was idle for long is still known after a restart.
_CONNECTION = frozenset({types.RIG_ONLINE, types.RIG_OFFLINE})
# They say where the rig stands, whatever was before: numbers may begin anew.
_PLACING = _CONNECTION | {types.RIG_REBOOTED}


@dataclass(frozen=True, slots=True)
class Fact:
    """What the fold needs of one entry."""

    type: str
    rig: str | None = None
    epoch: int | None = None
    seq: int | None = None
    attempt: str | None = None
    binding: str | None = None
    session: str | None = None
    plan: str | None = None
    exam_no: int | None = None
    retry: int | None = None
    item: str | None = None
    ticket: bytes = b""
    leaf: bytes = b""
    contents: tuple[str, ...] = ()  # of a practice summary: its records' contents


@dataclass(frozen=True, slots=True)
class Exam:
    """The newest exam at one rig."""

    number: int | None
    attempt: str
    ticket: bytes
    closed: bool = False
    binding: str = "none"
    session: str | None = None
    plan: str | None = None


class Attempts:
    """The state of the fold."""

    def __init__(self) -> None:
        self._by_ticket: OrderedDict[tuple[bytes, int], str] = OrderedDict()
        self._latest: OrderedDict[bytes, str] = OrderedDict()
        self._exams: dict[str, Exam] = {}
        self._leaves: OrderedDict[str, list[bytes]] = OrderedDict()
        self._positions: dict[str, Position] = {}
        self._by_number: OrderedDict[tuple[str, int | None], Exam] = OrderedDict()
        self._practised: dict[str, OrderedDict[str, None]] = {}
        self._ended: OrderedDict[str, set[str]] = OrderedDict()  # of planned attempts: items that are over

    def apply(self, fact: Fact) -> None:
        """Take one entry in. Entries come in the order of the log."""
        if fact.rig is None:
            return
        late = self._is_late(fact)
        if fact.epoch is not None and fact.seq is not None and not late:
            self._positions[fact.rig] = Position(fact.epoch, fact.seq)
        self._remember_practice(fact.rig, fact.contents)
        if fact.attempt is None:
            return
        self._remember_leaf(fact.attempt, fact.leaf)
        if fact.ticket and fact.session is None:
            self._remember_ticket(fact, late)
        if fact.session is not None and fact.type == types.ITEM_FINISHED and fact.item:
            self._remember_end(fact.attempt, fact.item)
        self._remember_exam(fact, late)

    def exam_of(self, observation: Observation) -> Exam | None:
        """The exam that a record goes on with, if it is not the first of one (B6)."""
        number, rig = whole_number(observation.fields.get("exam_no")), observation.rig
        late, exam = self.covers(rig, observation.position), self._exams.get(rig)
        if late and (exam is None or exam.number != number):
            exam = self._by_number.get((rig, number))  # a late record of an earlier exam
        if exam is None or exam.number != number:
            return None
        return None if not late and _begins_anew(observation.type, exam) else exam

    def unplanned(self, ticket: bytes, retry: int | None, mint: Callable[[], str]) -> str:
        """The attempt of a ticket that no plan binds; minted when it was never seen (B5)."""
        known = self._latest.get(ticket) if retry is None else self._by_ticket.get((ticket, retry))
        if known is None:
            known = mint()
            self._by_ticket[ticket, retry or 0] = self._latest[ticket] = known
        return known

    def under_way(self, rig: str) -> str | None:
        """The attempt of a rig's open exam."""
        exam = self._exams.get(rig)
        return None if exam is None or exam.closed else exam.attempt

    def has_ended(self, attempt: str, item: str) -> bool:
        """Whether a planned attempt's item is over, as far as this log knows."""
        return item in self._ended.get(attempt, ())

    def leaves(self, attempt: str) -> tuple[bytes, ...]:
        """Leaf hashes of the attempt's entries so far, in the order of the log."""
        return tuple(self._leaves.get(attempt, ()))

    def has_leaf(self, attempt: str, leaf: bytes) -> bool:
        """Whether the entry with this leaf was already taken in."""
        return leaf in self._leaves.get(attempt, ())

    def position(self, rig: str) -> Position | None:
        """How far the log has followed a rig; None if it never did."""
        return self._positions.get(rig)

    def covers(self, rig: str, position: Position) -> bool:
        """Whether the log has followed the rig that far: such a record comes again, or late."""
        at = self._positions.get(rig)
        return at is not None and (position.epoch, position.seq) <= (at.epoch, at.seq)

    def practised(self, rig: str, content: str) -> bool:
        """Whether a practice record is in a summary already."""
        return content in self._practised.get(rig, ())

    def exam(self, rig: str) -> Exam | None:
        """The newest exam at a rig."""
        return self._exams.get(rig)

    def snapshot(self) -> tuple[object, ...]:
        """The whole state as comparable values: two folds are equal when their snapshots are."""
        return (
            dict(self._by_ticket),
            dict(self._latest),
            dict(self._exams),
            {attempt: tuple(leaves) for attempt, leaves in self._leaves.items()},
            dict(self._positions),
            dict(self._by_number),
            {rig: tuple(contents) for rig, contents in self._practised.items()},
            {attempt: frozenset(items) for attempt, items in self._ended.items()},
        )

    @property
    def _remembered(self) -> int:
        return max(limits.ATTEMPTS_REMEMBERED, limits.ATTEMPTS_REMEMBERED_PER_RIG * len(self._exams))

    def _is_late(self, fact: Fact) -> bool:
        """A record that could not be read when it was its turn; it moves neither the position nor the open exam."""
        at = self._positions.get(str(fact.rig))
        if at is None or fact.epoch is None or fact.seq is None or fact.type in _PLACING:
            return False
        return (fact.epoch, fact.seq) < (at.epoch, at.seq)

    def _remember_exam(self, fact: Fact, late: bool) -> None:
        rig, newest = str(fact.rig), self._exams.get(str(fact.rig))
        exam = self._by_number.get((rig, fact.exam_no)) if late else newest
        if exam is None or exam.attempt != fact.attempt or exam.number != fact.exam_no:
            exam = Exam(
                fact.exam_no,
                str(fact.attempt),
                fact.ticket,
                binding=fact.binding or "none",
                session=fact.session,
                plan=fact.plan,
            )
        if fact.type == types.IDENTITY_CHECKED and not late:
            exam = replace(exam, closed=False)
        elif fact.type in types.CLOSING:
            exam = replace(exam, closed=True)
        if not late or newest is None or (newest.number, newest.attempt) == (exam.number, exam.attempt):
            self._exams[rig] = exam
        self._by_number[rig, exam.number] = exam
        self._by_number.move_to_end((rig, exam.number))
        _bound(self._by_number, self._remembered)

    def _remember_practice(self, rig: str, contents: tuple[str, ...]) -> None:
        if not contents:
            return
        known = self._practised.setdefault(rig, OrderedDict())
        known.update(dict.fromkeys(contents))
        while len(known) > limits.PRACTICE_CONTENTS_PER_RIG:
            known.popitem(last=False)

    def _remember_leaf(self, attempt: str, leaf: bytes) -> None:
        self._leaves.setdefault(attempt, []).append(leaf)
        self._leaves.move_to_end(attempt)
        _bound(self._leaves, max(limits.ATTEMPTS_WITH_LEAVES, limits.ATTEMPTS_WITH_LEAVES_PER_RIG * len(self._exams)))

    def _remember_end(self, attempt: str, item: str) -> None:
        self._ended.setdefault(attempt, set()).add(item)
        self._ended.move_to_end(attempt)
        _bound(self._ended, self._remembered)

    def _remember_ticket(self, fact: Fact, late: bool) -> None:
        attempt = str(fact.attempt)
        if fact.type == types.IDENTITY_CHECKED:
            self._by_ticket[fact.ticket, fact.retry or 0] = attempt
            if not late or fact.ticket not in self._latest:
                self._latest[fact.ticket] = attempt
        elif fact.ticket not in self._latest:
            self._by_ticket[fact.ticket, 0] = self._latest[fact.ticket] = attempt
        _bound(self._by_ticket, self._remembered)
        _bound(self._latest, self._remembered)


def _bound(kept: OrderedDict[Any, Any], most: int) -> None:
    """The oldest go."""
    while len(kept) > most:
        kept.popitem(last=False)


def _begins_anew(kind: str, exam: Exam) -> bool:
    """A rig that lost its memory counts from 1 again, one without a counter says 0: a number alone proves little."""
    if kind == types.IDENTITY_CHECKED:
        return exam.closed or not exam.number
    return exam.closed and not exam.number and kind != types.CANDIDATE_ACKNOWLEDGED


def fact_of_observation(observation: Observation, bound: Bound | None, leaf: bytes) -> Fact:
    """The live path: a record that was just stored."""
    return Fact(
        type=observation.type,
        rig=observation.rig,
        epoch=observation.epoch,
        seq=observation.seq,
        attempt=None if bound is None else bound.attempt,
        binding=None if bound is None else bound.binding,
        session=None if bound is None else bound.session,
        plan=None if bound is None else bound.plan,
        exam_no=whole_number(observation.fields.get("exam_no")),
        retry=whole_number(observation.fields.get("try")),
        item=_word(observation.fields.get("item")),
        ticket=observation.personal.get(TICKET, b"") if bound else b"",
        leaf=leaf,
    )


def fact_of_entry(document: Mapping[str, Any], leaf: bytes, ticket: bytes) -> Fact:
    """The restart: the same fact, from the log. `ticket` is its opening, b"" when erased or absent."""
    fields = document.get("fields")
    fields = fields if isinstance(fields, dict) else {}
    attempt = document.get("attempt")
    rig = document.get("rig")
    kind = str(document.get("type"))
    epoch, seq = ("last_epoch", "last_seq") if kind in _CONNECTION else ("epoch", "seq")
    return Fact(
        type=kind,
        rig=rig if isinstance(rig, str) else None,
        epoch=whole_number(document.get(epoch)),
        seq=whole_number(document.get(seq)),
        attempt=_word(attempt),
        binding=_word(document.get("binding")),
        session=_word(document.get("session")),
        plan=_word(document.get("plan")),
        exam_no=whole_number(fields.get("exam_no")),
        retry=whole_number(fields.get("try")),
        item=_word(fields.get("item")),
        ticket=ticket if isinstance(attempt, str) else b"",
        leaf=leaf,
        contents=_contents(fields) if kind == types.PRACTICE_SUMMARY else (),
    )


def _contents(fields: Mapping[str, Any]) -> tuple[str, ...]:
    records = fields.get("records")
    return tuple(map(str, records)) if isinstance(records, list) else ()


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def whole_number(value: object) -> int | None:
    """An integer that is no truth value, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
