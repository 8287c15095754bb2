"""The JSON API of staged records and matches, under /api/v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Request
from pydantic import Field

from server.matches import limits
from server.people import formats, shapes
from server.people.guard import ForbiddenError
from server.people.models import Attempts, Model
from server.people.problems import DOCUMENTED, WRITING, documented

if TYPE_CHECKING:
    from server.people.services import Services

AttemptId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class MatchRequest(Model):
    """Whose records belong to which planned attempt; `planned` null takes the match back."""

    staged: AttemptId
    planned: AttemptId | None
    why: str = Field(max_length=4 * limits.WHY_MAX)


class MatchModel(Model):
    """A match as it was kept; another one undoes it."""

    number: int
    staged: str
    planned: str | None
    account: str
    why: str
    at: str


def staged_api(services: Services) -> APIRouter:
    """Read by everybody with a session or token; written by operators."""
    router = APIRouter(prefix="/api/v1", responses=DOCUMENTED)

    @router.get("/staged")
    async def staged(request: Request) -> Attempts:
        """Attempts bound to nobody or outside any session that no match has brought home, newest first."""
        await services.guard.caller(request)
        rows = await services.context.matches.staged()
        return Attempts(attempts=[shapes.attempt(row) for row in rows], next=None)

    @router.post("/matches", status_code=201, responses=WRITING | documented(409))
    async def match(request: Request, body: MatchRequest, x_csrf_token: Annotated[str, Header()] = "") -> MatchModel:
        """Match, or undo. Operators only; a session needs X-CSRF-Token. 422 says what is wrong, 409 that it changed."""
        account = await services.guard.caller(request)
        if account.role != "operator":
            raise ForbiddenError("only an operator may match records")
        if "authorization" not in request.headers:
            services.guard.check_word(await services.guard.browser(request), x_csrf_token)
        desk = services.context.matches
        if body.planned is None:
            made = await desk.undo(body.staged, account.name, body.why)
        else:
            made = await desk.match(body.staged, body.planned, account.name, body.why)
        values = {name: getattr(made, name) for name in ("number", "staged", "planned", "account", "why")}
        return MatchModel(at=formats.iso(made.at_us), **values)

    return router
