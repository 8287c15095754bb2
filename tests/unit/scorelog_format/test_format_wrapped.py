"""Entries logged again, as hostile hands would write them: what cannot be read counts as nothing."""

from __future__ import annotations

import base64
from typing import Any

import format_samples as samples
import pytest

from scorelog.format import types
from scorelog.format.entry import Entry, EntryKey, build_entry, parse_entry
from scorelog.format.wrapped import Part, inside, joined, key_of, part_of, stated_key, wrapped

PREVIOUS = {"origin": samples.ORIGIN, "index": 5, "leaf": "00" * 32}
KEY = EntryKey("LV-0001", 1, 7, "item.finished", 0)
STATED = stated_key(KEY, "ab" * 32)


def relogged(**fields: Any) -> Entry:
    return parse_entry(build_entry(samples.document(1, types.RELOGGED, previous=PREVIOUS, **fields)))


def piece(**changed: Any) -> dict[str, Any]:
    return {"number": 1, "of": 2, "bytes": "YWI=", **changed}


def test_a_part_is_read() -> None:
    """Number, of how many, and the bytes."""
    assert part_of(relogged(part=piece())) == Part(1, 2, b"ab")
    assert part_of(relogged(part=piece(number=4, of=4))) == Part(4, 4, b"ab")


@pytest.mark.parametrize(
    "part",
    [
        None,
        [],
        {},
        piece(number=0),
        piece(number=3),
        piece(number=5, of=5),
        piece(number=-1),
        piece(number=True),
        piece(of=True),
        piece(number="1"),
        piece(of=None),
        piece(bytes=None),
        piece(bytes=7),
        piece(bytes="YWI"),
        piece(bytes="YW I="),
        piece(bytes="*"),
    ],
)
def test_what_is_no_part_is_none(part: object) -> None:
    """Numbers out of range or of another type, bytes that are no base64."""
    assert part_of(relogged(part=part)) is None


def test_another_type_of_entry_wraps_nothing() -> None:
    """Only `relogged` does, whatever members another entry has."""
    held = base64.b64encode(samples.attempt_entries()[0]).decode()
    other = parse_entry(build_entry(samples.document(1, "practice.summary", part=piece(), entry=held)))
    assert (part_of(other), wrapped(other), inside(other)) == (None, None, None)


def test_parts_join_only_when_they_are_all_there_in_order() -> None:
    """A missing, doubled, swapped or foreign part gives nothing."""
    one, two = Part(1, 2, b"a"), Part(2, 2, b"b")
    assert joined([one, two]) == b"ab"
    assert joined([Part(1, 1, b"x")]) == b"x"
    for wrong in ([], [one], [two], [two, one], [one, one], [one, two, two], [one, Part(2, 3, b"b")]):
        assert joined(wrong) is None


@pytest.mark.parametrize("held", [None, 7, [], "*", "", base64.b64encode(b"{}").decode()])
def test_what_holds_no_entry_has_nothing_inside(held: object) -> None:
    """Bytes that are no base64 or no entry: the reader goes on with the outer one."""
    assert inside(relogged(entry=held)) is None
    assert key_of(relogged(entry=held)) is None


def test_what_holds_an_entry_whole_stands_for_it() -> None:
    """P3: the bytes come out as they went in, with their own key and content; a plain entry stands for itself."""
    record = samples.attempt_entries()[3]
    outer = relogged(entry=base64.b64encode(record).decode())
    assert wrapped(outer) == record
    assert inside(outer) == parse_entry(record)
    assert key_of(outer) == key_of(parse_entry(record)) == (parse_entry(record).key, parse_entry(record).content)
    assert key_of(parse_entry(samples.attempt_entries()[0])) is None


def test_a_wrapped_entry_that_wraps_is_not_followed() -> None:
    """Depth one: a chain of wrappers would be a way to hide, or to exhaust the stack."""
    inner = build_entry(relogged(entry="YWI=").document)
    assert inside(relogged(entry=base64.b64encode(inner).decode())) is None


def test_the_stated_key_counts_for_a_part() -> None:
    """The last part states the key of the whole."""
    assert key_of(relogged(part=piece(), key=STATED)) == (KEY, "ab" * 32)


@pytest.mark.parametrize(
    "key",
    [
        None,
        [],
        {},
        *({name: value for name, value in STATED.items() if name != left} for left in STATED),
        *({**STATED, name: wrong} for name in ("rig", "type", "content") for wrong in (None, 7)),
        *({**STATED, name: wrong} for name in ("epoch", "seq", "ordinal") for wrong in (None, -1, True, "1")),
        {**STATED, "content": "ab" * 31},
        {**STATED, "content": "AB" * 32},
        {**STATED, "content": "zz" * 32},
    ],
)
def test_a_stated_key_is_read_strictly(key: object) -> None:
    """A wrong key would later make a good score look like a repeated one."""
    assert key_of(relogged(part=piece(), key=key)) is None
