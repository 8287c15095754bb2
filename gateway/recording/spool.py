"""One small durable file per rig that is in a practice run: replaced atomically, fsynced with its directory.

Owns `<data>/practice/`. A failed write is fatal like one of the log: the record behind it must not be acknowledged.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from gateway.recording.practice import PracticeRun
from scorelog.journal.failpoints import failpoint, register
from scorelog.journal.files import replace_synced

if TYPE_CHECKING:
    from pathlib import Path

_SPOOL = register("gateway.spool", "a practice record is written to the spool, before its ack")


class Spool:
    """The open practice runs, one per rig."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def load(self, rig: str) -> PracticeRun | None:
        """The run that was open, or None. A file that is no run is left out: practice never stops an exam."""
        try:
            return PracticeRun.from_json(json.loads(self._path(rig).read_bytes()))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def keep(self, run: PracticeRun) -> None:
        """Durable when it returns."""
        with failpoint(_SPOOL):
            replace_synced(self._path(run.rig), json.dumps(run.to_json()).encode())

    def remove(self, rig: str) -> None:
        """The summary is in the log."""
        self._path(rig).unlink(missing_ok=True)

    def _path(self, rig: str) -> Path:
        # A serial may hold any printable character; its hash is always a file name.
        return self._directory / f"{hashlib.sha256(rig.encode()).hexdigest()[:32]}.json"
