"""What the words of a register table mean: addresses, types, orders, scales, codes. Chinese and English.

Owns: the words. What could mean two things gives None, or says so: nobody here decides between them. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DASH = r"\s*(?:-|~|～|–|—|－|至|到|\.\.)\s*"
_NUMBER = r"(0x[0-9a-f]+|[0-9a-f]+h|\d+)"
_ADDRESS = re.compile(rf"(?:4x|hr|holding\s*)?{_NUMBER}(?:{_DASH}(?:4x|hr)?{_NUMBER})?(?:\.(?:bit)?(\d+))?")
HOLDING_5, HOLDING_6, OTHER = 40001, 400001, 30001


@dataclass(frozen=True, slots=True)
class Address:
    """As the table counts. `notation` is `4xxxx`, `plain` or `hex`; only the first says where counting begins."""

    at: int
    words: int | None
    bit: int | None
    notation: str


def address_of(text: str) -> Address | None:
    """The address, with its range or its bit; None for anything else, input registers (3xxxx) among it."""
    plain = text.lower().replace(" ", "").replace(",", "")
    found = _ADDRESS.fullmatch(plain)
    if found is None:
        return None
    first, last = _whole(found[1]), _whole(found[2] or found[1])
    hexadecimal = not found[1].isdecimal()
    if plain.startswith(("4x", "hr")):
        first, last, notation = first - 1, last - 1, "4xxxx"
    elif not hexadecimal and HOLDING_6 <= first <= HOLDING_6 + 0xFFFF and len(found[1]) == 6:  # noqa: PLR2004
        first, last, notation = first - HOLDING_6, last - HOLDING_6, "4xxxx"
    elif not hexadecimal and HOLDING_5 <= first < HOLDING_5 + 9999:
        first, last, notation = first - HOLDING_5, last - HOLDING_5, "4xxxx"
    elif not hexadecimal and OTHER <= first < HOLDING_5:
        return None
    else:
        notation = "hex" if hexadecimal else "plain"
    if not 0 <= first <= last <= 0xFFFF:  # noqa: PLR2004
        return None
    bit = int(found[3]) if found[3] else None
    return Address(first, last - first + 1 if found[2] else None, bit, notation)


def _whole(text: str) -> int:
    return int(text, 16) if text.startswith("0x") else int(text[:-1], 16) if text.endswith("h") else int(text, 10)


TYPES: tuple[tuple[str, str, int | None], ...] = (  # pattern, type of the profile language, words
    (r"u(nsigned)?[ _]?int[ _]?64|ulint|无符号64位|64位无符号", "uint64", 4),
    (r"u(nsigned)?[ _]?int[ _]?48", "uint48", 3),
    (r"u(nsigned)?[ _]?int[ _]?32|u32|udint|dword|ulong|unsigned long|无符号(32位|长整)|32位无符号|双字", "uint32", 2),
    (r"u(nsigned)?[ _]?int[ _]?16|u16|uint|ushort|unsigned short|word|无符号(16位|短整|整)|16位无符号", "uint16", 1),
    (r"int[ _]?64|lint|有符号64位|64位有符号", "int64", 4),
    (r"int[ _]?32|s32|i32|dint|long|有符号(32位|长整)|32位有符号", "int32", 2),
    (r"int[ _]?16|s16|i16|short|有符号(16位|短整|整)|16位有符号", "int16", 1),
    (r"double|float[ _]?64|lreal|双精度", "float64", 4),
    (r"float([ _]?32)?|real|单精度|浮点", "float32", 2),
    (r"bcd", "bcd", None),
    (r"string|char|ascii|字符|文本|汉字|gbk|gb2312|gb18030|utf-?8", "text", None),
    (r"bool|bit|开关量|^位$", "bit", 1),
)
# Of these nobody knows the width or the sign.
UNCERTAIN = re.compile(r"^(int|整型|整数|数值|number|integer|16位|32位|hex|十六进制)$")


def type_of(text: str) -> tuple[str, int | None] | None:
    """Type and words; None for what could be several things, or nothing that is known."""
    plain = text.strip().lower()
    if not plain or UNCERTAIN.search(plain):
        return None
    return next(((name, words) for pattern, name, words in TYPES if re.search(pattern, plain)), None)


def coding_of(text: str) -> str | None:
    """Of a text. GB 2312 and GBK are parts of GB 18030, which has the rare characters of names, too."""
    plain = text.lower()
    if re.search(r"gb ?2312|gbk|gb ?18030|汉字编码", plain):
        return "gb18030"
    return "utf-8" if re.search(r"utf-?8", plain) else "ascii" if "ascii" in plain else None


_ORDERS = (
    (r"高字在前|高16位在前|高位字在前|先高字|high word first|msw first|\babcd\b|\b1234\b", "ABCD"),
    (r"低字在前|低16位在前|低位字在前|先低字|low word first|lsw first|\bcdab\b|\b3412\b", "CDAB"),
    (r"\bbadc\b|\b2143\b", "BADC"),
    (r"\bdcba\b|\b4321\b", "DCBA"),
)
# Whether these speak of bytes, of words or of both, only the maker can say.
_ORDER_DOUBT = re.compile(
    r"大端|小端|高位在前|低位在前|高字节在前|低字节在前|(big|little)[ -]?endian|高低|低高", re.IGNORECASE
)


def orders_of(text: str) -> set[str]:
    """Every order that the text names; `?` for a word that could be several."""
    plain = text.lower()
    found = {order for pattern, order in _ORDERS if re.search(pattern, plain)}
    return found or ({"?"} if _ORDER_DOUBT.search(text) else set())


def scale_of(text: str) -> tuple[str | None, bool]:
    """Worth of one unit, and whether that is certain: `×100` is how the rig magnified, or what to multiply with."""
    if not text:
        return None, True
    if text in {"1", "1.0", "1倍", "×1", "*1"}:
        return "1", True
    magnified = re.search(r"(?:放大|扩大)\s*(\d+)\s*倍", text)
    if magnified or (divided := re.search(r"(?:÷|除以?)\s*(\d+)", text)):
        number = magnified[1] if magnified else divided[1] if divided else "1"
        return _inverse(int(number)), True
    plain = re.search(r"(?<![\d.])(0\.\d+)", text)
    if plain:
        return plain[1], True
    fraction = re.search(r"(?<!\d)1\s*/\s*(\d+)", text)
    if fraction:
        return _inverse(int(fraction[1])), True
    return None, not re.search(r"(?<![0-9a-z])[×*/x]\s*\d|^\d+$", text.lower())


def _inverse(number: int) -> str | None:
    if number < 1 or set(str(number)) - set("10") or str(number).count("1") != 1:
        return None
    return f"{Decimal(1) / number:f}"


_CODE = re.compile(r"(?<![\d.])(\d{1,5})\s*(?:[:：=＝]|[-－—](?!\s*\d))\s*([^\s,，;；、:：=]+)")


def codes_of(text: str) -> Mapping[int, str]:
    """`0:空闲 1:考试`; one alone is no table of codes."""
    found = {int(number): meaning for number, meaning in _CODE.findall(text)}
    return found if len(found) > 1 else {}


_CHECKSUMS = (
    (r"xmodem", "crc16-xmodem"),
    (r"kermit", "crc16-kermit"),
    (r"x-?\.?25", "crc16-x25"),
    (r"ccitt-?(false|0xffff)", "crc16-ccitt-false"),
    (r"modbus", "crc16-modbus"),
)


def checksum_of(text: str) -> str | None:
    """The kind that the text names beside the word for a checksum; `CRC16` and `CCITT` alone could be several."""
    plain = text.lower()
    named = re.search(r"(?:校验|crc|checksum)[^，,；;。]*", plain)
    return next((kind for pattern, kind in _CHECKSUMS if named and re.search(pattern, named[0])), None)


def zone_of(text: str) -> str | None:
    """Of a clock; Beijing has one all year."""
    if re.search(r"北京时间|东八区|(utc|gmt) ?\+ ?0?8", text.lower()):
        return "+08:00"
    return "+00:00" if re.search(r"世界时|格林|\b(utc|gmt)\b", text.lower()) else None


def year_first(text: str) -> bool:
    """Whether the words of a date are said to begin with the year, whichever word comes first in a number."""
    return bool(re.search(r"先年|年在(?:最?前|先)|year first", text.lower()))


def is_reserved(name: str) -> bool:
    """A row that only fills."""
    return bool(re.fullmatch(r"保留.*|备用.*|预留.*|空|reserved.*|spare.*", name.strip().lower()))
