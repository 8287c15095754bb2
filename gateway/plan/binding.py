"""Which attempt a record belongs to: by the log first (B6), then its ticket (B3), then its place (B4), else staged.

    record ─> exam at this rig known? ─yes─> its attempt (B6)
                     └─no─> ticket ─> the plan's candidate (B3) │ another ticket: minted once per ticket and try (B5)
                         └─none─> first candidate due at this place (B4) │ minted (B5)

Never does IO, never reads a clock: the plan and the open sessions come in as a `View`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.plan.roster import bare
from gateway.recording.attempts import TICKET, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_adapters.observation import Observation
    from gateway.plan.roster import Seat, View
    from gateway.recording.attempts import Attempts, Exam


@dataclass(frozen=True, slots=True)
class Bound:
    """What an entry says about whose it is (rule 10 of docs/formats/entry.md)."""

    attempt: str
    binding: str
    session: str | None = None
    plan: str | None = None


class Binder:
    """One per process."""

    def __init__(self, attempts: Attempts, mint: Callable[[], str], view: Callable[[], View | None]) -> None:
        self._attempts = attempts
        self._mint = mint
        self._view = view
        self._reserved: dict[str, str] = {}  # by rig: bound by place, and not yet in the log

    def bind(self, observation: Observation) -> Bound:
        """Of a record that is about to be written. Records of one rig come one after the other."""
        view, ticket = self._view(), observation.personal.get(TICKET, b"")
        self._reserved.pop(observation.rig, None)
        exam = self._attempts.exam_of(observation)
        if exam is not None and not _another(exam, ticket, view):
            return _going_on(exam, ticket, view)
        retry = whole_number(observation.fields.get("try")) or None
        if ticket:
            return self._by_ticket(ticket, retry, view)
        return self._by_place(observation, view) or Bound(self._mint(), "none")

    def _by_ticket(self, ticket: bytes, retry: int | None, view: View | None) -> Bound:
        if view is not None:
            seat = view.roster.with_ticket(ticket, retry, view.sessions, self._is_done)
            if seat is not None:
                return Bound(seat.attempt, "rig", seat.session, view.roster.copy.plan.sha256)
        return Bound(self._attempts.unplanned(ticket, retry, self._mint), "rig")

    def _by_place(self, observation: Observation, view: View | None) -> Bound | None:
        if view is None:
            return None
        rig, item = observation.rig, observation.fields.get("item")
        beside = view.roster.beside(rig)
        busy = {self._attempts.under_way(other) for other in beside}
        busy |= {self._reserved.get(other) for other in beside}
        seat = view.roster.at_place(
            rig,
            item if isinstance(item, str) and item else None,
            view.placing,
            lambda seat, code: seat.attempt not in busy and not self._attempts.has_ended(seat.attempt, code),
        )
        if seat is None:
            return None
        self._reserved[rig] = seat.attempt
        return Bound(seat.attempt, "plan", seat.session, view.roster.copy.plan.sha256)

    def _is_done(self, seat: Seat) -> bool:
        return all(self._attempts.has_ended(seat.attempt, item) for item in seat.candidate.items)


def _another(exam: Exam, ticket: bytes, view: View | None) -> bool:
    """A record that names another person is not of this exam, whatever number it bears: nobody gets its score."""
    if not ticket:
        return False
    if exam.ticket:
        return bare(exam.ticket) != bare(ticket)
    return exam.session is not None and view is not None and view.roster.is_of(exam.attempt, ticket) is False


def _going_on(exam: Exam, ticket: bytes, view: View | None) -> Bound:
    """The newest plan that still has the attempt is named; else the one by which it was bound."""
    if exam.session is None:
        return Bound(exam.attempt, "rig" if ticket else exam.binding)
    knows = view is not None and view.roster.seats(exam.session, exam.attempt)
    plan = view.roster.copy.plan.sha256 if view is not None and knows else exam.plan
    return Bound(exam.attempt, exam.binding, exam.session, plan)
