"""A capture of a rig that is heard, as a file: what came, and when. Format: docs/formats/message-capture.md.

Owns: writing and strict reading. Knows neither rigs nor what is personal: `hidden` says how much stands for something
else, `refused` why a message is not there whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import ConfigError
from gateway.rig.heard.message import Message
from gateway.rig.limits import CAPTURE_BYTES_MAX, MESSAGE_LINE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION: Final = 2
MQTT, HTTP = "mqtt", "http"
_TEXTS: Final = ("serial", "began", "profile", "sha256")
_MS_MAX: Final = 2**40
_TOPIC_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Head:
    """The first line. `wire` is `mqtt` or `http`, `personal` is `hidden` or `kept`."""

    wire: str
    serial: str
    began: str
    personal: str
    profile: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Line:
    """One message. `payload` None: hidden whole, of `size` bytes. `verdict`: of a pushed request, whether it is proven.

    A line with `lost` is none: the connection was gone, and messages with it.
    """

    at_ms: float
    topic: str = ""
    payload: bytes | None = None
    retained: bool = False
    hidden: int = 0
    refused: str = ""
    size: int = 0
    verdict: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class MessageRecording:
    """A whole capture."""

    head: Head
    lines: tuple[Line, ...]

    def messages(self) -> list[Message]:
        """Those that are there, in the order in which they came."""
        return [
            Message(int(one.at_ms * 1000), one.topic, one.payload, one.retained)
            for one in self.lines
            if one.payload is not None
        ]


def head_line(head: Head) -> str:
    """The first line of a file."""
    document = {
        "capture": VERSION,
        "wire": head.wire,
        "serial": head.serial,
        "began": head.began,
        "personal": head.personal,
        "profile": head.profile,
        "sha256": head.sha256,
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def message_line(one: Line) -> str:
    """One line."""
    document: dict[str, Any] = {"at_ms": round(one.at_ms, 1)}
    if one.lost:
        return json.dumps({**document, "lost": one.lost}, ensure_ascii=False) + "\n"
    document["topic"] = one.topic
    if one.payload is None:
        document["bytes"] = one.size
    else:
        document.update(_payload(one.payload))
    more = {"retained": one.retained, "hidden": one.hidden, "refused": one.refused, "verdict": one.verdict}
    document.update({name: value for name, value in more.items() if value})
    return json.dumps(document, ensure_ascii=False) + "\n"


def _payload(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"hex": data.hex()}


def is_message_capture(path: Path) -> bool:
    """Whether the first line is that of such a file."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.readline(MESSAGE_LINE_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("capture") == VERSION


def read_message_recording(path: Path) -> MessageRecording:
    """Raises ConfigError that names file and line."""
    try:
        if path.stat().st_size > CAPTURE_BYTES_MAX:
            raise ConfigError(f"{path}: a capture has at most {CAPTURE_BYTES_MAX} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    try:
        return parse_message_recording(data)
    except ConfigError as error:
        raise ConfigError(f"{path}:{error}") from None


def parse_message_recording(data: bytes) -> MessageRecording:
    """Raises ConfigError that begins with the line's number."""
    lines = data.split(b"\n")[:-1]  # what has no line feed was cut off
    if not lines:
        raise ConfigError("1: empty; `rig capture` writes such files")
    head = _head(_document(1, lines[0]))
    found: list[Line] = []
    for number, line in enumerate(lines[1:], 2):
        found.append(_line(number, _document(number, line)))
        if len(found) > 1 and found[-1].at_ms < found[-2].at_ms:
            raise ConfigError(f"{number}: earlier than the line before; lines stand in the order of time")
    return MessageRecording(head, tuple(found))


def _document(number: int, line: bytes) -> Mapping[str, Any]:
    if len(line) > MESSAGE_LINE_BYTES_MAX:
        raise ConfigError(f"{number}: longer than {MESSAGE_LINE_BYTES_MAX} bytes")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ConfigError(f"{number}: not a JSON object; is this a capture?")
    return document


def _head(document: Mapping[str, Any]) -> Head:
    if document.get("capture") != VERSION:
        raise ConfigError(f'1: no "capture": {VERSION}; is this a capture of messages, and not of a newer program?')
    texts = {name: _text(1, document, name, 200) for name in (*_TEXTS, "wire", "personal")}
    if texts["wire"] not in {MQTT, HTTP}:
        raise ConfigError(f"1: wire: {MQTT} or {HTTP}")
    if texts["personal"] not in {"hidden", "kept"}:
        raise ConfigError("1: personal: hidden or kept")
    return Head(**texts)


def _line(number: int, document: Mapping[str, Any]) -> Line:
    at_ms = document.get("at_ms")
    if isinstance(at_ms, bool) or not isinstance(at_ms, int | float) or not 0 <= at_ms <= _MS_MAX:  # NaN is neither
        raise ConfigError(f"{number}: at_ms: milliseconds are needed")
    if "lost" in document:
        return Line(float(at_ms), lost=_text(number, document, "lost", 200) or "?")
    topic = _text(number, document, "topic", _TOPIC_MAX)
    given = [name for name in ("text", "hex", "bytes") if name in document]
    if len(given) != 1 or not topic:
        raise ConfigError(f"{number}: a topic, and one of text, hex, bytes are needed")
    size = _number(number, document, "bytes")
    return Line(
        float(at_ms),
        topic,
        None if given == ["bytes"] else _bytes(number, document, given[0]),
        retained=document.get("retained") is True,
        hidden=_number(number, document, "hidden"),
        refused=_text(number, document, "refused", 40),
        size=size,
        verdict=_text(number, document, "verdict", 40),
    )


def _text(number: int, document: Mapping[str, Any], name: str, most: int) -> str:
    value = document.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise ConfigError(f"{number}: {name}: a text of at most {most} characters is needed")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ConfigError(f"{number}: {name}: half a surrogate pair is no text")
    return value


def _number(number: int, document: Mapping[str, Any], name: str) -> int:
    value = document.get(name, 0)
    if type(value) is not int or not 0 <= value <= CAPTURE_BYTES_MAX:
        raise ConfigError(f"{number}: {name}: a whole number is needed")
    return value


def _bytes(number: int, document: Mapping[str, Any], name: str) -> bytes:
    value = _text(number, document, name, MESSAGE_LINE_BYTES_MAX)
    try:
        return value.encode() if name == "text" else bytes.fromhex(value)
    except ValueError:
        raise ConfigError(f"{number}: {name}: not UTF-8, or no hexadecimal digits") from None
