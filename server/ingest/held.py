"""Where logs stand as this process itself left them, so that the next upload of one is judged without asking.

    take ─▶ judge ─▶ UPDATE … WHERE size = what was taken ─▶ put: where the log stands now
              └ says anything but "these entries lead on from there": judged again by what the database holds

Nothing rests on what is held here: a refusal never does, and an upload is stored only when the row still stands there.
What was taken is gone until it is put back, so after a failed, doubtful or lost write the database is asked. Whoever
takes holds the log's lock (service.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server import limits

if TYPE_CHECKING:
    from server.evidence.store import Bundle


@dataclass(frozen=True, slots=True)
class HeldLog:
    """What an upload that goes on is judged by."""

    origin: str
    size: int
    root: bytes
    range_hashes: tuple[bytes, ...]
    cosigned_s: int
    frozen: str | None = None


class HeldLogs:
    """The logs that this process wrote last, by origin; bounded."""

    def __init__(self, most: int = limits.LOGS_HELD_MAX) -> None:
        self._most = most
        self._logs: dict[str, HeldLog] = {}

    def __len__(self) -> int:
        return len(self._logs)

    def take(self, origin: str, start: int) -> HeldLog | None:
        """The log, if it is held and stands where an upload begins."""
        held = self._logs.pop(origin, None)
        return held if held is not None and held.size == start else None

    def put(self, bundle: Bundle, cosigned_s: int) -> None:
        """What is stored now; its cosignature has no earlier time than that."""
        if bundle.regained:  # into a log that is and stays frozen
            return
        if len(self._logs) >= self._most:
            self._logs.clear()
        self._logs[bundle.origin] = HeldLog(
            bundle.origin, bundle.new_size, bundle.root, bundle.range_hashes, cosigned_s
        )
