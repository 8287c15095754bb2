"""The one byte form of a JSON object: UTF-8, sorted keys, no white space, integers only.

Owns encoding and strict decoding; knows nothing of entries. `encode(decode(x)) == x` for every x that `decode`
accepts: a second spelling of the same value is refused, so that a hash names a value and not a spelling.
Rules 1 and 2 of docs/formats/entry.md.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn, TypeAlias

from scorelog.format.errors import CanonicalError
from scorelog.format.limits import INT_MAX, JSON_DEPTH_MAX

JsonObject: TypeAlias = dict[str, Any]

_Path: TypeAlias = "tuple[_Path, str | int] | None"

_DIGITS_MAX = len(str(INT_MAX)) + 1


def encode(obj: Any) -> bytes:
    """The canonical bytes of a JSON object."""
    if not isinstance(obj, dict):
        raise CanonicalError(f"a {type(obj).__name__} at the top", expected="an object")
    _check(obj, None, 0)
    return _dump(obj)


def decode(data: bytes) -> JsonObject:
    """The object whose canonical bytes these are."""
    found = _at_a_glance(data)
    return found if found is not None else _decode(data)


def _at_a_glance(data: bytes) -> JsonObject | None:
    """The object, where it is plain that `_decode` would give it; None leaves the answer, and the reason, to that.

    What encodes to the same bytes again has no second spelling and no key twice. Only depth and numbers are left.
    """
    try:
        obj, _ = _PLAIN.raw_decode(data.decode("utf-8"))
        if type(obj) is not dict or _ENCODER.encode(obj).encode("utf-8") != data:
            return None
    except (ValueError, RecursionError):
        return None
    few = data.count(b"{") + data.count(b"[") <= JSON_DEPTH_MAX  # so many cannot stand too deep
    return obj if few or _shallow(obj) else None


def _shallow(obj: JsonObject) -> bool:
    """Whether no list or object stands deeper than it may."""
    level: list[Any] = [obj]
    for _ in range(JSON_DEPTH_MAX):
        level = [
            item
            for holder in level
            for item in (holder.values() if type(holder) is dict else holder)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return True
    return False


def _decode(data: bytes) -> JsonObject:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CanonicalError("not UTF-8", where=f"byte {error.start}") from None
    if not text.startswith("{"):
        raise CanonicalError(f"starts with {text[:1]!r}", where="byte 0", expected="an object")
    obj = _load(text)
    _check(obj, None, 0)
    again = _dump(obj)
    if again != data:
        raise CanonicalError(
            "not the canonical spelling",
            where=f"byte {_first_difference(again, data)}",
            expected="sorted keys, no white space, no needless escapes",
        )
    return obj


def _load(text: str) -> JsonObject:
    try:
        obj: JsonObject = json.loads(
            text, parse_float=_no_float, parse_constant=_no_float, parse_int=_integer, object_pairs_hook=_no_duplicates
        )
    except CanonicalError:
        raise
    except RecursionError:
        raise CanonicalError("nested too deeply", expected=f"at most {JSON_DEPTH_MAX} levels") from None
    except json.JSONDecodeError as error:
        raise CanonicalError(f"not JSON: {error.msg}", where=f"character {error.pos}") from None
    return obj


def _dump(obj: JsonObject) -> bytes:
    text = _ENCODER.encode(obj)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CanonicalError("a lone surrogate in a string", where=f"character {error.start}") from None


def _check(value: Any, path: _Path, depth: int) -> None:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -INT_MAX <= value <= INT_MAX:
            raise CanonicalError("integer out of range", where=_show(path), expected="within ±(2^53-1), or a string")
        return
    if depth == JSON_DEPTH_MAX:
        raise CanonicalError("nested too deeply", where=_show(path), expected=f"at most {JSON_DEPTH_MAX} levels")
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise CanonicalError(f"key {key!r:.40}", where=_show(path), expected="a string")
            _check(item, (path, key), depth + 1)
    elif kind is list or kind is tuple:
        for place, item in enumerate(value):
            _check(item, (path, place), depth + 1)
    else:
        raise CanonicalError(
            f"a {kind.__name__}", where=_show(path), expected="string, integer, boolean, null, list or object"
        )


def _show(path: _Path) -> str:
    """A path like `$.raw[2].at`; built only when something is refused."""
    parts = []
    while path is not None:
        path, step = path
        parts.append(f"[{step}]" if isinstance(step, int) else f".{step:.40}")
    return "$" + "".join(reversed(parts))


def _no_float(text: str) -> NoReturn:
    raise CanonicalError(f"number {text[:40]!r}", expected="an integer without fraction or exponent")


def _integer(text: str) -> int:
    if len(text) > _DIGITS_MAX:  # before int(): Python refuses thousands of digits with an error of its own
        raise CanonicalError(f"integer of {len(text)} characters", expected="within ±(2^53-1)")
    return int(text)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    obj = dict(pairs)
    if len(obj) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise CanonicalError(f"key {twice[:80]!r} twice in one object")
    return obj


def _first_difference(left: bytes, right: bytes) -> int:
    shorter = min(len(left), len(right))
    return next((place for place in range(shorter) if left[place] != right[place]), shorter)


def _plain_integer(text: str) -> int:
    """One that is in range because it is short."""
    if len(text) >= _DIGITS_MAX - 1:
        raise ValueError
    return int(text)


_PLAIN: Final = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float, parse_int=_plain_integer)
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
