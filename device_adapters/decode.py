"""From the bytes of a rig's records to what they say. Pure: the gateway decodes with it, and the server decodes again (P4).

Owns: the meaning of bytes under a profile. Never reads a wire, never guesses: what is not exactly as the profile says is a DecodeError
with a reason code of `errors.REASONS`, and nothing is patched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_adapters.observation import FieldValue, RawArea
    from device_adapters.profile import Profile


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one latched event says. `areas` are the record's own bytes (trimmed to its length), with the personal words named in `cut`.

    `proven` is False when the personal words were erased, so that checksums could not be checked any more.
    """

    type: str
    rig: str
    epoch: int
    seq: int
    mode: str | None
    rig_time: str | None
    fields: Mapping[str, FieldValue]
    personal: Mapping[str, bytes]
    areas: tuple[RawArea, ...]
    proven: bool


def decode_record(
    profile: Profile, areas: Sequence[RawArea], *, rig: str | None = None, seq: int | None = None, erased: bool = False
) -> Decoded:
    """Decode an event and the record it names. Checks serial and sequence number when they are given. Raises DecodeError only.

    `erased`: the ranges in `cut` were zeroed for good (P7); checksums and personal text are then not checked.
    """
    raise NotImplementedError


def decode_entry_raw(profile: Profile, raw_areas_uncut: Sequence[RawArea], *, erased: bool = False) -> Decoded:
    """Decode the raw areas of an entry again, as the server does (P4). Raises DecodeError only."""
    return decode_record(profile, raw_areas_uncut, erased=erased)
