"""A capture as a file: what was asked of a rig, what it answered, and when. Format: docs/formats/capture.md.

Owns: writing and strict reading. Knows neither rigs nor what is personal: `hidden` says which words stand as zeros,
or as stand-ins.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from device_adapters.language.spaces import BIT_SPACES, SPACES, words_for
from gateway.errors import ConfigError
from gateway.rig.limits import CAPTURE_BYTES_MAX, CAPTURE_LINE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

VERSION: Final = 1
_ANSWERS: Final = ("reply", "exception", "failed")
_REGISTERS: Final = 0x10000
_HOLDING: Final = "holding"
_READ_MAX: Final = 125
_BITS_MAX: Final = 2000
_MS_MAX: Final = 2**40


@dataclass(frozen=True, slots=True)
class Head:
    """The first line. `profile` is empty where none was used; `personal` is `hidden` or `kept`."""

    unit: int
    began: str
    personal: str
    profile: str = ""
    sha256: str = ""
    offset: int = 0  # what the profile adds to its addresses on the wire


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its end: words, an exception, or why there is neither. Addresses are those on the wire."""

    round: int
    at_ms: float
    took_ms: float
    at: int
    words: int
    reply: bytes | None = None
    exception: int | None = None
    failed: str = ""
    hidden: tuple[tuple[int, int], ...] = ()
    space: str = "holding"  # the rig's table; of one of bits `words` counts bits

    @property
    def base(self) -> int:
        """What makes the address one of `language.spaces`."""
        return SPACES[self.space]

    @property
    def of_bits(self) -> bool:
        """Whether the reply is bits, sixteen to a word, the first one lowest."""
        return self.space in BIT_SPACES


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole capture."""

    head: Head
    exchanges: tuple[Exchange, ...]

    def rounds(self) -> list[tuple[Exchange, ...]]:
        """What belongs together: one look at the rig each."""
        return [tuple(group) for _, group in groupby(self.exchanges, key=lambda one: one.round)]


def head_line(head: Head) -> str:
    """The first line of a file."""
    document = {
        "capture": VERSION,
        "unit": head.unit,
        "began": head.began,
        "personal": head.personal,
        "profile": head.profile,
        "sha256": head.sha256,
        "offset": head.offset,
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def exchange_line(one: Exchange) -> str:
    """One line."""
    document: dict[str, Any] = {"round": one.round, "at_ms": round(one.at_ms, 1), "took_ms": round(one.took_ms, 1)}
    document["read"] = [one.at, one.words]
    if one.reply is not None:
        document["reply"] = one.reply.hex()
    elif one.exception is not None:
        document["exception"] = one.exception
    else:
        document["failed"] = one.failed
    if one.space != _HOLDING:
        document["space"] = one.space
    if one.hidden:
        document["hidden"] = [list(part) for part in one.hidden]
    return json.dumps(document, ensure_ascii=False) + "\n"


def runs_of(addresses: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Single addresses as (first, how many)."""
    found: list[tuple[int, int]] = []
    for address in sorted(addresses):
        if found and found[-1][0] + found[-1][1] == address:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((address, 1))
    return tuple(found)


def read_recording(path: Path) -> Recording:
    """Raises ConfigError that names file and line."""
    try:
        if path.stat().st_size > CAPTURE_BYTES_MAX:
            raise ConfigError(f"{path}: a capture has at most {CAPTURE_BYTES_MAX} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    try:
        return parse_recording(data)
    except ConfigError as error:
        raise ConfigError(f"{path}:{error}") from None


def parse_recording(data: bytes) -> Recording:
    """Raises ConfigError that begins with the line's number."""
    lines = data.split(b"\n")
    if lines[-1]:
        del lines[-1]  # a capture that was cut off in the middle of a line is good up to there
    else:
        lines.pop()
    if not lines:
        raise ConfigError("1: empty; `rig capture` writes such files")
    head = _head(_document(1, lines[0]))
    exchanges: list[Exchange] = []
    for number, line in enumerate(lines[1:], 2):
        exchanges.append(_exchange(number, _document(number, line)))
        if len(exchanges) > 1 and (exchanges[-1].round, exchanges[-1].at_ms) < (
            exchanges[-2].round,
            exchanges[-2].at_ms,
        ):
            raise ConfigError(f"{number}: earlier than the line before; lines stand in the order of time")
    if not exchanges:
        raise ConfigError("1: nothing was captured after this line")
    return Recording(head, tuple(exchanges))


def _document(number: int, line: bytes) -> Mapping[str, Any]:
    if len(line) > CAPTURE_LINE_BYTES_MAX:
        raise ConfigError(f"{number}: longer than {CAPTURE_LINE_BYTES_MAX} bytes")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigError(f"{number}: not a JSON object; is this a capture?") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{number}: not a JSON object; is this a capture?")
    return document


def _head(document: Mapping[str, Any]) -> Head:
    if document.get("capture") != VERSION:
        raise ConfigError(f'1: no "capture": {VERSION}; is this a capture, and not of a newer program?')
    unit = _number(1, document, "unit", 255)
    texts = {name: document.get(name, "") for name in ("began", "personal", "profile", "sha256")}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ConfigError(f"1: {name}: a text is needed")
    if texts["personal"] not in {"hidden", "kept"}:
        raise ConfigError("1: personal: hidden or kept")
    offset = document.get("offset", 0)
    if type(offset) is not int or not -_REGISTERS < offset < _REGISTERS:
        raise ConfigError("1: offset: a whole number")
    return Head(unit, texts["began"], texts["personal"], texts["profile"], texts["sha256"], offset)


def _exchange(number: int, document: Mapping[str, Any]) -> Exchange:
    at, words = _run(number, document.get("read"), "read")
    space = document.get("space", _HOLDING)
    if not isinstance(space, str) or space not in SPACES:
        raise ConfigError(f"{number}: space: one of {', '.join(SPACES)}")
    most = _BITS_MAX if space in BIT_SPACES else _READ_MAX
    if words > most:
        raise ConfigError(f"{number}: read: 1 to {most}")
    given = [name for name in _ANSWERS if name in document]
    if len(given) != 1:
        raise ConfigError(f"{number}: one of {', '.join(_ANSWERS)} is needed")
    reply_words = words_for(words) if space in BIT_SPACES else words
    hidden = document.get("hidden", [])
    if not isinstance(hidden, list):
        raise ConfigError(f"{number}: hidden: a list of [address, words]")
    return Exchange(
        _number(number, document, "round", 2**31),
        _time(number, document, "at_ms"),
        _time(number, document, "took_ms"),
        at,
        words,
        _reply(number, document["reply"], reply_words) if given == ["reply"] else None,
        _number(number, document, "exception", 255) if given == ["exception"] else None,
        str(document.get("failed", ""))[:200],
        tuple(_run(number, part, "hidden") for part in hidden),
        space,
    )


def _run(number: int, value: Any, name: str) -> tuple[int, int]:
    good = isinstance(value, list) and len(value) == 2 and all(type(each) is int for each in value)  # noqa: PLR2004
    if not good or not 0 <= value[0] < value[0] + value[1] <= _REGISTERS:
        raise ConfigError(f"{number}: {name}: [address, words] is needed")
    return value[0], value[1]


def _reply(number: int, value: Any, words: int) -> bytes:
    try:
        data = bytes.fromhex(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{number}: reply: hexadecimal digits are needed") from None
    if len(data) != words * 2:
        raise ConfigError(f"{number}: reply: {len(data)} bytes for {words} words")
    return data


def _number(number: int, document: Mapping[str, Any], name: str, most: int) -> int:
    value = document.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise ConfigError(f"{number}: {name}: a whole number from 0 to {most} is needed")
    return value


def _time(number: int, document: Mapping[str, Any], name: str) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MS_MAX:  # NaN is neither
        raise ConfigError(f"{number}: {name}: milliseconds are needed")
    return float(value)
