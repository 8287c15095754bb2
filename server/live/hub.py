"""Fan-out of live changes to browsers: hints of what changed, never the only copy of anything.

Every change is a *row* under a key; publishing puts the row in place of the older one under that key and gives it the
next version. A stream only remembers the version that it has sent, so a slow browser costs no queue: when it can take
data again, it gets the newest row of every key that changed meanwhile, each once.

    board ── publish(key, row) ──▶ rows by key, newest version last ──▶ changes(seen) ──▶ one stream per browser

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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

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
    data: str


class Hub:
    """Rows by key and the version of each; wakes the streams."""

    def __init__(self, clock: Clock, instance: str) -> None:
        self._clock = clock
        self.instance = instance
        self.version = 0
        self._rows: OrderedDict[str, _Row] = OrderedDict()
        self._grown = asyncio.Event()
        self._closed = False
        self.streams = 0
        self.published: Callable[[str, str], None] | None = None  # what other processes are told

    @property
    def last_id(self) -> str:
        """The id that a snapshot taken now carries."""
        return f"{self.instance}-{self.version}"

    def publish(self, key: str, row: Mapping[str, Any]) -> None:
        """Put this row under its key and tell the streams."""
        self.version += 1
        data = json.dumps({"key": key, "row": row}, ensure_ascii=False, separators=(",", ":"))
        if self.published is not None:
            self.published(key, data)
        self._rows[key] = _Row(self.version, data)
        self._rows.move_to_end(key)
        self._wake()

    def close(self) -> None:
        """End every stream: an open one would hold up an orderly stop."""
        self._closed = True
        self._wake()

    def changes(self, seen: int) -> list[Event]:
        """Rows newer than `seen`, oldest first, at most BATCH_ROWS."""
        newer: list[Event] = []
        for row in reversed(self._rows.values()):
            if row.version <= seen:
                break
            newer.append(Event("row", row.data, f"{self.instance}-{row.version}"))
        newer.reverse()
        return newer[: limits.BATCH_ROWS]

    async def stream(self, last_id: str | None) -> AsyncIterator[list[Event]]:
        """Batches of events for one browser, until it leaves or the hub closes."""
        seen = self._resume(last_id)
        self.streams += 1
        try:
            if seen is None:
                seen = self.version
                yield [Event("reset", json.dumps({"id": self.last_id}), self.last_id)]
            while not self._closed:
                # Taken before looking, so that a change between the look and the wait is not slept over.
                grown = self._grown
                batch = self.changes(seen)
                if batch:
                    seen = self._version(batch[-1].id) or seen
                    yield batch
                    await self._clock.sleep(limits.REST_S)
                elif not await self._changed(grown):
                    yield [Event("beat", json.dumps({"now_ms": self._clock.now_us() // 1000}))]
        finally:
            self.streams -= 1

    def _resume(self, last_id: str | None) -> int | None:
        version = self._version(last_id)
        return version if version is not None and version <= self.version else None

    def _version(self, event_id: str | None) -> int | None:
        instance, _, version = (event_id or "").rpartition("-")
        return int(version) if instance == self.instance and version.isdecimal() and version.isascii() else None

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _changed(self, grown: asyncio.Event) -> bool:
        """True when something was published before the next beat is due."""
        change = asyncio.ensure_future(grown.wait())
        beat = asyncio.ensure_future(self._clock.sleep(limits.BEAT_EVERY_S))
        try:
            await asyncio.wait({change, beat}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
            beat.cancel()
        return grown.is_set()
