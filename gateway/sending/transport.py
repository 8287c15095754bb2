"""The network seam: what a gateway asks of its server, and its form over HTTPS with client certificates.

    upload, heartbeat, plan ──mTLS, no redirects, no environment proxies, bounded answers──> server

Real form: `HttpsClient`. Strict fake: tests/support/fake_server_client.py; one contract suite over both. It judges no
answer beside its size: what proves that something was stored is the uploader's business. Unreachable means "unknown".
"""

from __future__ import annotations

import asyncio
import errno
import gzip
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

from certs.contexts import gateway_client_context
from certs.errors import CertsError
from gateway import limits
from gateway.errors import BadAnswer, Unreachable
from gateway.resources import lacking
from scorelog.format.packed import ENCODING as PACKED
from scorelog.format.packed import encode_packed
from scorelog.format.text import is_hex
from scorelog.format.upload import UPLOAD_TYPE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from aiohttp.abc import AbstractResolver

    from gateway.settings.config import ServerConfig
    from scorelog.journal.clock import Clock

_OK = 200
_NOT_MODIFIED = 304
_NOT_FOUND = 404
NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class UploadAnswer:
    """What came back for one upload body. `retry_after` in seconds, None if the server named none."""

    status: int
    body: bytes
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """200 with a body, 304: the plan that the gateway has, 404: the server has none for this gateway."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SessionNonce:
    """A session that is open at the server, and the nonce that says when at the earliest."""

    id: str
    nonce: str


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """The server's word in return; docs/formats/heartbeat.md."""

    time: str
    nonce: str
    plan_version: int | None
    renew: bool
    revoked: str | None
    size: int
    sessions: tuple[SessionNonce, ...] = ()


class ServerClient(Protocol):
    """One server, as one gateway sees it."""

    async def upload(self, body: bytes) -> UploadAnswer:
        """Raises Unreachable: whether the server stored anything is then unknown."""
        ...

    async def heartbeat(self, beat: Mapping[str, Any]) -> HeartbeatAnswer:
        """Raises Unreachable, BadAnswer."""
        ...

    async def plan(self, have: str | None) -> PlanAnswer:
        """The plan of this gateway's point; `have` is the SHA-256 (hex) of the one in use. Unreachable, BadAnswer."""
        ...

    async def checkpoint(self, origin: str) -> bytes | None:
        """The server's newest checkpoint of a log, None if it knows none. Raises Unreachable, BadAnswer."""
        ...

    async def close(self) -> None:
        """Drop the connections."""
        ...


def parse_heartbeat_answer(body: bytes) -> HeartbeatAnswer:
    """Strict in what is used, silent about what a later server adds."""
    try:
        value = json.loads(body)
        answer = HeartbeatAnswer(
            time=value["time"],
            nonce=value["nonce"],
            plan_version=value.get("plan_version"),
            renew=value.get("renew", False),
            revoked=value.get("revoked"),
            size=value["size"],
            sessions=tuple(SessionNonce(one["id"], one["nonce"]) for one in value.get("sessions") or ()),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadAnswer(f"the answer to a heartbeat is none: {type(error).__name__}") from None
    if not isinstance(answer.time, str) or type(answer.size) is not int or type(answer.renew) is not bool:
        raise BadAnswer("the answer to a heartbeat has fields of another type")
    if answer.plan_version is not None and type(answer.plan_version) is not int:
        raise BadAnswer("the answer to a heartbeat has a plan version that is no number")
    if not all(isinstance(one.id, str) and is_hex(one.nonce, NONCE_BYTES) for one in answer.sessions):
        raise BadAnswer("the answer to a heartbeat has a session without a nonce")
    return answer


class HttpsClient:
    """aiohttp over mutual TLS."""

    def __init__(
        self, server: ServerConfig, clock: Clock, timeout_s: float, resolver: AbstractResolver | None = None
    ) -> None:
        self._server = server
        self._clock = clock
        self._resolver = resolver  # None: the machine's own
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=limits.CONNECT_TIMEOUT_S)
        self._session: aiohttp.ClientSession | None = None
        self._trusting: bool | None = None
        self._takes: frozenset[str] = frozenset()  # the encodings that the last answer named
        self._opening = asyncio.Lock()  # uploader and heartbeat share one session

    async def upload(self, body: bytes) -> UploadAnswer:
        """See the protocol. Long bodies go compressed to a server that has said that it takes them so."""
        sent = {"Content-Type": UPLOAD_TYPE}
        if self._takes and len(body) >= limits.COMPRESSED_FROM_BYTES:
            # Beside the loop: it takes milliseconds, and rigs are read meanwhile.
            body, sent["Content-Encoding"] = await asyncio.to_thread(_compressed, body, self._takes)
        self._takes = frozenset()  # until the next answer says so again: it may be an older server's
        status, answer, headers = await self._ask("POST", "/gateway/v1/upload", body, sent)
        self._takes = _taken(headers)
        return UploadAnswer(status, answer, _retry_after(headers.get("Retry-After")))

    async def heartbeat(self, beat: Mapping[str, Any]) -> HeartbeatAnswer:
        """See the protocol."""
        body = json.dumps(beat, separators=(",", ":"), ensure_ascii=False).encode()
        sent = {"Content-Type": "application/json"}
        status, answer, _ = await self._ask("POST", "/gateway/v1/heartbeat", body, sent)
        if status != _OK:
            raise BadAnswer(f"heartbeat answered with {status}")
        return parse_heartbeat_answer(answer)

    async def plan(self, have: str | None) -> PlanAnswer:
        """See the protocol."""
        sent = {} if have is None else {"If-None-Match": f'"{have}"'}
        status, answer, _ = await self._ask("GET", "/gateway/v1/plan", None, sent, limits.PLAN_ANSWER_BYTES_MAX)
        if status not in (_OK, _NOT_MODIFIED, _NOT_FOUND):
            raise BadAnswer(f"plan answered with {status}")
        return PlanAnswer(status, answer if status == _OK else b"")

    async def checkpoint(self, origin: str) -> bytes | None:
        """See the protocol."""
        path = f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"
        status, answer, _ = await self._ask("GET", path, None, {})
        if status == _NOT_FOUND:
            return None
        if status != _OK:
            raise BadAnswer(f"checkpoint answered with {status}")
        return answer

    async def close(self) -> None:
        """See the protocol."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        answer_bytes_max: int = limits.ANSWER_BYTES_MAX,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        try:
            session = await self._ready_session()
            async with session.request(
                method, self._server.url + path, data=body, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await _bounded(response.content, answer_bytes_max), response.headers
        except TimeoutError:
            raise Unreachable("no answer in time") from None
        except (aiohttp.ClientError, CertsError, OSError, RuntimeError) as error:
            words = lacking(getattr(error, "os_error", error))
            if words is None and isinstance(error, RuntimeError):
                raise
            raise Unreachable(words or self._why(error)) from None

    async def _ready_session(self) -> aiohttp.ClientSession:
        """A box that has not heard the time yet trusts the pinned key in place of the certificate's dates."""
        async with self._opening:
            trusting = self._server.pin is None or self._clock.now_us() >= limits.PLAUSIBLE_TIME_US
            if self._session is None or trusting != self._trusting:
                await self.close()
                context = await asyncio.to_thread(self._context, trusting)
                self._trusting = trusting
                self._session = self._new_session(context)
            return self._session

    def _new_session(self, context: ssl.SSLContext) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=4, resolver=self._resolver),
            timeout=self._timeout,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "kaofen-gateway"},
        )

    def _context(self, trusting: bool) -> ssl.SSLContext:
        server = self._server
        return gateway_client_context(server.cert, server.key, server.ca, trust_clock=trusting, pin=server.pin)

    def _why(self, error: Exception) -> str:
        """The cause in words an installer can act on."""
        if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno == errno.ECONNREFUSED:
            return f"{error.host} port {error.port} refuses: the machine is there, the server is not"
        text = str(error) or type(error).__name__
        if "certificate has expired" in text or "not yet valid" in text:
            return f"{text}; this box's clock says {self._clock.now_us() // 1_000_000} s since 1970"
        return text[:300]


async def _bounded(content: aiohttp.StreamReader, most: int) -> bytes:
    """The body, as long as it is one that our server could have sent."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > most:
            raise Unreachable(f"an answer of more than {most} bytes is not our server's")
    return bytes(body)


def _taken(headers: Mapping[str, str]) -> frozenset[str]:
    """RFC 7694: an answer may say which encodings of a request are taken; those of them that are known here."""
    named = (word.strip() for word in headers.get("Accept-Encoding", "").lower().split(","))
    return frozenset(named) & {PACKED, "gzip"}


def _compressed(body: bytes, taken: frozenset[str]) -> tuple[bytes, str]:
    """The shortest form that is taken, and its name; a body that cannot be packed goes as before there was that."""
    packed = encode_packed(body) if PACKED in taken else None
    if packed is not None:
        return packed, PACKED
    if "gzip" not in taken:
        return body, "identity"
    return gzip.compress(body, limits.COMPRESSION_LEVEL, mtime=0), "gzip"


def _retry_after(text: str | None) -> float | None:
    """Seconds; a date is not ours to read on a box without a sure clock."""
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(float(text), limits.RETRY_AFTER_MAX_S)
