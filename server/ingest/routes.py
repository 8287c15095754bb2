"""The gateways' listener as one raw ASGI application: six routes, bodies read under a cap and a deadline.

    POST /gateway/v1/upload        GET /<hash>/checkpoint
    POST /gateway/v1/heartbeat     GET /<hash>/tile/...
    POST /add-checkpoint           GET /gateway/v1/plan

Owns who may call (an enrolled gateway, checked in the database at every request), how a body is read, and that nothing
escapes as an exception. Raw ASGI because of its cost per request (performance.md section 5).
"""

from __future__ import annotations

import asyncio
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog

from certs.errors import IdentityError
from certs.identity import gateway_identity
from scorelog.journal.failpoints import failpoint
from server import limits
from server.errors import Fatal, Refused, ServerError
from server.failpoints import REPLY
from server.ingest.inflate import TAKEN, plain_body
from server.ingest.problems import Answer, to_answer
from server.ingest.service import Ingest, Peer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from server.evidence.store import Gateway
    from server.ingest.heartbeat import Heartbeats
    from server.ingest.readside import ReadSide
    from server.ingest.witness import Witness
    from server.plan.desk import PlanDesk

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger()

NOTE_TYPE = "text/plain; charset=utf-8"
TAKES = ((b"accept-encoding", ", ".join(TAKEN).encode()),)  # RFC 7694: from now on a gateway may compress
STATE_KEY = "tls_peer_der"
PLAN_PATH = "/gateway/v1/plan"


class Disconnected(Exception):  # noqa: N818  # not an error: the peer has gone, nobody is answered
    """The peer has closed the connection in the middle of its body."""


class GatewayApp:
    """ASGI application of the gateways' listener."""

    def __init__(
        self,
        ingest: Ingest,
        heartbeats: Heartbeats,
        witness: Witness,
        reads: ReadSide,
        fatal: Callable[[Fatal], None],
        *,
        plans: PlanDesk | None = None,
    ) -> None:
        self._ingest = ingest
        self._heartbeats = heartbeats
        self._witness = witness
        self._reads = reads
        self._fatal = fatal
        self._plans = plans
        self._posts = {
            "/gateway/v1/upload": self._upload,
            "/gateway/v1/heartbeat": self._heartbeat,
            "/add-checkpoint": self._add_checkpoint,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} on the gateways' listener")
        try:
            answer = await self._answer(scope, receive)
        except Disconnected:
            return
        except ServerError as error:
            if isinstance(error, Fatal):
                self._fatal(error)
            answer = to_answer(error)
        except Exception as error:  # the process edge: no request goes unanswered
            log.exception("request failed", path=scope["path"])
            answer = to_answer(error)
        await send_answer(send, answer, scope["method"])

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        peer = _peer(scope)
        method, path = scope["method"], scope["path"]
        post = self._posts.get(path)
        if post is not None:
            if method != "POST":
                raise Refused(405, "POST only")
            return await post(peer, scope, receive)
        if method not in {"GET", "HEAD"}:
            raise Refused(404, "no such resource")
        gateway = await self._ingest.authorise(peer)
        if path == PLAN_PATH and self._plans is not None:
            return await self._plans.fetch(gateway.id, _header(scope, b"if-none-match"))
        return await self._read(path)

    async def _upload(self, peer: Peer, scope: Scope, receive: Receive) -> Answer:
        async with self._ingest.admission.admitted(peer.gateway_id, _said_bytes(scope)) as place:
            gateway = await self._authorise_upload(peer, scope, receive)
            body = await _upload_body(scope, receive)
            async with place.turn():
                line = await self._ingest.upload(gateway, body)
            with failpoint(REPLY):
                return Answer(200, line, NOTE_TYPE, headers=TAKES)

    async def _authorise_upload(self, peer: Peer, scope: Scope, receive: Receive) -> Gateway:
        try:
            return await self._ingest.authorise(peer)
        except Refused as refused:
            if refused.status == 403:  # noqa: PLR2004  # revoked: what it still tries to send is evidence
                body = await _upload_body(scope, receive)
                await self._ingest.keep_refused(peer.gateway_id, body, refused)
            raise

    async def _heartbeat(self, peer: Peer, scope: Scope, receive: Receive) -> Answer:
        body = await read_body(scope, receive, limits.HEARTBEAT_BODY_MAX)
        try:
            gateway = await self._ingest.authorise(peer)
        except Refused as refused:
            if refused.status != 403:  # noqa: PLR2004  # a revoked gateway is told why, and shown to nobody
                raise
            return _json(self._heartbeats.answer(0, refused.reason))
        answer = await self._heartbeats.beat(gateway.id, body)
        return _json(answer if self._plans is None else answer | await self._plans.told(gateway.id))

    async def _add_checkpoint(self, peer: Peer, scope: Scope, receive: Receive) -> Answer:
        await self._ingest.authorise(peer)
        body = await read_body(scope, receive, limits.CHECKPOINT_BODY_MAX)
        return Answer(200, await self._witness.add_checkpoint(body), NOTE_TYPE)

    async def _read(self, path: str) -> Answer:
        hashed, _, rest = path.removeprefix("/").partition("/")
        if rest == "checkpoint":
            return Answer(200, await self._reads.checkpoint(hashed), NOTE_TYPE)
        if rest.startswith("tile/"):
            return Answer(200, await self._reads.tile(hashed, rest), "application/octet-stream")
        raise Refused(404, "no such resource")


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The body; 413 as soon as it is known to be too long, 408 when it comes too slowly."""
    length = _header(scope, b"content-length")
    if length.isdecimal() and length.isascii() and int(length) > most:
        raise Refused(413, f"a body of {int(length)} bytes, at most {most} are taken")
    try:
        async with asyncio.timeout(limits.BODY_DEADLINE_S):
            return await _receive_all(receive, most)
    except TimeoutError:
        raise Refused(408, f"no whole body within {limits.BODY_DEADLINE_S:.0f} s") from None


async def _upload_body(scope: Scope, receive: Receive) -> bytes:
    encoding = _header(scope, b"content-encoding").lower()
    if encoding not in {"", "identity", *TAKEN}:
        raise Refused(415, f"bodies come plain or as {' or '.join(TAKEN)}, not as {encoding[:20]}")
    return plain_body(await read_body(scope, receive, limits.UPLOAD_BODY_MAX), encoding, limits.UPLOAD_BODY_MAX)


def _said_bytes(scope: Scope) -> int:
    """How long the body will be at most: what its head says, or the cap, to which a compressed one may swell."""
    length = _header(scope, b"content-length")
    told = length.isdecimal() and length.isascii() and not _header(scope, b"content-encoding")
    return min(int(length), limits.UPLOAD_BODY_MAX) if told else limits.UPLOAD_BODY_MAX


async def _receive_all(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise Refused(413, f"a body of more than {most} bytes")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return ""


def _peer(scope: Scope) -> Peer:
    der = scope.get("state", {}).get(STATE_KEY)
    if der is None:
        raise Refused(403, "no client certificate")
    try:
        return _named(der)
    except IdentityError as error:
        raise Refused(403, str(error)) from error


@lru_cache(limits.CONNECTIONS_MAX)
def _named(der: bytes) -> Peer:
    """Whom a certificate names never changes; whether it still counts is asked for every request."""
    identity = gateway_identity(der)
    return Peer(identity.domain, identity.gateway_id, identity.fingerprint)


def _json(document: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(document).encode(), "application/json")


async def send_answer(send: Send, answer: Answer, method: str) -> None:
    """The whole answer at once."""
    headers = [
        *answer.headers,
        (b"cache-control", b"no-store"),
    ]
    if answer.content_type:  # a 304 has neither
        headers.append((b"content-type", answer.content_type.encode()))
        headers.append((b"content-length", str(len(answer.body)).encode()))
    if answer.retry_after_s is not None:
        headers.append((b"retry-after", str(answer.retry_after_s).encode()))
    if answer.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if method == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})
