"""Citizen id numbers of 18 characters (GB 11643): check, masked form, keyed hash. Nothing here keeps one."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import date
from typing import Final

from server.errors import ConfigError
from server.plan import limits

_SHAPE: Final = re.compile(r"[0-9]{17}[0-9X]\Z")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
_DOMAIN: Final = b"kaofen id number v1\0"


def wrong_with(number: str) -> str | None:
    """Why this is no id number, without saying it; None if it is one."""
    if not _SHAPE.match(number):
        return "not 18 characters of 0-9 with a last one of 0-9 or X"
    if _CHECK[sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False)) % 11] != number[-1]:
        return "the check digit does not hold"
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return "characters 7 to 14 are no date"
    return None


def masked(number: str) -> str:
    """What may be shown: the first three and the last four."""
    return number[:3] + "*" * (len(number) - 7) + number[-4:]


def keyed_hash(key: bytes, number: str) -> str:
    """HMAC-SHA256 under a key of the server: finds a person again, and tells nobody else the number."""
    if len(key) < limits.ID_KEY_BYTES_MIN:
        raise ConfigError(f"the key for id numbers is shorter than {limits.ID_KEY_BYTES_MIN} bytes")
    return hmac.new(key, _DOMAIN + number.encode(), hashlib.sha256).hexdigest()
