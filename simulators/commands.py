"""One line of the control socket, checked before anything is done with it: known keys, right kinds, sane sizes. Pure.

What a command does, control.py knows; a key that no command has, or a number that no register holds, never gets there.
"""

from __future__ import annotations

import json
from typing import Any

from simulators.errors import InputError
from simulators.limits import CONTROL_TEXT_MAX, U16_MAX, U32_MAX

Request = dict[str, Any]

_WHOLE = {
    "try": (1, U16_MAX),
    "line": (0, U16_MAX),
    "points": (0, U16_MAX),
    "code": (0, U16_MAX),
    "times": (0, U32_MAX),
    "skip": (0, U32_MAX),
    "at": (0, U32_MAX),
    "acked": (0, U32_MAX),
}
_NUMBERS = {
    "probability": (0.0, 1.0),
    "start_s": (0.0, 1e9),
    "stop_s": (0.0, 1e9),
    "off_s": (0.0, 3600.0),
    "timeout_s": (0.0, 86_400.0),
}
_TEXTS = frozenset({"cmd", "rig", "ticket", "item", "verdict", "reason", "ack", "mode", "name", "area"})
_FLAGS = frozenset({"gateway", "done"})
_MAY_BE_NULL = frozenset({"rig", "name", "area", "times", "at", "probability"})


def parse_command(line: bytes | str) -> Request:
    """The command, or an InputError that says what is wrong with it."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError("a command is one line of JSON") from None
    if not isinstance(request, dict):
        raise InputError('a command is a JSON object, such as {"cmd":"rigs"}')
    for key, value in request.items():
        if value is not None or key not in _MAY_BE_NULL:
            _check(key, value)
    return request


def _check(key: str, value: object) -> None:
    whole, number = _WHOLE.get(key), _NUMBERS.get(key)
    if whole is not None:
        if type(value) is not int or not whole[0] <= value <= whole[1]:
            raise InputError(f"{key}: a whole number from {whole[0]} to {whole[1]}")
    elif number is not None:
        if type(value) not in {int, float} or not number[0] <= value <= number[1]:  # type: ignore[operator]  # just seen
            raise InputError(f"{key}: a number from {number[0]:g} to {number[1]:g}")
    elif key in _TEXTS:
        if not isinstance(value, str) or len(value) > CONTROL_TEXT_MAX:
            raise InputError(f"{key}: a text of at most {CONTROL_TEXT_MAX} characters")
    elif key in _FLAGS:
        if not isinstance(value, bool):
            raise InputError(f"{key}: true or false")
    else:
        known = sorted({*_WHOLE, *_NUMBERS, *_TEXTS, *_FLAGS})
        raise InputError(f"no command has {key[:CONTROL_TEXT_MAX]!r}; keys are {', '.join(known)}")
