"""Modbus TCP registers: our own framing, with every guard of the design built in (docs/adr/0014).

Owns: one socket at a time, one request in flight, and the proof that a reply answers the request. Never decodes a
rig's words.

A reply is judged byte by byte against the one request sent: transaction id (never 0) and protocol id, length, unit,
function, count or address; nothing before it and nothing after it. On the first byte that cannot belong to the
answer, after any silence and after any cancellation the socket is aborted, and no byte of that connection is read
again.

    ModbusWire ──request──> _Line ──> socket ──bytes──> _Line (reply_fault) ──one proven frame──> ModbusWire

What is read over and over takes no turn of a task: `watch` sends at the times of `Polls`, and the reply is judged
where it arrives.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from device_adapters.errors import NotConnected
from device_adapters.limits import POLL_STEP_S, REPLY_BYTES_KEPT
from device_adapters.modbus.mbap import HEADER, READ_HEAD, Question, frame_length, reply_fault
from device_adapters.modbus.pdu import read_body, refusal, told, words_in, write_body
from device_adapters.modbus.polls import Polls
from device_adapters.modbus.wire import OddReply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from device_adapters.language.profile import Transport
    from device_adapters.modbus.polls import Turn

CLOSED = "closed"  # by ourselves
SILENT = "no reply"
_EARLY_S = 0.001  # a loop's timer may fire so much too soon


class _Line(asyncio.Protocol):
    """One connection: at most one request waits, and only the bytes that answer it are handed on."""

    __slots__ = ("_answer", "_deadline", "_loop", "_request", "_tell", "_timer", "odd", "received", "transport")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport | None = None
        self.odd: str | None = None
        self.received = b""
        self._loop = loop
        self._request = b""
        self._answer = b""  # how the right answer to a read begins
        self._tell: Callable[[str | None], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    @property
    def open(self) -> bool:
        """Whether a request can be sent."""
        return self.odd is None and self.transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket, unless it is not wanted any more."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        if self.odd is not None:
            self.transport.abort()

    def ask(self, request: bytes, answer: bytes, timeout_s: float, tell: Callable[[str | None], None]) -> None:
        """Send; `tell` is called once: None when `received` is the whole answer, else why none will come.

        `answer`: how the right answer to a read of registers begins; empty for any other request.
        """
        self._request, self._answer = request, answer
        self.received = b""
        self._tell = tell
        self._deadline = self._loop.time() + timeout_s
        if self._timer is None:  # one that still runs fires sooner, and is then set anew
            self._timer = self._loop.call_later(timeout_s, self._late)
        assert self.transport is not None  # noqa: S101  (the caller looked)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Hold bytes back until they are the whole answer. The first check is the common case of the second."""
        if self.odd is not None:
            return
        received = self.received + data if self.received else data
        request, answer = self._request, self._answer
        if request and answer and received.startswith(answer) and len(received) == READ_HEAD + answer[-1]:
            self.received = received
            self._done()
            return
        self.received = received[:REPLY_BYTES_KEPT]
        if not request:
            self._refuse("bytes that no request asked for")
            return
        wrong = reply_fault(request, self.received)
        if wrong is not None:
            self._refuse(wrong)
        elif len(self.received) >= HEADER and len(self.received) == frame_length(self.received):
            self._done()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell a waiting request at once."""
        self.transport = None
        self._stop_timer()
        self._fail("connection closed by the rig" if exc is None else f"connection lost: {exc}")

    def abort(self) -> None:
        """Close now, without flushing. Nothing more is taken from this socket."""
        self.odd = self.odd or CLOSED
        self._stop_timer()
        self._fail(CLOSED)
        if self.transport is not None:
            self.transport.abort()

    def _late(self) -> None:
        """The deadline of the request that waits, or of one that was answered long ago."""
        self._timer = None
        if self._tell is None:
            return
        left = self._deadline - self._loop.time()
        if left > _EARLY_S:
            self._timer = self._loop.call_later(left, self._late)
        else:
            self._fail(SILENT)

    def _done(self) -> None:
        tell, self._tell = self._tell, None
        self._request = self._answer = b""
        if tell is not None:
            tell(None)

    def _refuse(self, why: str) -> None:
        self.odd = why
        self._fail(why)
        self.abort()

    def _fail(self, why: str) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(why)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@dataclass(slots=True)
class _Watch:
    """One reading over and over: what is asked, who judges the replies, the next turn, the line that is asked now."""

    question: Question
    judge: Callable[[bytes], float | None]
    over: asyncio.Future[tuple[_Line, bytes]]  # the line, and the reply as it was before anything else was asked
    turn: Turn = field(init=False)
    line: _Line | None = None


class ModbusWire:
    """Registers of one unit at one address. See `wire.Wire`."""

    def __init__(self, host: str, port: int, unit: int, transport: Transport, polls: Polls | None = None) -> None:
        self._host = host
        self._port = port
        self._unit = unit.to_bytes(1, "big")
        self._transport = transport
        self._timeout_s = transport.timeout_ms / 1000
        self._lock = asyncio.Lock()
        self._line: _Line | None = None
        self._free_at = 0.0
        self._connection = 0
        self._tid = 0
        self._polls = polls or Polls()
        self._watch: _Watch | None = None  # at most one
        self._unwatched: asyncio.Future[None] | None = None  # who holds the lock while a reading of it is in flight

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._line is not None and self._line.open

    @property
    def connection(self) -> int:
        """Number of the connection: another number, another socket."""
        return self._connection

    async def connect(self) -> None:
        """Close the old connection, open a new one. Raises NotConnected."""
        async with self._lock:
            self.drop()
            loop = asyncio.get_running_loop()
            line = _Line(loop)
            try:
                async with asyncio.timeout(self._transport.connect_timeout_ms / 1000):
                    await loop.create_connection(lambda: line, self._host, self._port)
            except UnicodeError:
                raise NotConnected(f"{self._host} is not a host name") from None
            except OSError:  # a TimeoutError is one
                line.abort()
                raise NotConnected(f"no connection to {self._host} port {self._port}") from None
            except BaseException:
                line.abort()
                raise
            self._line = line
            self._connection += 1
            self._free_at = loop.time() + self._transport.pause_after_connect_ms / 1000

    async def read(self, at: int, words: int) -> bytes:
        """`words` words, or bits, from `at`. Raises NotConnected, BackOff, OddReply, ExceptionReply."""
        body = read_body(at, words)
        return words_in(body, (await self._ask(body))[HEADER:])

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        """Write words, or bits, from `at`, on this very connection. Raises what `read` raises."""
        await self._ask(write_body(at, values), connection)

    def drop(self) -> None:
        """Close at once."""
        line, self._line = self._line, None
        if line is not None:
            line.abort()

    async def watch(self, at: int, words: int, when: float, judge: Callable[[bytes], float | None]) -> bytes:
        """Read the same words at `when` and at each time that `judge` answers; the first reading without one.

        One call at a time. Every other request goes first. Raises NotConnected, BackOff, OddReply, ExceptionReply.
        """
        over: asyncio.Future[tuple[_Line, bytes]] = asyncio.get_running_loop().create_future()
        watch = self._watch = _Watch(Question(self._unit, read_body(at, words)), judge, over)
        watch.turn = self._polls.at(when, self._due)
        try:
            line, received = await over
        except BaseException:
            if watch.line is not None:  # its reply would come to somebody else
                self.drop()
            raise
        finally:
            self._watch = None
            watch.turn.cancel()
        return self._proven(line, received, watch.question.body)[READ_HEAD:]

    def _due(self) -> None:
        """A turn of `Polls`: send, unless another request is under way."""
        watch, line = self._watch, self._line
        if watch is None or watch.over.done():
            return
        if self._free_at or self._lock.locked():
            now = asyncio.get_running_loop().time()
            if self._lock.locked() or now < self._free_at:
                watch.turn = self._polls.at(max(now + POLL_STEP_S, self._free_at), self._due)
                return
            self._free_at = 0.0
        if line is None or not line.open:
            watch.over.set_exception(self._lost(line, watch.question.body))
        else:
            watch.line = line
            self._send(line, watch.question, self._told)

    def _told(self, why: str | None) -> None:
        """The reply of a watched reading is here, or none will come."""
        watch, unwatched = self._watch, self._unwatched
        if unwatched is not None and not unwatched.done():
            unwatched.set_result(None)
        if watch is None or watch.line is None or watch.over.done():
            return
        line, watch.line = watch.line, None
        if why is not None:
            self.drop()
            watch.over.set_exception(self._failure(line, why, watch.question.body))
            return
        self._keep_pace()
        received = line.received
        try:
            when = watch.judge(received[READ_HEAD:]) if received[HEADER] == watch.question.body[0] else None
        except Exception as error:  # noqa: BLE001  # no task runs here: it is for the supervisor of the one that waits
            watch.over.set_exception(error)
            return
        if when is None:
            watch.over.set_result((line, received))
        else:
            watch.turn = self._polls.at(when, self._due)

    async def _ask(self, body: bytes, connection: int | None = None) -> bytes:
        """One request and its proven answer. Whatever goes wrong in between, the socket is not used again."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            while self._watch is not None and self._watch.line is not None:
                self._unwatched = loop.create_future()
                await self._unwatched
            if self._free_at:
                await self._keep_gap()
            line = self._line
            if connection is not None and connection != self._connection:
                raise NotConnected(f"another connection by now, before {told(body)}")
            if line is None or not line.open:
                raise self._lost(line, body)
            answer: asyncio.Future[str | None] = loop.create_future()
            try:
                question = Question(self._unit, body)
                self._send(line, question, lambda why: None if answer.done() else answer.set_result(why))
                why = await answer
            except BaseException:
                self.drop()
                raise
            if why is not None:
                self.drop()
                raise self._failure(line, why, body)
            self._keep_pace()
            return self._proven(line, line.received, body)

    def _send(self, line: _Line, question: Question, tell: Callable[[str | None], None]) -> None:
        self._tid = tid = self._tid % 0xFFFF + 1  # never 0
        line.ask(*question.under(tid), self._timeout_s, tell)

    def _proven(self, line: _Line, received: bytes, body: bytes) -> bytes:
        """The frame that answered, now that a task takes it."""
        if line.odd is not None:  # more bytes came before this task could run
            raise self._lost(line, body)
        if received[HEADER] != body[0]:
            code, busy_wait_s = received[HEADER + 1], self._transport.busy_wait_ms / 1000
            raise refusal(code, received, body, busy_wait_s)
        return received

    def _keep_pace(self) -> None:
        if self._transport.min_gap_ms:
            self._free_at = asyncio.get_running_loop().time() + self._transport.min_gap_ms / 1000

    async def _keep_gap(self) -> None:
        wait = self._free_at - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
        self._free_at = 0.0

    def _lost(self, line: _Line | None, body: bytes) -> NotConnected | OddReply:
        """Why there is no connection any more. Stray bytes between two requests are odd, too."""
        self.drop()
        if line is not None and line.odd not in {None, CLOSED}:
            return OddReply(f"{line.odd}, before {told(body)}", line.received)
        return NotConnected(f"not connected, before {told(body)}")

    def _failure(self, line: _Line, why: str, body: bytes) -> NotConnected | OddReply:
        if line.odd not in {None, CLOSED}:
            return OddReply(f"{line.odd}, {told(body)}", line.received)
        if why == SILENT:
            came = f" ({len(line.received)} bytes came)" if line.received else ""
            return NotConnected(f"no reply within {self._transport.timeout_ms} ms{came}, {told(body)}")
        return NotConnected(f"{why}, {told(body)}")
