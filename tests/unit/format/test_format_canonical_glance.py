"""The short look at a canonical object says what the long way says, or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorelog.format import canonical
from scorelog.format.errors import CanonicalError
from scorelog.format.limits import INT_MAX, JSON_DEPTH_MAX

_LEAVES = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(max_size=4) | st.floats(width=16)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def the_long_way(data: bytes) -> object:
    try:
        return canonical._decode(data)
    except CanonicalError as error:
        return str(error)


def decoded(data: bytes) -> object:
    try:
        return canonical.decode(data)
    except CanonicalError as error:
        return str(error)


@settings(max_examples=200, deadline=None)
@given(value=st.dictionaries(st.text(max_size=3), _VALUES, max_size=4), ascii_only=st.booleans(), spaced=st.booleans())
def test_both_ways_say_the_same(value: object, *, ascii_only: bool, spaced: bool) -> None:
    """A value in its own spelling, in another one, with a float or too large a number: one answer, one reason."""
    separators = (", ", ": ") if spaced else (",", ":")
    text = json.dumps(value, sort_keys=True, separators=separators, ensure_ascii=ascii_only)
    data = text.encode("utf-8", "surrogatepass")
    assert decoded(data) == the_long_way(data)


@pytest.mark.parametrize("depth", [JSON_DEPTH_MAX - 1, JSON_DEPTH_MAX, JSON_DEPTH_MAX + 1])
@pytest.mark.parametrize("number", [10**15 - 1, INT_MAX - 1, INT_MAX, INT_MAX + 1, -INT_MAX, -INT_MAX - 1])
def test_depth_and_numbers_at_their_limits(depth: int, number: int) -> None:
    """Limit - 1, limit, limit + 1; the innermost list is empty, or holds the number."""
    for inner in ("", str(number)):
        data = b'{"a":' + b"[" * (depth - 1) + inner.encode() + b"]" * (depth - 1) + b"}"
        assert decoded(data) == the_long_way(data)
        assert isinstance(decoded(data), dict) == (depth <= JSON_DEPTH_MAX and (not inner or abs(number) <= INT_MAX))


_ODD = (
    b"""{"a":1,"a":1}|{"b":1,"a":1}|{"a":1} | {"a":1}|{"a":1}{|{"a":-0}|{"a":NaN}|{"a":1e2}|{"a":"\\ud800"}|{|[]|1|"""
)


_EVERY = [*_ODD.split(b"|"), b'{"a":"\xff"}', b'{"a":"\\u00e9"}', b"[" * 100_000]


@pytest.mark.parametrize("data", _EVERY, ids=range(len(_EVERY)))
def test_what_is_refused_is_refused_for_its_own_reason(data: bytes) -> None:
    """The short look never answers for what it does not accept."""
    assert canonical._at_a_glance(data) is None
    with pytest.raises(CanonicalError):
        canonical.decode(data)


def test_an_ordinary_object_is_seen_at_a_glance() -> None:
    """The long way is for the doubtful; what gateways write is not."""
    data = b'{"a":[{"b":[1,2]},"\xe4\xb8\xad"],"c":null,"d":{"e":true}}'
    assert canonical._at_a_glance(data) == {"a": [{"b": [1, 2]}, "中"], "c": None, "d": {"e": True}}
