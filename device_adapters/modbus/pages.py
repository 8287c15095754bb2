"""The words of one record, in as many requests as it needs: straight on, or page by page in a window.

    straight   at + 0 …, at + n …, …
    window     which record -> slot; for each page: number -> page register, turn, [head | words] at one place

Owns: which requests bring which words, and the proof that a page is the one asked for. A page that did not turn, that
somebody else turned, or that is another record's is a DecodeError with what was shown as evidence; any failed part
fails the whole. Nothing is written but on the connection on which the rig was recognised.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from device_adapters.errors import DecodeError
from device_adapters.language.words import number_of
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from device_adapters.language.profile import Record
    from device_adapters.language.window import Window
    from device_adapters.modbus.wire import Wire


class Pages(Protocol):
    """`step`: words of a page."""

    step: int

    async def read(self, start: int, stop: int) -> bytes:
        """Words `start` to `stop` of the record; `start` is the beginning of a page."""


class StraightPages:
    """A record that lies in registers of its own, from `at`."""

    def __init__(self, wire: Wire, at: int, step: int) -> None:
        self.step = step
        self._wire = wire
        self._at = at

    async def read(self, start: int, stop: int) -> bytes:
        """In as few requests as allowed."""
        found = b""
        for offset in range(start, stop, self.step):
            found += await self._wire.read(self._at + offset, min(self.step, stop - offset))
        return found


class WindowPages:
    """A record that is shown in a window: number `seq`, in the rig's slot `slot`."""

    def __init__(self, wire: Wire, record: Record, window: Window, *, slot: int, seq: int, connection: int) -> None:
        self.step = window.words
        self._wire = wire
        self._record = record
        self._window = window
        self._slot = slot
        self._seq = seq
        self._connection = connection

    async def read(self, start: int, stop: int) -> bytes:
        """Each page whole, and of the last one what was asked for."""
        if self._window.slot is not None and start == 0:
            await self._wire.write(self._window.slot.at, self._window.slot.encode(self._slot), self._connection)
        found = b""
        for number in range(start // self.step, -(-stop // self.step)):
            found += await self._page(number + self._window.first)
        return found[: (stop - start) * 2]

    async def _page(self, number: int) -> bytes:
        window = self._window
        await self._wire.write(window.page.at, window.page.encode(number), self._connection)
        if window.turn_ms:
            await asyncio.sleep(window.turn_ms / 1000)
        shown = await self._wire.read(self._record.at, window.shown)
        try:
            self._check(shown, number)
        except DecodeError as error:
            raise DecodeError(
                error.reason, error.detail, (RawArea(self._record.name, self._record.at, shown),)
            ) from None
        return shown[window.head_words * 2 :]

    def _check(self, shown: bytes, number: int) -> None:
        """The head says that it is this page, of this record; what else it says is never quoted (P7)."""
        for name, wanted, reason in (("page", number, "area"), ("seq", self._seq, "sequence")):
            field = self._window.head.get(name)
            if field is None:
                continue
            found = number_of(field, shown[field.at * 2 : (field.at + field.words) * 2])
            if found != wanted:
                why = f"the window of {self._record.name} shows another {name} than {wanted}"
                raise DecodeError(reason, why)


def pages_of(wire: Wire, record: Record, *, slot: int, seq: int, page: int, connection: int) -> Pages:
    """How this record is read; `page`: the longest request."""
    if record.window is None:
        return StraightPages(wire, record.address(slot), page)
    return WindowPages(wire, record, record.window, slot=slot, seq=seq, connection=connection)
