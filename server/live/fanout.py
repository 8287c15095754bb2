"""Who hears of what: the seam between ingest, projector and board in one process, or in several.

    this process stored or heard something ──▶ Fanout ──▶ the board of the process that leads ──▶ rows ──▶ every page

`Alone` is the form for one process (SQLite): it always leads and everything is a call. server/live/relay.py is the form
for several processes on one PostgreSQL database.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.live.board import LiveBoard
    from server.projection.projector import Projector


class Fanout(Protocol):
    """Nothing here ever waits inside an ingest transaction; what is told are hints."""

    @property
    def leads(self) -> bool:
        """Whether this process projects, watches and audits."""

    def stored(self, origin: str, size: int) -> None:
        """An upload is durable."""

    def cosigned(self) -> None:
        """A cosigned note was kept."""

    def matched(self) -> None:
        """A person matched a staged attempt; whoever projects takes it up."""

    def beat(self, gateway_id: str, body: Mapping[str, Any], stored: int, now_us: int) -> bool:
        """A heartbeat came here; True when another process is told of it, False when it is for this one."""

    async def run(self) -> None:
        """Tell and hear, until cancelled."""

    async def gain(self) -> None:
        """Until this process leads; its board is empty then."""

    async def lost(self) -> None:
        """Until it leads no more."""

    async def close(self) -> None:
        """Lead no more, close what is open; idempotent."""


class Alone:
    """One process: it leads."""

    leads = True

    def __init__(self, board: LiveBoard, projector: Projector) -> None:
        self._board = board
        self._projector = projector

    def stored(self, origin: str, size: int) -> None:
        """Told by a call."""
        self._board.stored(origin, size)
        self._projector.notify()

    def cosigned(self) -> None:
        """Told by a call."""
        self._projector.notify()

    def matched(self) -> None:
        """Told by a call."""
        self._projector.notify()

    def beat(self, gateway_id: str, body: Mapping[str, Any], stored: int, now_us: int) -> bool:  # noqa: ARG002
        """For this one."""
        return False

    async def run(self) -> None:
        """Nothing to do."""
        await asyncio.Event().wait()

    async def gain(self) -> None:
        """At once."""

    async def lost(self) -> None:
        """Never."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is open."""
