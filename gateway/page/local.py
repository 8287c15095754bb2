"""The box's own pages on loopback: / for people, /status, /metrics and /health for programs on the box.

Bound to a loopback address or not at all, and answers only to such a name: a page of the Internet that has its name
point here reads nothing. Holds no personal data (P7). /health asks the log itself, not a cached flag.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway import limits
from gateway.errors import ReceiptRefused
from gateway.page.render import HEADERS, RENEW_S, render
from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.errors import FormatError
from scorelog.format.keys import parse_vkey
from scorelog.journal.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.meters import Meters
    from gateway.sending.heartbeat import Progress
    from scorelog.journal.clock import Clock
    from scorelog.journal.store import LogStore


class LocalPages:
    """One small HTTP server."""

    def __init__(
        self,
        log: LogStore,
        progress: Progress,
        meters: Meters,
        *,
        clock: Clock,
        status: Callable[[], dict[str, Any]],
        take_receipt: Callable[[bytes], Awaitable[int]],
    ) -> None:
        self._clock = clock
        self._take_receipt = take_receipt
        self._log = log
        self._progress = progress
        self._meters = meters
        self._status = status
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` 0 takes a free one and says which."""
        app = web.Application(client_max_size=limits.ANSWER_BYTES_MAX, middlewares=[_by_a_local_name])
        app.router.add_get("/", self._page)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        app.router.add_get("/status", self._show_status)
        app.router.add_post("/receipt", self._import_receipt)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        door = _door(self._runner.server)
        self._listening = await asyncio.get_running_loop().create_server(door, host, port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def trouble(self) -> str | None:
        """Why this box cannot record, or None."""
        if self._log.failed is not None:
            return f"log failed: {self._log.failed}"
        try:
            held, _ = open_checkpoint(self._log.checkpoint(), parse_vkey(self._log.vkey))
        except (FormatError, JournalError) as error:
            return f"checkpoint unreadable: {error}"
        if held.size != self._log.size:
            return f"checkpoint of size {held.size} for a log of size {self._log.size}"
        if not self._log.room().accepts_entries:
            return "disk full"
        return None

    async def _metrics(self, _request: web.Request) -> web.Response:
        meters, room = self._meters, self._log.room()
        oldest_ms = self._progress.oldest_unsent_ms()
        meters.size.set(self._log.size)
        meters.unsent.set(self._progress.unsent)
        meters.oldest_unsent.set((oldest_ms or 0) / 1000)
        meters.disk_free.set(room.free_bytes)
        meters.accepts_exams.set(room.accepts_exams and self._log.failed is None)
        return web.Response(body=generate_latest(meters.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, _request: web.Request) -> web.Response:
        trouble = self.trouble()
        document = {"ok": trouble is None, "reason": trouble, "size": self._log.size}
        return web.json_response(document, status=200 if trouble is None else 503)

    async def _show_status(self, _request: web.Request) -> web.Response:
        return web.json_response(self._status())

    async def _page(self, request: web.Request) -> web.Response:
        """For people. The header renews it, so that it needs no script; `renew=off` stops that."""
        renewing = request.query.get("renew") != "off"
        body = render(
            self._status(),
            "en" if request.query.get("lang") == "en" else "zh",
            self._clock.now_us(),
            renewing=renewing,
        )
        headers = {**HEADERS, **({"Refresh": str(RENEW_S)} if renewing else {})}
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    async def _import_receipt(self, request: web.Request) -> web.Response:
        """Anyone on the box may bring a receipt: it is kept only if it verifies, so it can do no harm."""
        try:
            size = await self._take_receipt(await request.read())
        except ReceiptRefused as error:
            return web.Response(text=str(error), status=400)
        return web.json_response({"size": size})


class _Shut(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Closed without a word."""
        transport.close()


def _door(server: web.Server | None) -> Callable[[], asyncio.Protocol]:
    """So many connections at once: whatever a program on the box does, log and rigs keep their descriptors (P8)."""
    if server is None:
        raise RuntimeError("the runner is not set up")

    def enter() -> asyncio.Protocol:
        return server() if len(server.connections) < limits.LOCAL_CONNECTIONS_MAX else _Shut()

    return enter


@web.middleware
async def _by_a_local_name(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A foreign name in `Host` is a page of elsewhere whose name was made to point at this box."""
    if not _is_local(request.url.host or ""):
        return web.Response(status=403, text="this page is for the box itself: ask for localhost or its address")
    return await handler(request)


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
