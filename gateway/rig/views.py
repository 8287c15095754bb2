"""Some words of a rig in every way in which they could be meant: all orders side by side. Pure.

Owns: the list of readings. What none of the profile language's types can be is shown as `-`, never as a guess.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.decode import rfc3339
from device_adapters.errors import DecodeError
from device_adapters.language.profile import Field
from device_adapters.language.words import CODINGS, ORDERS, TIMES, TYPES, ordered, plain_number
from gateway.rig.limits import VIEW_WORDS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING: Final = "-"
_SHOWN: Final = (  # in the order in which a person looks
    *("uint16", "int16", "bcd16", "bits"),
    *("uint32", "int32", "float32", "bcd32", "epoch", "time-dos"),
    *("uint48", "time-bcd", "uint64", "int64", "float64", "time-words"),
)
_UNSEEN: Final = "·"


@dataclass(frozen=True, slots=True)
class View:
    """One type: what the first words would be in each order, or a text all of them in each byte order."""

    type: str
    words: int
    values: Mapping[str, str]


def views_of(data: bytes) -> tuple[View, ...]:
    """Everything that these words could be."""
    words = min(len(data) // 2, VIEW_WORDS_MAX)
    found = [
        View(kind, width, {order: _number(kind, width, order, data[: width * 2]) for order in ORDERS[width]})
        for kind in _SHOWN
        for width in TYPES[kind].widths
        if width <= words
    ]
    texts = [
        View(coding, words, {order: _text(coding, order, data[: words * 2]) for order in ("AB", "BA")})
        for coding in CODINGS
    ]
    return tuple(found + texts)


def numbers_of(data: bytes) -> tuple[View, ...]:
    """The numbers and times of exactly this width; never a text, which could be somebody's."""
    return tuple(view for view in views_of(data) if view.words * 2 == len(data) and view.type not in CODINGS)


def scales_of(number: int, words: int) -> View:
    """A number as points, by each scale that a profile can give it."""
    shown = {"0.01": 100, "0.1": 10, "1": 1}
    return View("scale", words, {text: f"{number / divisor:.2f}" for text, divisor in shown.items()})


def plain_field(kind: str, words: int, order: str, coding: str = "ascii") -> Field:
    """A field about which nothing is known but its type and order."""
    return Field(
        name=kind,
        at=0,
        words=words,
        type=kind,
        order=order,
        coding=coding,
        bits=None,
        hundredths=None,
        codes=None,
        const=None,
        low=None,
        high=None,
        personal=None,
    )


def _number(kind: str, words: int, order: str, data: bytes) -> str:
    field = plain_field(kind, words, order)
    if kind.startswith("float"):
        return f"{struct.unpack('>f' if words < 4 else '>d', ordered(field, data))[0]:.8g}"  # noqa: PLR2004
    try:
        value = plain_number(field, data)
    except DecodeError:
        return NOTHING
    if kind in TIMES:
        return rfc3339(value) or NOTHING
    return f"{value:016b}" if kind == "bits" else str(value)


def _text(coding: str, order: str, data: bytes) -> str:
    if order == "BA":
        data = b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
    try:
        text = data.rstrip(b"\0").decode(CODINGS[coding])
    except UnicodeDecodeError:
        return NOTHING
    return printable(text) or NOTHING


def printable(text: str) -> str:
    """Without anything that moves a terminal's cursor."""
    return "".join(char if char.isprintable() else _UNSEEN for char in text)
