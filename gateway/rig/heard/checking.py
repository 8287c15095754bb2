"""`rig check` for rigs that are heard: does this profile fit what came? From a capture, or from a live rig.

    messages ──> Reader ──> told, values, numbers ──> findings: ok, warn, FAIL, each with what to do

Owns: the questions and their words. Quotes names and numbers, never a text that could be somebody's (P7).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.decode import Decoded
from device_adapters.language.interface_v1 import KINDS
from device_adapters.language.shape import Shape
from device_adapters.limits import SILENT_AFTER_STATUSES
from gateway.doctor.report import Finding, fail, good, warn
from gateway.rig.heard.capturing import Plan, Writer, capture, head_of
from gateway.rig.heard.hints import elsewhere
from gateway.rig.heard.objects import RECORD, STATUS
from gateway.rig.heard.reader import reader_of
from gateway.rig.heard.recording import parse_message_recording
from gateway.rig.heard.taken import AGAIN, CHANGED
from gateway.rig.views import printable

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile
    from device_adapters.observation import Evidence
    from gateway.rig.heard.ear import Opener
    from gateway.rig.heard.message import Message
    from gateway.rig.heard.recording import MessageRecording
    from gateway.rig.heard.taken import Reader, Taken
    from scorelog.journal.clock import Clock

_REASONS_SHOWN: Final = 8


async def check_live(opener: Opener, profile: Profile, serial: str, plan: Plan, clock: Clock) -> list[Finding]:
    """Listen for so long, then judge; nothing is kept."""
    lines: list[str] = []
    writer = Writer(reader_of(profile, serial), clock, lines.append, with_personal=True)
    reason = await capture(opener, head_of(profile, serial, plan, clock), writer, plan)
    if reason and not writer.messages:
        return [fail("line", f"nobody is heard: {reason}", f"收不到消息：{reason}")]
    return check(profile, parse_message_recording("".join(lines).encode()))


@dataclass(slots=True)
class _Seen:
    """What all messages came to."""

    kinds: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    refused: dict[tuple[str, str], list[Message]] = field(default_factory=lambda: defaultdict(list))
    records: list[Decoded] = field(default_factory=list)
    named: set[str] = field(default_factory=set)  # values that came
    wrong: dict[str, str] = field(default_factory=dict)  # values that came otherwise than the profile says
    unnamed: int = 0
    statuses_ms: list[float] = field(default_factory=list)

    def add(self, message: Message, taken: Taken) -> None:
        """One message."""
        self.kinds[taken.kind] += 1
        self.notes[taken.note] += 1
        self.unnamed = max(self.unnamed, taken.sheet.unnamed)
        for row in taken.sheet.rows:
            name = row.name.partition(" = ")[0]
            self.named.add(name)
            if row.wrong:
                self.wrong[name] = row.wrong
        if taken.kind == STATUS and not message.retained:
            self.statuses_ms.append(message.at_us / 1000)
        for found in taken.found:
            if isinstance(found, Decoded):
                self.records.append(found)
            else:
                self._refuse(found, message)

    def _refuse(self, found: Evidence, message: Message) -> None:
        self.refused[found.reason, found.detail].append(message)


def check(profile: Profile, recording: MessageRecording) -> list[Finding]:
    """All findings, outside in. Needs a running loop, as the readers do."""
    reader, seen = reader_of(profile, recording.head.serial), _Seen()
    for message in recording.messages():
        seen.add(message, reader.read(message))
    for found in reader.late():
        if isinstance(found, Decoded):
            seen.records.append(found)
    findings = [_of_profile(profile, recording), *_of_answers(recording, seen)]
    if not sum(seen.kinds.values()):
        return findings
    shape = profile.message
    if isinstance(shape, Shape):
        findings += _of_statuses(profile, seen)
    else:
        findings += _of_values(profile, seen)
    findings += _of_wants(reader)
    findings += [_of_refusal(profile, *one, messages) for one, messages in list(seen.refused.items())[:_REASONS_SHOWN]]
    return [*findings, *_of_records(profile, seen), *_of_numbers(profile, seen)]


def _of_profile(profile: Profile, recording: MessageRecording) -> Finding:
    head, step = recording.head, f"{profile.id} {profile.version}"
    if head.sha256 != profile.sha256 and head.personal == "hidden":
        return warn(
            step,
            f"the capture was taken with another form of {head.profile}: what that one could not read is hidden.",
            "采集时用的是另一版本的描述文件，其读不懂的部分已隐藏。",
        )
    return good(step, profile.sha256, profile.sha256)


def _of_answers(recording: MessageRecording, seen: _Seen) -> list[Finding]:
    count, breaks = sum(seen.kinds.values()), sum(bool(line.lost) for line in recording.lines)
    whole = sum(line.payload is None and not line.lost for line in recording.lines)
    found = []
    if not count and not whole:
        return [
            fail(
                "messages",
                "nothing came. Is the rig on, at this broker, and are serial number and topics right?",
                "没有收到消息：请检查设备是否开机、是否连到该代理、序列号和主题是否正确。",
            )
        ]
    shown = ", ".join(f"{number} {kind}" for kind, number in sorted(seen.kinds.items()))
    found.append(good("messages", shown, shown))
    if whole:
        found.append(
            fail(
                "messages",
                f"{whole} could not be read with the profile of the capture, and are hidden in it.",
                f"{whole} 条消息无法按采集时的描述文件读懂，已整条隐藏。",
            )
        )
    if breaks:
        found.append(warn("messages", f"the connection broke {breaks} times.", f"连接中断 {breaks} 次。"))
    return found


def _of_wants(reader: Reader) -> list[Finding]:
    wants = reader.wants()
    return [fail("presence", wants, wants)] if wants else []


def _of_statuses(profile: Profile, seen: _Seen) -> list[Finding]:
    """A rig whose status comes too seldom is taken for gone."""
    every, times = profile.poll.status_every_ms, seen.statuses_ms
    if len(times) < 2:  # noqa: PLR2004  (an interval has two ends)
        return []
    longest = max(after - before for before, after in pairwise(times))
    told_en, told_zh = f"{len(times)}, at most {longest:.0f} ms apart", f"{len(times)} 次，最长间隔 {longest:.0f} 毫秒"
    if longest > every * SILENT_AFTER_STATUSES:
        return [fail(STATUS, f"{told_en}: a gateway takes the rig for gone.", f"{told_zh}：网关会判为离线。")]
    if longest > every * 1.5:
        return [warn(STATUS, f"{told_en}; the profile says {every}.", f"{told_zh}；描述文件为 {every}。")]
    return [good(STATUS, told_en, told_zh)]


def _of_values(profile: Profile, seen: _Seen) -> list[Finding]:
    """Each value of a rig that says them one by one."""
    shape = profile.message
    if shape is None or isinstance(shape, Shape):
        return []
    found = []
    for name, value in shape.said.values.items():
        if name in seen.wrong:
            found.append(fail(name, f"{printable(seen.wrong[name])}.", f"{printable(seen.wrong[name])}。"))
        elif name not in seen.named:
            found.append(warn(name, f"{value.source} never came.", f"{value.source} 从未收到。"))
        else:
            found.append(good(name, value.source, value.source))
    return found


def _of_refusal(profile: Profile, reason: str, detail: str, messages: list[Message]) -> Finding:
    en = zh = f"{len(messages)} × {reason}: {printable(detail)}."
    if isinstance(profile.message, Shape):
        hint = elsewhere(profile.message.record, detail, [message.payload for message in messages])
        if hint:
            en, zh = f"{en} {hint[1]}", f"{zh} {hint[0]}"
    return fail("refused", en, zh)


def _of_records(profile: Profile, seen: _Seen) -> list[Finding]:
    if not seen.records:
        return [
            warn(
                RECORD,
                "none came whole: let the rig finish an item and check again.",
                "未收到完整记录，请让设备产生一条后再查。",
            )
        ]
    types = Counter(record.type for record in seen.records)
    shown = ", ".join(f"{number} {kind}" for kind, number in sorted(types.items()))
    found = [good(RECORD, shown, shown)]
    shape = profile.message
    known = {KINDS[kind].type for kind in (KINDS if isinstance(shape, Shape) or shape is None else shape.said.kinds())}
    if "item.finished" in known and "item.finished" not in types:
        found.append(warn(RECORD, "no result among them: finish an item.", "其中没有成绩，请完成一个考核项目。"))
    if seen.unnamed:
        found.append(
            warn(
                RECORD,
                f"{seen.unnamed} values of a message are not named by the profile; they are hidden in every entry.",
                f"每条消息有 {seen.unnamed} 个值未列入描述文件，入库时隐藏。",
            )
        )
    return found


def _of_numbers(profile: Profile, seen: _Seen) -> list[Finding]:
    found = []
    if seen.notes[CHANGED]:
        found.append(
            fail(
                "numbers",
                f"{seen.notes[CHANGED]} records came with a number that another record had (breaks M6).",
                f"{seen.notes[CHANGED]} 条记录与已有序号相同而内容不同。",
            )
        )
    if seen.notes[AGAIN]:
        found.append(
            good("numbers", f"{seen.notes[AGAIN]} sent again, unchanged", f"重发 {seen.notes[AGAIN]} 条，内容未变")
        )
    missing = _missing(seen)
    if missing:
        shape = profile.message
        counts = isinstance(shape, Shape) or (shape is not None and shape.said.counts)
        told = warn if isinstance(shape, Shape) or not counts else fail
        found.append(told("numbers", f"{missing} numbers were left out.", f"缺少 {missing} 个序号。"))
    return found


def _missing(seen: _Seen) -> int:
    by_boot: dict[int, set[int]] = defaultdict(set)
    for record in seen.records:
        by_boot[record.epoch].add(record.seq)
    return sum(max(numbers) - min(numbers) + 1 - len(numbers) for numbers in by_boot.values())
