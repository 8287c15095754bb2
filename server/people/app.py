"""The people's application: pages, live stream and JSON API, put together from a PeopleContext.

It starts nothing: projector, board and hub are run and stopped by the composition root (server/app.py).
"""

from __future__ import annotations

from functools import cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import Match
from starlette.staticfiles import StaticFiles

from server.people import models, words
from server.people.alertdesk import AlertDesk
from server.people.api import api_router
from server.people.guard import Guard
from server.people.headers import SecurityHeaders
from server.people.i18n import Translations
from server.people.login import login_router
from server.people.pages import pages_router
from server.people.planpages import plan_router
from server.people.problems import install
from server.people.proofs import Prover
from server.people.render import STATIC, Renderer
from server.people.services import Services
from server.people.stagedapi import staged_api
from server.people.stagedpages import staged_pages
from server.people.stream import LiveEdge, Watch, stream_router
from server.people.timeline import Timelines
from server.people.wall import Wall
from server.people.wallpages import wall_router

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Scope

    from server.people.context import PeopleContext


class _Static(StaticFiles):
    """Addresses carry a hash of the content, so a browser may keep the file for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        hashed = b"v=" in scope.get("query_string", b"")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


def create_people_app(context: PeopleContext) -> FastAPI:
    """The ASGI application of the people's listener."""
    app = FastAPI(title="Kaofen", version=version("kaofen"), docs_url=None, redoc_url=None, openapi_url=None)
    renderer = Renderer(Translations(), context.title)
    guard = Guard(context.accounts, context.secret)
    prover = Prover(context.store, context.mirror_vkey)
    desk = AlertDesk(context.store, context.projections, context.accounts, context.board)
    timelines = Timelines(context.store, context.projections, prover, context.book)
    services = Services(context, guard, prover, desk, timelines)
    wall = Wall(context.plans)
    context.board.count_alerts, context.board.name_plans = desk.open_count, wall.named
    watch = Watch(context.accounts, context.clock)
    routers = (
        login_router(context, guard, renderer),
        pages_router(services, wall, renderer),
        stream_router(context.hub, guard, watch, context.streams_max),
        api_router(services),
        staged_pages(services, renderer),
        staged_api(services),
        wall_router(services, wall),
        plan_router(services),
    )
    for router in routers:
        app.router.routes += router.routes  # as they are: `include_router` builds each of them once more
    app.mount("/static", _Static(directory=STATIC), name="static")
    document = cache(partial(_openapi, app))  # made when it is first read: half a start's time, and few read it
    app.add_api_route("/api/openapi.json", lambda: document(), include_in_schema=False)  # noqa: PLW0108
    renderer.know(href for href in words.NAVIGATION if _leads_somewhere(app, href))
    install(app, renderer)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(LiveEdge)  # the outermost
    return app


def _leads_somewhere(app: FastAPI, path: str) -> bool:
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    return any(route.matches(scope)[0] is Match.FULL for route in app.routes)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Of the routes as they stand once the application is made: they never change."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes, description=__doc__.split("\n")[0])
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = models.Problem.model_json_schema()
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "made by `kaofen-server token`"},
        "session": {"type": "apiKey", "in": "cookie", "name": "__Host-kaofen"},
    }
    document["security"] = [{"bearer": []}, {"session": []}]
    return document
