"""Whether an opening opens a commitment of its entry: asked when it comes in, and again by the audit.

Reads of an entry only the list of its commitments, strictly; whether the rest of the entry is right is judged by the
projector, which quarantines what cannot be decoded. Never says a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scorelog.format.commitment import Opening


class _Committed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    field: str
    sha256: str


class _Committing(msgspec.Struct, frozen=True):
    """An entry, of which everything else is passed over."""

    candidate: list[_Committed]


_DECODER: Final = msgspec.json.Decoder(_Committing)


def wrong_fields(openings: Iterable[Opening], entry: bytes) -> list[str]:
    """The fields of those that open nothing in this entry; all when it has no list of commitments that can be read."""
    try:
        known = {(each.field, each.sha256) for each in _DECODER.decode(entry).candidate}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        known = set()
    return [each.field for each in openings if (each.field, each.commitment.hex()) not in known]
