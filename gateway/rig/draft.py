"""From a maker's register table to a draft profile and everything that is doubtful about it.

Owns: what is taken over, what is left out, and the list of doubts. What is doubtful is not written as if it were known:
it is left out, so that `rig lint` asks for it, or it is written and named in the list with its cell. Pure.

    sheet ── columns ──> lines ── meanings, roles ──> fields ── blocks, across ──> draft
                └────────────────┴─────────────────────┴──> doubts and guesses, by cell
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING

from gateway.errors import ConfigError
from gateway.rig.across import look_across
from gateway.rig.blocks import CONTROL, TABLE, cut, kind_of_block
from gateway.rig.columns import find_columns
from gateway.rig.fields import Doubt, Draft, Entry
from gateway.rig.meanings import (
    Address,
    address_of,
    checksum_of,
    codes_of,
    coding_of,
    is_reserved,
    orders_of,
    scale_of,
    type_of,
    year_first,
    zone_of,
)
from gateway.rig.roles import PERSONAL, ours_of, role_of_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.rig.columns import Columns
    from gateway.rig.sheet import Cell, Row, Sheet

_FORMULA = "="
_DATE_WORDS = (3, 4)  # YYMMDDhhmmss, CCYYMMDDhhmmss00
_BCD_WORDS = {1: "bcd16", 2: "bcd32", 3: "bcd48", 4: "bcd64"}


def draft_of(sheet: Sheet) -> Draft:
    """Read the whole table. Raises ConfigError where it has no heading with an address and a name."""
    columns = find_columns(sheet.rows)
    if columns is None:
        raise ConfigError("no row is a heading with an address (地址) and a name (名称); name the two columns so")
    reader = _Reader(columns)
    reader.look_around(sheet)
    for row in sheet.rows[columns.row + 1 :]:
        reader.read(row)
    return reader.finish()


class _Reader:
    """One pass over the rows."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._doubts: list[Doubt] = []
        self._entries: list[Entry] = []
        self._orders: dict[str, str] = {}  # what notes outside of the rows say, by order
        self._checksums: dict[str, str] = {}
        self._notations: dict[str, str] = {}
        self._block = TABLE
        self._titles: dict[str, str] = {}  # of the blocks, as the maker has them

    def doubt(self, ref: str, reason: str) -> None:
        self._doubts.append(Doubt(ref, reason))

    def guess(self, ref: str, reason: str) -> None:
        self._doubts.append(Doubt(ref, reason, guess=True))

    # ------------------------------------------------------------ around the rows

    def look_around(self, sheet: Sheet) -> None:
        """Sheets and headings that nobody reads, and notes above the table."""
        if sheet.others:
            self.doubt("file", f"未读取其他工作表 not read: the sheets {', '.join(sheet.others)}")
        for cell in self._columns.unknown:
            self.doubt(
                cell.ref, f'未读取，列名不识别 not read: the column "{cell.text}" has a heading that is not known'
            )
        for cell in self._columns.twice:
            self.doubt(cell.ref, f'未读取，同类列已有 not read: another column like "{cell.text}" came before it')
        for row in sheet.rows[: self._columns.row]:
            self._note(row)

    def _note(self, row: Row) -> None:
        seen = set()
        for cell in row:
            if cell.text and not (cell.merged and cell.text in seen):
                seen.add(cell.text)
                found, checksum = orders_of(cell.text), checksum_of(cell.text)
                for order in found:
                    self._orders.setdefault(order, cell.ref)
                if checksum is not None:
                    self._checksums.setdefault(checksum, cell.ref)
                taken = ", ".join(sorted(found - {"?"}) + ([checksum] if checksum is not None else []))
                self.guess(cell.ref, f'说明文字 a note: "{cell.text}"; 采用 taken from it: {taken or "nothing"}')

    def _begin(self, cell: Cell, *, known: bool = False) -> bool:
        """A block begins, if this is its title; `known`: it is one, whether or not its words say what it holds."""
        kind = kind_of_block(cell.text) or (TABLE if known else None)
        if kind is None:
            return False
        if self._titles.get(self._block) == cell.text:
            return True  # a merged cell goes on
        names = chain((kind,), (f"{kind}_{number}" for number in count(2)))
        self._block = next(name for name in names if name not in self._titles)
        self._titles[self._block] = cell.text
        (self.guess if kind != TABLE else self.doubt)(cell.ref, f'"{cell.text}" 作为区块 is the block `{self._block}`')
        return True

    # ------------------------------------------------------------ one row

    def read(self, row: Row) -> None:
        place = self._cell(row, "address")
        told = [cell for cell in row if cell.text]
        if place is None or not place.text or (len({cell.text for cell in told}) == 1 and place.merged):
            if told and not self._begin(told[0]):
                self._note(row)  # a sentence over all columns
            return
        group = self._cell(row, "group")
        if group is not None and group.text:
            self._begin(group, known=True)
        formulas = [cell.ref for cell in row if cell.text.startswith(_FORMULA)]
        if formulas:
            self.doubt(
                formulas[0], "公式，未采用本行 a formula: its value is not in the file for certain; the row is left out"
            )
            return
        address = address_of(place.text)
        if address is None:
            self.doubt(
                place.ref, f'"{place.text}" 不是保持寄存器，未采用本行 is no holding register; the row is left out'
            )
            return
        self._notations.setdefault(address.notation, place.ref)
        if place.merged and self._entries and self._entries[-1].at == address.at and address.bit is None:
            self.doubt(
                place.ref, "地址与上一行合并 the address is merged with the row above: two meanings of the same words?"
            )
        self._entries.append(self._entry(row, place, address))

    def _entry(self, row: Row, place: Cell, address: Address) -> Entry:
        name = self._text(row, "name")
        told, words = self._typed(row, place, address)
        remark = f"{self._text(row, 'remark')} {self._text(row, 'range')}"
        own = self._named(row, name, address)
        entry = Entry(place.ref, own, name, address.at, words, self._block, told, bit=address.bit, remark=remark)
        if is_reserved(name):
            return replace(entry, filler=True)
        entry = replace(entry, order=self._order(row), codes=self._codes(row, own, remark))
        scale, torn = self._scale(row)
        entry = replace(entry, scale=scale, torn=torn)
        if told == "time-bcd":
            entry = replace(entry, zone=self._zone(row, place, f"{name} {remark}"))
            if entry.order is None and year_first(remark):
                self.guess(self._ref(row, "remark", place), "先年 the date has its year first, as the remark says")
                entry = replace(entry, order="ABCD")
        if told == "text":
            entry = replace(entry, coding=self._coding(row, place))
        entry = replace(entry, write=self._writable(row, place))
        function = self._text(row, "function")
        if function and not re.search(r"0?3|0?6|16|10h", function.lower()):
            self.doubt(
                self._ref(row, "function", place),
                f'功能码 function code "{function}": 只读保持寄存器 only holding registers are read',
            )
        return entry

    def _codes(self, row: Row, own: str, remark: str) -> Mapping[int, str]:
        """In our words, where the field has a role and all its codes are known."""
        codes, ref = codes_of(remark), self._ref(row, "remark", row[0])
        ours = ours_of(own.partition("_")[0], codes)
        if ours is not None:
            told = ", ".join(f"{number} {codes[number]} = {word}" for number, word in ours.items())
            self.guess(ref, f"代码对应 codes in our words: {told}")
        elif codes:
            self.doubt(ref, "代码保留厂家用语 codes are in the maker's words; write ours where they have a role")
        return codes if ours is None else ours

    def _zone(self, row: Row, place: Cell, text: str) -> str | None:
        zone = zone_of(text)
        if zone is None:
            self.doubt(
                self._ref(row, "remark", place), "时间属哪个时区？ a date in which zone? left out; Beijing is +08:00"
            )
        return zone

    def _typed(self, row: Row, place: Cell, address: Address) -> tuple[str | None, int]:
        """Type and words, as far as type, length and range agree."""
        told, counts = self._text(row, "type"), self._counts(row, place, address)
        ref = self._ref(row, "type", place)
        if is_reserved(self._text(row, "name")):
            return None, max(counts, default=1)
        found = type_of(told)
        if found is None:
            why = f'"{told}" 有几种可能 could be several types' if told else "未注明类型 no type is given"
            self.doubt(ref, f"{why}; left out")
            return None, max(counts, default=1)
        kind, width = found
        if len(counts | ({width} if width else set())) > 1:
            widths = ", ".join(map(str, sorted(counts)))
            self.doubt(ref, f'类型与长度矛盾 "{told}" has {width or "?"} words, the table says {widths}; type left out')
            return None, max(counts)
        words = width or max(counts, default=0)
        if kind == "bit":
            return self._bit(ref, address), 1
        if kind == "bcd":
            return self._packed(ref, self._text(row, "name"), words), words or 1
        if not words:
            self.doubt(ref, "文本长度不明，暂写 1 字 a text of unknown length; 1 word is written")
        return kind, words or 1

    def _counts(self, row: Row, place: Cell, address: Address) -> set[int]:
        """Every number of words that the row names."""
        counts = {address.words} if address.words else set()
        length = self._text(row, "words")
        if length.isdecimal() and int(length) > 0:
            counts.add(int(length))
        elif length:
            self.doubt(self._ref(row, "words", place), f'"{length}" 不是长度 is no number of registers')
        return counts

    def _packed(self, ref: str, name: str, words: int) -> str | None:
        if words not in _BCD_WORDS:
            self.doubt(
                ref, "BCD 长度不明，或为时间 packed decimal of unknown length, or a date: see time-bcd; type left out"
            )
        elif "时间" in name or "日期" in name or "time" in name.lower():
            if words in _DATE_WORDS:
                self.guess(ref, "BCD 时间 packed decimal that is a time, taken for `time-bcd`")
                return "time-bcd"
            self.doubt(
                ref, "BCD 时间不是 3 或 4 字 packed decimal that is a time, of neither 3 nor 4 words; type left out"
            )
        else:
            return _BCD_WORDS[words]
        return None

    def _bit(self, ref: str, address: Address) -> str | None:
        if address.bit is None:
            return "bool"
        if address.bit > 15:  # noqa: PLR2004
            self.doubt(ref, f"位号超出 bit {address.bit} of a word of 16; type left out")
            return None
        self.doubt(ref, f"位号从最低位 0 起？ bit {address.bit}: counted from 0, the lowest?")
        return "bits"

    def _named(self, row: Row, name: str, address: Address) -> str:
        role = None if is_reserved(name) else role_of_name(name, self._block)
        plain = role or f"r{address.at}" + (f"_{address.bit}" if address.bit is not None else "")
        if role is not None:
            own = "; 个人信息 personal" if role in PERSONAL else ""
            self.guess(self._ref(row, "name", row[0]), f'"{name}" 当作 taken for `{role}`{own}')
        taken = {entry.name for entry in self._entries if entry.block == self._block}
        placed = f"{plain}_{address.at}" + (f"_{address.bit}" if address.bit else "")
        numbered = (f"{placed}_{number}" for number in count(2))
        return next(free for free in chain((plain, placed), numbered) if free not in taken)

    def _order(self, row: Row) -> str | None:
        found = {order for role in ("order", "type", "remark") for order in orders_of(self._text(row, role))}
        if not found:
            return None
        if len(found) > 1 or "?" in found:
            ref = self._ref(row, "remark" if orders_of(self._text(row, "remark")) else "order", row[0])
            self.doubt(ref, "字节、字顺序有几种可能 the order of bytes and words could be several; left out")
            return None
        return found.pop()

    def _scale(self, row: Row) -> tuple[str | None, str]:
        """The scale, or the cells that contradict each other."""
        told = {role: scale_of(self._text(row, role)) for role in ("scale", "remark", "unit")}
        known = [role for role, (scale, _) in told.items() if scale is not None]
        if len({told[role][0] for role in known}) > 1:
            says = ", ".join(f'"{self._text(row, role)}" ({self._ref(row, role, row[0])})' for role in known)
            self.doubt(
                self._ref(row, known[0], row[0]), f"倍率自相矛盾 scales that contradict each other: {says}; left out"
            )
            return None, says
        unsure = [role for role, (_, certain) in told.items() if not certain]
        column = (known or unsure or ["scale"])[0]
        text, (scale, certain) = self._text(row, column), told[column]
        if not certain:
            self.doubt(
                self._ref(row, column, row[0]),
                f'"{text}": 设备已乘，还是读数要乘？ multiplied by the rig, or to be multiplied? left out',
            )
        elif scale is None and text and column == "scale":
            self.doubt(self._ref(row, column, row[0]), f'"{text}" 不识别 is no scale that is known; left out')
        elif scale is not None and column != "scale":
            self.guess(self._ref(row, column, row[0]), f'倍率 scale {scale} taken from "{text}"')
        return scale, ""

    def _coding(self, row: Row, place: Cell) -> str | None:
        text = f"{self._text(row, 'type')} {self._text(row, 'remark')}"
        found = coding_of(text)
        if found is None:
            self.doubt(
                self._ref(row, "type", place),
                "文本是何种编码？ a text in which coding (ascii, gb18030, utf-8)? left out",
            )
        return found

    def _writable(self, row: Row, place: Cell) -> bool:
        text = self._text(row, "access").lower()
        write = bool(re.search(r"写|w", text)) and "只读" not in text
        if write:
            ask = self.guess if self._block == CONTROL else self.doubt
            ask(
                self._ref(row, "access", place),
                "可写，是否为确认字？ can be written: is it the acknowledgement (handshake.ack)?",
            )
        return write

    def _cell(self, row: Row, role: str) -> Cell | None:
        column = self._columns.roles.get(role)
        return row[column] if column is not None and column < len(row) else None

    def _text(self, row: Row, role: str) -> str:
        cell = self._cell(row, role)
        return cell.text if cell is not None else ""

    def _ref(self, row: Row, role: str, other: Cell) -> str:
        cell = self._cell(row, role)
        return cell.ref if cell is not None else other.ref

    # ------------------------------------------------------------ all rows

    def finish(self) -> Draft:
        """What only shows across rows."""
        if not self._entries:
            raise ConfigError("no row has the address of a holding register")
        self._check_counting()
        entries = tuple(sorted(self._entries, key=lambda entry: (entry.at, entry.bit or 0)))
        blocks = cut(entries, self._titles)
        order = self._common_order()
        checksum = next(iter(self._checksums)) if len(self._checksums) == 1 else None
        for ref, reason in look_across(entries, blocks, order, checksum):
            self.doubt(ref, reason)
        for block in blocks:
            if block.by_remainder and block.ring is not None:
                told = (
                    f"第 N 条在 N mod {block.ring[0]} 处 number N is in slot N mod {block.ring[0]}: the title says so"
                )
                self.guess(block.entries[0].ref, told)
        return Draft(entries, blocks, order, checksum, tuple(self._doubts))

    def _check_counting(self) -> None:
        if len(self._notations) > 1:
            told = ", ".join(f"{name} ({ref})" for name, ref in self._notations.items())
            self.doubt(
                next(iter(self._notations.values())), f"地址写法不一 addresses are written in several ways: {told}"
            )
        for notation, ref in self._notations.items():
            if notation == "4xxxx":
                self.guess(ref, "地址从 1 起 4xxxx is taken as counted from 1: 40001 is register 0 on the wire")
            else:
                self.doubt(
                    ref,
                    "地址当作从 0 起 addresses are taken as those on the wire, counted from 0; "
                    "from 1 they are all one too high",
                )

    def _common_order(self) -> str | None:
        known = {order: ref for order, ref in self._orders.items() if order != "?"}
        if "?" in self._orders or len(known) > 1:
            refs = ", ".join(self._orders.values())
            self.doubt(
                refs,
                "说明中的字节、字顺序有几种可能 "
                "what the notes say of the order of bytes and words could be several; left out",
            )
            return None
        return next(iter(known), None)
