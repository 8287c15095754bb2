"""Opening the gateway's log at start: the good case, and the ones in which a generation is given up.

frozen marker, damage, roll-back ─> quarantine whole ─> next generation (entry 0 says why) ─> go on recording
no log                           ─> refused: only `init` makes one, an empty log in its place would be a fork
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from certs.keys import load_ed25519
from gateway import limits
from gateway.recording.contentkey import load_content_key
from scorelog.format.note import Ed25519Signer
from scorelog.journal.errors import LogMissing, LogUntrusted
from scorelog.journal.generation import open_generation, pending_quarantine, quarantine
from scorelog.journal.identity import find_identity
from scorelog.journal.sqlite import SqliteLog, open_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.recording.freeze import Freezer
    from gateway.settings.config import Config
    from scorelog.format.note import Signer
    from scorelog.journal.clock import Clock
    from scorelog.journal.generation import Quarantined

_log = structlog.get_logger("gateway.log")


@dataclass(frozen=True, slots=True)
class Opened:
    """The log to append to, and why it is a new generation, if it is."""

    log: SqliteLog
    reason: str
    young_until_us: int  # monotonic: until then this generation is not given up again
    content_key: bytes = field(repr=False)


def signer_of(config: Config) -> Callable[[str], Signer]:
    """One key signs every generation, each under its own name. Raises KeyFileError."""
    key = load_ed25519(config.log_key)
    return lambda origin: Ed25519Signer(origin, key)


def open_gateway_log(config: Config, freezer: Freezer, clock: Clock) -> Opened:
    """Raises LogMissing, LogLocked, LogRefused, LogFailed, KeyFileError; damage and forks open the next generation."""
    directory, state = config.log_directory, config.state_file
    put_aside = pending_quarantine(directory)
    if put_aside is None and not directory.exists():
        raise LogMissing(f"there is no log in {directory}; `kaofen-gateway init` makes one, once per box")
    signer_for, content_key = signer_of(config), load_content_key(config.content_key)
    frozen = freezer.frozen()
    # A marker of another generation is one that a crash left behind after the new one had been opened.
    if put_aside is None and frozen is not None and find_identity(directory).origin == frozen.origin:
        put_aside = quarantine(directory, frozen.reason, state, known_generation=frozen.newest)
    if put_aside is None:
        try:
            log = open_log(directory, signer_for, clock, state)
        except LogUntrusted as error:
            put_aside = quarantine(directory, str(error), state)
        else:
            freezer.thaw()
            return Opened(log, "", _young_until_us(log, clock), content_key)
    log = open_generation(directory, put_aside, signer_for, clock, state)
    freezer.thaw()
    _say(put_aside, log)
    return Opened(log, f"generation {log.generation}: {put_aside.reason}", _young_until_us(log, clock), content_key)


def _young_until_us(log: SqliteLog, clock: Clock) -> int:
    """A follow-up generation that the server never confirmed may be given up only some time after a start."""
    if log.generation == 0 or log.receipt() is not None:
        return 0
    return clock.mono_us() + round(limits.FREEZE_AGAIN_AFTER_S * 1e6)


def _say(put_aside: Quarantined, log: SqliteLog) -> None:
    receipted = put_aside.receipt.size if put_aside.receipt else 0
    _log.error(
        "log quarantined",
        origin=put_aside.origin,
        reason=put_aside.reason,
        receipted=receipted,
        path=str(put_aside.path),
        next_origin=log.origin,
    )
