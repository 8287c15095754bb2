"""Modbus TCP registers through pymodbus, with every guard of the design around it. The only file that imports pymodbus.

Owns: one socket at a time, one request in flight, and the proof that a reply answers the request. Never decodes a
rig's words.

pymodbus 3.16 takes a reply with transaction id 0 for any request, checks neither function code nor count, throws
away what does not fit its buffer, and reconnects and retries by itself (docs/adr). So `_Guard` stands between the
socket and pymodbus: it remembers the one request sent, holds back the bytes that come, and hands on exactly one
frame that is the answer. On the first byte that cannot belong to the answer the socket is aborted, and no byte of
that connection is read again.

    socket → _Guard (ids, function, counts, nothing before or after) → pymodbus (framer, PDU) → ModbusWire
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerSocket, FramerType
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams, CommType

from device_adapters.errors import BackOff, NotConnected
from device_adapters.limits import REPLY_BYTES_KEPT
from device_adapters.wire import ExceptionReply, OddReply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from device_adapters.profile import Transport

HEADER = 7
READ, WRITE, EXCEPTION = 3, 16, 0x80
CLOSED = "closed"  # by ourselves
BUSY = {5: "acknowledge", 6: "busy"}
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    8: "memory parity",
    10: "gateway path",
    11: "gateway target",
}
_T = TypeVar("_T")

# The library logs every timeout as an error and, at debug level, whole frames with candidates' words (P7).
# A filter and not `disabled`: logging.config would enable the logger again, behind our back.
logging.getLogger("pymodbus.logging").addFilter(lambda _record: False)


class _Guard(TransactionManager):
    """pymodbus's transaction layer with the byte stream in our own hands; lives as long as one connection."""

    def __init__(self, params: CommParams) -> None:
        super().__init__(params, FramerSocket(DecodePDU(False)), 0, False, None, None, None)
        self.odd: str | None = None
        self.received = b""
        self._request = b""

    def send(self, data: bytes, addr: tuple[str, int] | None = None) -> None:
        """Remember the request; from here on bytes may come."""
        self._request = data
        self.received = b""
        super().send(data, addr)

    def data_received(self, data: bytes) -> None:
        """Hold bytes back until they are the whole answer, then hand it on once."""
        if self.odd is not None:
            return
        self.received = (self.received + data)[:REPLY_BYTES_KEPT]
        if not self._request:
            self._refuse("bytes that no request asked for")
            return
        wrong = reply_fault(self._request, self.received)
        if wrong is not None:
            self._refuse(wrong)
        elif len(self.received) >= HEADER and len(self.received) == frame_length(self.received):
            self._request = b""
            super().data_received(self.received)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Tell a waiting request at once; the library would let it wait for its timeout."""
        self._fail("connection closed by the rig" if exc is None else f"connection lost: {exc}")

    def abort(self) -> None:
        """Close now, without flushing. Nothing more is taken from this socket."""
        self.odd = self.odd or CLOSED
        self._fail(CLOSED)
        transport = self.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
        self.close()

    def _refuse(self, why: str) -> None:
        self.odd = why
        self._fail(why)
        self.abort()

    def _fail(self, why: str) -> None:
        if not self.response_future.done():
            self.response_future.set_exception(ModbusException(why))
            self.response_future.exception()  # seen: nobody may be waiting


def frame_length(received: bytes) -> int:
    """Length of the frame that begins here, by its header."""
    return 6 + int.from_bytes(received[4:6], "big")


def reply_fault(request: bytes, received: bytes) -> str | None:
    """Why `received` cannot be the answer to `request`, nor the beginning of it; None while it can."""
    function = request[7]
    if function == READ:
        size = 2 * int.from_bytes(request[10:12], "big")
        body = bytes((function, size))
        length = 3 + size
    else:
        body = request[7:12]
        length = 6
    expected = request[:4] + length.to_bytes(2, "big") + request[6:7] + body
    refusal = request[:4] + b"\x00\x03" + request[6:7] + bytes((function | EXCEPTION,))
    for whole, start in ((6 + length, expected), (9, refusal)):
        if len(received) <= whole and received[: len(start)] == start[: len(received)]:
            return None
    return _difference(expected, refusal, received)


def _difference(expected: bytes, refusal: bytes, received: bytes) -> str:
    """In words, what is wrong first. Never a byte of what came: in a misaligned reply it may be a candidate's (P7)."""
    for name, start, end in (("transaction id", 0, 2), ("protocol id", 2, 4)):
        if received[start:end] != expected[start : min(end, len(received))]:
            return f"wrong {name}"
    if received[6:7] not in {b"", expected[6:7]}:
        return "wrong unit"
    if received[7:8] not in {b"", expected[7:8], refusal[7:8]}:
        return "wrong function"
    lengths = [frame[4:6] for frame in (expected, refusal) if received[7:8] in {b"", frame[7:8]}]
    if not any(received[4:6] == length[: len(received) - 4] for length in lengths):
        return "wrong length"
    if received[: len(expected)] == expected or received[: len(refusal)] == refusal:
        return "bytes after the end of the reply"
    return "another count or address than asked for"


class _Client(ModbusBaseClient):
    """pymodbus's client over a guarded connection; no retry and no reconnect of the library's own."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        params = CommParams(
            comm_type=CommType.TCP, comm_name="rig", host=host, port=port, timeout_connect=timeout_s, reconnect_delay=0
        )
        super().__init__(FramerType.SOCKET, 0, params, None, None, None)
        self.guard = _Guard(params)
        self.ctx = self.guard


class ModbusWire:
    """Registers of one unit at one address. See `wire.Wire`."""

    def __init__(self, host: str, port: int, unit: int, transport: Transport) -> None:
        self._host = host
        self._port = port
        self._unit = unit
        self._transport = transport
        self._lock = asyncio.Lock()
        self._client: _Client | None = None
        self._free_at = 0.0
        self._connection = 0

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._client is not None and self._client.guard.odd is None and self._client.connected

    @property
    def connection(self) -> int:
        """Number of the connection: another number, another socket."""
        return self._connection

    async def connect(self) -> None:
        """Close the old connection, open a new one. Raises NotConnected."""
        async with self._lock:
            self.drop()
            client = _Client(self._host, self._port, self._transport.connect_timeout_ms / 1000)
            try:
                opened = await _uncancelled(client.connect())
            except UnicodeError:
                raise NotConnected(f"{self._host} is not a host name") from None
            except BaseException:
                client.guard.abort()
                raise
            if not opened:
                client.guard.abort()
                raise NotConnected(f"no connection to {self._host} port {self._port}")
            client.guard.comm_params.timeout_connect = self._transport.timeout_ms / 1000
            self._client = client
            self._connection += 1
            self._free_at = asyncio.get_running_loop().time() + self._transport.pause_after_connect_ms / 1000

    async def read(self, at: int, words: int) -> bytes:
        """`words` holding registers from `at`. Raises NotConnected, BackOff, OddReply, ExceptionReply."""
        frame, reply = await self._ask(
            f"reading {words} words at {at}",
            lambda client: client.read_holding_registers(at, count=words, device_id=self._unit),
        )
        found = b"".join(word.to_bytes(2, "big") for word in reply.registers)
        if found != frame[HEADER + 2 :] or len(found) != words * 2:
            self.drop()
            raise OddReply("the library read other words than came", frame)
        return found

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        """Write holding registers from `at`, on this very connection. Raises what `read` raises."""
        await self._ask(
            f"writing {len(values)} words at {at}",
            lambda client: client.write_registers(at, list(values), device_id=self._unit),
            connection,
        )

    def drop(self) -> None:
        """Close at once."""
        client, self._client = self._client, None
        if client is not None:
            client.guard.abort()

    async def _ask(
        self, what: str, ask: Callable[[_Client], Awaitable[ModbusPDU]], connection: int | None = None
    ) -> tuple[bytes, ModbusPDU]:
        """One request and its proven answer. Whatever goes wrong in between, the socket is not used again."""
        async with self._lock:
            await self._keep_gap()
            client = self._client
            if connection not in {None, self._connection}:
                raise NotConnected(f"another connection by now, before {what}")
            if client is None or not self.connected:
                raise self._lost(client, what)
            try:
                reply = await _uncancelled(ask(client))
            except ModbusException as error:
                self.drop()
                raise self._failure(client, what, error) from None
            except BaseException:
                self.drop()
                raise
            self._free_at = asyncio.get_running_loop().time() + self._transport.min_gap_ms / 1000
            if client.guard.odd is not None:  # more bytes came before this task could run
                raise self._lost(client, what)
            return client.guard.received, self._answer(reply, client.guard.received, what)

    async def _keep_gap(self) -> None:
        wait = self._free_at - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)

    def _lost(self, client: _Client | None, what: str) -> NotConnected | OddReply:
        """Why there is no connection any more. Stray bytes between two requests are odd, too."""
        odd = client.guard.odd if client is not None else None
        self.drop()
        if client is not None and odd not in {None, CLOSED}:
            return OddReply(f"{odd}, before {what}", client.guard.received)
        return NotConnected(f"not connected, before {what}")

    def _failure(self, client: _Client, what: str, error: ModbusException) -> NotConnected | OddReply:
        guard = client.guard
        if guard.odd not in {None, CLOSED}:
            return OddReply(f"{guard.odd}, {what}", guard.received)
        if "No response" in str(error):
            came = f" ({len(guard.received)} bytes came)" if guard.received else ""
            return NotConnected(f"no reply within {self._transport.timeout_ms} ms{came}, {what}")
        return NotConnected(f"{error.string}, {what}")

    def _answer(self, reply: ModbusPDU, frame: bytes, what: str) -> ModbusPDU:
        """The guard has proven the bytes; the library must have understood them the same way."""
        tid = int.from_bytes(frame[:2], "big")
        if tid == 0 or reply.transaction_id != tid or reply.dev_id != self._unit:
            self.drop()
            raise OddReply(f"the library took another transaction or unit than came, {what}", frame)
        if not reply.isError():
            return reply
        code = reply.exception_code
        if code in BUSY:
            raise BackOff(self._transport.busy_wait_ms / 1000, f"exception {code} ({BUSY[code]}), {what}")
        raise ExceptionReply(code, f"exception {code} ({EXCEPTIONS.get(code, 'unknown')}), {what}", frame)


async def _uncancelled(awaitable: Awaitable[_T]) -> _T:
    """Await, and lose no cancellation: `wait_for` of Python 3.11 swallows one that meets a result (gh-86296)."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    found = await awaitable
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return found
