"""Types, orders, scales, codings and checksums against vectors laid out by hand (tests/vectors/profile/words.toml)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from device_adapters.errors import DecodeError
from device_adapters.language.checksums import CHECKSUMS
from device_adapters.language.handshake import Word
from device_adapters.language.profile import Field
from device_adapters.language.words import number_of, text_of, width_order

WORDS: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (Path(__file__).parents[2] / "vectors/profile/words.toml").read_text()
)


def field(case: dict[str, Any], **more: Any) -> Field:
    values: dict[str, Any] = {
        "name": "x",
        "at": 0,
        "words": len(bytes.fromhex(case["words"])) // 2,
        "type": case["type"],
        "order": case["order"],
        "coding": case.get("coding", ""),
        "bits": tuple(case["bits"]) if "bits" in case else None,
        "hundredths": round(float(case["scale"]) * 100) if "scale" in case else None,
        "codes": None,
        "const": None,
        "low": None,
        "high": None,
        "personal": None,
        **more,
    }
    return Field(**values)


def value_of(case: dict[str, Any], **more: Any) -> int | str:
    data = bytes.fromhex(case["words"])
    return text_of(field(case, **more), data) if case["type"] == "text" else number_of(field(case, **more), data)


@pytest.mark.parametrize("case", WORDS["case"], ids=str)
def test_words_mean_what_was_derived(case: dict[str, Any]) -> None:
    """Pain 23: every type in every order."""
    assert value_of(case) == case["value"]


@pytest.mark.parametrize("case", WORDS["bad"], ids=str)
def test_words_that_mean_nothing_are_refused(case: dict[str, Any]) -> None:
    """R10, R11: with the reason, without the words."""
    with pytest.raises(DecodeError) as caught:
        value_of(case)
    assert caught.value.reason == case["reason"]


@pytest.mark.parametrize(
    ("default", "words", "own"),
    [
        ("ABCD", 1, "AB"),
        ("CDAB", 1, "AB"),
        ("BADC", 1, "BA"),
        ("DCBA", 1, "BA"),
        ("CDAB", 2, "CDAB"),
        ("BADC", 2, "BADC"),
        ("CDAB", 4, "GHEFCDAB"),
        ("BADC", 4, "BADCFEHG"),
        ("DCBA", 4, "HGFEDCBA"),
    ],
)
def test_a_default_order_fits_every_width(default: str, words: int, own: str) -> None:
    """CDAB says: high byte first, low word first, whatever the width."""
    assert width_order(default, words) == own


@pytest.mark.parametrize(("value", "good"), [(0, False), (1, True), (2, True), (27, True), (28, False), (65535, False)])
def test_limits_at_their_edges(value: int, good: bool) -> None:
    """Outside is refused, never clipped."""
    case = {"type": "uint16", "order": "AB", "words": f"{value:04X}"}
    if good:
        assert value_of(case, low=1, high=27) == value
    else:
        with pytest.raises(DecodeError, match=r"range: x is outside 1\.\.27"):
            value_of(case, low=1, high=27)


def test_checksums_have_their_check_values() -> None:
    """C6: 4B37 for 123456789, as the page says; sum16 by hand: 3132 + 3334 + FFFF = 0x16465 -> 6465."""
    assert CHECKSUMS["crc16-modbus"](b"123456789") == 0x4B37
    assert CHECKSUMS["crc16-modbus"](b"") == 0xFFFF
    assert CHECKSUMS["sum16"](b"1234\xff\xff") == 0x6465


@pytest.mark.parametrize(
    ("order", "registers"),
    [("ABCD", [0x1234, 0x5678]), ("CDAB", [0x5678, 0x1234]), ("BADC", [0x3412, 0x7856]), ("DCBA", [0x7856, 0x3412])],
)
def test_what_the_gateway_writes_has_the_order_too(order: str, registers: list[int]) -> None:
    """An ack in the wrong order would free the wrong records."""
    assert Word(0, 2, order).encode(0x12345678) == registers
