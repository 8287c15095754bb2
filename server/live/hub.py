"""Fan-out of live changes to browsers: hints of what changed, never the only copy of anything.

Every change is a *row* under a key; publishing encodes it once, puts it in place of the older one under that key and
gives it the next version. What changed since the last *round* goes to all streams as the same bytes:

    board ── publish(key, row) ──▶ rows by key, newest version last ──▶ round: one chunk ──▶ every viewer

A viewer only remembers the version that it was sent. One that was still sending when a round went out costs no queue:
when it can take data again, it gets the newest row of every key that changed meanwhile, each once.

An event id is `<instance>-<version>`. A browser that comes back with an id of this instance goes on from there; any
other id (the process was restarted) is answered by `reset`, and the page reads its snapshot again.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.live import limits
from server.live.needed import WhileNeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scorelog.journal.clock import Clock


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    data: str
    id: str | None = None

    def encode(self) -> bytes:
        """As it goes over the wire. Neither part can hold a line break: ids are ours and the data is JSON."""
        head = f"id: {self.id}\n" if self.id is not None else ""
        return f"{head}event: {self.name}\ndata: {self.data}\n\n".encode()


@dataclass(frozen=True, slots=True)
class _Row:
    version: int
    event: Event
    encoded: bytes


class Viewer:
    """One stream: what it was sent, and what it waits for."""

    __slots__ = ("_first", "_hub", "_waits", "ended", "seen")

    def __init__(self, hub: Hub, seen: int, first: bytes) -> None:
        self._hub = hub
        self._first = first
        self._waits: asyncio.Future[bytes] | None = None
        self.seen = seen
        self.ended = False

    async def chunk(self) -> bytes | None:
        """What is to be sent next, as soon as there is something; None when the stream ends."""
        if self._first:
            first, self._first = self._first, b""
            return first
        if self.ended:
            return None
        if self.seen < self._hub.told:  # a round went out while this one was sending, or before it came
            chunk, self.seen = self._hub.newer(self.seen)
            return chunk
        self._waits = asyncio.get_running_loop().create_future()
        return await self._waits or None

    def offer(self, chunk: bytes, upto: int) -> None:
        """Take the common chunk, if it stands ready and has not got further by itself."""
        if self._waits is not None and not self._waits.done() and self.seen <= upto:
            self.seen = upto
            self._waits.set_result(chunk)

    def end(self) -> None:
        """The stream ends after what is being sent; idempotent."""
        self.ended = True
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(b"")

    def leave(self) -> None:
        """The stream is over."""
        self.end()
        self._hub.forget(self)


class Hub:
    """Rows by key and the version of each; rounds of what changed, to all viewers."""

    def __init__(self, clock: Clock, instance: str) -> None:
        self._clock = clock
        self.instance = instance
        self.version = 0
        self.told = 0  # the version that the last round ended with
        self._rows: OrderedDict[str, _Row] = OrderedDict()
        self._grown = asyncio.Event()
        self._closed = False
        self._viewers: dict[Viewer, None] = {}
        self._rounds = WhileNeeded("live rounds", self._run, self._end_all)
        self.published: Callable[[str, str], None] | None = None  # what other processes are told

    @property
    def streams(self) -> int:
        """How many viewers there are."""
        return len(self._viewers)

    @property
    def last_id(self) -> str:
        """The id that a snapshot taken now carries."""
        return self._id(self.version)

    def publish(self, key: str, row: Mapping[str, Any]) -> None:
        """Put this row under its key and tell the viewers."""
        self.version += 1
        data = json.dumps({"key": key, "row": row}, ensure_ascii=False, separators=(",", ":"))
        if self.published is not None:
            self.published(key, data)
        event = Event("row", data, self.last_id)
        self._rows[key] = _Row(self.version, event, event.encode())
        self._rows.move_to_end(key)
        self._grown.set()

    def close(self) -> None:
        """End every stream: an open one would hold up an orderly stop."""
        self._closed = True
        self._rounds.stop()
        self._end_all()

    def changes(self, seen: int) -> list[Event]:
        """Rows newer than `seen`, oldest first, at most BATCH_ROWS."""
        return [row.event for row in self._newer(seen)]

    def newer(self, seen: int) -> tuple[bytes, int]:
        """The same as bytes, and the version up to which they reach."""
        rows = self._newer(seen)
        return b"".join([row.encoded for row in rows]), rows[-1].version if rows else self.version

    def join(self, last_id: str | None) -> Viewer:
        """A new stream. It must `leave` when it is over."""
        seen = self._resume(last_id)
        reset = Event("reset", json.dumps({"id": self.last_id}), self.last_id).encode() if seen is None else b""
        if self._rounds.begin():
            self.told = self.version  # nobody was told of what came before: whoever resumes asks for it
        viewer = Viewer(self, self.version if seen is None else seen, reset)
        viewer.ended = self._closed
        self._viewers[viewer] = None
        return viewer

    def forget(self, viewer: Viewer) -> None:
        """It has left."""
        self._viewers.pop(viewer, None)
        if not self._viewers:
            self._rounds.stop()

    # -- rounds ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """The first change after quiet goes out at once, then comes a rest (limits.py)."""
        while True:
            if self.told == self.version and not await self._changed():
                beat = Event("beat", json.dumps({"now_ms": self._clock.now_us() // 1000}))
                await self._hand_out(beat.encode(), self.told)
                continue
            begun_us = self._clock.mono_us()
            chunk, self.told = self.newer(self.told)
            await self._hand_out(chunk, self.told)
            took_s = (self._clock.mono_us() - begun_us) / 1e6
            await self._clock.sleep(min(max(took_s * limits.REST_SHARE, limits.REST_S_MIN), limits.REST_S_MAX))

    async def _hand_out(self, chunk: bytes, upto: int) -> None:
        """To some, then others of this process have their turn (an upload must not wait for a thousand browsers)."""
        for count, viewer in enumerate(list(self._viewers), 1):
            viewer.offer(chunk, upto)
            if count % limits.VIEWERS_AT_ONCE == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _changed(self) -> bool:
        """True when something was published before the next beat is due."""
        self._grown.clear()
        change = asyncio.ensure_future(self._grown.wait())
        beat = asyncio.ensure_future(self._clock.sleep(limits.BEAT_EVERY_S))
        try:
            await asyncio.wait({change, beat}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
            beat.cancel()
        return self._grown.is_set()

    def _newer(self, seen: int) -> list[_Row]:
        rows: list[_Row] = []
        for row in reversed(self._rows.values()):
            if row.version <= seen:
                break
            rows.append(row)
        rows.reverse()
        return rows[: limits.BATCH_ROWS]

    def _end_all(self) -> None:
        for viewer in list(self._viewers):
            viewer.end()

    # -- ids -------------------------------------------------------------------------------------------------------

    def _id(self, version: int) -> str:
        return f"{self.instance}-{version}"

    def _resume(self, last_id: str | None) -> int | None:
        instance, _, version = (last_id or "").rpartition("-")
        known = instance == self.instance and version.isdecimal() and version.isascii()
        known = known and len(version) <= limits.VERSION_DIGITS_MAX
        return int(version) if known and int(version) <= self.version else None
