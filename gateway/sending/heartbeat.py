"""The live, unlogged word to the server: sizes, rig states, clock, disk, certificate (docs/formats/heartbeat.md).

Every few seconds, uploads or not, so that the page shows a running item while a backlog drains. Silence is what the
server alarms on (P6); a failed heartbeat changes nothing here. Personal data never goes into it (P7).
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from gateway import limits
from gateway.errors import Retry
from scorelog.format.text import utc_text, utc_us

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.meters import Meters
    from gateway.sending.transport import HeartbeatAnswer, ServerClient
    from gateway.sending.uploader import Uploader
    from gateway.supervising.board import Board
    from scorelog.journal.clock import Clock
    from scorelog.journal.store import LogStore

_log = structlog.get_logger("gateway.sending.heartbeat")
_DAY_US = 86_400_000_000
_SKEW_SAID_US = 5_000_000


class Progress:
    """How much has no receipt yet, and since when."""

    def __init__(self, log: LogStore, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._oldest: tuple[int, str, int, int] | None = None  # index, boot, monotonic, wall

    @property
    def unsent(self) -> int:
        """Entries without a receipt."""
        return self._log.size - self._log.receipted_size

    def oldest_unsent_ms(self) -> int | None:
        """Age of the oldest of them; by the monotonic clock if it was read in this boot."""
        index = self._log.receipted_size
        if index >= self._log.size:
            return None
        if self._oldest is None or self._oldest[0] != index:
            read = json.loads(self._log.entries(index, index + 1)[0])["read"]
            self._oldest = (index, read["boot"], read["mono_us"], utc_us(read["utc"]))
        _, boot, mono_us, wall_us = self._oldest
        same_boot = boot == self._clock.boot_id()
        age_us = self._clock.mono_us() - mono_us if same_boot else self._clock.now_us() - wall_us
        return max(0, age_us // 1000)


class Heartbeat:
    """One word every few seconds."""

    def __init__(
        self,
        log: LogStore,
        client: ServerClient,
        uploader: Uploader,
        *,
        board: Board,
        progress: Progress,
        clock: Clock,
        meters: Meters,
        every_s: float,
        instance: str,
        software: str,
        not_after_us: int,
        hear: Callable[[HeartbeatAnswer], None],
        more: Callable[[], dict[str, Any]],
    ) -> None:
        self._log = log
        self._client = client
        self._uploader = uploader
        self._board = board
        self._progress = progress
        self._clock = clock
        self._meters = meters
        self._every_s = every_s
        self._instance = instance
        self._software = software
        self._not_after_us = not_after_us
        self._hear = hear
        self._more = more
        self._said: dict[str, object] = {}
        self.server_offset_us: int | None = None
        self.tried = asyncio.Event()  # the first word is over, answered or not
        self.link: dict[str, Any] = {"answers": None, "reason": "", "revoked": None}  # for the box's own page

    async def run(self) -> NoReturn:
        """Until cancelled. Raises GenerationFrozen when the server proves that another history exists."""
        while True:
            await self.once()
            await self._clock.sleep(self._every_s)

    async def once(self) -> None:
        """One word and what follows from its answer."""
        receipted, sent_us = self._log.receipted_size, self._clock.mono_us()
        try:
            answer = await self._client.heartbeat(self.beat())
        except Retry as error:
            self._say("server", "silent", reason=str(error))
            self.link = {**self.link, "answers": False, "reason": str(error)}
            self.tried.set()
            return
        self._say("server", "answers")
        if self.link["answers"] is False:
            self._uploader.server_is_back()
        self.link = {"answers": True, "reason": "", "revoked": answer.revoked or None}
        self._hear(answer)
        self.tried.set()
        self._note_time(answer, (self._clock.mono_us() - sent_us) // 2)
        self._say("certificate", "renewal due" if answer.renew else "fresh")
        self._say("enrolment", "revoked" if answer.revoked else "valid", reason=answer.revoked or "")
        await self._uploader.server_holds(answer.size, receipted)

    def beat(self) -> dict[str, Any]:
        """The document that is sent."""
        room = self._log.room()
        now_us = self._clock.now_us()
        self._meters.disk_free.set(room.free_bytes)
        self._meters.certificate_days.set((self._not_after_us - now_us) / _DAY_US)
        return {
            "v": 1,
            "origin": self._log.origin,
            "size": self._log.size,
            "unsent": self._progress.unsent,
            "oldest_unsent_ms": self._progress.oldest_unsent_ms(),
            "clock": {
                "utc": utc_text(now_us),
                "sync": self._clock.sync_state(),
                "trusted": now_us >= limits.PLAUSIBLE_TIME_US,
                "offset_ms": None if self.server_offset_us is None else -self.server_offset_us // 1000,
            },
            "disk": {"free_bytes": room.free_bytes, "total_bytes": room.total_bytes},
            "certificate": {"not_after": utc_text(self._not_after_us)},
            "boot": self._clock.boot_id(),
            "instance": self._instance,
            "software": self._software,
            "accepts_exams": room.accepts_exams and self._log.failed is None,
            **self._more(),
            "rigs": [view.to_json() for view in self._board.rigs.values()],
        }

    def _note_time(self, answer: HeartbeatAnswer, half_trip_us: int) -> None:
        """The server's clock against ours: shown and flagged, never used to set anything (design.md section 10)."""
        try:
            server_us = int(datetime.fromisoformat(answer.time).timestamp() * 1_000_000)
        except ValueError:
            return
        self.server_offset_us = server_us + half_trip_us - self._clock.now_us()
        self._meters.server_offset.set(self.server_offset_us / 1e6)
        self._say("clock", "apart" if abs(self.server_offset_us) > _SKEW_SAID_US else "agrees")

    def _say(self, what: str, state: str, **fields: str) -> None:
        """Once per change."""
        before = self._said.get(what)
        self._said[what] = state
        if before == state or (before is None and state in ("answers", "fresh", "valid", "agrees")):
            return
        offset = {"offset_s": (self.server_offset_us or 0) // 1_000_000} if what == "clock" else {}
        good = state in ("answers", "fresh", "valid", "agrees")
        (_log.info if good else _log.warning)(f"{what} {state}", **fields, **offset)
