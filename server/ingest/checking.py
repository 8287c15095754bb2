"""Signatures of logs checked by a second process while many uploads are at work.

The library that checks them holds Python's lock meanwhile, and one check takes as long as half of all else that the
event loop does for an upload (docs/profiles.md, Ingest).

    upload ─▶ few at work ──────────────────────────────────▶ checked here, at once
           └▶ many ─▶ vouches ─▶ all of one turn of the loop in one write ─▶ second.py ─▶ "made by this key"
                         └ anything else: no second process, it died, it is late, it says no ─▶ checked here

Owns that process: begun at the first need, ended with the server, left alone for a while after it failed. Only its yes
counts, and it is the same code in the same account; a no is never believed, so no refusal rests on it. Never decides
what a signature means: mirror.py does.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import structlog

from server import limits
from server.ingest.second import KEY_BYTES, MADE, MESSAGE_MAX, SIGNATURE_BYTES, question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger()

COMMAND = (sys.executable, "-P", "-m", "server.ingest.second")  # -P: whatever folder it is begun in


class SecondProcess:
    """Checks Ed25519 signatures beside this process."""

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        late_s: float = limits.SECOND_LATE_S,
        cores: Callable[[], int] = lambda: len(os.sched_getaffinity(0)),
    ) -> None:
        self._command = command
        self._late_s = late_s
        self._cores = cores
        self._channel: _Channel | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._closed = False
        self.checked = 0

    @property
    def ready(self) -> bool:
        """Whether it may be asked now."""
        return self._channel is not None and not self._channel.lost

    @property
    def wanted(self) -> bool:
        """Whether it runs or is being begun."""
        return self.ready or self._beginning is not None

    async def vouches(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """True: made by this key. False: not known to be; look yourself."""
        if len(signature) != SIGNATURE_BYTES or len(public_key) != KEY_BYTES or len(message) > MESSAGE_MAX:
            return False
        channel = self._channel
        if channel is None or channel.lost:
            self._begin()
            return False
        made = await channel.ask(question(public_key, signature, message))
        self.checked += made
        return made

    async def close(self) -> None:
        """End it; idempotent."""
        self._closed = True
        if self._beginning is not None:
            await asyncio.wait({self._beginning})
        await self._end()

    def _begin(self) -> None:
        """In the background, unless it is under way, has just failed, or there is one core for everything."""
        loop = asyncio.get_running_loop()
        if self._closed or self._beginning is not None or loop.time() < self._not_before or self._cores() == 1:
            return
        self._not_before = loop.time() + limits.SECOND_AGAIN_S
        self._beginning = asyncio.ensure_future(self._start())

    async def _start(self) -> None:
        try:
            await self._end()
            self._process, ours = await self._spawned()
            loop = asyncio.get_running_loop()
            _, self._channel = await loop.create_connection(lambda: _Channel(self._late_s), sock=ours)
        except OSError as error:
            log.warning("no second process for signatures", reason=str(error))
        finally:
            self._beginning = None

    async def _spawned(self) -> tuple[asyncio.subprocess.Process, socket.socket]:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                made = await asyncio.create_subprocess_exec(
                    *self._command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL
                )
            except OSError:
                ours.close()
                raise
        return made, ours

    async def _end(self) -> None:
        channel, process = self._channel, self._process
        self._channel = self._process = None
        if channel is not None:
            channel.give_up()
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()  # it holds nothing
            await process.wait()


class _Channel(asyncio.Protocol):
    """Questions in one order, answers in the same."""

    def __init__(self, late_s: float) -> None:
        self._late_s = late_s
        self._loop = asyncio.get_running_loop()
        self._asked: deque[asyncio.Future[bool]] = deque()
        self._unsent: list[bytes] = []
        self._answered = 0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It may be asked."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, question: bytes) -> asyncio.Future[bool]:
        """Its answer; False as soon as it is known that there will be none."""
        answer = self._loop.create_future()
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(question)
        self._asked.append(answer)
        if self._timer is None:
            self._watch()
        return answer

    def data_received(self, data: bytes) -> None:
        """Some answers. More than were asked for, or anything but a yes, is none."""
        for said in data:
            if not self._asked:
                self.give_up()
                return
            self._answered += 1
            _settle(self._asked.popleft(), made=said == MADE)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # whatever the reason
        """It has ended."""
        self.give_up()

    def give_up(self) -> None:
        """Nobody is left waiting."""
        self.lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        while self._asked:
            _settle(self._asked.popleft(), made=False)

    def _flush(self) -> None:
        if self._transport is not None and not self.lost:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _watch(self) -> None:
        """Whoever answers nothing for so long while it is asked is given up."""
        self._timer = self._loop.call_later(self._late_s, self._look, self._answered)

    def _look(self, answered: int) -> None:
        self._timer = None
        if self._asked and self._answered == answered:
            log.warning("second process for signatures is late")
            self.give_up()
        elif self._asked:
            self._watch()


def _settle(answer: asyncio.Future[bool], *, made: bool) -> None:
    if not answer.done():
        answer.set_result(made)
