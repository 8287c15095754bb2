"""/health and /metrics for the machine's own monitoring: plain HTTP on loopback, no login, nothing personal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from server.ingest.problems import Answer, problem
from server.ingest.routes import send_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.ingest.routes import Receive, Scope, Send


class LocalApp:
    """ASGI application of the local listener."""

    def __init__(self, trouble: Callable[[], str | None], figures: Callable[[], Awaitable[dict[str, float]]]) -> None:
        self._trouble = trouble
        self._figures = figures
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """One request."""
        path = scope.get("path")
        if path == "/health":
            trouble = self._trouble()
            answer = problem(503, trouble) if trouble else Answer(200, b"ok\n", "text/plain; charset=utf-8")
        elif path == "/metrics":
            answer = Answer(200, await self._metrics(), CONTENT_TYPE_LATEST)
        else:
            answer = problem(404, "no such resource")
        await send_answer(send, answer, scope["method"])

    async def _metrics(self) -> bytes:
        for name, value in (await self._figures()).items():
            if name not in self._gauges:
                self._gauges[name] = Gauge(f"kaofen_server_{name}", name.replace("_", " "), registry=self._registry)
            self._gauges[name].set(value)
        return generate_latest(self._registry)
