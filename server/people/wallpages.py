"""The live page: of all points, of one point, of one room; and what its script asks for beside the board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import structlog
from fastapi import APIRouter, Path, Request
from pydantic import Field

from server.errors import Missing
from server.people import limits, words
from server.people.guard import ForbiddenError
from server.people.models import Model
from server.people.problems import DOCUMENTED, WRITING

if TYPE_CHECKING:
    from starlette.responses import Response

    from server.people.accounts import Account
    from server.people.render import Renderer
    from server.people.services import Services
    from server.people.wall import Wall

log = structlog.get_logger()

Name = Annotated[str, Path(max_length=limits.NAME_MAX)]


class Places(Model):
    """Exam points, rooms, stations and rigs as the newest plans have them."""

    points: list[dict[str, Any]]


class Asked(Model):
    """Whose names are wanted."""

    attempts: list[Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]] = Field(max_length=limits.PAGE_MAX)


class Candidates(Model):
    """Attempt → ticket, name, masked id, as far as they are there. Personal."""

    candidates: dict[str, dict[str, str]]


def may_see_names(account: Account) -> bool:
    """Whom the names of candidates are for: those who deal with them."""
    return account.role == "operator"


def wall_pages(router: APIRouter, services: Services, wall: Wall, renderer: Renderer) -> None:
    """One template, told what of the board it shows."""

    async def page(request: Request, point: dict[str, Any] | None, room: dict[str, Any] | None) -> Response:
        session = await services.guard.browser(request)
        _ = renderer.translations.wanted(request)
        script: dict[str, Any] = {
            "script": _.table(words.SCRIPT),
            "states": _.table(words.STATES),
            "outcomes": _.table(words.OUTCOMES),
            "proofs": _.table(words.PROOFS),
            "verdicts": _.table(words.VERDICTS),
            "modes": _.table(words.MODES),
            "guarantees": _.table(words.GUARANTEES),
            "vetoes": _.table(words.VETO_EFFECTS),
            "names": may_see_names(session.account),
            "scope": {"point": point["id"] if point else None, "room": room["id"] if room else None},
        }
        return renderer.page(request, "live.html", session=session, script_words=script, point=point, room=room)

    async def find(point: str, room: str | None = None) -> tuple[dict[str, Any], dict[str, Any] | None]:
        found = next((one for one in await wall.points() if one["id"] == point), None)
        if found is None:
            raise Missing("there is no such exam point")
        if room is None:
            return found, None
        for one in found["rooms"]:
            if one["id"] == room:
                return found, one
        raise Missing("there is no such room")

    @router.get("/")
    async def everything(request: Request) -> Response:
        return await page(request, None, None)

    @router.get("/points/{point}")
    async def one_point(request: Request, point: Name) -> Response:
        await services.guard.browser(request)
        return await page(request, *await find(point))

    @router.get("/points/{point}/rooms/{room}")
    async def one_room(request: Request, point: Name, room: Name) -> Response:
        await services.guard.browser(request)
        return await page(request, *await find(point, room))


def wall_router(services: Services, wall: Wall) -> APIRouter:
    """The two routes of the API that the wall needs."""
    router = APIRouter(prefix="/api/v1", responses=DOCUMENTED)

    @router.get("/wall")
    async def places(request: Request) -> Places:
        """Where every planned rig stands. The live event `plan` says that this has changed."""
        await services.guard.caller(request)
        return Places(points=await wall.points())

    @router.post("/candidates", responses=WRITING)
    async def candidates(request: Request, asked: Asked) -> Candidates:
        """Who sits these attempts, for operators. In a body, since no address may say whom somebody looked at."""
        account = await services.guard.caller(request)
        if not may_see_names(account):
            raise ForbiddenError("only an operator may see the names of candidates")
        log.info("candidates looked at", account=account.name, attempts=len(asked.attempts))
        return Candidates(candidates=await wall.candidates(asked.attempts))

    return router
