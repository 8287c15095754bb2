"""Input registers, discrete inputs and coils in a profile: frames by hand, and what the linter says of mistakes."""

from __future__ import annotations

import asyncio

import pytest
from golden_bits import GOLDEN, TEXT, golden_rig, laid

from device_adapters.decoding.decode import decode_entry_raw, decode_status
from device_adapters.language.lint import lint
from device_adapters.language.profile import load_profile
from device_adapters.language.spaces import SPACES
from device_adapters.modbus.pdu import answer_head, padding_fault, read_body, words_in, write_body
from device_adapters.modbus.quirks import worked_around
from device_adapters.modbus.registers import RegisterMemory
from device_adapters.modbus.tcp import ModbusWire

PROFILE = load_profile(TEXT.encode())


async def test_golden_frames_of_other_tables_are_read_exactly() -> None:
    """P5, P4: input registers by function 4, flags by function 2, as laid out by hand; the server the same."""
    async with golden_rig() as rig:
        wire = ModbusWire("127.0.0.1", rig.port, 1, PROFILE.transport)
        await wire.connect()
        memory = RegisterMemory(PROFILE, worked_around(wire, PROFILE), "CB-0007")
        async with asyncio.timeout(5):
            live, standing = await memory.look(again=False)
            found = await memory.fetch(12, 3, 0)
        wire.drop()
    assert (live.state, live.mode, live.fault) == ("running", "practice", 5)
    assert (standing.last_seq, standing.oldest_seq, standing.acked_seq, standing.boot) == (12, 12, 11, 3)
    assert rig.requests == [(4, 0, 12), (2, 8, 20), (4, 256, 24), (4, 256, 24)]
    assert decode_status(PROFILE, laid(GOLDEN["status"]) + laid(GOLDEN["flag_words"]), rig="CB-0007") == (
        live,
        standing,
    )
    assert found.areas[0].at == SPACES["input"] + 256
    assert found.areas[0].data == laid(GOLDEN["result"])
    assert decode_entry_raw(PROFILE, found.areas) == found
    assert {name: found.fields[name] for name in ("score", "item", "outcome", "mode", "finished")} == {
        "score": 8750,
        "item": "K32",
        "outcome": "finished",
        "mode": "exam",
        "finished": "2026-11-23T06:48:45Z",
    }


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 15, 16, 17, 2000])
def test_bits_become_words_and_padding_is_judged(bits: int) -> None:
    """P5: any number of bits; each bit behind the last one asked for is seen, none before it is."""
    body = read_body(SPACES["coils"] + 5, bits)
    head, size = answer_head(body)
    for at in {0, bits // 2, bits - 1}:
        pdu = head + (1 << at).to_bytes(size - 2, "little")
        assert padding_fault(body, pdu) is None
        words = words_in(body, pdu)
        assert len(words) % 2 == 0
        assert int.from_bytes(words[at // 16 * 2 :][:2], "big") == 1 << at % 16
        assert int.from_bytes(words, "big").bit_count() == 1
    for at in range(bits, (size - 2) * 8):
        assert padding_fault(body, head + (1 << at).to_bytes(size - 2, "little")) is not None


@pytest.mark.parametrize("space", ["input", "discrete"])
def test_what_cannot_be_written_is_no_request(space: str) -> None:
    """No function writes these tables; a profile that wants it does not load."""
    with pytest.raises(KeyError):
        write_body(SPACES[space], [1])


CASES = [
    ("coil outside", "coil = 16\n", "coil = 17\n", "handshake.ack.coil: lies in no area of coils"),
    ("coil not written", "bits = 1, write = true", "bits = 1", "ack.coil: lies in no area of coils", "coil = 16\n"),
    ("inputs written", "words = 12 }", "words = 12, write = true }", "areas.status.write: a rig's input table cannot"),
    ("taken outside", "{ coil = 40 }", "{ coil = 41 }", "handshake.ack.taken: lies in no area of coils or"),
    ("taken is the coil", "{ coil = 40 }", "{ coil = 16 }", "handshake.ack.taken: is the coil itself"),
    ("taken missing", "taken = { coil = 40 }\n", "", "ack.taken: is the bit by which the rig", "[handshake.ack]"),
    ("taken too much", '"toggle"', '"rig"', "ack.taken: is the bit by which the rig", "taken = "),
    ("another function", "function = 5", "function = 6", "ack.function: a coil is written by function 5 or 15"),
    ("another release", '"toggle"', '"pulse"', '"pulse" is not one of gateway, rig, toggle'),
    ("no way to see what is free", "acked_seq = ", "told_seq = ", '"acked_seq" is missing', "[status.fields]"),
    ("bits as words", "bits = 20 }", "words = 20 }", "areas.panel.bits: is missing"),
    ("too many bits", "bits = 20 }", "bits = 2001 }", "areas.panel.bits: oversize read: 2001 bits"),
    ("record of bits", 'area = "results"', 'area = "panel"', "records.result.area: holds bits"),
    ("flags of words", 'area = "panel"', 'area = "status"', "status.flags.area: holds words"),
    ("a flag outside", "[16, 19]", "[16, 20]", "to 19"),
    ("a flag across", "[15, 15]", "[15, 16]", "must lie within 0 to 15, 16 to 31"),
    ("flags overlap", "[15, 15]", "[2, 2]", "overlaps state"),
    ("a flag twice", "fault = { bits", "boot = { bits", "status.flags.fields.boot: is a field of the block"),
    ("a field among the flags", "acked_seq = { at = 8,", "acked_seq = { at = 12,", "lies outside the 12 words"),
    ("unknown space", '"discrete"', '"discreet"', '"discreet" is not one of coils, discrete'),
    ("areas overlap", 'coils", at = 40, bits = 1', 'coils", at = 10, bits = 8', "overlaps the area answer", "bell ="),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_mistake_with_bits_is_found_on_its_line(case: tuple[str, ...]) -> None:
    """One mistake, one reason, one line."""
    _, find, replace, reason, *on = case
    assert find in TEXT
    made = TEXT.replace(find, replace, 1)
    line = made[: made.index(on[0]) if on else TEXT.index(find)].count("\n") + 1
    findings = lint(made)
    assert [one for one in findings if reason in one.reason and one.line == line], (line, list(map(str, findings)))


def test_flags_belong_to_the_status_block_alone() -> None:
    """What is read apart from a record is not latched with it."""
    flags = (
        '[records.result.flags]\narea = "panel"\n[records.result.flags.fields]\nx = { bits = [5, 5] }\n\n[handshake]\n'
    )
    findings = [str(finding) for finding in lint(TEXT.replace("[handshake]\n", flags, 1))]
    assert any("records.result.flags: only the status block has flags" in finding for finding in findings)
