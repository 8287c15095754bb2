"""Opening the gateway's log at start: the good case, and the ones in which a generation is given up.

    frozen marker, damage, roll-back ─> quarantine whole ─> next generation (entry 0 says why) ─> go on recording
    no log                           ─> refused: only `init` makes one, an empty log in its place would be a fork
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from certs.keys import load_ed25519
from scorelog.format.note import Ed25519Signer
from scorelog.journal.errors import LogMissing, LogUntrusted
from scorelog.journal.generation import open_generation, pending_quarantine, quarantine
from scorelog.journal.sqlite import SqliteLog, open_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import Config
    from gateway.freeze import Freezer
    from scorelog.format.note import Signer
    from scorelog.journal.clock import Clock
    from scorelog.journal.generation import Quarantined

_log = structlog.get_logger("gateway.log")


@dataclass(frozen=True, slots=True)
class Opened:
    """The log to append to, and why it is a new generation, if it is."""

    log: SqliteLog
    reason: str
    new_generation: bool
