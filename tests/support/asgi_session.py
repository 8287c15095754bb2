"""A `requests` session whose answers come from an ASGI application that lives in a loop of another thread.

For tools that call from the outside and know nothing of asyncio (Schemathesis). What a server would do before the
application sees a request is done here as uvicorn does it; nothing of the application is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

DEADLINE_S = 30


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine of that loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_S)

    @contextlib.contextmanager
    def within(self, context: contextlib.AbstractAsyncContextManager[Any]) -> Iterator[Any]:
        """An asynchronous context, entered and left over there."""
        value = self.run(_call(context.__aenter__))
        try:
            yield value
        finally:
            self.run(_call(context.__aexit__, None, None, None))

    def stop(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_S)
        self.loop.close()


async def _call(function: Any, *args: Any) -> Any:
    return await function(*args)


class AsgiAdapter(BaseAdapter):
    """Hands each request to the application; `state` is the connection's part of the scope."""

    def __init__(self, app: Any, thread: LoopThread, state: dict[str, Any] | None = None) -> None:
        super().__init__()
        self._app = app
        self._thread = thread
        self._state = state or {}
        self.answered: list[tuple[str, int]] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:  # type: ignore[override]
        status, headers, body = self._thread.run(self._ask(request))
        self.answered.append((f"{request.method} {urlsplit(request.url or '').path}", status))
        raw = HTTPResponse(
            BytesIO(body), headers, status, version=11, preload_content=False, request_method=request.method
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is held."""

    async def _ask(self, request: requests.PreparedRequest) -> tuple[int, HTTPHeaderDict, bytes]:
        parts = urlsplit(str(request.url))
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else bytes(body)
        listed = [(_wire(name).lower(), _wire(value)) for name, value in request.headers.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "https",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode("ascii"),
            "query_string": parts.query.encode("ascii"),
            "root_path": "",
            "headers": [(b"host", parts.netloc.encode()), *(one for one in listed if one[0] != b"host")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 443),
            "state": dict(self._state),
        }
        incoming = [{"type": "http.request", "body": content, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        try:
            await self._app(scope, receive, send)
        except Exception:
            if not sent:  # Starlette answers with 500, then raises again for the server's log
                raise
        headers = HTTPHeaderDict()
        for name, value in sent[0]["headers"]:
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
        return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:])


def _wire(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def asgi_session(adapter: AsgiAdapter, **headers: str) -> requests.Session:
    """A session that reaches nothing but the application."""
    session = requests.Session()
    session.trust_env = False
    session.adapters.clear()
    session.mount("https://", adapter)
    session.headers.clear()
    session.headers.update(headers)
    return session
