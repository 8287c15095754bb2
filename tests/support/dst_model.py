"""The model: what the server must hold of one box's rigs, by what those rigs latched and were told; dicts of lists."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from scorelog.format.entry import Entry, content_mac, parse_entry
from scorelog.format.text import unbase64
from scorelog.format.types import PRACTICE_SUMMARY, RELOGGED
from scorelog.format.wrapped import inside

if TYPE_CHECKING:
    from dst_box import Box
    from dst_rig import Latched, Rig

    from scorelog.format.entry import EntryKey


class Held:
    """What the server has of one box's rigs, in the order of generation and index."""

    def __init__(self, box: Box, stored: dict[str, list[bytes]]) -> None:
        self._box = box
        self._plain: dict[tuple[str, int, int, str], list[str]] = defaultdict(list)  # key -> origins
        self._order: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._gaps: list[tuple[str, int, int]] = []
        self._complaints: list[str] = []
        self._practised: Counter[str] = Counter()  # contents of practice records, by how many summaries hold them
        self._summarised: set[str] = set()
        self._made = {(serial, *record.key): record for serial, rig in box.rigs.items() for record in rig.history}
        self._seen: set[tuple[str, int, int, str]] = set()
        self._contents = {
            (serial, *record.key): content_mac(box.parts.content_key, [record.data])
            for serial, rig in box.rigs.items()
            for record in rig.history
            if record.mode == "practice"
        }
        base = box.parts.config.origin_base
        mine = (origin for origin in stored if origin.rpartition("/")[0] == base)
        for origin in sorted(mine, key=lambda one: int(one.rpartition("/")[2])):
            for data in stored[origin]:
                self._take(origin, parse_entry(data))

    def _take(self, origin: str, entry: Entry) -> None:
        again = entry.type == RELOGGED
        if again:
            held = inside(entry)
            if held is None:
                return
            entry = held
        if entry.type == "sequence.gap" and entry.key is not None:
            fields = entry.document["fields"] if "from" not in entry.document else entry.document
            self._gaps.append((entry.key.rig, fields["from"], fields["to"]))
        if entry.type == PRACTICE_SUMMARY:
            for content in entry.document["fields"]["records"]:
                self._practised[content] += not again
                self._summarised.add(content)
        elif entry.key is not None and "exam_no" in (entry.document.get("fields") or {}):
            self._take_record(origin, entry, entry.key, again=again)

    def _take_record(self, origin: str, entry: Entry, made: EntryKey, *, again: bool) -> None:
        key = (made.rig, made.epoch, made.seq, made.type)
        record = self._made.get(key)
        if record is None:
            self._complaints.append(f"I3 the server holds {key}, which no rig made")
        elif unbase64(entry.document["raw"][0]["bytes"], "raw") != record.shown():
            self._complaints.append(f"P5 the server holds {key} with other words than the rig latched")
        if not again:
            self._plain[key].append(origin)
        if key not in self._seen:
            self._seen.add(key)
            self._order[key[0]].append((key[1], key[2]))

    @property
    def seen(self) -> set[tuple[str, int, int, str]]:
        """The records that the server holds as entries; to be asked before `judge`, which adds the practised ones."""
        return set(self._seen)

    def judge(self, excused: dict[str, int], *, tainted: bool) -> list[str]:
        for key, origins in self._plain.items():
            if len(origins) > (len(set(origins)) if tainted else 1):
                self._complaints.append(f"I1 {key} is at the server {len(origins)} times: {origins}")
        known = set(self._contents.values())
        for content, times in self._practised.items():
            if content not in known or (times > 1 and not tainted):
                self._complaints.append(f"I3 practice {content[:12]} is in {times} summaries, made: {content in known}")
        for path in (self._box.folder / "data" / "practice").glob("*.json"):
            self._summarised.update(json.loads(path.read_bytes())["records"])  # of a run that is not over
        self._seen.update(key for key, content in self._contents.items() if content in self._summarised)
        for rig in self._box.rigs.values():
            self._judge_rig(rig, rig.told[excused.get(rig.serial, 0) :], tainted=tainted)
        return self._complaints

    def _judge_rig(self, rig: Rig, told: list[Latched], *, tainted: bool) -> None:
        order = self._order[rig.serial]
        if order != sorted(order) and not rig.was_unreadable and not tainted:
            self._complaints.append(f"I2 {rig.serial}: out of order at the server")
        for record in told:
            if (rig.serial, *record.key) not in self._seen:
                self._complaints.append(f"I1 {rig.serial} was told {record.key}, the server does not have it")
        for record in rig.lost:
            if (rig.serial, *record.key) not in self._seen and not self._explained(rig, record):
                self._complaints.append(f"R8 {rig.serial} lost {record.key} and no gap says so")
        if rig.kept:
            self._complaints.append(f"I14 {rig.serial} still keeps {len(rig.kept)} records")

    def _explained(self, rig: Rig, record: Latched) -> bool:
        if rig.forgot or not any(other.seq > record.seq for other in rig.history if other.epoch >= record.epoch):
            return True
        return any(serial == rig.serial and first <= record.seq <= last for serial, first, last in self._gaps)
