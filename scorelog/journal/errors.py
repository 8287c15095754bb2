"""What can go wrong with a log on disk, by what the caller does about it.

JournalError
├── LogRefused          refuse: tell the operator, change nothing
│   ├── LogMissing          there is no log here, and opening never makes one
│   ├── LogNewer            a later version of this program made it: it is whole, and not ours to judge
│   ├── LogExists           making a log would hide one that is there
│   ├── LogLocked           another process has it open
│   ├── LogClosed           used after close
│   ├── LogFull             no room left for this entry, nothing was written
│   └── AppendRefused       the request itself is wrong (key or size), nothing was written
├── LogUntrusted        quarantine: keep the files whole, open the next generation
│   ├── Damaged             the bytes on disk are not the ones that were signed
│   │   └── Suspected           only SQLite says so, as it also does when the disk did not answer: see medium.py
│   └── RolledBack          the second file knows more than the log does
└── LogFailed           fatal: the process ends, the next start recovers (a write failed, or a read: no damage)
"""
# ruff: noqa: N818  # the names say what the caller does, as in the tree above

from __future__ import annotations


class JournalError(Exception):
    """Root of this package's errors."""


class LogRefused(JournalError):
    """The call is refused; disk and log are as they were."""


class LogMissing(LogRefused):
    """No log in this directory. An empty log in its place would be a fork, so only `init` makes one."""


class LogNewer(LogRefused):
    """A later version of this program made the log. Putting it aside would give up what is whole."""


class LogExists(LogRefused):
    """A log, or what is left of one, is already in this directory."""


class LogLocked(LogRefused):
    """Another process holds this log's lock."""


class LogClosed(LogRefused):
    """The log was closed in an orderly way before this call."""


class LogFull(LogRefused):
    """The reserve is used up; the entry was not written and must not be acknowledged."""


class AppendRefused(LogRefused):
    """The built entry is not what the request said it would be, or is too large."""


class LogUntrusted(JournalError):
    """The log must not be appended to; carries the origin and what was found."""

    def __init__(self, origin: str, index: int | None, reason: str) -> None:
        where = f" at index {index}" if index is not None else ""
        super().__init__(f"log {origin}{where}: {reason}")
        self.origin = origin
        self.index = index
        self.reason = reason


class Damaged(LogUntrusted):
    """The stored bytes contradict the signed tree, or cannot be read."""


class Suspected(Damaged):
    """SQLite calls the files corrupt, which it also does when the disk did not answer; `confirmed` tells which."""


class RolledBack(LogUntrusted):
    """The log on disk is older than what this box is known to have written."""


class LogFailed(JournalError):
    """A write, an fsync or a read failed, so what is on disk is unknown. Nothing is acknowledged; end the process."""
