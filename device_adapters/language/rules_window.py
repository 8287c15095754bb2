"""What must hold of a window: that each page says which it is, and of which record, and comes in one request.

Owns: the checks of windows, and of what a page boundary may not cut. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.language.rules_fields import check_fields
from device_adapters.language.rules_handshake import check_written
from device_adapters.language.words import WHOLE

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile, Record
    from device_adapters.language.tables import Report
    from device_adapters.language.toml_lines import Path
    from device_adapters.language.window import Window


def page_words(profile: Profile, record: Record) -> int:
    """Words of the record that one request brings."""
    return record.window.words if record.window is not None else profile.transport.registers_max


def check_pages(profile: Profile, record: Record, path: Path, report: Report) -> None:
    """Windows, and personal words across two pages, whatever brings them."""
    page = page_words(profile, record)
    for field in record.fields.values():
        if field.personal is None or field.at < 0:
            continue
        if field.at // page != (field.at + field.words - 1) // page:
            edge = (field.at // page + 1) * page
            report.add(
                (*path, "fields", field.name),
                f"is split by the page boundary at word {edge}: half of it could be another person's",
            )
    if record.window is not None:
        _check_window(profile, record, record.window, (*path, "window"), report)


def _check_window(profile: Profile, record: Record, window: Window, path: Path, report: Report) -> None:
    if record is profile.status:
        report.add(path, "the status block is read over and over: it lies in one place, without a window")
    if profile.transport.one_field:
        report.add(path, "a page is read at once: not with one_field_per_request")
    if window.shown > profile.transport.registers_max:
        report.add((*path, "words"), f"oversize read: {window.shown} words in one request")
    if record.slots > 1 and window.slot is None:
        report.add(path, f"slot is missing: {record.slots} records are shown in one window")
    _check_head(profile, window, (*path, "head"), report)
    for name, word in (("page", window.page), ("slot", window.slot)):
        check_written(profile, word, (*path, name), report)


def _check_head(profile: Profile, window: Window, path: Path, report: Report) -> None:
    check_fields(window.head.values(), window.head_words, (*path, "fields"), report)
    wanted = {"page", "seq"} if profile.guarantee == "latched" else {"page"}
    for name in sorted(wanted - window.head.keys()):
        report.add((*path, "fields"), f'"{name}" is missing: a page must say which it is, and of which record')
    for field in window.head.values():
        if field.name not in {"page", "seq"}:
            report.add((*path, "fields", field.name), "only page and seq belong to a page")
        elif field.type not in WHOLE or field.at < 0:
            report.add((*path, "fields", field.name), "must be a whole number, counted from the start")
