"""Who sits what where, made ready for the question that each record asks. Pure; holds tickets, so it is never shown.

Tickets are compared after trailing NUL and space are cut (B3). Places and items are those of the plan's own rigs (B4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway import limits
from scorelog.format.plan_model import TRAINING_ONLY
from scorelog.format.plan_openings import TICKET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gateway.plan.answer import PlanCopy
    from scorelog.format.plan import PlannedCandidate


@dataclass(frozen=True, slots=True)
class Seat:
    """One candidate in one session."""

    session: str
    candidate: PlannedCandidate

    @property
    def attempt(self) -> str:
        """The attempt that the server minted."""
        return self.candidate.attempt


@dataclass(frozen=True, slots=True)
class Window:
    """When a session is open: [opens, closes)."""

    session: str
    opens_us: int
    closes_us: int

    def holds(self, now_us: int) -> bool:
        """Whether it is open."""
        return self.opens_us <= now_us < self.closes_us

    def binds(self, now_us: int) -> bool:
        """Whether it counts as open for records (B3)."""
        return self.opens_us - limits.WINDOW_BEFORE_US <= now_us < self.closes_us + limits.WINDOW_AFTER_US


@dataclass(frozen=True, slots=True)
class View:
    """The plan in use at this moment, and which sessions a record may belong to, the likeliest first."""

    roster: Roster
    sessions: tuple[str, ...]  # for a record that tells its ticket
    placing: tuple[str, ...]  # for one that does not


@dataclass(slots=True)
class Roster:
    """One plan with its openings."""

    copy: PlanCopy = field(repr=False)
    windows: dict[str, Window] = field(init=False)
    _seats: dict[str, list[Seat]] = field(init=False, repr=False)
    _attempts: dict[str, frozenset[str]] = field(init=False, repr=False)
    _by_ticket: dict[bytes, list[Seat]] = field(init=False, repr=False)
    _tickets: dict[str, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        plan = self.copy.plan
        self._tickets = {one.attempt: bare(one.value.encode()) for one in self.copy.openings if one.field == TICKET}
        self.windows = {each.id: Window(each.id, each.opens_us, each.closes_us) for each in plan.sessions}
        self._seats = {each.id: [Seat(each.id, one) for one in each.candidates] for each in plan.sessions}
        self._attempts = {session: frozenset(one.attempt for one in seats) for session, seats in self._seats.items()}
        self._by_ticket = {}
        for seat in (one for seats in self._seats.values() for one in seats):
            if ticket := self._tickets.get(seat.attempt):
                self._by_ticket.setdefault(ticket, []).append(seat)

    def with_ticket(
        self, ticket: bytes, retry: int | None, sessions: Iterable[str], done: Callable[[Seat], bool]
    ) -> Seat | None:
        """B3: the first of these sessions in which this ticket has something left to do; else the first at all."""
        seats = self._by_ticket.get(bare(ticket), [])
        wanted = [
            seat
            for session in sessions
            for seat in sorted(seats, key=lambda one: one.candidate.try_no)
            if seat.session == session and retry in (None, seat.candidate.try_no)
        ]
        return next((seat for seat in wanted if not done(seat)), wanted[0] if wanted else None)

    def at_place(
        self, rig: str, item: str | None, sessions: Iterable[str], free: Callable[[Seat, str], bool]
    ) -> Seat | None:
        """B4: the first candidate whose item at this rig's station is still to come."""
        for seat, code in self._due(rig, sessions):
            if item in (None, code) and free(seat, code):
                return seat
        return None

    def beside(self, serial: str) -> list[str]:
        """The other rigs of its station: only there the same item can be under way (B4).

        What other stations do is not asked: after an interruption their records come in any order, and the order of
        one place would depend on it.
        """
        rig = self.copy.plan.rig(serial)
        return [one.serial for one in self.copy.plan.rigs if rig and one.station == rig.station and one is not rig]

    def is_of(self, attempt: str, ticket: bytes) -> bool | None:
        """Whether an attempt is of this ticket; None if the plan does not know its ticket."""
        known = self._tickets.get(attempt)
        return None if known is None else known == bare(ticket)

    def seats(self, session: str, attempt: str) -> bool:
        """Whether the plan has this attempt in this session."""
        return attempt in self._attempts.get(session, ())

    def _due(self, serial: str, sessions: Iterable[str]) -> Iterator[tuple[Seat, str]]:
        rig = self.copy.plan.rig(serial)
        if rig is None or rig.purpose == TRAINING_ONLY:
            return
        for session in sessions:
            for seat in self._seats.get(session, ()):
                for code, place in zip(seat.candidate.items, seat.candidate.places, strict=False):
                    if place == rig.station and code in rig.items:
                        yield seat, code


def bare(ticket: bytes) -> bytes:
    """A ticket without what a fixed field leaves behind it."""
    return ticket.rstrip(b"\0 ")


def in_order(windows: Iterable[Window], now_us: int) -> tuple[str, ...]:
    """The sessions that bind now: the open ones, then those just over, then those about to begin."""
    binding = [window for window in windows if window.binds(now_us)]
    return tuple(each.session for each in sorted(binding, key=lambda one: _rank(one, now_us)))


def _rank(window: Window, now_us: int) -> int:
    if window.holds(now_us):
        return 0
    return 1 if window.closes_us <= now_us else 2


def looks_back_to(windows: Iterable[Window], newest_us: int, now_us: int) -> int | None:
    """From when on the log must be read back, so that nothing that was bound in a session is unknown.

    `newest_us` is the time of the log's last entry: a session that was open then may still have to be closed. Times
    before the plausible ones bound nothing.
    """
    since = newest_us if newest_us >= limits.PLAUSIBLE_TIME_US else 0
    until = max(newest_us, now_us)
    until = until if until >= limits.PLAUSIBLE_TIME_US else 1 << 62
    opens = [
        each.opens_us - limits.WINDOW_BEFORE_US
        for each in windows
        if each.closes_us + limits.WINDOW_AFTER_US >= since and each.opens_us - limits.WINDOW_BEFORE_US <= until
    ]
    return min(opens, default=None)
