"""The strict fake of the ServerClient seam: a server in memory that verifies every upload as the real one must.

    server = FakeServer()
    client = FakeServerClient(server, GATEWAY_BASE)
    server.lose_answer()          # stored, and the reply is lost
    server.lose_request()         # not stored, no reply
    server.answer(503, retry_after=7)
    server.restore(size)          # put back from a backup of that size

What reaches it must be an upload that a correct gateway sends: a wrong origin, a bad signature or a root that does not
fit is answered as docs/formats/upload.md says, and remembered in `refused`; the test looks there.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.errors import BadAnswer, Unreachable
from gateway.sending.transport import HeartbeatAnswer, PlanAnswer, SessionNonce, UploadAnswer
from scorelog.format.checkpoint import open_checkpoint, parse_checkpoint_body
from scorelog.format.commitment import check_opening
from scorelog.format.cosignature import CosignatureSigner
from scorelog.format.entry import parse_entry
from scorelog.format.errors import SignatureInvalid, UploadError
from scorelog.format.keys import CosignatureVerifier, Ed25519Verifier, parse_vkey
from scorelog.format.note import parse_note
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.format.upload import encode_size_answer, parse_upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scorelog.format.commitment import Opening

FAKE_MIRROR_SEED = bytes(range(100, 132))
FAKE_TIME_S = 1_795_416_200


class _Log:
    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.openings: list[Opening] = []
        self.range = CompactRange()
        self.checkpoint = b""
        self.roots: dict[int, bytes] = {}


class FakeServer:
    """All logs of one server."""

    def __init__(self, gateway_key: bytes | None = None) -> None:
        self.mirror = CosignatureSigner("mirror.example", Ed25519PrivateKey.from_private_bytes(FAKE_MIRROR_SEED))
        self.verifier = parse_vkey(self.mirror.vkey)
        assert isinstance(self.verifier, CosignatureVerifier)
        self.gateway_key = gateway_key
        self.logs: dict[str, _Log] = {}
        self.refused: list[tuple[int, bytes]] = []
        self.uploads: list[int] = []
        self.beats: list[dict[str, Any]] = []
        self.down = False
        self.heartbeat_size: int | None = None
        self.plan_body: bytes | None = None  # what `GET /gateway/v1/plan` answers; None: 404
        self.plan_status: int | None = None  # answers so instead
        self.plans_asked: list[str | None] = []
        self.time: Callable[[], str] = lambda: "2026-11-23T06:42:05.000000Z"
        self.sessions: dict[str, str] = {}  # id and nonce of those whose window is open
        self.changed = asyncio.Condition()
        self._script: deque[Callable[[bytes], UploadAnswer]] = deque()
        self.held_answers: asyncio.Event | None = None

    # --- the test's handles

    def answer(self, status: int, body: bytes = b"", retry_after: float | None = None) -> None:
        """The next upload is answered so, and nothing of it is stored."""
        self._script.append(lambda _body: UploadAnswer(status, body, retry_after))

    def lose_request(self) -> None:
        """The next upload never arrives."""

        def lost(_body: bytes) -> UploadAnswer:
            raise Unreachable("the fake lost the request")

        self._script.append(lost)

    def lose_answer(self) -> None:
        """The next upload is stored, and its answer is lost."""

        def lost(body: bytes) -> UploadAnswer:
            self.store(body)
            raise Unreachable("the fake lost the answer")

        self._script.append(lost)

    def store_then(self, status: int, body: bytes = b"", retry_after: float | None = None) -> None:
        """The next upload is stored, and something on the way answers in the server's place."""

        def broken(upload: bytes) -> UploadAnswer:
            self.store(upload)
            return UploadAnswer(status, body, retry_after)

        self._script.append(broken)

    def restore(self, origin: str, size: int) -> None:
        """Put back from a backup: it forgets what it confirmed."""
        log = _Log()
        for entry in self.logs[origin].entries[:size]:
            log.entries.append(entry)
            log.range.append(leaf_hash(entry))
            log.roots[len(log.entries)] = log.range.root()
        self.logs[origin] = log

    def entries(self, origin: str) -> list[bytes]:
        """What it holds."""
        return list(self.logs[origin].entries) if origin in self.logs else []

    async def until_size(self, origin: str, size: int, within_s: float = 5) -> None:
        """Wait until that many entries are stored."""
        async with asyncio.timeout(within_s), self.changed:
            await self.changed.wait_for(lambda: len(self.entries(origin)) >= size)

    # --- the server's own behaviour

    def receive(self, body: bytes) -> UploadAnswer:
        if self.down:
            raise Unreachable("the fake is down")
        return self._script.popleft()(body) if self._script else self.store(body)

    def store(self, body: bytes) -> UploadAnswer:
        try:
            upload = parse_upload(body)
        except UploadError as error:
            return self._refuse(error.status, body)
        origin = parse_checkpoint_body(parse_note(upload.checkpoint).text).origin
        log = self.logs.setdefault(origin, _Log())
        if self.gateway_key is not None:
            try:
                open_checkpoint(upload.checkpoint, Ed25519Verifier(origin, self.gateway_key))
            except SignatureInvalid:
                return self._refuse(403, body)
        checkpoint = parse_checkpoint_body(parse_note(upload.checkpoint).text)
        if upload.start != len(log.entries):
            return UploadAnswer(409, encode_size_answer(len(log.entries)))
        fresh = log.range.copy()
        fresh.extend(leaf_hash(entry) for entry in upload.entries)
        if fresh.size != checkpoint.size or fresh.root() != checkpoint.root:
            return self._refuse(422, body)
        self._check_openings(upload.start, upload.entries, upload.openings)
        log.entries.extend(upload.entries)
        log.openings.extend(upload.openings)
        log.range, log.checkpoint = fresh, upload.checkpoint
        log.roots[fresh.size] = fresh.root()
        self.uploads.append(len(upload.entries))
        return UploadAnswer(200, self.mirror.cosign(parse_note(upload.checkpoint).text, FAKE_TIME_S))

    def _check_openings(self, start: int, entries: tuple[bytes, ...], openings: tuple[Opening, ...]) -> None:
        parsed: dict[int, Any] = {}
        for opening in openings:
            entry = parsed.setdefault(opening.index, None) or parse_entry(entries[opening.index - start])
            parsed[opening.index] = entry
            if entry.type != "relogged":
                assert check_opening(opening, entry), f"opening of entry {opening.index} opens nothing"

    def _refuse(self, status: int, body: bytes) -> UploadAnswer:
        self.refused.append((status, body))
        return UploadAnswer(status, b'{"type":"about:blank"}')


class FakeServerClient:
    """One gateway's line to it."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.closed = False

    async def upload(self, body: bytes) -> UploadAnswer:
        """See the protocol."""
        assert not self.closed, "used after close"
        await asyncio.sleep(0)
        if self.server.held_answers is not None:
            await self.server.held_answers.wait()
        answer = self.server.receive(body)
        async with self.server.changed:
            self.server.changed.notify_all()
        return answer

    async def heartbeat(self, beat: Mapping[str, Any]) -> HeartbeatAnswer:
        """See the protocol."""
        assert not self.closed, "used after close"
        if self.server.down:
            raise Unreachable("the fake is down")
        document = json.loads(json.dumps(beat))
        self.server.beats.append(document)
        held = len(self.server.entries(document["origin"]))
        size = held if self.server.heartbeat_size is None else self.server.heartbeat_size
        async with self.server.changed:
            self.server.changed.notify_all()
        return HeartbeatAnswer(
            self.server.time(),
            "00" * 16,
            None if self.server.plan_body is None else json.loads(self.server.plan_body)["version"],
            renew=False,
            revoked=None,
            size=size,
            sessions=tuple(SessionNonce(*one) for one in self.server.sessions.items()),
        )

    async def plan(self, have: str | None) -> PlanAnswer:
        """See the protocol."""
        assert not self.closed, "used after close"
        if self.server.down:
            raise Unreachable("the fake is down")
        self.server.plans_asked.append(have)
        if self.server.plan_status is not None:
            raise BadAnswer(f"plan answered with {self.server.plan_status}")
        body = self.server.plan_body
        if body is None:
            return PlanAnswer(404, b"")
        return PlanAnswer(304, b"") if json.loads(body)["sha256"] == have else PlanAnswer(200, body)

    async def checkpoint(self, origin: str) -> bytes | None:
        """See the protocol."""
        if self.server.down:
            raise Unreachable("the fake is down")
        log = self.server.logs.get(origin)
        return None if log is None or not log.checkpoint else log.checkpoint

    async def close(self) -> None:
        """See the protocol."""
        self.closed = True
