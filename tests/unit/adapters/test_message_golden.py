"""Messages over MQTT against payloads written down by hand, and what of them may be shown (M1-M4, P7)."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig_messages import GOLDEN, SERIAL, STATUS, status

from device_adapters.decoding.decode import Decoded, Standing
from device_adapters.decoding.message import StatusMessage, decode_message, read_message, read_status
from device_adapters.errors import REASONS, BadReading, DecodeError
from device_adapters.language.interface_v1 import KINDS
from device_adapters.observation import Observation, RawArea

FINISHED = GOLDEN["item-finished"]


def erased(area: RawArea) -> RawArea:
    """The area as it stands in an entry."""
    data = bytearray(area.data)
    for offset, length in area.cut:
        data[offset : offset + length] = bytes(length)
    return RawArea(area.area, area.at, bytes(data), area.cut)


def plain(found: Decoded | Observation) -> dict[str, Any]:
    return {
        "type": found.type,
        "epoch": found.epoch,
        "seq": found.seq,
        "mode": found.mode,
        "rig_time": found.rig_time,
        "fields": dict(found.fields),
        "personal": {name: value.decode() for name, value in found.personal.items()},
    }


def test_every_record_type_has_a_golden_payload() -> None:
    """M3: eight types, eight payloads."""
    assert {golden.expect["type"] for golden in GOLDEN.values()} == {kind.type for kind in KINDS.values()}
    assert len(GOLDEN) == len(KINDS) == 8


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_payload_reads_exactly(name: str) -> None:
    """M2, M3: every value as written down by hand; the payload's bytes are the raw area."""
    golden = GOLDEN[name]
    found = read_message(golden.payload, serial=SERIAL, source="simulator")
    assert plain(found) == golden.expect
    assert (found.rig, found.guarantee, found.source, found.ordinal) == (SERIAL, "latched", "simulator", 0)
    (area,) = found.raw
    assert (area.area, area.at, area.data) == ("message", 0, golden.payload)


@pytest.mark.parametrize("name", GOLDEN)
def test_an_entry_s_cut_payload_reads_again_without_the_person(name: str) -> None:
    """P4, P7: from the zeroed bytes the same fields and ranges, and nothing personal is left."""
    golden = GOLDEN[name]
    whole = decode_message((RawArea("message", 0, golden.payload),), rig=SERIAL)
    shown = erased(whole.areas[0])
    again = decode_message((shown,), rig=SERIAL, erased=True)
    assert plain(again) == golden.expect | {"personal": {}}
    assert (again.areas[0].cut, again.proven, whole.proven) == (shown.cut, False, True)
    for value in golden.expect["personal"].values():
        assert value.encode() not in shown.data


def test_what_the_interface_does_not_name_is_not_shown() -> None:
    """P7, entry rule 13: an unknown key's value, of any kind and anywhere, is cut; the fields do not change."""
    rows = [{"line": 3, "points": 800, "at_s": 77, "veto": False, "who": "李四"}]
    strange = {"phone": 13800138000, "who": {"ticket": "S1", "tags": ["李四", None]}, "reason": "李四"}
    payload = FINISHED.changed(deductions=rows, **strange)
    found = read_message(payload, serial=SERIAL, source="sensor")
    assert found.fields == FINISHED.expect["fields"]
    shown = erased(found.raw[0])
    assert "李四".encode() not in shown.data
    assert b"13800138000" not in shown.data
    assert b"S1" not in shown.data
    again = decode_message((shown,), erased=True)
    assert (again.fields, again.areas[0].cut) == (found.fields, found.raw[0].cut)


def spelled(text: str, escapes: list[int]) -> str:
    """The inside of a JSON string: each character in one of its spellings."""
    out = []
    for place, character in enumerate(text):
        units = character.encode("utf-16-be")
        hexes = [units[at : at + 2].hex() for at in range(0, len(units), 2)]
        ways = [
            json.dumps(character, ensure_ascii=False)[1:-1],
            "".join(f"\\u{one}" for one in hexes),
            "".join(f"\\u{one.upper()}" for one in hexes),
        ]
        out.append(ways[escapes[place % len(escapes)] % 3])
    return "".join(out)


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8),
    st.lists(st.integers(0, 2), min_size=1, max_size=12),
    st.sampled_from(["ticket", "name", "masked_id"]),
)
def test_zeroing_the_cut_leaves_nothing_of_a_personal_text(text: str, escapes: list[int], name: str) -> None:
    """P7: whatever the text and however it and its key are spelled, its bytes lie in the cut, and no others."""
    fields = FINISHED.changed(**{name: ...}).decode().removesuffix("}")
    before = f'{fields} , "{spelled(name, escapes)}" : "'.encode()
    inside = spelled(text, escapes).encode()
    payload = before + inside + b'"}'
    if name != "ticket":
        payload = payload.replace(b"S20261123-0001", b"")
        before = before.replace(b"S20261123-0001", b"")
    found = read_message(payload, serial=SERIAL, source="sensor")
    assert found.personal == {name: text.encode()}
    assert found.raw[0].cut == ((len(before), len(inside)),)
    shown = erased(found.raw[0])
    assert shown.data == before + bytes(len(inside)) + b'"}'
    again = decode_message((shown,), rig=SERIAL, erased=True)
    assert (again.fields, again.personal, again.areas) == (found.fields, {}, (shown,))


@given(st.integers(0, len(FINISHED.payload) - 1), st.integers(1, 40))
def test_zeros_stand_for_a_personal_value_only(start: int, length: int) -> None:
    """P4: a cut anywhere else, or of another extent, is no record."""
    whole = read_message(FINISHED.payload, serial=SERIAL, source="sensor").raw[0]
    cut = (start, min(length, len(whole.data) - start))
    if cut in whole.cut:
        return
    with pytest.raises(DecodeError):
        decode_message((erased(RawArea("message", 0, whole.data, (cut,))),), erased=True)


def test_zeros_without_a_cut_are_no_text() -> None:
    """M1: NULs that no cut accounts for are refused, and so is a cut when the entry's bytes are said to be whole."""
    shown = erased(read_message(FINISHED.payload, serial=SERIAL, source="sensor").raw[0])
    for area, gone in ((RawArea("message", 0, shown.data), True), (shown, False)):
        with pytest.raises(DecodeError, match="not_json"):
            decode_message((area,), erased=gone)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_record_or_a_refusal(payload: bytes) -> None:
    """H4: nothing but a refusal with a known reason leaves the reader."""
    for read in (partial(read_message, source="sensor"), read_status):
        with pytest.raises(BadReading) as refused:
            read(payload, serial=SERIAL)
        assert refused.value.evidence.reason in REASONS


def test_a_status_reads_exactly() -> None:
    """M4: live values under the names of the live view; which records the rig holds."""
    found = read_status(status(), serial=SERIAL)
    assert found.live is not None
    for name in ("state", "mode", "item", "ordinal", "elapsed_s", "limit_s", "running_score", "exam_no", "fault"):
        assert getattr(found.live, name) == STATUS[name]
    assert (found.rig, found.live.rig, found.boot, found.online) == (SERIAL, SERIAL, 3, True)
    assert found.standing == Standing(boot=3, last_seq=42, oldest_seq=40, acked_seq=39)


def test_the_will_is_a_status() -> None:
    """M4: the will has only v, serial, boot, online; a rig that is online says everything."""
    will = b'{"v":1,"serial":"CP-0001","boot":3,"online":false}'
    assert read_status(will, serial=SERIAL) == StatusMessage(SERIAL, 3, online=False)
    with pytest.raises(BadReading, match="missing_field"):
        read_status(will.replace(b"false", b"true"), serial=SERIAL)
