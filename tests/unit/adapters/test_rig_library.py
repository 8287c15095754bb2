"""The library of typical rigs: golden frames laid out by hand, read as a gateway reads them, and what each is for.

Those that send messages are in test_message_library.py.
"""

from __future__ import annotations

import asyncio
import random
import tomllib
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import profile_features
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree import ROOT

from device_adapters.decoding.decode import decode_entry_raw, decode_record, decode_status
from device_adapters.decoding.observed import Observer
from device_adapters.errors import REASONS, BadReading, DecodeError
from device_adapters.language.profile import Profile, load_profile
from device_adapters.latching.latched import LatchedAdapter
from device_adapters.modbus.registers import RegisterMemory
from device_adapters.observation import Observation, Position, RawArea

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = files("device_adapters").joinpath("profiles")
ALL = sorted(file.name.removesuffix(".toml") for file in FOLDER.iterdir() if file.name.endswith("-typical.toml"))
TYPICAL = [name for name in ALL if 'kind = "modbus-' in FOLDER.joinpath(f"{name}.toml").read_text(encoding="utf-8")]
UNPROVEN = {"welding-simulator-typical", "pressure-welding-typical"}  # by any checksum
PROVEN = [name for name in TYPICAL if name not in UNPROVEN]


SHIPPED = cache(profile_features.shipped)


@cache
def profile_of(name: str) -> Profile:
    return load_profile(FOLDER.joinpath(f"{name}.toml").read_bytes())


def golden(name: str) -> dict[str, Any]:
    return tomllib.loads(FOLDER.joinpath(f"{name}.golden.toml").read_text(encoding="utf-8"))


def words(text: str) -> bytes:
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


def areas_of(frame: dict[str, Any]) -> list[RawArea]:
    return [RawArea(area["area"], area["at"], words(area["words"])) for area in frame["area"]]


def shown(fields: Any) -> dict[str, Any]:
    """As the golden file writes it: TOML has no null, so what is null is absent."""

    def bare(table: Any) -> dict[str, Any]:
        return {name: value for name, value in table.items() if value is not None}

    return {name: [bare(row) for row in value] if isinstance(value, list) else value for name, value in fields.items()}


class GoldenWire:
    """A rig that holds the golden frames, and serves no more registers at once than its profile allows."""

    connected, connection = True, 1

    def __init__(self, name: str) -> None:
        self.profile = profile_of(name)
        self.most = self.profile.transport.registers_max
        self.memory: dict[int, bytes] = {}
        self.reads: list[tuple[int, int]] = []
        self.signals: list[list[int]] = []
        found = golden(name)
        self.statuses = [words(status["words"]) for status in found["status"]]
        self.hold(self.profile.status.at, self.statuses[0])
        for frame in found["frame"]:
            for area in areas_of(frame) if "pages" not in frame else ():
                self.hold(area.at, area.data)
        self.pages = [words(page) for page in found["frame"][0].get("pages", ())]

    def hold(self, at: int, data: bytes) -> None:
        self.memory |= {at + place // 2: data[place : place + 2] for place in range(0, len(data), 2)}

    async def connect(self) -> None:
        raise AssertionError("nobody asked for a new connection")

    def drop(self) -> None:
        """At the end."""

    async def read(self, at: int, words: int) -> bytes:
        assert words <= self.most
        self.reads.append((at, words))
        return b"".join(self.memory.get(place, b"\0\0") for place in range(at, at + words))

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        self.hold(at, b"".join(value.to_bytes(2, "big") for value in values))
        window = self.profile.event.window
        if window is not None and at == window.page.at and 0 < values[0] <= len(self.pages):
            self.hold(self.profile.event.at, self.pages[values[0] - 1])
        coil = self.profile.coil
        if coil is not None and coil.taken is not None and at == coil.at:
            self.signals.append([*values])
            self.hold(coil.taken, values[0].to_bytes(2, "big"))  # answered, and the answer taken back
            self.hold(self.profile.status.at, self.statuses[1])


@pytest.mark.parametrize("name", TYPICAL)
async def test_a_golden_frame_is_read_and_decoded_exactly(name: str) -> None:
    """P5: read as by a gateway, in pages and twice; every field as written by hand. P4: the server gets the same.

    What is cleared by its reading is read once.
    """
    profile, wire = profile_of(name), GoldenWire(name)
    for frame in golden(name)["frame"]:
        expect = dict(frame["expect"])
        decoded = await RegisterMemory(profile, wire, expect["rig"]).fetch(expect["seq"], 3, 0)
        assert shown(decoded.fields) == expect.pop("fields")
        assert {key: value.decode() for key, value in decoded.personal.items()} == expect.pop("personal")
        assert {key: getattr(decoded, key) for key in expect} == expect
        assert list(decoded.areas[0].data) == list(areas_of(frame)[0].data)
        assert decode_entry_raw(profile, decoded.areas) == decoded
        assert len(wire.reads) % 2 == (profile.guarantee == "single-read")


@pytest.mark.parametrize("name", TYPICAL)
async def test_the_golden_status_is_shown_exactly(name: str) -> None:
    """What a rig does not say of its memory follows from its ring, and from nothing else."""
    for status in golden(name)["status"]:
        wire = GoldenWire(name)
        wire.hold(wire.profile.status.at, words(status["words"]))
        live, standing = await RegisterMemory(wire.profile, wire, status["expect"]["rig"]).look(again=False)
        assert asdict(live) == status["expect"] | {"unreadable": None}
        assert asdict(standing) == status["standing"]
        assert decode_status(wire.profile, words(status["words"]), rig=live.rig) == (live, standing)


@pytest.mark.parametrize("name", TYPICAL)
async def test_a_record_is_the_one_that_was_asked_for(name: str) -> None:
    """P5: a rig with one place, or without sequence numbers around its data, may show the next record already."""
    expect = golden(name)["frame"][0]["expect"]
    profile = profile_of(name)
    slots = profile.event.slots
    with pytest.raises(DecodeError) as refused:
        await RegisterMemory(profile, GoldenWire(name), expect["rig"]).fetch(expect["seq"] + slots, 3, 0)
    assert refused.value.reason == "sequence"
    with pytest.raises(DecodeError, match="serial"):
        await RegisterMemory(profile, GoldenWire(name), "XX-0001").fetch(expect["seq"], 3, 0)


@pytest.mark.parametrize("name", TYPICAL)
async def test_an_adapter_offers_every_model_with_its_guarantee(name: str) -> None:
    """P5: the entry says how well it is proven. P1: the rig is told after the ack, and never where it cannot be."""
    profile, expect, wire = profile_of(name), golden(name)["frame"][0]["expect"], GoldenWire(name)
    observer = Observer(expect["rig"], profile.guarantee, "sensor")
    start = Position(3, expect["seq"] - 1)
    adapter = LatchedAdapter(
        RegisterMemory(profile, wire, expect["rig"]), observer, position=start, rng=random.Random(1)
    )
    seen: list[Observation] = []
    written = dict(wire.memory)
    async with asyncio.timeout(5):
        while not any(one.seq == expect["seq"] and one.type == expect["type"] for one in seen):
            try:
                reading, ack = await adapter.read()
            except BadReading:
                continue  # older records, of which the golden file holds none
            seen += [reading] if isinstance(reading, Observation) else []
            before = dict(wire.memory)
            await ack()
    assert before == written | {key: before[key] for key in before.keys() - written.keys()}
    assert {one.guarantee for one in seen} == {profile.guarantee}
    if profile.coil is not None:
        assert wire.signals == [[1], [0]]
    elif profile.ack is None:
        assert wire.memory == written
    else:
        told = b"".join(value.to_bytes(2, "big") for value in profile.ack.encode(expect["seq"]))
        assert wire.memory[profile.ack.at] + wire.memory[profile.ack.at + 1] == told
    await adapter.close()


@pytest.mark.parametrize("name", PROVEN)
def test_every_single_flipped_bit_is_refused_in_every_model(name: str) -> None:
    """P5: each checksum sees each of them."""
    (good,) = areas_of(golden(name)["frame"][0])
    profile = profile_of(name)
    for bit in range(len(good.data) * 8):
        data = bytearray(good.data)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError) as caught:
            decode_record(profile, [RawArea(good.area, good.at, bytes(data))])
        assert caught.value.reason in {"crc", "sequence", "length", "constant", "range"}


@pytest.mark.parametrize("name", TYPICAL)
def test_a_person_can_be_erased_from_every_model(name: str) -> None:
    """P7: the personal words and the checksum over them are named; without them the score is the same."""
    whole = decode_record(profile_of(name), areas_of(golden(name)["frame"][0]))
    (area,) = whole.areas
    assert area.cut
    data = bytearray(area.data)
    for at, size in area.cut:
        data[at : at + size] = bytes(size)
    again = decode_entry_raw(profile_of(name), [RawArea(area.area, area.at, bytes(data), area.cut)], erased=True)
    assert (again.fields, again.personal, again.proven) == (whole.fields, {}, False)


@settings(max_examples=60)
@given(st.sampled_from(TYPICAL), st.data())
def test_any_words_of_any_model_decode_or_are_refused(name: str, data: st.DataObject) -> None:
    """P5: behind the checksum too there is one declared error, never a float, never points outside the sheet."""
    (good,) = areas_of(golden(name)["frame"][0])
    found = bytearray(good.data)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(found) // 2 - 1)) * 2
        found[at : at + 2] = data.draw(st.binary(min_size=2, max_size=2))
    refusal: DecodeError | None = None
    try:
        decoded = decode_entry_raw(profile_of(name), [RawArea(good.area, good.at, bytes(found))], erased=True)
    except DecodeError as error:
        refusal = error
    if refusal is not None:
        assert refusal.reason in REASONS
        assert "20261123" not in refusal.detail
    else:
        assert 0 <= int(str(decoded.fields["score"])) <= 10000
        assert not any(isinstance(value, float) for value in decoded.fields.values())


@pytest.mark.parametrize("name", TYPICAL)
def test_a_refusal_quotes_no_word_of_its_record(name: str) -> None:
    """P7: in the layout of the rig's next program a ticket may stand anywhere: what is told is the same for any two."""
    (good,) = areas_of(golden(name)["frame"][0])
    for at in range(0, len(good.data) - 8, 2):
        one, two = (refused(name, good, at, digits) for digits in (b"98765439", b"89674528"))
        if one and two and one.detail.split()[0] == two.detail.split()[0]:
            assert one.detail == two.detail


def refused(name: str, good: RawArea, at: int, digits: bytes) -> DecodeError | None:
    data = good.data[:at] + digits + good.data[at + len(digits) :]
    try:
        decode_entry_raw(profile_of(name), [RawArea(good.area, good.at, data)], erased=True)
    except DecodeError as error:
        return error
    return None


def test_a_fault_bit_without_a_line_is_refused() -> None:
    """A sensor that the profile does not name takes nothing silently."""
    profile = profile_of("work-at-height-typical")
    (good,) = areas_of(golden("work-at-height-typical")["frame"][0])
    data = bytearray(good.data)
    data[64] = 0x52  # words 31 and 32, BADC: byte D is the third on the wire; bit 6 has no line
    data[-2:] = bytes(2)
    with pytest.raises(DecodeError, match="code: faults has a bit set"):
        decode_entry_raw(profile, [RawArea(good.area, good.at, bytes(data))], erased=True)


@pytest.mark.parametrize("name", ALL)
def test_each_typical_profile_shows_what_no_other_does(name: str) -> None:
    """The library is there to prove the language: at least two features each of its own."""
    found = {other: profile_features.features(profile) for other, profile in SHIPPED().items()}
    own = found.pop(name).difference(*found.values())
    assert len(own) >= 2, own


def test_the_table_of_features_is_the_published_one() -> None:
    """docs/rig-library.md is what the profiles are; a feature that nobody named is missing, and no row is empty."""
    used = set().union(*map(profile_features.features, SHIPPED().values()))
    assert used <= set(profile_features.KNOWN)
    assert set(profile_features.KNOWN) <= used
    assert profile_features.table() in (ROOT / "docs/rig-library.md").read_text(encoding="utf-8"), (
        "run tests/support/profile_features.py"
    )
