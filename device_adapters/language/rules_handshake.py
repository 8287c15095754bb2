"""What must hold of everything that the gateway writes: in a place meant for it, and enough to be told by it honestly.

Owns: the checks of the handshake. Each finding names the table where it must be mended. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.language.rules_codes import range_of
from device_adapters.language.spaces import COIL_ALONE, SPACES
from device_adapters.language.words import WHOLE

if TYPE_CHECKING:
    from device_adapters.language.handshake import Coil, Word
    from device_adapters.language.profile import Profile
    from device_adapters.language.tables import Report
    from device_adapters.language.toml_lines import Path


def check_handshake(profile: Profile, report: Report) -> None:
    """Words, coil, and what the guarantee promises."""
    check_written(profile, profile.ack, ("handshake", "ack"), report)
    check_written(profile, profile.ready, ("handshake", "ready"), report)
    _check_room(profile, report)
    if profile.coil is not None:
        _check_coil(profile, profile.coil, report)
    if profile.guarantee == "latched" and not profile.told:
        report.add(("handshake",), 'the guarantee "latched" needs an ack: a rig that is never told frees nothing')
    if profile.guarantee == "unacknowledged" and profile.told:
        report.add(("guarantee",), "the rig is acknowledged: say what its records lack, or that they are latched")


def check_written(profile: Profile, word: Word | None, path: Path, report: Report) -> None:
    """A word that the gateway writes."""
    if word is not None and not _inside(profile, word.at, word.words, write=True):
        report.add((*path, "at"), "lies in no area marked write = true")


def _check_room(profile: Profile, report: Report) -> None:
    """Every number that the rig can count to can be told to it."""
    seq, word = profile.event.fields.get("seq"), profile.ack
    if seq is None or word is None or seq.type not in WHOLE:
        return
    last = range_of(seq)[1]
    if last >= 1 << 16 * word.words:
        room = f"{word.words} word{'s' if word.words > 1 else ''}"
        report.add(
            ("handshake", "ack", "type"),
            f"a seq up to {last} does not fit into {room}: give it a max, or a wider type here",
        )


def _check_coil(profile: Profile, coil: Coil, report: Report) -> None:
    at = SPACES["coils"] + coil.at - COIL_ALONE if coil.at >= COIL_ALONE else coil.at
    path = ("handshake", "ack")
    if not _inside(profile, at, 1, write=True):
        report.add((*path, "coil"), "lies in no area of coils marked write = true")
    if coil.taken is not None and not _inside(profile, coil.taken, 1, write=False):
        report.add((*path, "taken"), "lies in no area of coils or discrete inputs")
    if coil.taken == at:
        report.add((*path, "taken"), "is the coil itself: the rig must answer by another bit")
    if not {"acked_seq", "oldest_seq"} & profile.status.fields.keys():
        report.add(
            ("status", "fields"),
            'an ack by coil needs "acked_seq" or "oldest_seq": a second signal would free what nobody has read',
        )


def _inside(profile: Profile, at: int, size: int, *, write: bool) -> bool:
    return any(
        (area.write or not write) and area.at <= at and at + size <= area.at + area.words
        for area in profile.areas.values()
    )
