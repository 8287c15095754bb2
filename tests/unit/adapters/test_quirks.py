"""Workarounds of a model as profile keys: they change which requests go out, never what a reading is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rig_profiles import V1_TEXT, fast_v1

from device_adapters.errors import ProfileError
from device_adapters.language.profile import load_profile
from device_adapters.modbus.quirks import Cuts, QuirkyWire, worked_around

if TYPE_CHECKING:
    from collections.abc import Sequence

V1 = fast_v1()
MOVED = V1_TEXT.replace(b"status = { at = 0,", b"status = { at = 1,")  # address 0 has none before it


class Registers:
    """A wire at which register n holds n, from `base` on the copper."""

    connected, connection = True, 1

    def __init__(self, base: int = 0) -> None:
        self.base = base
        self.asked: list[tuple[int, int]] = []
        self.written: list[tuple[int, list[int]]] = []

    async def connect(self) -> None:
        return

    async def read(self, at: int, words: int) -> bytes:
        self.asked.append((at, words))
        return b"".join((word - self.base).to_bytes(2, "big") for word in range(at, at + words))

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        self.written.append((at, list(values)))

    def drop(self) -> None:
        return


def test_a_model_without_workarounds_has_no_wrapper() -> None:
    """What nobody needs costs nothing."""
    wire = Registers()
    assert worked_around(wire, V1) is wire


@pytest.mark.parametrize("offset", [-1, 1])
async def test_a_rig_that_counts_from_elsewhere_gives_the_same_words(offset: int) -> None:
    """Off by one: the whole profile moves, reads and writes alike."""
    wire = Registers(base=offset)
    quirky = worked_around(
        wire, load_profile(MOVED.replace(b"unit = 1\n", b"unit = 1\naddress_offset = %d\n" % offset))
    )
    assert await quirky.read(4096, 3) == b"\x10\x00\x10\x01\x10\x02"
    await quirky.write(100, [0, 7], 1)
    assert (wire.asked, wire.written) == ([(4096 + offset, 3)], [(100 + offset, [0, 7])])


@pytest.mark.parametrize("block", ["status", "event"])
async def test_one_field_per_request_never_reads_across_two_fields(block: str) -> None:
    """Every request lies inside one field or between fields, in any slot; the words are the same."""
    record = V1.status if block == "status" else V1.event
    for slot in {0, min(2, record.slots - 1)}:
        at = record.at + slot * record.stride
        plain, wire = Registers(), Registers()
        got = await QuirkyWire(wire, 0, Cuts(V1)).read(at, record.words)
        assert got == await plain.read(at, record.words)
        ends = {at + (field.at if field.at >= 0 else record.words + field.at) for field in record.fields.values()}
        assert ends <= {start for start, _ in wire.asked}
        assert len(wire.asked) > len(record.fields) - 1


async def test_a_page_that_begins_inside_a_field_ends_with_it() -> None:
    """Second pages of long records, and words of no record at all."""
    wire = Registers()
    quirky = QuirkyWire(wire, 0, Cuts(V1))
    await quirky.read(V1.status.at + 5, 10)
    await quirky.read(60_000, 4)
    assert wire.asked == [(5, 7), (12, 2), (14, 1), (60_000, 4)]


def test_rows_and_one_field_per_request_are_a_finding() -> None:
    """A record of changing length has fields whose place the request cannot know."""
    with pytest.raises(ProfileError, match="rows cannot be read one field per request"):
        load_profile(V1_TEXT.replace(b"unit = 1\n", b"unit = 1\none_field_per_request = true\n"))


def test_the_offset_is_one_at_most() -> None:
    """At the limit it loads, beyond it is a finding."""
    for offset, fits in ((-1, True), (1, True), (2, False), (-2, False)):
        text = MOVED.replace(b"unit = 1\n", b"unit = 1\naddress_offset = %d\n" % offset)
        if fits:
            assert load_profile(text).transport == replace(load_profile(V1_TEXT).transport, address_offset=offset)
        else:
            with pytest.raises(ProfileError, match="address_offset"):
                load_profile(text)


@pytest.mark.parametrize(
    ("area", "offset"), [("status = { at = 0, words = 48 }", -1), ("results = { at = 60416, words = 5120 }", 1)]
)
def test_an_offset_never_leads_out_of_the_table(area: str, offset: int) -> None:
    """Address -1 was asked for, and that ended the rig's task: the linter names the area."""
    text = V1_TEXT.replace(b"results = { at = 28672, words = 5120 }", b"results = { at = 60416, words = 5120 }")
    assert area.encode() in text
    with pytest.raises(ProfileError, match=f"with address_offset = {offset} it goes from"):
        load_profile(text.replace(b"unit = 1\n", b"unit = 1\naddress_offset = %d\n" % offset))
