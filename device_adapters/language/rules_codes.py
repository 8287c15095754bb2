"""Codes that no word can ever show: a slip of the pen in a table of codes, or in the event codes.

Owns: which numbers a field can hold, and what of the profile lies outside. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.language.words import BCD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from device_adapters.language.profile import Codes, Field, Profile
    from device_adapters.language.tables import Report

    Range = tuple[int, int]


def check_codes(profile: Profile, report: Report) -> None:
    """Every code can come, and every table of codes is used."""
    shown: dict[int, list[Range]] = {id(codes): [] for codes in profile.codes.values()}
    for codes, found in _users(profile):
        shown[id(codes)].append(found)
    for name, codes in profile.codes.items():
        ranges = shown[id(codes)]
        if not ranges:
            report.add(("codes", name), "is used by no field")
        for code in codes:
            if ranges and not any(low <= code <= high for low, high in ranges):
                report.add(("codes", name, str(code)), "unreachable: no field that uses these codes can hold it")
    event = profile.event.fields.get("type")
    if event is None:
        return
    low, high = range_of(event)
    for rule in profile.rules.values():
        if not low <= rule.code <= high:
            report.add(("entries", rule.name, "code"), f"unreachable: the event's type is from {low} to {high}")


def range_of(field: Field) -> Range:
    """The lowest and the highest whole number that the field can hold and that is not refused."""
    size = field.words * 16
    if field.bits is not None:
        size = field.bits[1] - field.bits[0] + 1
    low, high = 0, (1 << size) - 1
    if field.type in BCD:
        high = 10 ** (size // 4) - 1
    elif field.type == "bool":
        high = 1
    elif field.type.startswith("int"):
        low, high = -(1 << size - 1), (1 << size - 1) - 1
    if isinstance(field.const, int):
        return field.const, field.const
    low = low if field.low is None else max(low, field.low)
    return low, high if field.high is None else min(high, field.high)


def _users(profile: Profile) -> Iterator[tuple[Codes, Range]]:
    """Each use of a table of codes, with the numbers that can come there."""
    for record in (profile.status, *profile.records.values()):
        rows = record.repeat.fields.values() if record.repeat is not None else ()
        for field in (*record.fields.values(), *rows):
            if field.codes is not None:
                yield field.codes, range_of(field)
    for rule in profile.rules.values():
        for output in rule.fields:
            record = profile.records[output.record]
            if output.codes is not None and output.source in record.fields:
                yield output.codes, range_of(record.fields[output.source])
