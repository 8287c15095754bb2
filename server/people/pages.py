"""The pages: live board, attempts, one attempt, gateways, alerts. Only the live page needs a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from server.people import limits
from server.people.alertpages import alert_pages
from server.people.attemptpages import attempt_page
from server.people.gatewaypages import gateway_pages
from server.people.planpages import plan_pages
from server.people.searchwords import SearchWords
from server.people.sessionpages import session_pages
from server.people.wallpages import wall_pages
from server.projection import queries

if TYPE_CHECKING:
    from server.people.render import Renderer
    from server.people.services import Services
    from server.people.wall import Wall

STATES = ("", "open", "passed", "failed", "aborted", "mismatch", "staged")
CURSOR = re.compile(r"\d{1,18}-[0-9a-f]{32}")


def pages_router(services: Services, wall: Wall, renderer: Renderer) -> APIRouter:
    """All pages behind the login."""
    router = APIRouter(include_in_schema=False)
    wall_pages(router, services, wall, renderer)
    _attempt_pages(router, services, renderer)
    attempt_page(router, services, renderer)
    session_pages(router, services, renderer)
    alert_pages(router, services, renderer)
    gateway_pages(router, services, renderer)
    plan_pages(router, services, renderer)
    return router


def _attempt_pages(router: APIRouter, services: Services, renderer: Renderer) -> None:
    context, sealed = services.context, SearchWords(services.context.secret)

    @router.post("/attempts/find")
    async def find(
        request: Request,
        search: Annotated[str, Form(max_length=limits.SEARCH_MAX)] = "",
        state: Annotated[str, Form(max_length=20)] = "",
    ) -> Response:
        await services.guard.browser(request)
        query = {"state": state if state in STATES else "", "find": sealed.seal(search)}
        return RedirectResponse(f"/attempts?{urlencode(query)}", 303)

    @router.get("/attempts")
    async def attempts(
        request: Request,
        find: Annotated[str, Query(max_length=limits.SEALED_SEARCH_MAX)] = "",
        state: str = "",
        before: str = "",
    ) -> Response:
        session = await services.guard.browser(request)
        state = state if state in STATES else ""
        before = before if CURSOR.fullmatch(before) else ""
        search = sealed.open(find)
        rows = await services.attempts(search, state, before, limits.PAGE_DEFAULT)
        async with context.projections.reading() as db:
            totals = await queries.totals(db)
        more = services.cursor(rows[-1]) if len(rows) == limits.PAGE_DEFAULT else None
        return renderer.page(
            request,
            "attempts.html",
            session=session,
            rows=rows,
            totals=totals,
            search=search,
            find=find if search else "",
            state=state,
            states=STATES,
            before=before,
            more=more,
        )
