"""Entries: one spelling, the common fields, and what is kept though unknown."""

from __future__ import annotations

import json
from typing import Any

import format_samples as samples
import pytest
from format_strategies import documents, objects
from hypothesis import given

from scorelog.format import canonical, types
from scorelog.format.entry import EntryKey, RawArea, ReadTime, build_entry, content_mac, parse_entry
from scorelog.format.errors import CanonicalError, EntryError, FormatError
from scorelog.format.limits import ENTRY_BYTES_MAX, INT_MAX, JSON_DEPTH_MAX, RAW_BYTES_MAX
from scorelog.format.text import decimal, utc_text, utc_us


def rig_entry(**changes: Any) -> dict[str, Any]:
    return {**samples.rig_document(5, types.ITEM_FINISHED, {"item": "K21", "score": 8750}), **changes}


@given(objects)
def test_canonical_json_is_read_back(obj: dict[str, Any]) -> None:
    """Rule 1: every object has one spelling, and any JSON reader reads it as the same object."""
    data = canonical.encode(obj)
    assert canonical.decode(data) == obj
    assert json.loads(data) == obj
    assert canonical.encode(canonical.decode(data)) == data


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"b":1,"a":2}', "byte 2: not the canonical spelling"),
        (b'{"a": 1}', "not the canonical spelling"),
        (b'{"a":1}\n', "not the canonical spelling"),
        (b' {"a":1}', "expected an object"),
        (b'{"a":"\\u0041"}', "not the canonical spelling"),
        (b'{"a":"\\/"}', "not the canonical spelling"),
        (b'{"a":"\\ud800"}', "lone surrogate"),
        (b'{"a":1,"a":1}', "key 'a' twice"),
        (b'{"a":1.0}', "number '1.0'"),
        (b'{"a":1e3}', "number '1e3'"),
        (b'{"a":NaN}', "number 'NaN'"),
        (b'{"a":-Infinity}', "number '-Infinity'"),
        (b'{"a":-0}', "not the canonical spelling"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":9007199254740992}', "integer out of range"),
        (b'{"a":-9007199254740992}', "integer out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "integer of 5000 characters"),
        (b"[]", "expected an object"),
        (b"", "expected an object"),
        (b'{"a":', "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "expected an object"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested too deeply"),
        (b'{"a":"\n"}', "not JSON"),
    ],
)
def test_any_other_spelling_is_refused(text: bytes, says: str) -> None:
    """Rules 1 and 2: white space, order, escapes, duplicates and numbers outside the integers."""
    with pytest.raises(CanonicalError, match=says):
        canonical.decode(text)


def test_nesting_has_a_limit() -> None:
    """Sixteen levels are read, seventeen are not; and the message names the place."""
    deep: Any = 1
    for _ in range(JSON_DEPTH_MAX - 1):
        deep = [deep]
    assert canonical.decode(canonical.encode({"a": deep})) == {"a": deep}
    with pytest.raises(CanonicalError, match=r"\$\.a\[0\].*nested too deeply"):
        canonical.encode({"a": [deep]})


@pytest.mark.parametrize(
    ("obj", "says"),
    [
        ({"a": 1.5}, r"\$\.a: a float"),
        ({"a": b"x"}, r"\$\.a: a bytes"),
        ({1: 2}, r"\$: key 1; expected a string"),
        ({"a": [{"b": INT_MAX + 1}]}, r"\$\.a\[0\]\.b: integer out of range"),
        ([], "a list at the top"),
        ({"a": "\ud800"}, "lone surrogate"),
    ],
)
def test_what_has_no_spelling_is_not_encoded(obj: Any, says: str) -> None:
    """Floats, bytes, foreign keys and large integers never enter an entry."""
    with pytest.raises(CanonicalError, match=says):
        canonical.encode(obj)


@given(documents())
def test_an_entry_is_read_back_whole(document: dict[str, Any]) -> None:
    """Rules 3 and 12: the bytes are the entry; unknown fields and types are kept."""
    data = build_entry(document)
    entry = parse_entry(data)
    assert entry.document == json.loads(data) == document
    assert canonical.encode(entry.document) == data
    assert entry.known == (entry.type in types.KNOWN)


def test_the_fields_of_a_rig_record() -> None:
    """Rules 4 to 10: every common field is there under its name."""
    index = 5
    data = build_entry(samples.with_commitments(index, rig_entry(conflict_with=3)))
    entry = parse_entry(data)
    assert entry.key == EntryKey("LV-0001", 3, 5, "item.finished", 0)
    assert (entry.rig, entry.station, entry.attempt, entry.binding) == ("LV-0001", "A-01", samples.ATTEMPT, "rig")
    assert (entry.epoch, entry.seq, entry.ordinal, entry.conflict_with) == (3, 5, 0, 3)
    assert (entry.source, entry.guarantee, entry.profile) == ("simulator", "latched", samples.PROFILE)
    assert entry.rig_time == "2025-11-23T06:42:05.031Z"
    assert entry.fields["score"] == 8750
    assert entry.raw[0].area == "event"
    assert entry.raw[0].cut == ((28, 16),)
    assert entry.raw[0].data[28:44] == bytes(16)
    assert [one.field for one in entry.candidate] == ["raw.event", "ticket"]
    assert entry.read == ReadTime.at(samples.START_US + 5_000_000, 81_000_005, samples.BOOT, "synced")
    assert entry.read.utc_us == samples.START_US + 5_000_000
    uncut = b"".join((entry.raw[0].data[:28], b"TICKET-2026-0001", entry.raw[0].data[44:]))
    assert entry.content == content_mac(samples.CONTENT_KEY, [uncut])
    assert entry.leaves == ()


def test_the_content_is_the_keyed_hash_that_another_program_makes() -> None:
    """Rule 7: HMAC-SHA256 over each area after its length; the value is OpenSSL's."""
    made = content_mac(bytes(range(32)), [b"ab", b"c"])
    assert made == "c3be357a5b3bed1965015d7fedd4253d32fc19fba41f6c74bc96b2a38f4c69ff"


def test_another_key_or_another_border_is_another_content() -> None:
    """Rule 7: without the key nobody makes it, and bytes cannot wander from one area into the next."""
    key = bytes(range(32))
    areas = ([b"ab", b"c"], [b"a", b"bc"], [b"abc"], [b"ab", b"c", b""], [])
    assert len({content_mac(secret, one) for secret in (key, bytes(32)) for one in areas}) == 10
    with pytest.raises(ValueError, match="32 bytes, this one 16"):
        content_mac(bytes(16), [b"ab"])


def test_an_entry_without_a_rig_record_has_no_key() -> None:
    """Rule 7: the key stands only where rig, epoch, seq, ordinal and content do."""
    document = samples.document(1, types.RIG_REBOOTED, rig="LV-0001", epoch=4, previous_epoch=3, rig_time=None)
    entry = parse_entry(build_entry(document))
    assert entry.key is None
    assert entry.rig_time is None
    assert (entry.fields, entry.raw, entry.candidate) == ({}, (), ())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"v": 2}, "schema version 2"),
        ({"v": True}, "schema version True"),
        ({"type": "Item.Finished"}, "field type"),
        ({"type": ""}, "field type"),
        ({"type": "a" * 65}, "field type"),
        ({"type": 5}, "field type"),
        ({"salt": "00"}, "field salt"),
        ({"salt": "G" * 32}, "field salt"),
        ({"read": None}, "field read"),
        ({"read": {}}, "field read"),
        ({"read": {"utc": "2026-11-23T06:42:05Z", "boot": samples.BOOT, "mono_us": -1, "sync": "synced"}}, "mono_us"),
        ({"read": {"utc": "yesterday", "boot": samples.BOOT, "mono_us": 1, "sync": "synced"}}, "field read.utc"),
        ({"read": {"utc": "2026-02-30T06:42:05Z", "boot": samples.BOOT, "mono_us": 1, "sync": "synced"}}, "no time of"),
        ({"rig": ""}, "field rig"),
        ({"station": 1}, "field station"),
        ({"attempt": "9F" * 16}, "field attempt"),
        ({"seq": -1}, "field seq"),
        ({"seq": True}, "field seq"),
        ({"epoch": "3"}, "field epoch"),
        ({"content": "00"}, "field content"),
        ({"rig_time": "2026-11-23T06:42:05+08:00"}, "field rig_time"),
        ({"rig_time": 5}, "field rig_time"),
        ({"fields": []}, "field fields"),
        ({"leaves": ["00"]}, "field leaves"),
        ({"raw": {}}, "field raw"),
        ({"raw": [1]}, r"raw\[0\]"),
        ({"raw": [{"area": "a", "at": 1}]}, r"raw\[0\]: no bytes"),
        ({"raw": [{"area": "a", "at": 1, "bytes": "AA"}]}, r"raw\[0\].bytes"),
        ({"raw": [{"area": "a", "at": 1, "bytes": "AAAA", "cut": 5}]}, r"raw\[0\].cut"),
        ({"raw": [{"area": "a", "at": 1, "bytes": "AAAA", "cut": [[2, 2]]}]}, "inside the bytes"),
        ({"raw": [{"area": "a", "at": 1, "bytes": "AAAA", "cut": [[0, 0]]}]}, "inside the bytes"),
        ({"raw": [{"area": "a", "at": 1, "bytes": "AAAA", "cut": [[1, 1], [0, 1]]}]}, "in order"),
        ({"raw": [{"area": "a", "at": 1, "bytes": "AAAA", "cut": [[1]]}]}, "offset, length"),
        ({"raw": [RawArea("a", 1, bytes(RAW_BYTES_MAX + 1)).to_json()]}, "32769 raw bytes"),
        ({"candidate": {}}, "field candidate"),
        ({"candidate": [{"field": "ticket"}]}, r"candidate\[0\]"),
        ({"candidate": [{"field": "ticket", "sha256": "00" * 32}] * 2}, "one field twice"),
    ],
)  # fmt: skip
def test_a_malformed_common_field_is_named(changes: dict[str, Any], says: str) -> None:
    """Whoever reads or writes such an entry is told which field, and what was expected."""
    with pytest.raises(EntryError, match=says):
        parse_entry(canonical.encode(rig_entry(**changes)))
    with pytest.raises(EntryError, match=says):
        build_entry(rig_entry(**changes))


def test_an_entry_needs_its_salt() -> None:
    """Rule 4: an unsalted leaf could be guessed."""
    document = samples.document(1, types.ANCHOR)
    del document["salt"]
    with pytest.raises(EntryError, match="no salt"):
        build_entry(document)


@pytest.mark.parametrize("name", ["binding", "source", "guarantee"])
def test_words_of_a_later_schema_are_read_but_not_written(name: str) -> None:
    """Rules 10 to 12: reading is tolerant, writing is not."""
    document = rig_entry(**{name: "telepathy"})
    assert parse_entry(canonical.encode(document)).document[name] == "telepathy"
    with pytest.raises(EntryError, match=f"field {name}"):
        build_entry(document)


def test_a_rig_record_is_written_whole() -> None:
    """Rule 6: what has a sequence number has all that belongs to it."""
    document = rig_entry()
    del document["guarantee"], document["raw"]
    with pytest.raises(EntryError, match="no guarantee, raw"):
        build_entry(document)


@pytest.mark.parametrize(("extra", "fits"), [(-1, True), (0, True), (1, False)])
def test_an_entry_has_at_most_65535_bytes(extra: int, *, fits: bool) -> None:
    """Rule 1, at the limit and on both sides of it."""
    empty = len(build_entry(samples.document(1, types.ANCHOR, pad="")))
    document = samples.document(1, types.ANCHOR, pad="x" * (ENTRY_BYTES_MAX - empty + extra))
    if fits:
        assert len(build_entry(document)) == ENTRY_BYTES_MAX + extra
        return
    with pytest.raises(EntryError, match="expected at most 65535"):
        build_entry(document)
    with pytest.raises(EntryError, match="expected at most 65535"):
        parse_entry(canonical.encode(document))


def test_times_are_microseconds_of_utc() -> None:
    """Rule 5, also for a box that wakes up in 1970 and a rig that writes milliseconds."""
    assert utc_text(0) == "1970-01-01T00:00:00.000000Z"
    assert utc_us("2026-11-23T06:42:05.031Z") % 1_000_000 == 31_000
    assert utc_text(utc_us("0001-01-01T00:00:00.000001Z")) == "0001-01-01T00:00:00.000001Z"
    with pytest.raises(FormatError, match="a year from 1 to 9999"):
        utc_text(2**62)
    with pytest.raises(FormatError, match="expected a decimal"):
        decimal("1" * 17, "x")
