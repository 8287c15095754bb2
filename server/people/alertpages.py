"""The list of alerts: choose, read what it means, and say that somebody has seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from server.errors import Missing
from server.people import limits
from server.people.alertdesk import SEVERITIES, SHOWS, Wanted
from server.people.guard import ForbiddenError

if TYPE_CHECKING:
    from fastapi import APIRouter

    from server.people.accounts import Account
    from server.people.render import Renderer
    from server.people.services import Services

CHOICES = ("show", "severity", "gateway")


def alert_pages(router: APIRouter, services: Services, renderer: Renderer) -> None:
    """The page and its two forms."""

    async def operator(request: Request, word: str) -> Account:
        session = await services.guard.browser(request)
        services.guard.check_word(session, word)
        if session.account.role != "operator":
            raise ForbiddenError("only an operator may acknowledge alerts")
        return session.account

    @router.get("/alerts")
    async def alerts(request: Request, show: str = "", severity: str = "", gateway: str = "") -> Response:
        session = await services.guard.browser(request)
        wanted = wanted_of(show, severity, gateway)
        return renderer.page(
            request,
            "alerts.html",
            session=session,
            listing=await services.desk.listing(wanted, limits.ALERTS_SHOWN),
            wanted=wanted,
            address=address,
            hash_of=services.prover.hash_of,
        )

    @router.post("/alerts/over")
    async def acknowledge_over(
        request: Request,
        word: Annotated[str, Form(max_length=400)] = "",
        note: Annotated[str, Form(max_length=limits.NOTE_MAX)] = "",
    ) -> Response:
        await services.desk.acknowledge_over(await operator(request, word), note)
        return RedirectResponse("/alerts", 303)

    @router.post("/alerts/{alert_id}")
    async def acknowledge(
        request: Request,
        alert_id: str,
        word: Annotated[str, Form(max_length=400)] = "",
        note: Annotated[str, Form(max_length=limits.NOTE_MAX)] = "",
        chosen: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        if not await services.desk.acknowledge(alert_id, await operator(request, word), note):
            raise Missing("there is no such alert")
        back = wanted_of(**{name: value for name, value in parse_qsl(chosen) if name in CHOICES})
        return RedirectResponse(address(back), 303)


def wanted_of(show: str = "", severity: str = "", gateway: str = "") -> Wanted:
    """What an address asks for; nonsense is the default."""
    return Wanted(
        next((one for one in SHOWS if one == show), "open"),
        severity if severity in SEVERITIES else "",
        gateway[: limits.NAME_MAX],
    )


def address(wanted: Wanted) -> str:
    """Where these alerts are listed."""
    show = "" if wanted.show == "open" else wanted.show
    query = {"show": show, "severity": wanted.severity, "gateway": wanted.gateway}
    kept = urlencode({name: value for name, value in query.items() if value})
    return f"/alerts?{kept}" if kept else "/alerts"
