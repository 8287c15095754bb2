"""A fleet of gateways as load: each sends its log, one upload at a time, in order, and again until it has its receipt.

    fleet = Fleet(logs, contexts, Target(port), seed=1)
    await fleet.run()                     # until every log is receipted
    fleet.tally.statuses                  # what was answered, how often; 0: no answer

Waits as a gateway does (gateway/backoff.py), so that what the server says about coming back is seen to work. Lighter
than a gateway: bodies are made before, and only a log's last receipt is verified.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway import limits
from gateway.backoff import Backoff
from scorelog.format.upload import parse_size_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sample_uploads import SampleLog

    from scorelog.format.keys import CosignatureVerifier

PATH = "/gateway/v1/upload"
ANSWER_S = 15.0
CAP_S = 30.0
HEARTBEAT_S = 3.0


@dataclass(slots=True)
class Target:
    """Where the server listens now; a restarted one may have another port."""

    port: int
    address: str = "127.0.0.1"


@dataclass(slots=True)
class Tally:
    """What a fleet met. `took` holds (moment, seconds) of each receipt, by the monotonic clock."""

    statuses: Counter[int] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    took: list[tuple[float, float]] = field(default_factory=list)

    @property
    def tries(self) -> int:
        """Requests that left, or found nobody."""
        return self.statuses.total()

    @property
    def receipts(self) -> int:
        """Answers that were receipts."""
        return self.statuses[200]


class Member:
    """One gateway."""

    def __init__(
        self, log: SampleLog, context: ssl.SSLContext, target: Target, rng: random.Random, bodies: list[bytes]
    ) -> None:
        self.log = log
        self.bodies = bodies
        self.next = 0
        self.last = b""  # the newest receipt's lines
        self._context = context
        self._target = target
        self._rng = rng
        self._backoff = Backoff(rng, limits.UPLOAD_BACKOFF_BASE_S, CAP_S, budget=True)
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, tally: Tally, until: int | None = None) -> None:
        """Until so many entries have their receipt."""
        until = len(self.bodies) if until is None else until
        while self.next < until or not self.last:
            await asyncio.sleep(await self.step(tally))

    async def step(self, tally: Tally) -> float:
        """One request; how long to wait before the next."""
        body = self.bodies[self.next] if self.next < len(self.bodies) else self.log.upload(self.next, self.next)
        began = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_S):
                status, headers, answer = await self._ask(body)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError):
            await self.hang_up()
            tally.statuses[0] += 1
            return min(
                self._backoff.next(), self._rng.uniform(0, HEARTBEAT_S)
            )  # a heartbeat that finds it ends the wait
        tally.statuses[status] += 1
        if status == 200:
            tally.took.append((began, time.monotonic() - began))
            self.next, self.last = min(self.next + 1, len(self.bodies)), answer
            self._backoff.reset()
            return 0.0
        if status == 409:
            self.next = parse_size_answer(answer)
            self.last = b""
            return 0.0
        after = headers.get("retry-after", "")
        if status not in (429, 503) or not after.isdigit():
            tally.unexplained.append(f"{status} {headers} {answer[:200]!r}")
            return self._backoff.next()
        return self._backoff.after(float(after))

    async def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self._line is None:
            self._line = await asyncio.open_connection(
                self._target.address, self._target.port, ssl=self._context, server_hostname="localhost"
            )
        reader, writer = self._line
        writer.write(f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = {name: value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        answer = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            await self.hang_up()
        return int(head[0].split(" ")[1]), headers, answer

    async def hang_up(self) -> None:
        """Drop the connection."""
        line, self._line = self._line, None
        if line is not None:
            line[1].transport.abort()
            with suppress(OSError, ssl.SSLError):
                await line[1].wait_closed()


def member(log: SampleLog, context: ssl.SSLContext, target: Target, seed: int = 1) -> Member:
    """Sends the log entry by entry; the same waits every time."""
    bodies = [log.upload(at, at + 1) for at in range(log.size)]
    return Member(log, context, target, random.Random(f"{seed}/{log.gateway_id}"), bodies)


class Fleet:
    """Many of them, and what they met together."""

    def __init__(
        self, logs: Sequence[SampleLog], contexts: Sequence[ssl.SSLContext], target: Target, *, seed: int = 1
    ) -> None:
        self.members = [member(log, context, target, seed) for log, context in zip(logs, contexts, strict=True)]
        self.tally = Tally()

    async def run(self, until: int | None = None, within_s: float = 60.0) -> None:
        """Until every member has so many receipts."""
        async with asyncio.timeout(within_s):
            await asyncio.gather(*(member.run(self.tally, until) for member in self.members))

    def check(self, mirror: CosignatureVerifier) -> None:
        """P2: every log's last receipt is one of its whole tree."""
        for member in self.members:
            assert member.log.receipt_time(member.log.size, member.last, mirror) > 0

    async def close(self) -> None:
        """Hang up."""
        await asyncio.gather(*(member.hang_up() for member in self.members))
