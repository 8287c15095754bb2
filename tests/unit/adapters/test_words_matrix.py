"""Every type x order x scale, and every text coding, from words laid out by hand (vectors/profile/matrix.toml)."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_adapters.errors import REASONS, DecodeError
from device_adapters.language.build_field import fields_of
from device_adapters.language.checksums import CHECKSUMS
from device_adapters.language.tables import Report, Table
from device_adapters.language.words import (
    BCD,
    BITS,
    CODINGS,
    FLOATS,
    LOCAL_TIMES,
    ORDERS,
    TIMES,
    TYPES,
    number_of,
    text_of,
)

if TYPE_CHECKING:
    from device_adapters.language.profile import Field

MATRIX: dict[str, Any] = tomllib.loads((Path(__file__).parents[2] / "vectors/profile/matrix.toml").read_text())
NUMBERS = [(case, order, words) for case in MATRIX["type"] for order, words in case["orders"].items()]
REALS = [(case, order, words) for case in MATRIX["float"] for order, words in case["orders"].items()]


def built(kind: str, words: int, **keys: Any) -> tuple[Field, list[str]]:
    """A field as the profile language makes it, and what the linter says of it."""
    table = {"at": 0, "type": kind, **keys}
    if len(TYPES[kind].widths) != 1:
        table["words"] = words
    report = Report({(): 1})
    fields = fields_of(Table({"x": table}, (), report), "", {}, strict=True)
    return fields["x"], [finding.reason for finding in report.findings()]


def field_of(case: dict[str, Any], order: str, data: bytes, **keys: Any) -> Field:
    more = {key: case[key] for key in ("bits", "zone") if key in case}
    field, findings = built(case["name"], len(data) // 2, order=order, **more, **keys)
    assert findings == []
    return field


@pytest.mark.parametrize(("case", "order", "words"), NUMBERS, ids=lambda part: part if isinstance(part, str) else "")
def test_every_type_in_every_order_at_every_scale(case: dict[str, Any], order: str, words: str) -> None:
    """P5, pain 23: the number that was derived, in hundredths where it has a scale."""
    data = bytes.fromhex(words)
    assert number_of(field_of(case, order, data), data) == case["value"]
    for scale, factor in MATRIX["scales"].items():
        assert number_of(field_of(case, order, data, scale=scale), data) == case["value"] * factor


@pytest.mark.parametrize(("case", "order", "words"), REALS, ids=lambda part: part if isinstance(part, str) else "")
def test_a_float_is_exact_hundredths_or_refused(case: dict[str, Any], order: str, words: str) -> None:
    """P4: no rounding makes a score up."""
    data = bytes.fromhex(words)
    for scale, wanted in case["at"].items():
        field = field_of(case, order, data, scale=scale)
        if wanted >= 0:
            assert number_of(field, data) == wanted
            continue
        with pytest.raises(DecodeError) as caught:
            number_of(field, data)
        assert caught.value.reason == "inexact"


@pytest.mark.parametrize("case", MATRIX["text"], ids=lambda case: f"{case['coding']}-{case['value']}")
@pytest.mark.parametrize("order", ORDERS[1])
def test_every_coding_in_both_orders(case: dict[str, Any], order: str) -> None:
    """Rare characters of names included: they are the ones that a rig writes in GB 18030 only."""
    data = bytes.fromhex(case[order])
    field, findings = built("text", len(data) // 2, order=order, coding=case["coding"])
    assert findings == []
    assert text_of(field, data) == case["value"]


@pytest.mark.parametrize("case", MATRIX["bad"], ids=lambda case: f"{case['type']}: {case['why']}")
def test_words_that_no_rig_can_mean_are_refused(case: dict[str, Any]) -> None:
    """P5: with the declared reason, in words without the name of a person."""
    data = bytes.fromhex(case["words"])
    keys = {"scale": "1"} if case["type"] in FLOATS else {"zone": "+08:00"} if case["type"] in LOCAL_TIMES else {}
    straight = "ABCDEFGHIJKL"[: len(data)]
    with pytest.raises(DecodeError) as caught:
        number_of(built(case["type"], len(data) // 2, order=straight, **keys)[0], data)
    assert caught.value.reason == case["reason"]


def test_the_matrix_has_no_empty_place() -> None:
    """Each type with each order of its width, each coding, each scale."""
    known = {(case["name"], order) for case, order, _ in (*NUMBERS, *REALS)}
    wanted = {(name, order) for name, kind in TYPES.items() for width in kind.widths for order in ORDERS[width]}
    assert known == wanted
    assert {case["coding"] for case in MATRIX["text"]} == set(CODINGS)


def test_a_clock_that_is_not_set_is_no_time() -> None:
    """All zero is 0, whatever the zone: no time at all is better than 1970."""
    for kind, words in (("time-bcd", 3), ("time-bcd", 4), ("time-words", 6), ("time-dos", 2), ("epoch", 2)):
        order = "ABCDEFGHIJKL"[: words * 2]
        assert number_of(built(kind, words, order=order, zone="+08:00")[0], bytes(words * 2)) == 0


@pytest.mark.parametrize(
    ("kind", "keys", "reason"),
    [
        ("float32", {"order": "ABCD"}, "a float needs a scale"),
        ("time-bcd", {"order": "ABCDEF"}, 'is not the form "+08:00"'),
        ("time-bcd", {"order": "ABCDEF", "zone": "+15:00"}, 'is not the form "+08:00"'),
        ("uint48", {"order": "ABCD"}, "ABCD orders 4 bytes, the value has 6"),
        ("uint16", {}, "the order of its bytes is not given"),
        ("bits32", {"order": "ABCD", "bits": [30, 32]}, "to 31"),
        ("bcd16", {"order": "AB", "bits": [2, 5]}, "cut at whole digits"),
        ("float32", {"order": "ABCD", "scale": "1", "const": 3}, "must be text for a text"),
        ("uint16", {"order": "AB", "zone": "+08:00"}, "zone: unknown key"),
        ("epoch", {"order": "ABCD", "zone": "Beijing"}, 'is not the form "+08:00"'),
    ],
)
def test_a_field_that_leaves_something_open_is_a_finding(kind: str, keys: dict[str, Any], reason: str) -> None:
    """No doubt is silently resolved."""
    words = TYPES[kind].widths[0]
    assert any(reason in found for found in built(kind, words, **keys)[1])


def test_a_record_that_swaps_its_words_says_nothing_of_a_row_of_words() -> None:
    """CDAB orders one number of two words; six words of a date may still come year first."""
    for default, certain in (("ABCD", True), ("BADC", True), ("CDAB", False), ("DCBA", False)):
        report = Report({(): 1})
        table = Table({"x": {"at": 0, "type": "time-words", "zone": "+08:00"}}, (), report)
        fields_of(table, default, {}, strict=True)
        assert ([finding.reason for finding in report.findings()] == []) is certain


# CRC-16: the check values of the published catalogue for `123456789` = 31 .. 39. The others by hand: the bytes add up
# to 9 * 0x35 = 0x1DD; the words 3132 3334 3536 3738 39 add up to D0D4 + 39 = D10D; 31^32^..^38 = 8, with 39 it is 31;
# 3132^3334 = 206, ^3536 = 3730, ^3738 = 8, ^39 = 31.
CHECKS = {
    "crc16-modbus": 0x4B37,
    "crc16-ccitt-false": 0x29B1,
    "crc16-xmodem": 0x31C3,
    "crc16-kermit": 0x2189,
    "crc16-x25": 0x906E,
    "sum16": 0xD10D,
    "sum-bytes": 0x1DD,
    "sum8": 0xDD,
    "xor16": 0x31,
    "xor8": 0x31,
}


def test_every_checksum_has_its_check_value() -> None:
    """C6: all kinds, by the values that others publish, and over nothing at all."""
    assert {name: check(b"123456789") for name, check in CHECKSUMS.items()} == CHECKS
    assert {name for name, check in CHECKSUMS.items() if check(b"") == 0xFFFF} == {"crc16-modbus", "crc16-ccitt-false"}


def any_field(draw: st.DrawFn) -> Field:
    kind = draw(st.sampled_from(sorted(TYPES)))
    words = draw(st.sampled_from(TYPES[kind].widths)) if TYPES[kind].widths else draw(st.integers(1, 8))
    keys: dict[str, Any] = {"order": draw(st.sampled_from(ORDERS[1] if kind == "text" else ORDERS[words]))}
    if kind == "text":
        keys["coding"] = draw(st.sampled_from(sorted(CODINGS)))
    elif kind in FLOATS or draw(st.booleans()):
        keys["scale"] = draw(st.sampled_from(["0.01", "0.1", "0.5", "1", "7.25"]))
    if kind in BITS or (kind in BCD and draw(st.booleans())):
        low = draw(st.integers(0, words * 4 - 1)) * 4
        keys["bits"] = [low, draw(st.integers(low // 4, words * 4 - 1)) * 4 + 3]
    if kind in LOCAL_TIMES or (kind == "epoch" and draw(st.booleans())):
        keys["zone"] = draw(st.sampled_from(["+08:00", "-11:30", "+00:00"]))
    field, findings = built(kind, words, **keys)
    assert findings == []
    return field


@settings(max_examples=60)
@given(st.data())
def test_any_bytes_give_one_value_or_the_one_refusal(data: st.DataObject) -> None:
    """P5: every type, order, scale and coding; never a float, never another error."""
    field = any_field(data.draw)  # type: ignore[arg-type]
    found = data.draw(st.binary(min_size=field.words * 2, max_size=field.words * 2))
    value: int | str | DecodeError
    try:
        value = text_of(field, found) if field.type == "text" else number_of(field, found)
    except DecodeError as error:
        value = error
    if isinstance(value, DecodeError):
        assert value.reason in REASONS
    else:
        assert type(value) is (str if field.type == "text" else int)


@settings(max_examples=60)
@given(st.integers(-(10**6), 10**6), st.sampled_from([("float32", ">f"), ("float64", ">d")]))
def test_a_float_that_holds_hundredths_gives_them_back(number: int, kind: tuple[str, str]) -> None:
    """Every score that a rig can store as a float is read as that score; 10,000 points either way are told apart."""
    import struct  # noqa: PLC0415

    data = struct.pack(kind[1], number / 100)
    words = TYPES[kind[0]].widths[0]
    with contextlib.suppress(KeyError):
        field, _ = built(kind[0], words, order="ABCDEFGH"[: words * 2], scale="1")
        assert number_of(field, data) == number


@settings(max_examples=60)
@given(st.sampled_from(sorted(TIMES)), st.data())
def test_a_time_is_in_a_calendar_or_refused(kind: str, data: st.DataObject) -> None:
    """No date is carried over into the next month."""
    words = data.draw(st.sampled_from(TYPES[kind].widths))
    keys = {"zone": "+00:00"} if kind in LOCAL_TIMES else {}
    field, _ = built(kind, words, order="ABCDEFGHIJKL"[: words * 2], **keys)
    with contextlib.suppress(DecodeError):
        assert 0 <= number_of(field, data.draw(st.binary(min_size=words * 2, max_size=words * 2))) < 2**32 + 1
