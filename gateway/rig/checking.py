"""`rig check`: does this profile fit what a rig says? From a capture, or from a live rig, which is captured in memory.

    capture ──> rounds ──> status, records, fields ──> findings: ok, warn, FAIL, each with what to do

Owns: the questions and their words. Reads only; quotes numbers, never a text that could be somebody's (P7).
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.decode import decode_record, named_address, rule_of
from device_adapters.decoding.records import Opened, open_record
from device_adapters.errors import DecodeError
from device_adapters.language.words import TIMES, number_of
from device_adapters.observation import RawArea
from gateway.doctor.report import Finding, fail, good, warn
from gateway.rig.capturing import READ_MAX, Plan, capture
from gateway.rig.looking import Reason, untouchable, value_of
from gateway.rig.probing import LAST_REGISTER
from gateway.rig.recording import Recording, parse_recording
from gateway.rig.samples import Round, Sample, memory_of, rounds_of
from gateway.rig.sense import (
    better_checksums,
    better_codings,
    better_orders,
    better_scales,
    personal_looks,
    plausible,
    shifted,
)
from gateway.rig.unseen import not_proven
from gateway.rig.views import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from device_adapters.decoding.decode import Decoded
    from device_adapters.language.profile import Field, Profile, Record
    from gateway.rig.place import Place
    from scorelog.journal.clock import Clock

_NONE_CAME: Final = Reason(
    "未读到记录，请让设备产生一条后再查。", "none was read: let the rig latch one and check again."
)
_BEAT_S: Final = 2.5  # a heartbeat that stands for so long has stopped
_SAMPLES_MAX: Final = 256  # of one field


async def check_live(place: Place, profile: Profile, unit: int | None, clock: Clock, seconds: float) -> list[Finding]:
    """Look for so long, then judge; nothing is kept. Raises ConfigError."""
    plan = Plan(profile, unit, every_s=0.2, seconds=seconds, with_personal=True)
    recording = await _heard(place, plan, clock)
    findings = check(profile, recording)
    if any(finding.level == "FAIL" and finding.step == profile.status.name for finding in findings):
        first = max(0, profile.status.at + profile.transport.address_offset - 1)
        words = min(profile.status.words + 2, READ_MAX, LAST_REGISTER + 1 - first)
        beside = Plan(None, unit, ((first, words),), every_s=0.2, seconds=0.01, with_personal=True)
        findings += _beside(profile, await _heard(place, beside, clock))
    return findings


async def _heard(place: Place, plan: Plan, clock: Clock) -> Recording:
    lines: list[str] = []
    await capture(place, plan, clock, lines.append)
    return parse_recording("".join(lines).encode())


def _beside(profile: Profile, recording: Recording) -> list[Finding]:
    """Manuals count from 1 as often as from 0."""
    words = memory_of(recording.rounds()[0], profile.transport.address_offset)
    shift = shifted(profile.status, words)
    if shift is None:
        return []
    offset = profile.transport.address_offset + shift
    return [
        fail(
            "addresses",
            f"the status lies {abs(shift)} word {'behind' if shift > 0 else 'before'} its address: "
            f"write address_offset = {offset} into [transport], or correct the addresses.",
            f"状态区地址偏移 {shift:+d}：请在 [transport] 写 address_offset = {offset}，或更正地址。",
        )
    ]


def check(profile: Profile, recording: Recording) -> list[Finding]:
    """All findings, outside in: answers, status, records, fields."""
    rounds = rounds_of(profile, recording)
    statuses = [one.status for one in rounds if one.status is not None]
    samples = [sample for one in rounds for sample in one.records]
    findings = [*_of_profile(profile, recording), *_of_answers(rounds)]
    if not statuses:
        return [*findings, fail(profile.status.name, "was never read whole.", "从未完整读到状态区。")]
    findings += _of_record(profile.status, statuses)
    findings += _of_sequence(profile, rounds)
    for record in profile.records.values():
        found = [sample for sample in samples if sample.record is record]
        if found:
            findings += _of_record(record, found)
        else:
            why = untouchable(profile) or _NONE_CAME
            findings.append(warn(record.name, why.en, why.zh))
    made: list[Decoded] = []
    findings += _of_entries(profile, rounds, made)
    live = [(name, value_of(field, data)) for name, field, data in _live(profile, statuses)]
    return [*findings, *not_proven(profile, [(name, told.partition(" (")[0]) for name, told in live], made)]


def _live(profile: Profile, statuses: Sequence[Sample]) -> Iterable[tuple[str, Field, bytes]]:
    """The codes of whole statuses."""
    fields = [profile.status.fields[name] for name in ("state", "mode") if name in profile.status.fields]
    for sample in statuses:
        if not sample.blind and not _fault(sample):
            yield from ((field.name, field, data) for field in fields for data in _bytes_of(field, [sample]))


def _of_profile(profile: Profile, recording: Recording) -> list[Finding]:
    head = recording.head
    step = f"{profile.id} {profile.version}"
    if head.profile and head.sha256 != profile.sha256 and head.personal == "hidden":
        return [
            warn(
                step,
                f"the capture was taken with another form of {head.profile}: what that one did not prove is hidden.",
                "采集时用的是另一版本的 profile，其未证实的部分已隐藏。",
            )
        ]
    return [good(step, profile.sha256, profile.sha256)]


def _of_answers(rounds: Sequence[Round]) -> list[Finding]:
    faults = Counter(fault for one in rounds for fault in one.faults)
    if not faults:
        return [good("answers", f"{len(rounds)} rounds, all answered", f"{len(rounds)} 轮均有应答")]
    told = "; ".join(f"{count} × {printable(fault)}" for fault, count in faults.most_common(3))
    if all(one.faults for one in rounds):
        return [
            fail(
                "answers",
                f"no round was whole: {told}. Check unit, place and addresses.",
                f"无一轮完整应答：{told}，请检查 unit 与地址。",
            )
        ]
    return [
        warn("answers", f"{sum(faults.values())} requests failed: {told}", f"{sum(faults.values())} 次请求失败：{told}")
    ]


def _of_record(record: Record, samples: Sequence[Sample]) -> list[Finding]:
    """Is it whole, and what does each field say."""
    open_ones = [sample for sample in samples if not sample.blind]
    if not open_ones:
        return [
            warn(
                record.name, f"all {len(samples)} are hidden in this capture.", f"{len(samples)} 条在此采集中均已隐藏。"
            )
        ]
    refused = Counter(fault for sample in open_ones if (fault := _fault(sample)))
    number = f"{len(open_ones) - sum(refused.values())} of {len(open_ones)}"
    findings = []
    if not refused:
        checked = "checksum right" if record.crc else "no checksum to check"
        findings.append(good(record.name, f"{number} proven, {checked}", f"{number} 完整"))
    else:
        told = "; ".join(f"{count} × {printable(fault)}" for fault, count in refused.most_common(2))
        only_some = sum(refused.values()) < len(open_ones)
        findings.append(
            (warn if only_some else fail)(
                record.name,
                f"{number} proven: {told}.{_checksum_hint(record, open_ones)}",
                f"{number} 完整：{told}。{_checksum_hint(record, open_ones)}",
            )
        )
    # In a record that is not proven any number may be somebody's, if the record has personal words at all (P7).
    quote = not refused or not any(field.personal for field in record.fields.values())
    idle: list[str] = []
    for field in record.fields.values():
        found = _bytes_of(field, open_ones)
        if _unused(field, found):
            idle.append(field.name)
        else:
            findings += _of_field(record, field, found, quote=quote)
    if idle:
        told = ", ".join(idle)
        findings.append(
            warn(record.name, f"0 in every reading: {told}. Are they used?", f"始终为 0：{told}，是否使用？")
        )
    return findings


def _bytes_of(field: Field, samples: Sequence[Sample]) -> list[bytes]:
    """What is not hidden of a field."""
    found = (
        sample.words(field.at if field.at >= 0 else len(sample.data) // 2 + field.at, field.words)
        for sample in samples[:_SAMPLES_MAX]
    )
    return [data for data in found if data]


def _unused(field: Field, found: Sequence[bytes]) -> bool:
    """Never anything but 0, which no code and no constant explains, and which is not refused."""
    named = field.const is not None or field.codes is not None
    return bool(found) and not named and not any(any(data) or _wrong(field, data) for data in found)


def _fault(sample: Sample) -> str:
    try:
        open_record(sample.record, sample.data, rig=None, seq=None)
    except DecodeError as error:
        return str(error) if error.reason != "text" else "text"
    return ""


def _checksum_hint(record: Record, samples: Sequence[Sample]) -> str:
    whole = [sample.data for sample in samples if not sample.hidden]
    if record.crc is None or not whole or not any("crc" in _fault(sample) for sample in samples):
        return ""
    fitting = better_checksums(record, whole[:_SAMPLES_MAX])
    return f" These fit / 可用: {'; '.join(fitting)}." if fitting else ""


def _of_field(record: Record, field: Field, found: Sequence[bytes], *, quote: bool) -> list[Finding]:
    step = f"{record.name}.{field.name}"
    if not found:
        return [good(step, f"hidden: {field.personal or 'over hidden words'}", "已隐藏")]
    findings = _of_person(step, field, found)
    wrong = sorted({error for data in found if (error := _wrong(field, data, quote=quote))})
    if wrong:
        hint = _hint(field, found)
        return [*findings, fail(step, f"{'; '.join(wrong[:2])}.{hint}", f"{'; '.join(wrong[:2])}。{hint}")]
    if field.codes is not None and (unknown := sorted({number_of(field, data) for data in found} - set(field.codes))):
        told = ", ".join(map(str, unknown[:5])) if quote else f"{len(unknown)} ×"
        return [
            *findings,
            warn(step, f"codes that the profile does not name: {told}.", f"profile 未列出的代码：{told}。"),
        ]
    hint = _hint(field, found)
    if not all(plausible(field, data) for data in found) and (hint or field.type in TIMES):
        what = "no date of our time" if field.type in TIMES else "very large"
        told = "; ".join(sorted({value_of(field, data) for data in found if field.type != "text" and quote})[:2])
        return [*findings, warn(step, f"{told}: {what}.{hint}", f"{told}：数值可疑。{hint}")]
    told = _range(field, found) if quote else f"{len(found)} ×"
    return findings or [good(step, told, told)]


def _wrong(field: Field, data: bytes, *, quote: bool = False) -> str:
    """Why the words are not what the profile says; a number is shown as it was read."""
    try:
        value_of(field, data)
    except DecodeError as error:
        shown = quote and field.type != "text" and field.personal is None
        return printable(error.detail) + (f", reads {data.hex()}" if shown else "")
    return ""


def _hint(field: Field, found: Sequence[bytes]) -> str:
    orders, codings = better_orders(field, found), better_codings(field, found)
    parts = [f"order {' or '.join(orders)}"] if orders else []
    parts += [f"coding {' or '.join(codings)}"] if codings else []
    parts += [f"scale {' or '.join(scales)}"] if (scales := better_scales(field, found)) else []
    return f" More sense / 更合理: {', '.join(parts)}." if parts else ""


def _range(field: Field, found: Sequence[bytes]) -> str:
    """Numbers and codes; never a text but the serial number."""
    if field.personal is not None or (field.type == "text" and field.name not in {"serial", "item"}):
        return f"{len(found)} ×"
    values = list(dict.fromkeys(value_of(field, data) for data in found))
    return values[0] if len(values) == 1 else f"{values[0]} … {values[-1]}, {len(values)} values"


def _of_person(step: str, field: Field, found: Sequence[bytes]) -> list[Finding]:
    looks = personal_looks(field, found)
    if looks == "identity":
        return [fail(step, 'holds identity numbers: mark it `personal = "id"`.', "含身份证号，必须标记 personal。")]
    if looks:
        why = "holds what looks like names" if looks == "name" else "is called like a person's"
        return [warn(step, f"{why}: mark it personal if it is.", "可能是个人信息，如是请标记 personal。")]
    if field.personal is not None:
        return [good(step, f"marked personal: {field.personal}", f"已标记个人信息：{field.personal}")]
    return []


def _of_sequence(profile: Profile, rounds: Sequence[Round]) -> list[Finding]:
    """Whether numbers go forward, and whether the rig lives."""
    shown = [(one.at_ms, opened) for one in rounds if one.status is not None and (opened := _opened(one.status))]
    numbers = [opened.values.get("last_seq") for _, opened in shown]
    known = [number for number in numbers if isinstance(number, int)]
    findings = []
    if known:
        back = sum(after < before for before, after in pairwise(known))
        step = f"{profile.status.name}.last_seq"
        if back:
            findings.append(
                fail(
                    step,
                    f"went back {back} times: another field, or another order?",
                    f"序号倒退 {back} 次，字段或字节序有误？",
                )
            )
        elif known[0] == known[-1]:
            findings.append(
                warn(
                    step,
                    f"stood at {known[0]}: latch a result while checking.",
                    f"序号停在 {known[0]}，请在检查时产生一条成绩。",
                )
            )
        else:
            findings.append(good(step, f"{known[0]} → {known[-1]}", f"{known[0]} → {known[-1]}"))
    beats = {opened.values.get("heartbeat") for _, opened in shown} - {None}
    if beats and len(beats) == 1 and shown[-1][0] - shown[0][0] > _BEAT_S * 1000:
        findings.append(fail(f"{profile.status.name}.heartbeat", "does not move.", "心跳不变。"))
    return findings


def _opened(sample: Sample) -> Opened | None:
    try:
        return open_record(sample.record, sample.data, rig=None, seq=None)
    except DecodeError:
        return None


def _of_entries(profile: Profile, rounds: Sequence[Round], entries: list[Decoded]) -> list[Finding]:
    """Whether a whole event, with the record that it names, becomes an entry; those that do go to `entries`."""
    made: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for areas in _pairs(profile, rounds):
        try:
            entries.append(decode_record(profile, areas))
            made[entries[-1].type] += 1
        except DecodeError as error:
            refused[f"{error.reason}: {printable(error.detail)}" if error.reason != "text" else "text"] += 1
    findings = []
    if made:
        told = ", ".join(f"{count} × {kind}" for kind, count in sorted(made.items()))
        findings.append(good("entries", told, told))
    if refused:
        told = "; ".join(f"{count} × {why}" for why, count in refused.most_common(3))
        findings.append(
            fail("entries", f"{told}. Correct the entry rules of the profile.", f"{told}。请更正 profile 的 entries。")
        )
    return findings


def _pairs(profile: Profile, rounds: Sequence[Round]) -> Iterable[list[RawArea]]:
    """Each event that is whole, once, with what it names."""
    seen: set[bytes] = set()
    for one in rounds:
        at = {sample.at: sample for sample in one.records}
        for event in one.records:
            opened = _opened(event) if event.record is profile.event and event.data not in seen else None
            if opened is None or event.blind:
                continue
            areas = [RawArea(event.record.name, event.at, event.data)]
            try:
                rule = rule_of(profile, opened)
                place = named_address(profile.records[rule.record], rule, opened) if rule.record else None
            except DecodeError:
                place = None  # `decode_record` says why
            if place is not None and place in at:
                areas.append(RawArea(at[place].record.name, place, at[place].data))
            seen.add(event.data)
            yield areas
