"""The small pieces that all text formats share: plain text, canonical decimals, strict base64, strict hex, UTC times.

Each accepts exactly one spelling of a value. The caller names the error class that a refusal has.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta

from scorelog.format.errors import FormatError
from scorelog.format.limits import INT_MAX

_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
_HEX = re.compile(r"[0-9a-f]*\Z")
_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def plain_text(data: bytes, most: int, control: re.Pattern[str], where: str, error: type[FormatError]) -> str:
    """At most so many bytes of UTF-8 without these control characters."""
    if len(data) > most:
        raise error(f"{len(data)} bytes", where=where, expected=f"at most {most}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise error("not UTF-8", where=f"{where} byte {fault.start}") from None
    found = control.search(text)
    if found is not None:
        raise error(f"control character {found[0]!r}", where=f"{where} character {found.start()}")
    return text


def decimal(text: str, where: str, error: type[FormatError] = FormatError, maximum: int = INT_MAX) -> int:
    """The number of a canonical decimal: no sign, no leading zero, at most `maximum`."""
    if _DECIMAL.match(text) is None or (value := int(text)) > maximum:
        raise error(f"{text[:40]!r}", where=where, expected=f"a decimal from 0 to {maximum} without leading zero")
    return value


def unbase64(text: str, where: str, error: type[FormatError] = FormatError, length: int | None = None) -> bytes:
    """The bytes of standard base64 with padding, in its only spelling."""
    try:
        raw = text.encode("ascii")
        value = binascii.a2b_base64(raw, strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError
        raise error(f"{text[:40]!r}", where=where, expected="base64 with padding") from None
    if base64.b64encode(value) != raw:  # the unused bits of the last character
        raise error(f"{text[:40]!r} is a second spelling", where=where, expected="canonical base64")
    if length is not None and len(value) != length:
        raise error(f"{len(value)} bytes", where=where, expected=f"{length} bytes in base64")
    return value


def tobase64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def is_hex(value: object, length: int) -> bool:
    """Whether a value is the lower-case hex of `length` bytes."""
    return isinstance(value, str) and len(value) == 2 * length and _HEX.match(value) is not None


def utc_text(utc_us: int) -> str:
    """RFC 3339 in UTC with microseconds, from microseconds since 1970."""
    try:
        moment = _EPOCH + timedelta(microseconds=utc_us)
    except OverflowError:
        raise FormatError(f"time {utc_us} µs", expected="a year from 1 to 9999") from None
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def utc_us(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time in UTC (`Z`)."""
    if _UTC.match(text) is None:
        raise FormatError(f"{text[:40]!r}", expected="a time like 2026-11-23T06:42:05.123456Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FormatError(f"{text!r} is no time of the calendar") from None
    return (moment - _EPOCH) // _MICROSECOND
