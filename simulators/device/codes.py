"""The code numbers of docs/rig-interface-v1.md, and the names that entries and truth files use for them."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """Status word `state`."""

    IDLE = 0
    OPEN = 1
    RUNNING = 2
    FINISHED = 3
    FAULT = 9


class Mode(IntEnum):
    """Status word `mode`."""

    EXAM = 1
    PRACTICE = 2
    MAINTENANCE = 3


class EventType(IntEnum):
    """Word `type` of an event record."""

    EXAM_OPENED = 1
    ITEM_STARTED = 2
    DEDUCTION = 3
    ITEM_FINISHED = 4
    EXAM_CLOSED = 5
    EXAM_ABORTED = 6
    MODE_CHANGED = 7
    CANDIDATE_ACKNOWLEDGED = 8


class Outcome(IntEnum):
    """How an item ended."""

    FINISHED = 1
    TIMEOUT = 2
    ABORTED = 3
    VETO = 4


class AbortReason(IntEnum):
    """Why an exam was broken off."""

    CANDIDATE = 1
    EXAMINER = 2
    FAULT = 3
    POWER = 4


class Verdict(IntEnum):
    """What the identity check said."""

    MATCH = 1
    NO_MATCH = 2
    NOT_CHECKED = 3


class Acknowledgement(IntEnum):
    """What the candidate did with the score sheet."""

    SIGNED = 1
    REFUSED = 2
    PENDING = 3


# The entry type that a gateway makes of each event (docs/formats/entry.md); truth lines use it, so an oracle can join.
ENTRY_TYPE = {
    EventType.EXAM_OPENED: "identity.checked",
    EventType.ITEM_STARTED: "item.started",
    EventType.DEDUCTION: "deduction",
    EventType.ITEM_FINISHED: "item.finished",
    EventType.EXAM_CLOSED: "attempt.finished",
    EventType.EXAM_ABORTED: "attempt.aborted",
    EventType.MODE_CHANGED: "rig.mode",
    EventType.CANDIDATE_ACKNOWLEDGED: "candidate.acknowledged",
}
