"""What the people's application is given by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.config import STREAMS

if TYPE_CHECKING:
    from scorelog.journal.clock import Clock
    from server.evidence.store import EntryStore
    from server.live.board import LiveBoard
    from server.live.hub import Hub
    from server.matches.desk import MatchDesk
    from server.people.accounts import AccountStore
    from server.plan.store import PlanStore
    from server.projection.rubrics import RubricBook
    from server.projection.store import ProjectionStore


@dataclass(frozen=True, slots=True)
class PeopleContext:
    """`secret` signs cookies (32 random bytes, kept with the server's keys). `title` names the place on every page.

    `streams_max`: how many live pages may be open at once.
    """

    store: EntryStore
    projections: ProjectionStore
    book: RubricBook
    board: LiveBoard
    hub: Hub
    clock: Clock
    accounts: AccountStore
    mirror_vkey: str
    secret: bytes
    plans: PlanStore
    matches: MatchDesk
    title: str = ""
    streams_max: int = STREAMS
