"""What can go wrong on a gateway, sorted by what the caller does about it.

GatewayError
├── Retry                 wait and ask again; nothing is lost meanwhile
│   ├── Unreachable       no answer, or not one of the server's: whether it stored anything is unknown
│   └── BadAnswer         the server's machine answered what it never would (captive portal, broken proxy)
├── Refuse                this one thing is not done, with the reason; everything else goes on
│   ├── ConfigError       a setting is wrong; named by table and key
│   ├── NotLoopback       the local page would be seen from outside the box
│   ├── PlanRefused       a plan that does not hold; the one in use stays
│   ├── ReceiptRefused    a file that is no receipt of this log
│   ├── NoReceiptYet      the entry is stored here and its receipt has not come
│   └── StepFailed        a step of a rig's acceptance did not come to its end
└── Fatal                 the process ends; the service manager's restart recovers
    ├── StorageFailed     a write to the log or the spool failed: nothing is acknowledged any more
    ├── Exhausted         the machine gives no more descriptors, threads or memory
    ├── GenerationFrozen  the server holds another history of this log; the next start opens a new generation
    └── Stopped           an entry was asked for after the log had been closed
"""

from __future__ import annotations


class GatewayError(Exception):
    """Root of the tree."""


class Retry(GatewayError):  # noqa: N818 - a family, named by what the caller does
    """Wait and ask again."""


class Unreachable(Retry):
    """No answer of the server: it is unknown whether it stored what was sent."""


class BadAnswer(Retry):
    """An answer that the server never gives."""


class Refuse(GatewayError):  # noqa: N818 - as above
    """Not done, with a reason for the person who asked."""


class ConfigError(Refuse):
    """A setting is wrong."""


class NotLoopback(ConfigError):  # noqa: N818 - as above
    """The local page listens on 127.0.0.0/8 or ::1 and nowhere else."""


class PlanRefused(Refuse):
    """A plan that does not hold, or is not for this box. The reason holds nothing personal."""


class ReceiptRefused(Refuse):
    """The file does not prove what it should."""


class NoReceiptYet(Refuse):
    """The server has not confirmed the entry."""


class StepFailed(Refuse):
    """The acceptance goes on to its report, which says why in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class Fatal(GatewayError):  # noqa: N818 - as above
    """The process must end."""


class StorageFailed(Fatal):
    """What is on disk is unknown."""


class Exhausted(Fatal):
    """What this process needs of the machine is used up; the words name it and where to look."""


class GenerationFrozen(Fatal):
    """The generation of the log is given up, with its evidence kept."""


class Stopped(Fatal):
    """The log is closed."""
