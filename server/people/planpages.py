"""The plans of exam points: a list, one version of a point, the candidates of one session; and GET /api/v1/plans.

Everybody who may log in sees rooms, stations, rigs and windows. Tickets, names and masked ids stand only on a session's
page, for operators, and that somebody looked at them is a log line (without a value of theirs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Path, Query, Request

from server.errors import Damaged, Missing
from server.people import formats, limits
from server.people.models import Model
from server.people.problems import DOCUMENTED
from server.projection.plans import rooms_of

if TYPE_CHECKING:
    from starlette.responses import Response

    from scorelog.format.plan import Session
    from server.people.render import Renderer
    from server.people.services import Services
    from server.plan.publication import PlanHead
    from server.plan.store import PlanStore, StoredPlan

log = structlog.get_logger()

Name = Annotated[str, Path(max_length=limits.NAME_MAX)]
When = Literal["coming", "open", "over"]


class PlannedSession(Model):
    """One session; `state` is by the server's clock."""

    id: str
    occupation: str
    rubric: str
    opens: str
    closes: str
    state: When
    candidates: int


class PlannedPoint(Model):
    """The newest plan of a point. `version` null: it cannot be read, see the server's log."""

    point: str
    versions: list[int]
    version: int | None = None
    sha256: str | None = None
    published: str | None = None
    name: dict[str, str] | None = None
    gateways: list[str]
    rooms: list[dict[str, Any]]
    sessions: list[PlannedSession]


class Plans(Model):
    """Every point that has a plan."""

    plans: list[PlannedPoint]


def when(session: Session, now_us: int) -> When:
    """Where the window [opens, closes) stands."""
    if now_us < session.opens_us:
        return "coming"
    return "open" if now_us < session.closes_us else "over"


def plan_pages(router: APIRouter, services: Services, renderer: Renderer) -> None:
    """Three pages."""
    context = services.context

    @router.get("/plan")
    async def everything(request: Request) -> Response:
        session = await services.guard.browser(request)
        found = await _all(context.plans)
        values: dict[str, Any] = {"plans": found, "book": context.book, "when": when}
        return renderer.page(request, "plans.html", session=session, now_us=context.clock.now_us(), **values)

    @router.get("/plan/{point}")
    async def one_point(
        request: Request, point: Name, version: Annotated[int | None, Query(ge=1, le=2**53 - 1)] = None
    ) -> Response:
        session = await services.guard.browser(request)
        heads = await context.plans.heads(point)
        number = version or max((head.version for head in heads), default=0)
        stored = await context.plans.version(point, number)
        if stored is None:
            raise Missing("there is no such plan")
        values: dict[str, Any] = {"stored": stored, "heads": heads[::-1], "newest": number == heads[-1].version}
        values |= {"book": context.book, "when": when}
        return renderer.page(request, "plan.html", session=session, now_us=context.clock.now_us(), **values)

    @router.get("/plan/{point}/sessions/{name}")
    async def one_session(request: Request, point: Name, name: Name) -> Response:
        session = await services.guard.browser(request)
        stored = await context.plans.current(point)
        planned = stored.plan.session(name) if stored else None
        if stored is None or planned is None:
            raise Missing("there is no such plan")
        people: dict[str, dict[str, str]] = {}
        names = session.account.role == "operator"
        if names:
            log.info("candidates looked at", account=session.account.name, point=point, session=planned.id)
            people = await context.plans.openings(one.attempt for one in planned.candidates)
        values: dict[str, Any] = {"stored": stored, "planned": planned, "people": people, "names": names}
        values["book"] = context.book
        state = when(planned, context.clock.now_us())
        return renderer.page(request, "plansession.html", session=session, state=state, **values)


def plan_router(services: Services) -> APIRouter:
    """The plans for programs; nothing personal in it."""
    router = APIRouter(prefix="/api/v1", responses=DOCUMENTED)
    context = services.context

    @router.get("/plans")
    async def plans(request: Request) -> Plans:
        """The newest plan of every point, without candidates."""
        await services.guard.caller(request)
        now_us = context.clock.now_us()
        return Plans(plans=[_point(heads, stored, now_us) for heads, stored in await _all(context.plans)])

    return router


async def _all(plans: PlanStore) -> list[tuple[list[PlanHead], StoredPlan | None]]:
    """Every point with its versions, oldest first. One that cannot be read does not hide the others (P8)."""
    by_point: dict[str, list[PlanHead]] = {}
    for head in await plans.heads():
        by_point.setdefault(head.point, []).append(head)
    found: list[tuple[list[PlanHead], StoredPlan | None]] = []
    for point, heads in by_point.items():
        try:
            found.append((heads, await plans.current(point)))
        except Damaged as error:
            log.warning("plan damaged", point=point, error=str(error))
            found.append((heads, None))
    return found


def _point(heads: list[PlanHead], stored: StoredPlan | None, now_us: int) -> PlannedPoint:
    point, versions = heads[0].point, [head.version for head in heads]
    if stored is None:
        return PlannedPoint(point=point, versions=versions, gateways=[], rooms=[], sessions=[])
    plan = stored.plan
    return PlannedPoint(
        point=point,
        versions=versions,
        version=stored.version,
        sha256=stored.sha256,
        published=formats.iso(stored.published_us),
        name={"zh": plan.name.zh, "en": plan.name.en},
        gateways=list(plan.gateways),
        rooms=rooms_of(plan),
        sessions=[
            PlannedSession(
                id=each.id,
                occupation=each.occupation,
                rubric=each.rubric,
                opens=each.opens,
                closes=each.closes,
                state=when(each, now_us),
                candidates=len(each.candidates),
            )
            for each in plan.sessions
        ],
    )
