"""What can go wrong in the server, by what the caller does about it.

    ServerError
    ├── Busy            come back later: 429 or 503 with Retry-After (carries the wait)
    │   ├── Overtaken       a log of a group commit has moved: nothing of the group is stored, each is tried alone
    │   └── Unsettled       the database went away or gave up: whether a write is stored is not known; ask again
    ├── Refused         this request is wrong and will stay wrong (carries status, reason, title)
    │   └── Behind      409: the sender must go on from the size that the server holds (carries it)
    ├── Damaged         what is stored cannot be read back; fsck and the audit name it, other rows go on
    ├── ConfigError     the operator must change the configuration or the command
    │   ├── AlreadyThere    `init`, `restore` or `add_gateway` would overwrite something
    │   ├── Missing         `run` never creates: a file, log, gateway or entry is not there
    │   └── ListError       a candidate list does not hold (carries every finding of it)
    └── Fatal           the process ends and a restart recovers
        ├── StoreFailed     a write or an fsync failed: nothing after it may be acknowledged
        └── Unsafe          the database is not in the state in which evidence may be stored

HTTP sees them through one table in server/ingest/problems.py.
"""

# ruff: noqa: N818  # the names say what the caller does, as in the tree above
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.plan.findings import Finding


class ServerError(Exception):
    """Everything that the server raises on purpose."""


class Busy(ServerError):
    """The request may be right, but not now."""

    def __init__(self, reason: str, retry_after_s: int = 1, status: int = 503) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.status = status


class Overtaken(Busy):
    """Nothing of this group is stored; one by one they find out which log has moved."""


class Unsettled(Busy):
    """A database behind a network failed: nothing of it may be acknowledged, and the next try finds out."""


class Refused(ServerError):
    """The request is wrong; sending it again changes nothing."""

    def __init__(self, status: int, reason: str, newest: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.newest = newest  # the generation that is open instead of a frozen one


class Behind(Refused):
    """The sender's start is not the size that the server holds."""

    def __init__(self, size: int) -> None:
        super().__init__(409, f"the server holds size {size}")
        self.size = size


class Damaged(ServerError):
    """What is stored cannot be read back: the row was changed from outside."""


class ConfigError(ServerError):
    """The operator must change the configuration or the command."""


class AlreadyThere(ConfigError):
    """Refuses to overwrite what exists."""


class Missing(ConfigError):
    """`run` and the readers never create what is not there."""


class ListError(ConfigError):
    """A candidate list does not hold: everything that is wrong with it, so that one round mends it."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(one) for one in self.findings))


class Fatal(ServerError):
    """The process ends; the service manager starts it again and recovery runs."""


class StoreFailed(Fatal):
    """A write or an fsync failed: it is not known what is on the disk, so nothing more is acknowledged."""


class Unsafe(Fatal):
    """The database would not keep what it acknowledges (journal mode, synchronous level, second process)."""
