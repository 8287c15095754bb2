"""What must hold across a whole profile: places, roles, personal words, and the entries that come out.

Owns: the checks of the linter beyond grammar. Each finding names the table where it must be mended. Pure.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from device_adapters.language.measures import check_measures
from device_adapters.language.rules_codes import check_codes
from device_adapters.language.rules_fields import check_fields
from device_adapters.language.rules_handshake import check_handshake
from device_adapters.language.rules_once import check_read_once
from device_adapters.language.rules_places import check_places
from device_adapters.language.rules_points import POINTS
from device_adapters.language.rules_window import check_pages, page_words
from device_adapters.language.spaces import BIT_SPACES, TABLE, WRITABLE, on_wire
from device_adapters.language.words import TIMES, WHOLE
from device_adapters.limits import BITS_PER_READ, RECORD_WORDS_MAX, REGISTERS_PER_READ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.profile import EntryRule, Field, Output, Profile, Record
    from device_adapters.language.tables import Report
    from device_adapters.language.toml_lines import Path

STATES = {"idle", "open", "running", "finished", "fault"}
MODES = {"exam", "practice", "maintenance"}
OUTCOMES = {"finished", "timeout", "aborted", "veto"}
# What each entry type needs, and the names its codes may have (docs/formats/entry.md).
ENTRY_FIELDS: Mapping[str, Mapping[str, set[str] | None]] = {
    "identity.checked": {"verdict": {"match", "no_match", "not_checked"}, "try": None, "exam_no": None},
    "item.started": {"item": None, "ordinal": None, "limit_s": None, "exam_no": None},
    "deduction": dict.fromkeys(("item", "ordinal", "line", "points", "at_s", "veto", "exam_no")),
    "item.finished": {
        **dict.fromkeys(("item", "ordinal", "score", "elapsed_s", "limit_s", "veto_lines", "started", "finished")),
        **dict.fromkeys(("exam_no", "deductions")),
        "outcome": OUTCOMES,
        "mode": MODES,
    },
    "attempt.finished": dict.fromkeys(("claimed_total", "items", "exam_failed", "exam_no")),
    "attempt.aborted": {"reason": {"candidate", "examiner", "fault", "power"}, "exam_no": None},
    "rig.mode": {"old": MODES, "new": MODES},
    "candidate.acknowledged": {"ack": {"signed", "refused", "pending"}, "exam_no": None},
}
ROW_FIELDS = {"line", "points", "at_s", "veto"}
MILLISECONDS = ("bcd16", "uint16", "uint32")
FLAGS = {"veto", "exam_failed"}
STATUS_ROLES = ("serial", "boot", "state", "mode", "last_seq", "oldest_seq", "acked_seq")
FREED = {"oldest_seq", "acked_seq"}  # of rigs that forget by themselves
WEAKER = {"double-read", "single-read"}  # a record may lack what proves it whole
EVENT_ROLES = ("seq", "serial", "boot", "type")


def check(profile: Profile, report: Report) -> None:
    """All rules."""
    if profile.message is not None:
        return  # no places to check; `build_message` has seen the rest
    _check_areas(profile, report)
    _check_record(profile, profile.status, ("status",), report)
    for record in profile.records.values():
        _check_record(profile, record, ("records", record.name), report)
    _check_status(profile, report)
    _check_event(profile, report)
    if not profile.rules:
        report.add(("entries",), "names no event")
    for rule in profile.rules.values():
        _check_rule(profile, rule, ("entries", rule.name), report)
    check_handshake(profile, report)
    check_read_once(profile, report)
    check_codes(profile, report)
    if not report.findings():  # each place is one of its area: none is endless
        check_places(profile, report)


def _check_areas(profile: Profile, report: Report) -> None:
    areas, offset = profile.areas.values(), profile.transport.address_offset
    for one, next_one in pairwise(sorted(areas, key=lambda area: area.at)):
        if one.at + one.words > next_one.at:
            report.add(("areas", next_one.name), f"overlaps the area {one.name}")
    for area in areas:
        first, last = on_wire(area.at) + offset, on_wire(area.at) + area.words - 1 + offset
        if first < 0 or last >= TABLE:
            report.add(
                ("areas", area.name), f"with address_offset = {offset} it goes from {first} to {last} on the wire"
            )
        if area.write and area.space not in WRITABLE:
            report.add(("areas", area.name, "write"), f"a rig's {area.space} table cannot be written")
        if area.space in BIT_SPACES and area.words > BITS_PER_READ:
            report.add(("areas", area.name, "bits"), f"oversize read: {area.words} bits in one request")


def _check_record(profile: Profile, record: Record, path: Path, report: Report) -> None:
    _check_place(profile, record, path, report)
    _check_frame(profile, record, path, report)
    check_pages(profile, record, path, report)
    own = [field for field in record.fields.values() if record.tail is None or field.at < record.block_words]
    check_fields(own, record.words, (*path, "fields"), report)
    flags = [field for field in record.fields.values() if field not in own]
    check_fields(flags, record.words, (*path, "flags", "fields"), report)
    repeat = record.repeat
    if repeat is None:
        return
    check_fields(repeat.fields.values(), repeat.words, (*path, "repeat", "fields"), report)
    for field in repeat.fields.values():
        if field.personal is not None:
            report.add((*path, "repeat", "fields", field.name, "personal"), "rows stand in entries, uncut")
    ends = [field.at + field.words for field in record.fields.values() if field.at >= 0]
    starts = [record.words + field.at for field in record.fields.values() if field.at < 0]
    if repeat.at < max(ends, default=0) or repeat.at != min(starts, default=record.words):
        report.add(
            (*path, "repeat", "at"), "the rows must lie between the fields before them and those counted from the end"
        )
    if repeat.count not in record.fields:
        report.add((*path, "repeat", "count"), f'there is no field "{repeat.count}"')
    if record.length is None:
        report.add((*path, "repeat"), "a record of changing length needs a length word")


def _check_place(profile: Profile, record: Record, path: Path, report: Report) -> None:
    home = [area for area in profile.areas.values() if area.at <= record.at < area.at + area.words]
    tail = record.words - record.block_words
    span = (record.slots - 1) * record.stride + record.words_max - tail
    if record.window is not None:
        span = record.window.shown
    if home and home[0].space in BIT_SPACES:
        report.add((*path, "area"), "holds bits: a record has words; bits belong to the status block, as its flags")
    elif not home or record.at + span > home[0].at + home[0].words:
        start = on_wire(record.at)
        report.add((*path, "area"), f"its {record.slots} slots need {span} words from {start}: outside the area")
    if record.tail is not None and record is not profile.status:
        report.add((*path, "flags"), "only the status block has flags: what is read apart is not latched with a record")
    if record.slots > 1 and record.stride < record.words_max and record.window is None:
        report.add((*path, "stride"), f"{record.stride} is less than the {record.words_max} words of a record")
    if record.words_max > RECORD_WORDS_MAX:
        report.add((*path, "words"), f"{record.words_max} words are more than a record may have ({RECORD_WORDS_MAX})")
    if record is profile.status and record.block_words > min(profile.transport.registers_max, REGISTERS_PER_READ):
        report.add((*path, "words"), f"oversize read: {record.block_words} words in one request")


def _check_frame(profile: Profile, record: Record, path: Path, report: Report) -> None:
    roles = {"before": record.before, "after": record.after, "length": record.length, "crc": record.crc}
    for role, name in roles.items():
        if name is None:
            if profile.guarantee not in WEAKER and role != "length":
                report.add(path, f'the guarantee "{profile.guarantee}" needs {role}')
        elif name not in record.fields or record.fields[name].type not in WHOLE:
            report.add((*path, role), f'there is no number field "{name}"')
    if record.length is not None and record.length in record.fields:
        length = record.fields[record.length]
        if length.at < 0 or length.at + length.words > min(record.words, page_words(profile, record)):
            report.add((*path, "length"), "the length word must lie in the first reading, counted from the start")
    for at, rule in enumerate(record.sums):
        for name in (*rule.fields, *([rule.unless_zero] if rule.unless_zero else [])):
            if not _is_number(record, name):
                report.add((*path, "sums", at), f'there is no number field "{name}"')


def _is_number(record: Record, name: str) -> bool:
    group, dot, row = name.partition(".")
    repeat = record.repeat
    found = repeat.fields.get(row) if dot and repeat and repeat.name == group else record.fields.get(name)
    return found is not None and found.type not in TIMES | {"text"}


def _check_status(profile: Profile, report: Report) -> None:
    status, path = profile.status, ("status", "fields")
    for role in STATUS_ROLES:
        if role not in status.fields and not (role in FREED and profile.guarantee != "latched"):
            report.add(path, f'"{role}" is missing')
    for name, allowed in (("state", STATES), ("mode", MODES)):
        if name in status.fields:
            _check_names((*path, name), status.fields[name].codes, allowed, report)
    for field in status.fields.values():
        if field.personal is not None:
            report.add((*path, field.name, "personal"), "the status block is live and must hold nothing personal")
    for state in profile.poll.by_state:
        if state not in STATES:
            report.add(("poll", "by_state", state), f"is not one of {', '.join(sorted(STATES))}")
    if status.index != "fixed" or status.repeat is not None:
        report.add(("status", "index"), "the status block lies in one place and has one length")


def _check_event(profile: Profile, report: Report) -> None:
    event, path = profile.event, ("records", profile.event.name, "fields")
    for role in EVENT_ROLES:
        if role not in event.fields and not (role == "type" and len(profile.rules) == 1):
            report.add(path, f'"{role}" is missing')
        elif role in event.fields and event.fields[role].type not in (WHOLE if role != "serial" else {"text"}):
            report.add((*path, role), "must be a text" if role == "serial" else "must be a whole number")
    if event.index != "sequence" and (event.index != "fixed" or profile.guarantee == "latched"):
        report.add(("records", event.name, "index"), 'events lie in a ring: index must be "sequence"')
    if "mode" in event.fields:
        _check_names((*path, "mode"), event.fields["mode"].codes, MODES, report)
    for part, kinds in zip(profile.rig_time or (), (sorted(TIMES), MILLISECONDS), strict=False):
        if part is not None and (part not in event.fields or event.fields[part].type not in kinds):
            report.add(("event", "rig_time"), f'there is no field "{part}" of type {" or ".join(kinds)}')


def _check_rule(profile: Profile, rule: EntryRule, path: Path, report: Report) -> None:
    wanted = ENTRY_FIELDS.get(rule.type)
    if wanted is None:
        report.add((*path, "type"), f'"{rule.type}" is not one of {", ".join(sorted(ENTRY_FIELDS))}')
        return
    outputs = {output.name: output for output in rule.fields}
    for name in wanted.keys() - outputs.keys():
        report.add((*path, "fields"), f'an entry {rule.type} needs "{name}"')
    for output in rule.fields:
        _check_output(profile, rule, output, (*path, "fields", output.name), report)
    check_measures(rule, profile.event.name, profile.records, path, report)
    _check_second(profile, rule, path, report)


def _check_output(profile: Profile, rule: EntryRule, output: Output, path: Path, report: Report) -> None:
    if not output.kind:
        return
    if not output.source:
        _check_fixed(rule, output, path, report)
        return
    record = profile.records[output.record]
    if output.record not in {profile.event.name, rule.record}:
        report.add((*path, "from"), f"the record {output.record} is not read for this event")
    elif output.kind == "rows":
        _check_rows(record, path, report)
    elif output.kind == "lines":
        _check_lines(output, record.fields[output.source], path, report)
    else:
        names = ENTRY_FIELDS[rule.type].get(output.name)
        _check_value(output, record.fields[output.source], names, path, report)


def _check_fixed(rule: EntryRule, output: Output, path: Path, report: Report) -> None:
    """Nothing that a score rests on, or that a record is known by, can be the same for ever."""
    names, value = ENTRY_FIELDS[rule.type].get(output.name), output.fixed
    if output.name in POINTS or output.name in {"outcome", "verdict", "exam_failed", "veto", "line"}:
        report.add((*path, "fixed"), "must come from the rig: a score rests on it")
    elif (output.kind == "rows") != (output.name == "deductions"):
        report.add((*path, "fixed"), "[] is for deductions that never come, and these are never anything else")
    elif names is not None and value not in names:
        report.add((*path, "fixed"), f"is not one of {', '.join(sorted(names))}")


def _check_lines(output: Output, field: Field, path: Path, report: Report) -> None:
    if output.name != "deductions" or field.type not in WHOLE:
        report.add((*path, "lines"), "only deductions are lines, and they come from the bits of a whole number")
    if len({line.bit for line in output.lines}) != len(output.lines):
        report.add((*path, "lines"), "a bit is named twice")
    low, high = field.bits or (0, field.words * 16 - 1)
    for at, line in enumerate(output.lines):
        if line.bit > high - low:
            report.add((*path, "lines", at, "bit"), f"{field.name} has the bits 0 to {high - low}")


def _check_rows(record: Record, path: Path, report: Report) -> None:
    repeat = record.repeat
    if repeat is None or set(repeat.fields) != ROW_FIELDS:
        report.add((*path, "from"), f"its rows must have {', '.join(sorted(ROW_FIELDS))}")
        return
    for field in repeat.fields.values():
        place = ("records", record.name, "repeat", "fields", field.name)
        if field.name in FLAGS and field.type != "bool":
            report.add(place, 'must be of type "bool"')


def _check_value(output: Output, field: Field, names: set[str] | None, path: Path, report: Report) -> None:
    if field.personal is not None:
        report.add((*path, "from"), "a personal word must not stand in an entry's fields: it is committed instead")
    if names is not None:
        _check_names(path, output.codes or field.codes, names, report)
    if output.name in FLAGS and output.kind != "flag" and field.type != "bool":
        report.add(path, "must be a flag")


def _check_second(profile: Profile, rule: EntryRule, path: Path, report: Report) -> None:
    if (rule.record is None) != (rule.slot is None):
        report.add(path, "record and slot belong together")
    if rule.slot is not None and not _is_number(profile.event, rule.slot):
        report.add((*path, "slot"), f'there is no number field "{rule.slot}" in the event')
    if rule.record is None or rule.record not in profile.records:
        if rule.agree:
            report.add((*path, "agree"), "there is no second record to agree with")
        return
    second = profile.records[rule.record]
    if second.index != "named":
        report.add((*path, "record"), f'{second.name} must have index = "named"')
    for role in ("seq", "serial"):
        if role not in second.fields:
            report.add(("records", second.name, "fields"), f'"{role}" is missing')
    for theirs, ours in rule.agree:
        if theirs not in second.fields or ours not in profile.event.fields:
            report.add((*path, "agree", theirs), f"there is no such pair of fields as {theirs}, {ours}")


def _check_names(path: Path, codes: Mapping[int, str] | None, allowed: set[str], report: Report) -> None:
    if codes is None:
        report.add(path, "needs codes")
    elif extra := set(codes.values()) - allowed:
        report.add(path, f"{', '.join(sorted(extra))}: not one of {', '.join(sorted(allowed))}")
