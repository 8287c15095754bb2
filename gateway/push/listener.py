"""One HTTP listener for rigs that push: connections in, answers out. The only file of this room that knows aiohttp.

Owns: who may connect (address, number), how long anything may take (an idle line, a body), one spelling of every
header. What a request means is the desk's. Bad rigs and strangers cost themselves only (P8); no byte of a request is
logged (P7).

    bind ──> listening ──> connections …        down once, up once in the log; tried again with a growing pause
    ^                           │
    └────── back-off <── address in use, network away
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from device_adapters.http.answers import Answer, problem
from device_adapters.limits import PUSH_BODY_MAX
from gateway import limits
from gateway.backoff import Backoff
from gateway.push.desk import Request
from gateway.resources import few_descriptors

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from random import Random

    from gateway.push.desk import Desk
    from gateway.push.settings import PushConfig
    from scorelog.journal.clock import Clock

_log = structlog.get_logger("gateway.push")
# The library tells every request that it cannot read, with the bytes.
_SILENT: Final = logging.getLogger("gateway.push.listener.library")
_SILENT.addFilter(lambda _record: False)
_NO_HTTP: Final = "these bytes are no request of HTTP/1.1: is it http where https is meant, or another length?"
_ONCE: Final = ("authorization", "signature", "signature-input", "content-digest", "content-type", "content-length")


class PushListener:
    """Listens for as long as the process lives."""

    def __init__(
        self,
        config: PushConfig,
        tls: ssl.SSLContext | None,
        desk: Desk,
        clock: Clock,
        rng: Random,
        *,
        fingerprint: bytes = b"",
    ) -> None:
        """`fingerprint`: of the files behind `tls`."""
        self.id = config.id
        self.config = config
        self.fingerprint = fingerprint
        self.port = 0
        self.answers: Counter[int] = Counter()
        self._tls = tls
        self._desk = desk
        self._clock = clock
        self._backoff = Backoff(rng, limits.RIG_BACKOFF_BASE_S, limits.RIG_BACKOFF_CAP_S)
        self._online: bool | None = None
        self._reason = "not listening yet"
        self._doors: _Doors | None = None
        self._said: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._listen()
            except OSError as error:
                self._down(error.strerror or str(error))
            await self._clock.sleep(self._backoff.next())

    def to_json(self) -> dict[str, Any]:
        """For the status."""
        return {
            "id": self.id,
            "listening": bool(self._online),
            "reason": self._reason,
            "port": self.port,
            "tls": self._tls is not None,
            "connections": self.connections,
            "answers": {str(status): count for status, count in sorted(self.answers.items())},
        }

    @property
    def connections(self) -> int:
        """That stand now."""
        return len(self._doors.connections) if self._doors is not None else 0

    async def _listen(self) -> None:
        doors = _Doors(self)
        server = await asyncio.get_running_loop().create_server(
            doors,
            self.config.host,
            self.config.port,
            ssl=self._tls,
            ssl_handshake_timeout=limits.PUSH_HANDSHAKE_S if self._tls is not None else None,
        )
        try:
            self._doors, self.port = doors, server.sockets[0].getsockname()[1]
            self._up()
            while True:
                await asyncio.sleep(limits.PUSH_LOOK_S)
                doors.close_idle()
        finally:
            self._desk.listening(self.id, yes=False)
            self._doors, self._online = None, None
            server.close()
            await doors.shutdown(limits.PUSH_STOP_S)

    def _up(self) -> None:
        self._backoff.reset()
        self._online, self._reason = True, ""
        self._desk.listening(self.id, yes=True)
        _log.info("push listener up", push=self.id, port=self.port, tls=self._tls is not None)

    def _down(self, reason: str) -> None:
        """Said once, however often the next tries fail."""
        said, self._online, self._reason = self._online is False, False, reason
        if not said:
            _log.warning("push listener down", push=self.id, reason=reason)

    # ------------------------------------------------------------------ one request

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Never raises: whatever goes wrong here is this request's alone."""
        try:
            answer = await self._answer(request)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the process edge: one request may not end the others (P8)
            _log.error("push request broken", push=self.id, error=type(error).__name__)  # no values (P7)
            answer = problem(500, "fault", "a fault of the gateway: send the same again", 1)
        self.answers[answer.status] += 1
        if answer.status in (401, 403):
            self._tell(str(answer.document["reason"]))
        return _response(request, answer)

    async def _answer(self, request: web.BaseRequest) -> Answer:
        headers: dict[str, str] = {}
        for name, value in request.headers.items():  # its keys alone come once each
            key = name.lower()
            if key in _ONCE and key in headers:
                return problem(400, "header", f"{key} is there twice")
            headers[key] = value
        if headers.get("content-encoding", "identity").lower() != "identity":
            return problem(415, "content_encoding", "send the body as it is")
        if request.method == "POST" and request.content_length is None:
            return problem(411, "length", "Content-Length is missing")
        head = Request(request.method, request.raw_path, headers, request.content_length)

        async def body() -> bytes | None:
            if headers.get("expect", "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0
            return await _whole(request)

        return await self._desk.take(self.id, head, body)

    def _tell(self, reason: str) -> None:
        """The first at once, then one a minute."""
        now = asyncio.get_running_loop().time()
        if now - self._said.get(reason, float("-inf")) >= limits.REFUSAL_REPEAT_S:
            self._said[reason] = now
            _log.warning("push not admitted", push=self.id, reason=reason)


class _Handler(RequestHandler):
    """The library's connection; what it cannot read is answered as everything else is."""

    def __init__(self, doors: _Doors, **options: Any) -> None:
        super().__init__(doors, loop=asyncio.get_running_loop(), **options)
        self._doors = doors

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002  (a library has one)
        message: str | None = None,  # noqa: ARG002  it quotes the bytes
    ) -> web.StreamResponse:
        """Ends the connection: where the next request would begin is not known."""
        made = self._doors.unreadable(request, status)
        made.force_close()
        return made


class _Doors(web.Server):
    """The library's server, with a limit on connections and on idleness."""

    def __init__(self, listener: PushListener) -> None:
        super().__init__(self._handle)
        self._listener = listener
        self._quiet_since: dict[RequestHandler, float] = {}
        self._peers: Counter[str] = Counter()
        self._peer_of: dict[RequestHandler, str] = {}

    def __call__(self) -> RequestHandler:
        """For a connection that was just made."""
        return _Handler(
            self,
            access_log=None,
            logger=_SILENT,
            auto_decompress=False,
            keepalive_timeout=limits.PUSH_IDLE_S,
            lingering_time=1,
            read_bufsize=PUSH_BODY_MAX,
        )

    def unreadable(self, request: web.BaseRequest, status: int) -> web.Response:
        """To bytes that the library cannot read."""
        fault = status >= 500  # noqa: PLR2004 - HTTP
        answer = problem(500, "fault", "a fault of the gateway") if fault else problem(400, "http", _NO_HTTP)
        self._listener.answers[answer.status] += 1
        return _response(request, answer)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Counted, or closed at once without a word."""
        super().connection_made(handler, transport)
        peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._peer_of[handler] = peer
        self._peers[peer] += 1
        self._quiet_since[handler] = asyncio.get_running_loop().time()
        many = len(self._peer_of) > limits.PUSH_CONNECTIONS_MAX
        many = many or self._peers[peer] > limits.PUSH_CONNECTIONS_PER_ADDRESS_MAX
        socket = transport.get_extra_info("socket")
        many = many or (socket is not None and few_descriptors(socket.fileno()))
        if many or not self._listener.config.admits(peer):
            transport.abort()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Its place is free."""
        super().connection_lost(handler, exc)
        self._quiet_since.pop(handler, None)
        peer = self._peer_of.pop(handler, None)
        if peer is not None:
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]

    def close_idle(self) -> None:
        """Lines without a whole head of a request for too long."""
        now = asyncio.get_running_loop().time()
        for handler, since in list(self._quiet_since.items()):
            if now - since > limits.PUSH_IDLE_S:
                handler.force_close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        handler: RequestHandler = request.protocol
        self._quiet_since.pop(handler, None)
        try:
            return await self._listener.handle(request)
        finally:
            if handler in self._peer_of:
                self._quiet_since[handler] = asyncio.get_running_loop().time()


async def _whole(request: web.BaseRequest) -> bytes | None:
    """The body, if it comes in time."""
    length = request.content_length or 0
    with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError, web.RequestPayloadError):
        async with asyncio.timeout(limits.PUSH_BODY_S):
            return await request.content.readexactly(length) if length else b""
    return None


def _response(request: web.BaseRequest, answer: Answer) -> web.Response:
    good = answer.status < 400  # noqa: PLR2004 - HTTP
    headers: Mapping[str, str] = {} if answer.retry_after_s is None else {"Retry-After": str(answer.retry_after_s)}
    made = web.Response(
        status=answer.status,
        body=json.dumps(answer.document, separators=(",", ":")).encode(),
        content_type="application/json" if good else "application/problem+json",
        headers=headers,
    )
    if not good and not request.content.is_eof():  # the rest of a body that nobody wants is not waited for
        made.force_close()
    return made
