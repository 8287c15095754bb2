"""The live stream: server-sent events, for one browser each, until it leaves, its session ends or the server stops.

    GET /live/events ─▶ Watch (does its session live?) ─▶ Hub.join ─▶ chunks, the same bytes to all ─▶ the browser

Never looks at what a row says. A chunk costs one `send` a browser and nothing more: no timer, no encoding, no query.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from server.database.location import AWAY
from server.errors import Busy
from server.live.needed import WhileNeeded
from server.people import limits

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from scorelog.journal.clock import Clock
    from server.live.hub import Hub, Viewer
    from server.people.accounts import AccountStore
    from server.people.guard import Guard

log = structlog.get_logger()

# A reconnecting browser waits a second: it says so itself before the first event.
RETRY = b"retry: 1000\n\n"


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
        return LiveResponse(hub, watch, session.id, last_event_id or last)

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
    """One stream. `receive` only tells when the browser has gone."""

    def __init__(self, hub: Hub, watch: Watch, session: str, last_id: str | None) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )
        del self.headers["content-length"]
        self._hub = hub
        self._watch = watch
        self._session = session
        self._last_id = last_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Until the viewer has nothing more to send."""
        viewer = self._hub.join(self._last_id)
        self._watch.take(self._session, viewer)
        gone = asyncio.ensure_future(_gone(receive, viewer))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            chunk: bytes | None = RETRY
            while chunk is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await viewer.chunk()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            viewer.leave()
            self._watch.drop(self._session, viewer)


async def _gone(receive: Receive, viewer: Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.end()
