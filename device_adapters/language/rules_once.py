"""What must hold of a rig whose record is cleared by being read: one request gives all of it, and a loss can be seen.

Owns: the checks of the guarantee `single-read`. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile
    from device_adapters.language.tables import Report

READ_ONCE = "single-read"


def check_read_once(profile: Profile, report: Report) -> None:
    """Every rule; nothing of another guarantee."""
    if profile.guarantee != READ_ONCE:
        return
    event = profile.event
    path = ("records", event.name)
    if event.index != "fixed":
        report.add((*path, "index"), 'what is cleared by reading lies in one place: index must be "fixed"')
    if event.words_max > profile.transport.registers_max or profile.transport.one_field:
        report.add((*path, "words"), "what is cleared by reading must come in one request: a second one finds it gone")
    if event.window is not None:
        report.add((*path, "window"), "what is cleared by reading must come in one request, not page by page")
    for rule in profile.rules.values():
        if rule.record is not None:
            report.add(("entries", rule.name, "record"), "what is cleared by reading comes whole: no second record")
    if "oldest_seq" not in profile.status.fields:
        report.add(("status", "fields"), '"oldest_seq" is missing: without it nobody sees that a record was lost')
    if profile.told:
        report.add(("handshake",), "the rig clears a record by its reading: there is nothing left to acknowledge")
