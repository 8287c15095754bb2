"""The names of entry types (docs/formats/entry.md). An unknown type is kept and flagged, never refused."""

from __future__ import annotations

from typing import Final

GATEWAY_STARTED: Final = "gateway.started"
GATEWAY_STOPPED: Final = "gateway.stopped"
GENERATION_OPENED: Final = "generation.opened"
CONFIG_CHANGED: Final = "config.changed"
PROFILE_ADOPTED: Final = "profile.adopted"
RUBRIC_ADOPTED: Final = "rubric.adopted"
PLAN_ADOPTED: Final = "plan.adopted"
RIG_ONLINE: Final = "rig.online"
RIG_OFFLINE: Final = "rig.offline"
RIG_REBOOTED: Final = "rig.rebooted"
RIG_MODE: Final = "rig.mode"
READING_REFUSED: Final = "reading.refused"
SEQUENCE_GAP: Final = "sequence.gap"
SESSION_OPENED: Final = "session.opened"
SESSION_CLOSED: Final = "session.closed"
IDENTITY_CHECKED: Final = "identity.checked"
ITEM_STARTED: Final = "item.started"
DEDUCTION: Final = "deduction"
ITEM_FINISHED: Final = "item.finished"
ATTEMPT_FINISHED: Final = "attempt.finished"
ATTEMPT_ABORTED: Final = "attempt.aborted"
CANDIDATE_ACKNOWLEDGED: Final = "candidate.acknowledged"
PRACTICE_SUMMARY: Final = "practice.summary"
CLOCK_STEPPED: Final = "clock.stepped"
ANCHOR: Final = "anchor"
RELOGGED: Final = "relogged"
KEY_ROTATED: Final = "key.rotated"

KNOWN: Final = frozenset(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))
"""Every type of schema version 1."""

CLOSING: Final = frozenset({ATTEMPT_FINISHED, ATTEMPT_ABORTED})
"""The types that close one gateway's part of an attempt and list its leaves."""

BINDINGS: Final = frozenset({"rig", "tablet", "plan", "none"})
SOURCES: Final = frozenset({"sensor", "simulator", "examiner", "oral"})
GUARANTEES: Final = frozenset({"latched", "double-read", "single-read", "unacknowledged"})
SYNC_STATES: Final = frozenset({"synced", "unsynced", "unknown"})
OUTCOMES: Final = frozenset({"finished", "timeout", "aborted", "veto"})
