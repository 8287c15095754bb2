"""The live stream: server-sent events, for one browser each, until it leaves, its session ends or the server stops.

    GET /live/events ─▶ the application: session, limits, headers ─▶ LiveEdge: Hub.join ─▶ chunks ─▶ the browser

Never looks at what a row says. A chunk costs one `send` a browser and nothing more: no timer, no encoding, no query,
and no middleware: a stream begins inside the application like any answer and goes on at its outer edge.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from server.database.location import AWAY
from server.errors import Busy
from server.live.needed import WhileNeeded
from server.people import limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from scorelog.journal.clock import Clock
    from server.live.hub import Hub, Viewer
    from server.people.accounts import AccountStore
    from server.people.guard import Guard

log = structlog.get_logger()

# A reconnecting browser waits a second: it says so itself before the first event.
RETRY: Final = b"retry: 1000\n\n"
BEGUN: Final = "kaofen.live"  # where the edge finds, in the scope, what has begun


def stream_router(hub: Hub, guard: Guard, watch: Watch, streams_max: int) -> APIRouter:
    """GET /live/events."""
    router = APIRouter()

    @router.get("/live/events", include_in_schema=False)
    async def events(
        request: Request,
        last: Annotated[str | None, Query(max_length=80)] = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        session = await guard.browser(request)
        if hub.streams >= streams_max:
            raise Busy("too many live streams", retry_after_s=5)
        # What a reconnecting browser says by itself counts before what the page put into the address.
        return LiveResponse(LiveStream(hub, watch, session.id, last_event_id or last))

    return router


class Watch:
    """Whose streams are open. Their sessions are looked up together; the streams of one that has ended, end."""

    def __init__(self, accounts: AccountStore, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._open: dict[str, set[Viewer]] = {}
        self._task = WhileNeeded("live sessions", self._run, self._end_all)

    def take(self, session: str, viewer: Viewer) -> None:
        """A stream of this session is open."""
        self._open.setdefault(session, set()).add(viewer)
        self._task.begin()

    def drop(self, session: str, viewer: Viewer) -> None:
        """It is over."""
        viewers = self._open.get(session, set())
        viewers.discard(viewer)
        if not viewers:
            self._open.pop(session, None)
        if not self._open:
            self._task.stop()

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(limits.SESSIONS_WATCHED_EVERY_S)
            asked = set(self._open)
            try:
                living = await self._accounts.living(asked)
            except (Busy, sa.exc.SQLAlchemyError, *AWAY) as error:
                # Nobody can say who is still logged in: the pages ask again, and are told so.
                log.warning("sessions cannot be looked up", reason=type(error).__name__)
                living = set()
            for session in asked - living:
                for viewer in self._open.get(session, ()):
                    viewer.end()

    def _end_all(self) -> None:
        for viewers in self._open.values():
            for viewer in viewers:
                viewer.end()


class LiveResponse(Response):
    """The beginning of a stream; the edge goes on with it."""

    def __init__(self, stream: LiveStream) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )
        del self.headers["content-length"]
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Status, headers (those of the middleware too) and the first line."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": RETRY, "more_body": True})
        scope[BEGUN].append(self._stream)


class LiveEdge:
    """The outermost middleware: runs the streams that begin inside."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, then the stream, if it has begun one."""
        begun: list[LiveStream] = []
        scope[BEGUN] = begun
        await self._app(scope, receive, send)
        for stream in begun:
            await stream.run(receive, send)


@dataclass(frozen=True, slots=True)
class LiveStream:
    """One stream. `receive` only tells when the browser has gone."""

    hub: Hub
    watch: Watch
    session: str
    last_id: str | None

    async def run(self, receive: Receive, send: Send) -> None:
        """Until the viewer has nothing more to send."""
        viewer = self.hub.join(self.last_id)
        self.watch.take(self.session, viewer)
        gone = asyncio.ensure_future(_gone(receive, viewer))
        try:
            while (chunk := await viewer.chunk()) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            viewer.leave()
            self.watch.drop(self.session, viewer)


async def _gone(receive: Receive, viewer: Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.end()
