"""Logging in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from server.people import limits
from server.people.throttle import LoginThrottle

if TYPE_CHECKING:
    from server.people.context import PeopleContext
    from server.people.guard import Guard
    from server.people.render import Renderer

log = structlog.get_logger(__name__)


def login_router(context: PeopleContext, guard: Guard, renderer: Renderer) -> APIRouter:
    """GET and POST /login, POST /logout."""
    router = APIRouter(include_in_schema=False)
    throttle = LoginThrottle(context.clock)

    def form(request: Request, next_path: str, status: int = 200, *, wrong: bool = False, wait_s: int = 0) -> Response:
        word = guard.login_word(request)
        headers = {"retry-after": str(wait_s)} if wait_s else {}
        response = renderer.page(
            request,
            "login.html",
            status=status,
            headers=headers,
            next_path=next_path,
            word=word,
            wrong=wrong,
            wait_s=wait_s,
        )
        guard.remember_login_word(response, word)
        return response

    @router.get("/login")
    async def show(request: Request, next: str = "/") -> Response:  # noqa: A002  the query's name
        if await guard.session(request):
            return RedirectResponse(_inside(next), 303)
        return form(request, _inside(next))

    @router.post("/login")
    async def log_in(
        request: Request,
        name: Annotated[str, Form(max_length=limits.NAME_MAX)] = "",
        password: Annotated[str, Form(max_length=limits.PASSWORD_MAX)] = "",
        word: Annotated[str, Form(max_length=400)] = "",
        next: Annotated[str, Form(max_length=400)] = "/",  # noqa: A002  the form's name
    ) -> Response:
        guard.check_login_word(request, word)
        address = request.client.host if request.client else "unknown"
        name = name.strip().lower()
        wait_s = throttle.wait_s(name, address)
        if wait_s:
            log.warning("login_throttled", address=address, wait_s=wait_s)
            return form(request, _inside(next), 429, wait_s=wait_s)
        account = await context.accounts.verify(name, password)
        if account is None:
            log.warning("login_failed", address=address)
            return form(request, _inside(next), 401, wrong=True)
        throttle.succeeded(name, address)
        session = await context.accounts.start_session(account)
        response = RedirectResponse(_inside(next), 303)
        guard.remember(response, session)
        return response

    @router.post("/logout")
    async def log_out(request: Request, word: Annotated[str, Form(max_length=400)] = "") -> Response:
        guard.check_word(await guard.browser(request), word)
        response = RedirectResponse("/login", 303)
        await guard.forget(request, response)
        return response

    return router


def _inside(path: str) -> str:
    """Only a path of this site: a login must not be a way to somewhere else."""
    good = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if good else "/"
