"""One request on a bus's line and the one frame that answers it, judged where the bytes arrive: no task, one timer.

    begin ──> line ──bytes──> fault? ─> whole? ─> silence for a gap ──> the frame
                                │          └ more bytes: they were no answer
                                └ odd · the line was lost · nothing until the deadline

Owns: the judgement of one reply, byte by byte, and its deadline. A frame is an answer only when the line has been
silent behind it. Never decides what comes next: queue, quiet and breakers are the bus's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from device_adapters.limits import BUS_EARLY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_adapters.modbus.framing import Framing
    from device_adapters.modbus.lines import Line

LOST: Final = "the line was lost"
LATE: Final = "no reply"
ODD: Final = "bytes that are no answer"


class Exchange:
    """At most one at a time. `tell` is called once: with the frame, or with why there is none."""

    __slots__ = (
        "_deadline",
        "_echo",
        "_framing",
        "_gap_s",
        "_guard",
        "_guard_at",
        "_line",
        "_request",
        "_silence",
        "_tell",
    )

    def __init__(self, line: Line, framing: Framing, gap_s: float, *, echo: bool) -> None:
        self._line = line
        self._framing = framing
        self._gap_s = gap_s
        self._echo = echo
        self._request = b""
        self._tell: Callable[[bytes | None, str], None] | None = None
        self._deadline = 0.0
        self._guard: asyncio.TimerHandle | None = None  # one for many: it may fire too soon, never too late
        self._guard_at = 0.0
        self._silence: asyncio.TimerHandle | None = None  # runs behind a whole answer

    def begin(self, request: bytes, timeout_s: float, tell: Callable[[bytes | None, str], None]) -> None:
        """Send; everything stands before that, as a broken port tells its loss while it is written to."""
        line, loop = self._line, asyncio.get_running_loop()
        travel_s = 0.0
        if line.byte_s:
            travel_s = line.byte_s * (len(request) * (1 + self._echo) + self._framing.expected(request))
        self._request, self._tell = request, tell
        self._deadline = loop.time() + timeout_s + travel_s
        if self._guard is None or self._guard_at > self._deadline:
            self._set_guard(loop)
        line.heard = self._heard
        line.write(request)

    def drop(self) -> None:
        """Nobody is told anything."""
        self._tell = None
        self._leave_line()
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None

    def without_echo(self, request: bytes, received: bytes) -> bytes | None:
        """What came behind the echo, where one is expected; None when something else came in its place."""
        if not self._echo:
            return received
        if received[: len(request)] != request[: len(received)]:
            return None
        return received[len(request) :]

    def _heard(self) -> None:
        """Bytes came, or the line was lost. A whole answer needs no line any more, only its silence."""
        line, request = self._line, self._request
        received = self.without_echo(request, line.received)
        if received is None or self._framing.fault(request, received) is not None:
            self._end(None, ODD)
        elif received and self._framing.whole(request, received):
            if not self._gap_s:
                self._end(received, "")
            elif self._silence is None:
                self._silence = asyncio.get_running_loop().call_later(self._gap_s, self._silent, received)
        elif not line.is_open:
            self._end(None, LOST)

    def _silent(self, received: bytes) -> None:
        self._silence = None
        self._end(received, "")

    def _late(self) -> None:
        """The deadline of what waits, or of something that was answered long ago."""
        self._guard = None
        if self._tell is None or self._silence is not None:
            return
        loop = asyncio.get_running_loop()
        if self._deadline - loop.time() > BUS_EARLY_S:
            self._set_guard(loop)
        else:
            self._end(None, LATE)

    def _set_guard(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._guard is not None:
            self._guard.cancel()
        self._guard_at = self._deadline
        self._guard = loop.call_at(self._deadline, self._late)

    def _end(self, frame: bytes | None, why: str) -> None:
        tell, self._tell = self._tell, None
        self._leave_line()
        if frame is not None:
            self._line.clear()
        if tell is not None:
            tell(frame, why)

    def _leave_line(self) -> None:
        self._line.heard = None
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
