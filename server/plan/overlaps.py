"""Rule 5: nobody sits in two sessions at once, in this plan or in the current plans of other points.

People are compared by ticket and by the keyed hash of their id number; the messages name sessions only (P7).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.plan.findings import Finding
from server.plan.lists import ID_NUMBER, NAMES, TICKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Seat:
    """One person in one session. Row and file 0 and empty: of another point, which is not to be mended here."""

    ticket: str = field(repr=False)
    keyed: str = field(repr=False)
    session: str
    opens_us: int
    closes_us: int
    row: int = 0
    file: str = ""

    def meets(self, other: Seat) -> bool:
        """Whether one person cannot sit both."""
        apart = self.closes_us <= other.opens_us or other.closes_us <= self.opens_us
        return self.session != other.session and not apart


def overlaps(seats: Iterable[Seat]) -> list[Finding]:
    """One finding per seat of this plan that meets an earlier one of the same person."""
    return sorted(set(_found(list(seats))))


def _found(seats: list[Seat]) -> Iterator[Finding]:
    for column, name in ((TICKET, "ticket"), (ID_NUMBER, "keyed")):
        people: dict[str, list[Seat]] = defaultdict(list)
        for seat in seats:
            person = getattr(seat, name)
            for other in people[person] if person else ():
                mine, theirs = (seat, other) if seat.row else (other, seat)
                same_ticket = column == ID_NUMBER and mine.ticket == theirs.ticket  # told by the ticket already
                if mine.row and mine.meets(theirs) and not same_ticket:
                    problem = f"the same person sits in session {theirs.session} at an overlapping time"
                    remedy = "take one of them out, or move a session"
                    yield Finding(mine.row, NAMES[column][0], problem, remedy, mine.file)
            people[person].append(seat)
