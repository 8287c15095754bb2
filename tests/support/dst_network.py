"""The simulated lines between boxes and server, and the production client on top of them.

    HttpsClient (status, headers, heartbeat answers: production) ── SimClient._ask ── Link ── SimServer

A link delays, loses requests, loses answers after the commit, repeats, resets in mid-body, answers in the server's
place (busy, captive portal, broken proxy) or is down. Everything by its own seeded source.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dst_life import LIFE
from dst_server import Gone, Request

from gateway import limits
from gateway.errors import Unreachable
from gateway.sending.transport import HttpsClient

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from dst_box import Box
    from dst_world import World

Fate = str
FATES: tuple[Fate, ...] = ("lost", "answer lost", "reset", "twice", "busy", "portal", "proxy")


@dataclass(slots=True)
class Link:
    """One box's line. `trouble` is the chance that a request does not go as it should."""

    rng: Random
    up: bool = True
    trouble: float = 0.0
    fates: tuple[Fate, ...] = FATES
    delay_s: tuple[float, float] = (0.001, 0.02)

    def fate(self) -> Fate | None:
        if not self.trouble or self.rng.random() >= self.trouble:
            return None
        return self.rng.choice(self.fates)

    async def travel(self) -> None:
        await asyncio.sleep(self.rng.uniform(*self.delay_s))


class SimClient(HttpsClient):
    """One process's client."""

    def __init__(self, world: World, box: Box) -> None:
        super().__init__(box.config.server, box.clock, box.config.pace.request_timeout_s)
        self._world = world
        self._box = box
        self._life = LIFE.get()
        self._wait_s = box.config.pace.request_timeout_s

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        answer_bytes_max: int = limits.ANSWER_BYTES_MAX,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        if self._life is None or self._life.dead:
            raise Unreachable("this process is dead")
        request = Request(method, path, body or b"", dict(headers), self._box.parts.certificate)
        try:
            async with asyncio.timeout(self._wait_s):
                status, answer, said = await self._carried(request)
        except TimeoutError:
            self._noted(request, "no answer")
            raise Unreachable("no answer in time") from None
        except Gone as gone:
            self._noted(request, str(gone))
            raise Unreachable(str(gone)) from None
        self._noted(request, status)
        return status, answer, said

    async def _carried(self, request: Request) -> tuple[int, bytes, Mapping[str, str]]:
        link = self._box.link
        self._world.oracle.sent(self._box, request)
        await link.travel()
        if not link.up:
            if link.rng.random() < 0.5:
                raise Gone("no route")
            await _for_ever()
        fate = link.fate()
        if fate in ("busy", "portal", "proxy"):
            return _in_its_place(fate, link.rng)
        if fate == "lost":
            await _for_ever()
        if fate == "reset":
            request.cut = link.rng.randrange(len(request.body) + 1)
        if fate == "twice":
            again = Request("", "", request.body, {}, b"")
            again.scope = dict(request.scope)
            self._world.spawn(self._again(again), "repeated request")
        answer = await self._world.server.ask(request)
        if fate == "answer lost":
            await _for_ever()
        await link.travel()
        return answer

    async def _again(self, request: Request) -> None:
        """A proxy repeats it; nobody hears the answer."""
        await asyncio.sleep(self._box.link.rng.uniform(0.0, 2.0))
        with suppress(Gone):
            await self._world.server.ask(request)

    def _noted(self, request: Request, what: object) -> None:
        path = request.scope["path"].rpartition("/")[2]
        self._world.noted("asked", gateway=self._box.id, path=path, answer=what, bytes=len(request.body) // 1000)


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def _in_its_place(fate: Fate, rng: Random) -> tuple[int, bytes, dict[str, str]]:
    if fate == "busy":
        return rng.choice((429, 503)), b"{}", {"Retry-After": str(rng.randint(1, 5))}
    if fate == "portal":
        return 200, b"<html>please log in</html>", {}
    return rng.choice((500, 502, 413, 400, 302)), b"proxy", {}
