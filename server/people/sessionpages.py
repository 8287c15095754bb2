"""The sessions of the plans, and how far each candidate of one session is.

Who sits is from the newest published plan, so that a session stands here before any gateway has adopted it; what
happened is from the projections and the board.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Path, Query, Request

from server.errors import Damaged, Missing
from server.people import limits
from server.people.progress import Progress, progress_of
from server.people.wallpages import may_see_names
from server.projection import queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

    from scorelog.format.plan import PlannedCandidate, Session
    from server.people.render import Renderer
    from server.people.services import Services
    from server.plan.store import StoredPlan

log = structlog.get_logger()

Name = Annotated[str, Path(max_length=limits.NAME_MAX)]
Part = Annotated[str, Query(max_length=8)]
Window = Literal["coming", "open", "over"]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sitter:
    """One candidate of the session; `row` is the composed attempt, None before its first record."""

    candidate: PlannedCandidate
    row: Row | None
    progress: Progress

    @property
    def state(self) -> str:
        """A key of words.SITTERS."""
        if self.row is None:
            return "running" if self.progress.at else "waiting"
        if self.row["state"] != "open":
            return "aborted" if self.row["state"] == "aborted" else "over"
        return "running" if self.progress.at else "between"


@dataclass(frozen=True, slots=True)
class Sums:
    """How many of a session's candidates are where."""

    total: int
    begun: int
    over: int
    passed: int
    failed: int
    trouble: int


def session_pages(router: APIRouter, services: Services, renderer: Renderer) -> None:
    """The list and the page of each."""
    context = services.context

    @router.get("/sessions")
    async def sessions(request: Request) -> Response:
        session = await services.guard.browser(request)
        found = []
        for point in await context.plans.points():
            try:
                stored = await context.plans.current(point)
            except Damaged:
                continue  # the plan's own page says so
            planned = stored.plan.sessions if stored else ()
            found += [(stored, one, sums(await sitters(services, one))) for one in planned]
        found.sort(key=lambda three: (-three[1].opens_us, three[1].id))
        now_us = context.clock.now_us()
        return renderer.page(request, "sessions.html", session=session, found=found, window=window, now_us=now_us)

    @router.get("/sessions/{point}/{name}")
    async def one_session(request: Request, point: Name, name: Name, part: Part = "") -> Response:
        session = await services.guard.browser(request)
        stored = await context.plans.current(point)
        planned = stored.plan.session(name) if stored else None
        if stored is None or planned is None:
            raise Missing("there is no such session")
        sitting = await sitters(services, planned)
        people: dict[str, dict[str, str]] = {}
        if may_see_names(session.account):
            if part != "now":  # the page reading itself again is not another look
                log.info("candidates looked at", account=session.account.name, point=point, session=planned.id)
            people = await context.plans.openings(one.attempt for one in planned.candidates)
        return renderer.page(
            request,
            "session.html",
            session=session,
            stored=stored,
            planned=planned,
            sitting=sitting,
            sums=sums(sitting),
            people=people,
            state=window(planned, context.clock.now_us()),
            rubric=context.book.rubric(planned.rubric),
            book=context.book,
            fresh=hints(stored),
            now_us=context.clock.now_us(),
        )


async def sitters(services: Services, session: Session) -> list[Sitter]:
    """Every candidate in the order of the plan."""
    context = services.context
    async with context.projections.reading() as db:
        rows = {
            row["attempt"]: row
            for row in await queries.attempts_of(db, [candidate.attempt for candidate in session.candidates])
        }
    at: dict[str, list[Row]] = {}
    for rig in context.board.rig_rows():
        at.setdefault(rig["attempt"], []).append(rig)
    cosigned = {state.origin: state.cosigned_size for state in await context.store.logs()}
    return [_sitter(one, rows.get(one.attempt), at.get(one.attempt, []), cosigned) for one in session.candidates]


def _sitter(candidate: PlannedCandidate, row: Row | None, rigs: Sequence[Row], cosigned: Mapping[str, int]) -> Sitter:
    places = candidate.places or (None,) * len(candidate.items)
    wanted = [{"item": item, "place": place} for item, place in zip(candidate.items, places, strict=True)]
    return Sitter(candidate, row, progress_of(wanted, row["runs"] if row else [], rigs, cosigned))


def sums(sitting: Sequence[Sitter]) -> Sums:
    """For the head of the page."""
    rows = [one.row for one in sitting if one.row]
    return Sums(
        total=len(sitting),
        begun=sum(one.state != "waiting" for one in sitting),
        over=sum(one.state in {"over", "aborted"} for one in sitting),
        passed=sum(row["passed"] is True for row in rows),
        failed=sum(row["passed"] is False and row["state"] != "aborted" for row in rows),
        trouble=sum(row["verdict"] in {"mismatch", "impossible"} for row in rows),
    )


def window(session: Session, now_us: int) -> Window:
    """Where the window [opens, closes) stands."""
    if now_us < session.opens_us:
        return "coming"
    return "open" if now_us < session.closes_us else "over"


def hints(stored: StoredPlan) -> str:
    """The rows of the live stream whose change means that this page is old."""
    return " ".join(["plan", *(f"rig/{gateway}/*" for gateway in stored.plan.gateways)])
