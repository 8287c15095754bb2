"""A profile that still has findings, as far as a rig can be looked at with it: what is missing may be what one asks it.

Owns: what of such a profile can be read at all, and what must stay hidden: a text of which something is wrong could be
somebody's, and so could every number that lies over a text (P7). Nothing of it is ever recorded or decoded for a log.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from device_adapters.language.lint import examine_file
from gateway.errors import ConfigError
from gateway.recording.texts import base_finder, profile_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from device_adapters.language.profile import Field, Profile, Record
    from device_adapters.language.tables import Finding

_PLACE: Final = frozenset({"area", "offset", "words", "index", "slots", "stride", "window"})


@dataclass(frozen=True, slots=True)
class Flaws:
    """Of one record. `reason` empty: it can be proven. `placed`: it can be read. `veiled`: a text was left out."""

    reason: str = ""
    placed: bool = True
    veiled: bool = False
    fields: frozenset[str] = frozenset()


SOUND: Final = Flaws()


@dataclass(frozen=True, slots=True)
class Readable:
    """A profile and what is wrong with it; with no findings it is as good as any."""

    profile: Profile
    findings: tuple[str, ...] = ()
    flaws: Mapping[str, Flaws] = field(default_factory=dict)
    rules: frozenset[str] = frozenset()  # entries that cannot be followed

    def of(self, record: Record) -> Flaws:
        """What is wrong with one record."""
        return self.flaws.get(record.name, SOUND)


def readable(name: str, base: Path) -> Readable:
    """The profile of that name, or path. Raises ConfigError if nothing can be read with it."""
    profile, findings = examine_file("", profile_bytes(name, base), base_finder(base / name))
    told = tuple(f"{name}: {finding}" for finding in findings)
    unreachable = any(finding.path[:1] == ("transport",) for finding in findings)
    if profile is None or (findings and (unreachable or profile.message is not None)):
        raise ConfigError(f"profile {name} is not usable:\n" + "\n".join(f"  {one}" for one in told))
    return _cut(profile, findings, told) if findings else Readable(profile)


def _cut(profile: Profile, findings: Iterable[Finding], told: tuple[str, ...]) -> Readable:
    findings, made, flaws = list(findings), {}, {}
    for record in (profile.status, *profile.records.values()):
        path = ("status",) if record is profile.status else ("records", record.name)
        own = [finding for finding in findings if finding.path[: len(path)] == path]
        made[id(record)], flaws[record.name] = _cut_record(record, own, len(path))
    rules = {str(each.path[1]) for each in findings if each.path[:1] == ("entries",) and each.path[2:3] != ("fields",)}
    cut = replace(
        profile,
        status=made[id(profile.status)],
        event=made[id(profile.event)],
        records={name: made[id(record)] for name, record in profile.records.items()},
    )
    return Readable(cut, told, flaws, frozenset(rules))


def _cut_record(record: Record, findings: Iterable[Finding], depth: int) -> tuple[Record, Flaws]:
    """The record without what cannot be shown."""
    fields: set[str] = set()
    reason, placed = "", True
    for finding in findings:
        inner = finding.path[depth:]
        if inner[:1] == ("fields",) and inner[1:]:
            fields.add(str(inner[1]))
        elif not _in_row(record, inner):
            reason = reason or finding.reason
            placed = placed and not (inner and inner[0] in _PLACE)
    kept = {name: one for name, one in record.fields.items() if not _unshown(record, one, fields)}
    veiled = any(one.type == "text" for name, one in record.fields.items() if name not in kept)
    missing = _leaned_on(record) - kept.keys()
    reason = reason or (f"{record.name} rests on {', '.join(sorted(missing))}" if missing else "")
    crc = record.crc if record.crc in kept else None
    return replace(record, fields=kept, crc=crc), Flaws(reason, placed and bool(kept), veiled, frozenset(fields))


def _in_row(record: Record, inner: tuple[str | int, ...]) -> bool:
    """Whether it is about a number of a row: the row is shown all the same."""
    found = record.repeat.fields.get(str(inner[2])) if record.repeat is not None and inner[2:] else None
    return inner[:2] == ("repeat", "fields") and found is not None and found.type != "text"


def _unshown(record: Record, one: Field, wrong: set[str]) -> bool:
    """Outside of its record, a doubtful text, or over words that could be somebody's."""
    start = _start(record, one)
    if start < 0 or start + one.words > record.words or (one.type == "text" and one.name in wrong):
        return True
    return any(
        other is not one and _start(record, other) < start + one.words and start < _start(record, other) + other.words
        for other in record.fields.values()
        if other.personal is not None or (other.type == "text" and other.name in wrong)
    )


def _start(record: Record, one: Field) -> int:
    return one.at if one.at >= 0 else record.words + one.at


def _leaned_on(record: Record) -> set[str]:
    """The fields without which nothing of it is proven."""
    count = record.repeat.count if record.repeat is not None else None
    found: set[str | None] = {record.before, record.after, record.length, record.crc, count}
    for rule in record.sums:
        found |= {*rule.fields, rule.unless_zero}
    return {name for name in found if name is not None and "." not in name}
