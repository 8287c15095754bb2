"""What would make more sense: another order, another checksum, another address. Pure hints, never a decision.

Owns: when a number is plausible. A hint is given only if it fits every sample.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.records import open_record
from device_adapters.errors import DecodeError
from device_adapters.language.checksums import CHECKSUMS
from device_adapters.language.words import CODINGS, ORDERS, TIMES, number_of, plain_number, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_adapters.language.profile import Field, Record

_LARGE: Final = 2**16  # few counters, scores and durations of an exam are larger; in a wrong order most are
_YEARS: Final = (1577836800, 4102444800)  # 2020 to 2100
_SCALES: Final = {"0.01": 1, "0.1": 10, "1": 100}  # as a profile writes them, in hundredths
_IDENTITY: Final = re.compile(r"[0-9]{17}[0-9Xx]|[0-9]{15}")
_CHINESE_NAME: Final = re.compile(r"[\u4e00-\u9fff\u3400-\u4dbf·]{2,8}\Z")
_PERSONS: Final = re.compile(r"ticket|candidate|examinee|person|id_?card|identity|姓名|身份证|准考证")


def plausible(field: Field, data: bytes) -> bool:
    """Whether these bytes could be what the field is for."""
    try:
        if field.type == "text":
            return bool(text_of(field, data)) or not field.low
        value = number_of(field, data)
    except DecodeError:
        return False
    if field.type in TIMES:
        return value == 0 or _YEARS[0] <= value < _YEARS[1]
    return field.words == 1 or field.codes is not None or abs(value) < _LARGE


def better_orders(field: Field, samples: Sequence[bytes]) -> tuple[str, ...]:
    """Orders under which all samples are plausible, where under the field's own one is not."""
    if all(plausible(field, data) for data in samples) or not any(any(data) for data in samples):
        return ()
    orders = ("AB", "BA") if field.type == "text" else ORDERS.get(field.words, ())
    others = (replace(field, order=order) for order in orders if order != field.order)
    return tuple(other.order for other in others if all(plausible(other, data) for data in samples))


def better_scales(field: Field, samples: Sequence[bytes]) -> tuple[str, ...]:
    """Scales under which all samples are within the limits, where under the field's own one is not."""
    if field.hundredths is None or all(plausible(field, data) for data in samples):
        return ()
    others = {text: replace(field, hundredths=worth) for text, worth in _SCALES.items() if worth != field.hundredths}
    return tuple(text for text, other in others.items() if all(plausible(other, data) for data in samples))


def better_codings(field: Field, samples: Sequence[bytes]) -> tuple[str, ...]:
    """Of a text that the field's coding does not have."""
    if field.type != "text" or all(plausible(field, data) for data in samples):
        return ()
    others = (replace(field, coding=coding) for coding in CODINGS if coding != field.coding)
    return tuple(other.coding for other in others if all(plausible(other, data) for data in samples))


def better_checksums(record: Record, samples: Sequence[bytes]) -> tuple[str, ...]:
    """Kinds and orders of the checksum that fit all samples, as a profile writes them."""
    if record.crc is None:
        return ()
    field = record.fields[record.crc]
    found = []
    for kind, made in CHECKSUMS.items():
        for order in ORDERS.get(field.words, ()):
            for start in dict.fromkeys((record.crc_from, 0)):
                if (kind, order, start) != (record.crc_kind, field.order, record.crc_from) and all(
                    _fits(replace(field, order=order), data, start, made(data[start * 2 : _place(field, data)]))
                    for data in samples
                ):
                    found.append(f"{kind}, order {order}, from word {start}")  # noqa: PERF401  (three loops deep)
    return tuple(found)


def _place(field: Field, data: bytes) -> int:
    return field.at * 2 if field.at >= 0 else len(data) + field.at * 2


def _fits(field: Field, data: bytes, start: int, value: int) -> bool:
    place = _place(field, data)
    if place <= start * 2:
        return False
    return plain_number(field, data[place : place + field.words * 2]) == value


def shifted(record: Record, words: Mapping[int, int]) -> int | None:
    """By how many words the record lies beside its address; None if it is found nowhere near."""
    for shift in (1, -1):
        addresses = range(record.at + shift, record.at + shift + record.words)
        if all(address in words for address in addresses):
            data = b"".join(words[address].to_bytes(2, "big") for address in addresses)
            try:
                open_record(record, data, rig=None, seq=None)
            except DecodeError:
                continue
            return shift
    return None


def personal_looks(field: Field, samples: Sequence[bytes]) -> str:
    """Why a field that is not marked personal may be somebody's: `identity`, `name`, `called`, or nothing."""
    if field.personal is not None or field.name == "serial":
        return ""
    for data in samples if field.type == "text" else ():
        for coding in (field.coding, "gb18030"):
            try:
                text = text_of(replace(field, coding=coding, const=None, low=None, high=None), data)
            except DecodeError:
                continue
            if _IDENTITY.search(text):
                return "identity"
            if _CHINESE_NAME.match(text):
                return "name"
    return "called" if _PERSONS.search(field.name) and any(any(data) for data in samples) else ""
