"""Which fields entries of schema version 1 have, by name (the table of docs/formats/entry.md).

Owns names only: shapes are judged in `entry` and `entry_parts`, values by whoever reads the type. A field that is not
listed is kept and flagged, never refused.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from scorelog.format import types

if TYPE_CHECKING:
    from collections.abc import Mapping


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMON: Final = _names(
    "v type salt read rig station rig_time attempt binding session plan epoch seq ordinal content profile guarantee"
    " source raw fields candidate conflict_with mode",
)
"""What an entry of any type may have."""

OWN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        types.GATEWAY_STARTED: _names("software instance generation size clean reason"),
        types.GATEWAY_STOPPED: _names("instance unsent"),
        types.GENERATION_OPENED: _names("previous reason"),
        types.CONFIG_CHANGED: _names("config before rigs"),
        types.PROFILE_ADOPTED: _names("sha256 text"),
        types.RUBRIC_ADOPTED: _names("sha256 text"),
        types.PLAN_ADOPTED: _names("sha256 version part of text"),
        types.RIG_ONLINE: _names("reason last_seq last_epoch"),
        types.RIG_OFFLINE: _names("reason last_seq last_epoch"),
        types.RIG_REBOOTED: _names("previous_epoch"),
        types.RIG_MODE: _names(""),
        types.READING_REFUSED: _names("reason detail asked count transport"),
        types.SEQUENCE_GAP: _names("from to"),
        types.SESSION_OPENED: _names(""),
        types.SESSION_CLOSED: _names(""),
        types.IDENTITY_CHECKED: _names(""),
        types.ITEM_STARTED: _names(""),
        types.DEDUCTION: _names(""),
        types.ITEM_FINISHED: _names(""),
        types.ATTEMPT_FINISHED: _names("leaves leaves_before"),
        types.ATTEMPT_ABORTED: _names("leaves leaves_before"),
        types.CANDIDATE_ACKNOWLEDGED: _names(""),
        types.PRACTICE_SUMMARY: _names(""),
        types.CLOCK_STEPPED: _names("delta_us before after"),
        types.ANCHOR: _names("receipt"),
        types.RELOGGED: _names("previous entry part key doubt"),
        types.KEY_ROTATED: _names("previous next reason"),
    },
)
"""What entries of a type have beside them; every known type has its line."""

INSIDE: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        types.RIG_REBOOTED: _names("epoch previous_epoch"),
        types.RIG_MODE: _names("old new measures"),
        types.SEQUENCE_GAP: _names("epoch from to"),
        types.SESSION_OPENED: _names("session opens closes nonce plan"),
        types.SESSION_CLOSED: _names("session reason plan"),
        types.IDENTITY_CHECKED: _names("verdict try exam_no measures"),
        types.ITEM_STARTED: _names("item ordinal limit_s exam_no measures"),
        types.DEDUCTION: _names("item ordinal line points at_s veto exam_no measures"),
        types.ITEM_FINISHED: _names(
            "item ordinal outcome score elapsed_s limit_s veto_lines started finished exam_no mode deductions measures",
        ),
        types.ATTEMPT_FINISHED: _names("claimed_total items exam_failed exam_no measures"),
        types.ATTEMPT_ABORTED: _names("reason exam_no measures"),
        types.CANDIDATE_ACKNOWLEDGED: _names("ack exam_no measures"),
        types.PRACTICE_SUMMARY: _names(
            "mode exam_no first_seq last_seq started finished items_started items_finished deductions elapsed_s ended"
            " records",
        ),
    },
)
"""What stands in `fields`, of the types that have it."""
