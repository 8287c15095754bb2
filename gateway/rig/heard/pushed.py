"""`--listen`: be what a rig pushes to over HTTP, and show what arrives and whether it is proven. Stores nothing.

    rig ──POST──> PushListener (the gateway's) ──> Porch: proof, body ──> Hearer        every record is answered 503

Owns: the answers of a tool. It never says that a record is stored, and never that an exam can be recorded (P1): a rig
that understands its interface keeps everything and goes on asking. A status is answered 200, so that the rig goes on.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device_adapters.errors import BackOff, NotProven
from device_adapters.http.answers import Answer, of_error, problem, records_of
from device_adapters.http.guard import Guard
from device_adapters.language.shape import PUSHED, Shape
from device_adapters.limits import PUSH_BODY_MAX
from gateway.errors import ConfigError
from gateway.push.desk import PREFIX, Desk, Request
from gateway.push.identity import context_of, secret_at
from gateway.push.listener import PushListener
from gateway.push.settings import push_of
from gateway.rig.heard.message import PROVEN, UNCHECKED, Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from device_adapters.language.profile import Profile
    from gateway.push.settings import PushConfig
    from gateway.rig.heard.ear import Hearer, Opener
    from gateway.rig.heard.taken import Reader
    from scorelog.journal.clock import Clock

_METHODS: Final = {"records": "POST", "status": "POST", "position": "GET"}
_TOLD: Final = {"ack": None, "ready": 0, "resend": None}
_AGAIN_S: Final = 2
_LINES: Final = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Door:
    """The options of `--listen`: the same as those of a gateway's `[[push]]` and of its rig."""

    place: str
    serial: str
    profile: Profile | None
    secret_file: Path | None = None
    token: bool = False
    certificate: str = ""
    key: str = ""
    networks: tuple[str, ...] = ()

    def opener(self) -> Opener:
        """Reads the identity files. Raises ConfigError."""
        shape = self.profile.message if self.profile is not None else None
        if not isinstance(shape, Shape):
            raise ConfigError("--listen: a --profile is needed that says what is pushed: transport http")
        given = {
            "id": "tool",
            "listen": self.place,
            "certificate": self.certificate,
            "key": self.key,
            "networks": list(self.networks),
        }
        config = push_of(given, "--listen", Path())
        context = context_of(config)
        secret = None if self.secret_file is None else secret_at(self.secret_file, "--secret-file")

        @asynccontextmanager
        async def opened(hearer: Hearer, clock: Clock) -> AsyncIterator[Porch]:
            porch = Porch(self, secret, config, hearer, clock)
            listener = PushListener(config, context, porch, clock, random.SystemRandom())
            task = asyncio.create_task(listener.run(), name="door")
            try:
                await porch.tried(listener)
                yield porch
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        return opened


class Porch(Desk):
    """The desk of a tool: the same proof, and nobody behind it. See `ear.Source`."""

    def __init__(self, door: Door, secret: bytes | None, config: PushConfig, hearer: Hearer, clock: Clock) -> None:
        super().__init__(clock)
        self.place = f"{config.host}:{config.port}"
        self.reason = "not listening yet"
        self._door = door
        self._topics = {"records": PUSHED.topics.record, "status": PUSHED.topics.status}
        self._guard_of_rig = None if secret is None else Guard(door.serial, secret, signed=not door.token, since_s=0.0)
        self._hearer = hearer
        self._mono_us = clock.mono_us

    async def ask(self, reader: Reader) -> None:
        """A rig that pushes cannot be called."""

    async def tried(self, listener: PushListener) -> None:
        """Until it listens, or could not."""
        while self.reason == "not listening yet":
            said = str(listener.to_json()["reason"])
            self.reason = said if said != "not listening yet" else self.reason
            await asyncio.sleep(0.01)
        self.place = self.place.replace(":0", f":{listener.port}") if self.place.endswith(":0") else self.place

    def listening(self, listener: str, *, yes: bool) -> None:  # noqa: ARG002  (there is one)
        """Whether the rig can be heard."""
        self.reason = "" if yes else "not listening any more"

    async def take(self, listener: str, request: Request, body: Callable[[], Awaitable[bytes | None]]) -> Answer:  # noqa: ARG002  (there is one)
        """One request, whole."""
        serial, _, what = request.path.removeprefix(PREFIX).partition("/")
        if not request.path.startswith(PREFIX) or what not in _METHODS or serial != self._door.serial:
            return problem(404, "place", f"this tool waits for {PREFIX}{self._door.serial}/records, status, position")
        if request.method != _METHODS[what]:
            return problem(405, "method", f"{what} takes {_METHODS[what]}")
        if (request.length or 0) > PUSH_BODY_MAX:
            return problem(413, "oversize", f"the body has more than {PUSH_BODY_MAX} bytes: send fewer records")
        data = await body()
        if data is None:
            return problem(408, "slow", "the body did not come whole in time", 1)
        refused, verdict = self._proof(request, data)
        self._show(what, request, data, verdict)
        return refused if refused is not None else self._answer_to(what)

    def _proof(self, request: Request, data: bytes) -> tuple[Answer | None, str]:
        if self._guard_of_rig is None:
            return None, UNCHECKED
        try:
            self._guard_of_rig.admit(request.method, request.path, request.headers, self.now_s).check(data)
        except NotProven as error:
            return of_error(error, self.now_s), f"{error.reason}: {error.detail}"
        except BackOff as error:
            return of_error(error, self.now_s), str(error)
        return None, PROVEN

    def _show(self, what: str, request: Request, data: bytes, verdict: str) -> None:
        if what == "position":
            return
        payloads = [data]
        if what == "records" and request.headers.get("content-type", "").startswith(_LINES):
            try:
                payloads = records_of(data)
            except ValueError:
                payloads = [data]
        for payload in payloads:
            message = Message(self._mono_us(), self._topics[what], payload, origin=f"{request.method} {request.path}")
            self._hearer.take(message, verdict)

    def _answer_to(self, what: str) -> Answer:
        if what == "records":
            detail = "a test tool listens here and stores nothing: keep it, and send the same again"
            return problem(503, "unknown", detail, _AGAIN_S, v=1, **_TOLD)
        more = {"serial": self._door.serial, "newest": None} if what == "position" else {}
        return Answer(200, {"v": 1, **more, **_TOLD})
