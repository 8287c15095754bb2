"""The live stream: server-sent events, for one browser each, until it leaves, its session ends or the server stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from server.errors import Busy
from server.people import limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.live.hub import Hub
    from server.people.guard import Guard


def stream_router(hub: Hub, guard: Guard) -> APIRouter:
    """GET /live/events."""
    router = APIRouter()

    @router.get("/live/events", include_in_schema=False)
    async def events(
        request: Request,
        last: Annotated[str | None, Query(max_length=80)] = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        session = await guard.browser(request)
        if hub.streams >= limits.STREAMS_MAX:
            raise Busy("too many live streams", retry_after_s=5)

        async def chunks() -> AsyncIterator[bytes]:
            # What a reconnecting browser says by itself counts before what the page put into the address.
            yield b"retry: 1000\n\n"
            async for batch in hub.stream(last_event_id or last):
                if any(event.name == "beat" for event in batch) and await guard.session(request) is None:
                    return
                yield b"".join(event.encode() for event in batch)

        _ = session
        return StreamingResponse(
            chunks(),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    return router
