"""The shipped profile against frames derived by hand (profiles/*.golden.toml), never against an encoder."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig_profiles import v1
from scripted_rig import crc16

from device_adapters.decoding.decode import Decoded, decode_entry_raw, decode_record, decode_status
from device_adapters.errors import REASONS, DecodeError
from device_adapters.observation import RawArea

PROFILE = v1()
GOLDEN = tomllib.loads(files("device_adapters").joinpath("profiles/kaofen-v1-low-voltage.golden.toml").read_text())
FRAMES: dict[str, dict[str, Any]] = {frame["name"]: frame for frame in GOLDEN["frame"]}
STATUS: dict[str, Any] = GOLDEN["status"][0]
RESULTS = [name for name, frame in FRAMES.items() if len(frame["area"]) == 2]


def block(text: str) -> bytes:
    """The words of a golden block; what follows # is its derivation."""
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


def areas(name: str) -> list[RawArea]:
    return [RawArea(area["area"], area["at"], block(area["words"])) for area in FRAMES[name]["area"]]


def plain(decoded: Decoded) -> dict[str, Any]:
    """As the golden file writes it: TOML has no null, so what is null is absent."""
    shown = {name: value for name, value in decoded.fields.items() if value is not None}
    return {
        "type": decoded.type,
        "rig": decoded.rig,
        "epoch": decoded.epoch,
        "seq": decoded.seq,
        "mode": decoded.mode,
        "rig_time": decoded.rig_time,
        "personal": {name: value.decode() for name, value in decoded.personal.items()},
        "fields": shown,
    }


@pytest.mark.parametrize("name", FRAMES)
def test_a_golden_frame_decodes_exactly(name: str) -> None:
    """Every event type, every field, every row: as written down by hand."""
    decoded = decode_record(PROFILE, areas(name))
    assert plain(decoded) == FRAMES[name]["expect"]
    assert decoded.proven


@pytest.mark.parametrize("name", FRAMES)
def test_gateway_and_server_decode_the_same(name: str) -> None:
    """P4: from the raw areas of an entry the server gets what the gateway got."""
    first = decode_record(PROFILE, areas(name), rig="LV-0001", seq=FRAMES[name]["expect"]["seq"])
    assert decode_entry_raw(PROFILE, first.areas) == first


def test_every_event_of_the_profile_has_a_golden_frame() -> None:
    """A rule without a frame would be unproven."""
    assert {rule.type for rule in PROFILE.rules.values()} == {frame["expect"]["type"] for frame in FRAMES.values()}


def test_the_golden_status_block_decodes_exactly() -> None:
    """Every live field."""
    live, standing = decode_status(PROFILE, block(STATUS["words"]), rig="LV-0001")
    assert asdict(live) == STATUS["expect"] | {"unreadable": None}
    assert (standing.boot, standing.last_seq, standing.oldest_seq, standing.acked_seq) == (3, 65536, 65535, 65534)


@pytest.mark.parametrize("name", FRAMES)
def test_personal_words_are_named_and_erasure_keeps_the_score(name: str) -> None:
    """P7: ticket and checksum are cut; with both zeroed the fields are the same, and nothing is said to be proven."""
    whole = decode_record(PROFILE, areas(name))
    erased = []
    for area in whole.areas:
        data = bytearray(area.data)
        for at, size in area.cut:
            data[at : at + size] = bytes(size)
        erased.append(RawArea(area.area, area.at, bytes(data), area.cut))
    again = decode_entry_raw(PROFILE, erased, erased=True)
    assert again.fields == whole.fields
    assert (again.personal, again.proven) == ({}, False)
    assert all(area.cut == ((28, 32), (len(area.data) - 2, 2)) for area in whole.areas)
    with pytest.raises(DecodeError, match="crc"):
        decode_entry_raw(PROFILE, erased)


@pytest.mark.parametrize("name", FRAMES)
def test_every_single_flipped_bit_is_refused(name: str) -> None:
    """P5: CRC-16 sees each of them; none decodes."""
    good = areas(name)
    for which, area in enumerate(good):
        for bit in range(len(area.data) * 8):
            data = bytearray(area.data)
            data[bit // 8] ^= 1 << bit % 8
            bad = [*good[:which], RawArea(area.area, area.at, bytes(data)), *good[which + 1 :]]
            with pytest.raises(DecodeError) as caught:
                decode_record(PROFILE, bad)
            assert caught.value.reason in {"crc", "sequence", "length"}


def resealed(data: bytes) -> bytes:
    return data[:-2] + crc16(data[:-2]).to_bytes(2, "big")


@given(st.data())
def test_any_words_with_a_good_checksum_decode_or_are_refused(data: st.DataObject) -> None:
    """P5: only the declared error, always with a declared reason, and never a personal value in it."""
    areas_ = areas(data.draw(st.sampled_from(sorted(FRAMES))))
    bad = []
    for area in areas_:
        words = bytearray(area.data)
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(words) // 2 - 2))
            words[at * 2 : at * 2 + 2] = data.draw(st.binary(min_size=2, max_size=2))
        bad.append(RawArea(area.area, area.at, resealed(bytes(words))))
    refusal: DecodeError | None = None
    try:
        decoded = decode_record(PROFILE, bad)
    except DecodeError as error:
        refusal = error
    if refusal is None:
        assert 0 <= int(str(decoded.fields.get("score", 0))) <= 10000
    else:
        assert refusal.reason in REASONS
        assert "20261123" not in refusal.detail


@given(
    st.lists(
        st.tuples(st.sampled_from(["event", "result", "x"]), st.integers(0, 65535), st.binary(max_size=400)), max_size=3
    )
)
def test_arbitrary_bytes_raise_only_the_declared_error(found: list[tuple[str, int, bytes]]) -> None:
    """Fuzz: whatever the areas are."""
    with pytest.raises(DecodeError):
        decode_record(PROFILE, [RawArea(*area) for area in found])


@given(st.binary(max_size=120))
def test_arbitrary_status_bytes_raise_only_the_declared_error(data: bytes) -> None:
    """Fuzz of the status block, with and without a good checksum."""
    for tried in (data, resealed(data.ljust(96, b"\0")[:96])):
        with pytest.raises(DecodeError):
            decode_status(PROFILE, tried, rig="LV-0001")


@pytest.mark.parametrize("name", RESULTS)
def test_right_bytes_from_a_wrong_place_are_refused(name: str) -> None:
    """Decode by absolute address only: another slot, another order, one area too few or too many."""
    event, result = areas(name)
    moved = RawArea(result.area, result.at + 160, result.data)
    for wrong in (
        [event, moved],
        [event],
        [event, result, result],
        [result, event],
        [RawArea("event", event.at + 48, event.data), result],
    ):
        with pytest.raises(DecodeError):
            decode_record(PROFILE, wrong)


def test_a_foreign_serial_and_a_foreign_number_are_refused() -> None:
    """What was asked for is part of the check."""
    name = RESULTS[0]
    with pytest.raises(DecodeError, match=r"serial: .*another rig, not LV-0002"):
        decode_record(PROFILE, areas(name), rig="LV-0002")
    with pytest.raises(DecodeError, match="sequence: event has another number than 43"):
        decode_record(PROFILE, areas(name), seq=43)


@pytest.mark.parametrize(("place", "value"), [(14, 9), (15, 0), (15, 77)])
def test_a_live_code_that_the_profile_does_not_name_is_shown_as_unknown(place: int, value: int) -> None:
    """Live state is never logged, so it is shown as unknown, not refused: a new firmware must not stop the records."""
    data = bytearray(block(STATUS["words"]))
    data[place * 2 : place * 2 + 2] = value.to_bytes(2, "big")
    live, _ = decode_status(PROFILE, resealed(bytes(data)), rig="LV-0001")
    assert (live.state, live.mode) == ({14: "fault"}.get(place, "running"), {15: "unknown"}.get(place, "exam"))


def test_the_golden_file_is_beside_its_profile() -> None:
    """One without the other says little."""
    folder = Path(str(files("device_adapters").joinpath("profiles")))
    profiles = {
        path.name.removesuffix(".toml") for path in folder.glob("*.toml") if not path.name.endswith(".golden.toml")
    }
    assert profiles == {path.name.removesuffix(".golden.toml") for path in folder.glob("*.golden.toml")}
