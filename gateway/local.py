"""The box's own pages on loopback: /metrics, /health, /status. For the installer and for monitoring on the box itself.

Bound to a loopback address or not at all. Holds no personal data (P7). /health asks the log itself, not a cached flag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway import limits
from gateway.errors import ReceiptRefused
from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.errors import FormatError
from scorelog.format.keys import parse_vkey
from scorelog.journal.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.heartbeat import Progress
    from gateway.meters import Meters
    from scorelog.journal.store import LogStore


class LocalPages:
    """One small HTTP server."""

    def __init__(
        self,
        log: LogStore,
        progress: Progress,
        meters: Meters,
        *,
        status: Callable[[], dict[str, Any]],
        take_receipt: Callable[[bytes], Awaitable[int]],
    ) -> None:
        self._take_receipt = take_receipt
        self._log = log
        self._progress = progress
        self._meters = meters
        self._status = status
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` 0 takes a free one and says which."""
        app = web.Application(client_max_size=limits.ANSWER_BYTES_MAX)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        app.router.add_get("/status", self._show_status)
        app.router.add_post("/receipt", self._import_receipt)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
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

    async def _import_receipt(self, request: web.Request) -> web.Response:
        """Anyone on the box may bring a receipt: it is kept only if it verifies, so it can do no harm."""
        try:
            size = await self._take_receipt(await request.read())
        except ReceiptRefused as error:
            return web.Response(text=str(error), status=400)
        return web.json_response({"size": size})
