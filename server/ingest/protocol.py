"""uvicorn's HTTP protocol with what it lacks: the peer's certificate, header deadlines and size, caps on connections.

uvicorn 0.54 verifies a client certificate but tells the application nothing of it; `app_state` is copied into every
request's `scope["state"]`, so the certificate goes in there before any byte is parsed. That is not documented API: the
version is pinned and tests/unit/server_ingest/test_server_mtls.py holds it. No header is involved: none can be forged.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server import limits
from server.ingest.routes import STATE_KEY

if TYPE_CHECKING:
    import asyncio
    import ssl


class BoundedProtocol(HttpToolsProtocol):
    """A connection that cannot hold the server up: it sends its headers in time, and is not one of too many."""

    header_deadline_s: ClassVar[float] = limits.HEADER_DEADLINE_S
    connections_per_peer: ClassVar[int] = limits.CONNECTIONS_PER_PEER_MAX
    peers: ClassVar[Counter[str]] = Counter()  # of one listener: `listener_protocol` gives each its own

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it; too many of all or of one address are cut off before they are served."""
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._header_bytes = 0
        self._in_headers = False
        self._header_timer: asyncio.TimerHandle | None = None
        self._in_body = False
        self._body_bytes = 0
        self._body_since = 0.0
        self._body_timer: asyncio.TimerHandle | None = None
        self.peers[self._peer] += 1
        super().connection_made(transport)
        if self.peers.total() > limits.CONNECTIONS_MAX or self.peers[self._peer] > self.connections_per_peer:
            transport.abort()
            return
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._headers_are_there()
        self._body_is_there()
        self.peers[self._peer] -= 1
        if self.peers[self._peer] <= 0:
            del self.peers[self._peer]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The parser keeps unfinished headers in memory: bounded here. The body is bounded by the application."""
        super().data_received(data)
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > limits.HEADER_BYTES_MAX:
                self.transport.abort()
        elif self._in_body and self._body_timer is None:  # most bodies come with their headers and need no timer
            self._body_since = self.loop.time()
            self._body_timer = self.loop.call_later(limits.BODY_GRACE_S, self._body_due)

    def on_message_begin(self) -> None:
        """A request begins: its headers must be complete in time, also on a kept-alive connection."""
        super().on_message_begin()
        self._in_headers = True
        self._expect_headers()

    def on_headers_complete(self) -> None:
        """From here on the application reads, under its own deadline."""
        self._headers_are_there()
        self._in_body, self._body_bytes = True, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """What counts for its pace; what nobody reads is not taken for ever, as after a refusal by the head."""
        self._body_bytes += len(body)
        if self._body_bytes > limits.DISCARDED_BODY_MAX:
            self.transport.abort()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is whole."""
        self._body_is_there()
        super().on_message_complete()

    def _expect_headers(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.header_deadline_s, self._too_slow)

    def _headers_are_there(self) -> None:
        self._in_headers = False
        self._header_bytes = 0
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _body_is_there(self) -> None:
        self._in_body = False
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _body_due(self) -> None:
        """Abort it, unless it has come fast enough, or it is this side that does not read."""
        now = self.loop.time()
        due = self._body_since + limits.BODY_GRACE_S + self._body_bytes / limits.BODY_BYTES_PER_S
        if self.flow.read_paused:
            due = max(due, now + limits.BODY_GRACE_S)
        if now >= due:
            self.transport.abort()
        else:
            self._body_timer = self.loop.call_at(due, self._body_due)

    def _too_slow(self) -> None:
        self._header_timer = None
        self.transport.abort()


class IdentifiedProtocol(BoundedProtocol):
    """Tells the application who the peer is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The certificate is the connection's: put into this connection's own copy of the state."""
        tls = cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
        self.app_state = {**self.app_state, STATE_KEY: tls.getpeercert(binary_form=True) if tls else None}
        super().connection_made(transport)


def listener_protocol(
    base: type[BoundedProtocol],
    *,
    header_deadline_s: float = limits.HEADER_DEADLINE_S,
    connections_per_peer: int = limits.CONNECTIONS_PER_PEER_MAX,
) -> type[BoundedProtocol]:
    """The protocol class of one listener, with its own count of connections."""
    own = {
        "peers": Counter(),
        "header_deadline_s": header_deadline_s,
        "connections_per_peer": connections_per_peer,
    }
    return type(base.__name__, (base,), own)
