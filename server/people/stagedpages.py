"""The pages on which a person says whose records the staged ones are, and takes that back (docs/formats/plan.md S2).

Only operators decide, and only they see the names of candidates; a viewer sees what waits. Whether a match may be made
is judged in server/matches; this room says why not in the page's words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from server.errors import Missing
from server.matches import limits
from server.matches.desk import Objected
from server.people.guard import ForbiddenError
from server.people.matchwords import MATCH_REFUSALS
from server.projection import queries

if TYPE_CHECKING:
    from server.matches.rules import Objection
    from server.people.accounts import LoginSession
    from server.people.render import Renderer
    from server.people.services import Services

ATTEMPT = re.compile(r"[0-9a-f]{32}")
Word = Annotated[str, Form(max_length=400)]
Why = Annotated[str, Form(max_length=4 * limits.WHY_MAX)]
Row = dict[str, Any]


class MatchForm(BaseModel):
    """What the page sends: the chosen attempt, or else a ticket, and why."""

    word: str = Field(default="", max_length=400)
    planned: str = Field(default="", max_length=64)
    ticket: str = Field(default="", max_length=64)
    why: str = Field(default="", max_length=4 * limits.WHY_MAX)


def staged_pages(services: Services, renderer: Renderer) -> APIRouter:
    """The list and the page of one staged attempt."""
    router = APIRouter(include_in_schema=False)
    page = _Page(services, renderer)

    @router.get("/staged")
    async def staged(request: Request) -> Response:
        session = await services.guard.browser(request)
        rows = await services.context.matches.staged()
        async with services.context.projections.reading() as db:
            matched = await queries.matched(db, limits.STAGED_SHOWN)
        full = len(rows) == limits.STAGED_SHOWN
        return renderer.page(request, "staged.html", session=session, rows=rows, matched=matched, full=full)

    @router.get("/staged/{attempt_id}")
    async def one(request: Request, attempt_id: str) -> Response:
        session = await services.guard.browser(request)
        return await page.show(request, session, attempt_id)

    @router.post("/staged/{attempt_id}")
    async def match(
        request: Request,
        attempt_id: str,
        form: Annotated[MatchForm, Form()],
    ) -> Response:
        session = await page.operator(request, form.word)
        try:
            wanted = await page.wanted(form.planned, form.ticket.strip())
            await services.context.matches.match(attempt_id, wanted, session.account.name, form.why)
        except Objected as error:
            given = {"planned": form.planned, "why": form.why}
            return await page.show(request, session, attempt_id, error.why, given)
        return RedirectResponse(f"/attempts/{wanted}", 303)

    @router.post("/staged/{attempt_id}/undo")
    async def undo(request: Request, attempt_id: str, word: Word = "", why: Why = "") -> Response:
        session = await page.operator(request, word)
        try:
            await services.context.matches.undo(attempt_id, session.account.name, why)
        except Objected as error:
            return await page.show(request, session, attempt_id, error.why, {"planned": "", "why": why})
        return RedirectResponse(f"/staged/{attempt_id}", 303)

    return router


class _Page:
    """The page of one staged attempt, also with what was wrong about a form."""

    def __init__(self, services: Services, renderer: Renderer) -> None:
        self._services = services
        self._renderer = renderer

    async def operator(self, request: Request, word: str) -> LoginSession:
        session = await self._services.guard.browser(request)
        self._services.guard.check_word(session, word)
        if session.account.role != "operator":
            raise ForbiddenError("only an operator may match records")
        return session

    async def wanted(self, planned: str, ticket: str) -> str:
        """The attempt that was chosen; a ticket counts where nobody was, if it names exactly one open attempt."""
        if planned or not ticket:
            return planned
        found = await self._services.context.plans.find_ticket(ticket)
        return found[0] if len(found) == 1 else ""

    async def show(
        self,
        request: Request,
        session: LoginSession,
        attempt_id: str,
        objection: Objection | None = None,
        given: Row | None = None,
    ) -> Response:
        context = self._services.context
        async with context.projections.reading() as db:
            row = await queries.attempt(db, attempt_id) if ATTEMPT.fullmatch(attempt_id) else None
            match = await queries.match_of(db, attempt_id) if row else None
        if row is None or not (row["staged"] or match):
            raise Missing("there is no such attempt")
        operator = session.account.role == "operator"
        offers = await context.matches.offers(attempt_id) if operator and not match else []
        known = await context.plans.openings([one["attempt"] for one in offers])
        _ = self._renderer.translations.wanted(request)
        said = _(MATCH_REFUSALS[objection.code], **objection.values) if objection else None
        return self._renderer.page(
            request,
            "match.html",
            session=session,
            status=(409 if objection.code == "changed" else 422) if objection else 200,
            attempt=row,
            match=match,
            offers=offers,
            known=known,
            book=context.book,
            operator=operator,
            objection=said,
            given=given or {"planned": "", "why": ""},
            why_max=limits.WHY_MAX,
        )
