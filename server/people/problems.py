"""What a caller sees when something is refused: problem+json under /api, a plain page elsewhere. One table."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from server.database.location import AWAY
from server.errors import Busy, ConfigError, Damaged, Missing, Refused
from server.people.guard import ForbiddenError, LoginNeededError
from server.people.i18n import HTML_LANG
from server.people.proofs import NotCosigned

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from server.people.render import Renderer

log = structlog.get_logger(__name__)

PROBLEM_TYPE: Final = "application/problem+json"
# The first that fits counts.
_TABLE: Final[tuple[tuple[type[Exception], int, dict[str, str]], ...]] = (
    (LoginNeededError, 401, {"www-authenticate": 'Bearer realm="kaofen"'}),
    (ForbiddenError, 403, {}),
    (NotCosigned, 409, {"retry-after": "1"}),
    (Missing, 404, {}),
    (ConfigError, 422, {}),
    (Damaged, 503, {}),
)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How the document of the API says these refusals."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


# What any route may answer; a route adds its own.
DOCUMENTED: Final = documented(401, 404, 422, 503)
WRITING: Final = documented(400, 403)  # a body that is no JSON text; a role that may not, or a form's word that is old


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """RFC 9457."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, headers=headers, media_type=PROBLEM_TYPE)


def status_of(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Status, what to say, and headers."""
    if isinstance(error, Busy):
        return error.status, error.reason, {"retry-after": str(error.retry_after_s)}
    if isinstance(error, Refused):
        return error.status, error.reason, {}
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail), dict(error.headers or {})
    if isinstance(error, RequestValidationError):
        return 422, "; ".join(_where(one) for one in error.errors()), {}
    for kind, status, headers in _TABLE:
        if isinstance(error, kind):
            return status, str(error), dict(headers)
    return 500, "the server met an error of its own; it is in its log", {}


def _where(error: dict[str, Any]) -> str:
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"


def install(app: FastAPI, renderer: Renderer) -> None:
    """Register the table."""

    async def away(request: Request, error: Exception) -> Response:
        log.warning("database away", error=type(error).__name__)
        return await answer(request, Busy("the database cannot be reached"))

    async def answer(request: Request, error: Exception) -> Response:
        status, detail, headers = status_of(error)
        if request.url.path.startswith(("/api/", "/live/")):
            return problem(status, detail, headers)
        if isinstance(error, LoginNeededError):
            wanted = quote(request.url.path if request.method == "GET" else "/", safe="/")
            language = request.query_params.get("lang")
            also = f"&lang={language}" if language in HTML_LANG else ""  # the login page keeps it in its cookie
            return RedirectResponse(f"/login?next={wanted}{also}", 303)
        return renderer.page(request, "error.html", status=status, headers=headers, detail=detail, code=status)

    for kind in (LoginNeededError, ForbiddenError, Refused, Busy, Damaged, ConfigError, HTTPException):
        app.add_exception_handler(kind, answer)
    for gone in AWAY:
        app.add_exception_handler(gone, away)
    app.add_exception_handler(RequestValidationError, answer)
    app.add_exception_handler(500, answer)
