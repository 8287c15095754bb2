"""A status block that is read over and over says the same as one that is read for the first time."""

from __future__ import annotations

import random
from dataclasses import replace

from rig_profiles import v1
from scripted_rig import ScriptedRig, crc16

from device_adapters.decoding.decode import decode_status, shown_by
from device_adapters.decoding.records import Reopened
from device_adapters.decoding.unchanged import Unchanged
from device_adapters.errors import DecodeError
from device_adapters.language.checksums import crc16_modbus
from device_adapters.latching.sightings import Sightings
from device_adapters.modbus.registers import SAID

PROFILE = v1()


def fresh(data: bytes) -> object:
    """What the block says when nothing is remembered."""
    try:
        return decode_status(PROFILE, data, rig="LV-0001")
    except DecodeError as error:
        return error.reason, error.detail


def again(memory: Reopened, data: bytes) -> object:
    """What it says to the one who remembers the last."""
    try:
        return shown_by(PROFILE, memory.open(data), "LV-0001")
    except DecodeError as error:
        return error.reason, error.detail


def moved(block: bytes, dice: random.Random) -> bytes:
    """A rig a moment later: some words changed, mostly sealed with the right checksum, sometimes foreign or torn."""
    words = bytearray(block)
    for _ in range(dice.randrange(4)):
        at = dice.choice((0, 2, 4, *range(8, 94)))
        words[at] = dice.choice((words[at] ^ 1, dice.randrange(256), 0))
    sealed = crc16(bytes(words[:94])).to_bytes(2, "big")
    return bytes(words[:94]) + (sealed if dice.random() < 0.9 else bytes(words[94:]))


def test_what_is_remembered_of_a_block_never_changes_what_the_next_one_says() -> None:
    """P5: after any blocks, good, torn or foreign, value and refusal are those of a reading without a memory."""
    dice, memory = random.Random(20261123), Reopened(PROFILE.status, "LV-0001")
    rig = ScriptedRig()
    rig.state, rig.running_score = 2, 7300
    block, good, refused = rig.status_block(), 0, set()
    for step in range(6_000):
        if dice.random() < 0.05:
            rig.last_seq += dice.randrange(2)
            rig.oldest_seq = min(rig.last_seq, 1)
        if dice.random() < 0.4 or step % 7 == 0:
            rig.refresh()
            block = rig.status_block()
        tried = moved(block, dice)
        expected = fresh(tried)
        assert again(memory, tried) == expected
        if isinstance(expected[0], str):  # type: ignore[index]
            refused.add(expected[0])  # type: ignore[index]
        else:
            good += 1
            live = expected[0]  # type: ignore[index]
            assert live.heartbeat == int.from_bytes(tried[rig_word("heartbeat") : rig_word("heartbeat") + 2], "big")
    assert good > 1_000
    assert {"crc", "sequence", "serial", "constant"} <= refused


def test_a_block_that_is_told_unchanged_by_its_bytes_says_the_same_and_is_whole() -> None:
    """P5: heartbeat and running time may move under a right checksum; whatever else moves is opened as ever."""
    dice, unchanged = random.Random(20261124), Unchanged(PROFILE.status, SAID, "elapsed_s")
    rig, verdicts = ScriptedRig(), {True: 0, False: 0, None: 0}
    rig.state, rig.running_score = 2, 7300
    block = rig.status_block()
    clock = [*range(rig_word("heartbeat"), rig_word("heartbeat") + 2)]
    clock += range(rig_word("elapsed_s"), rig_word("elapsed_s") + PROFILE.status.fields["elapsed_s"].words * 2)
    for _ in range(4_000):
        tried = bytearray(moved(block, dice) if dice.random() < 0.5 else block)
        if dice.random() < 0.7:
            tried[dice.choice(clock)] ^= dice.randrange(256)
            if dice.random() < 0.9:
                tried[94:] = crc16(bytes(tried[:94])).to_bytes(2, "big")
        found = bytes(tried)
        ran = unchanged.ran(int.from_bytes(block, "big"), found)
        verdicts[ran] += 1
        if ran is not None:
            (before, held), (after, holds) = (decode_status(PROFILE, data, rig="LV-0001") for data in (block, found))
            assert held == holds
            assert (before.elapsed_s != after.elapsed_s) == ran
            assert after == replace(before, elapsed_s=after.elapsed_s, heartbeat=after.heartbeat)
    assert min(verdicts.values()) > 300
    assert unchanged.ran(int.from_bytes(block, "big"), block[:-2]) is None


def rig_word(name: str) -> int:
    """Byte offset of a field of the status block."""
    return PROFILE.status.fields[name].at * 2


def test_a_block_whose_checksum_alone_changed_is_refused_though_all_else_is_known() -> None:
    """P5: remembered values never stand in for the proof that this reading came whole."""
    memory, block = Reopened(PROFILE.status, "LV-0001"), ScriptedRig().status_block()
    assert not isinstance(again(memory, block), tuple) or again(memory, block) == fresh(block)
    spoiled = block[:-1] + bytes((block[-1] ^ 1,))
    assert again(memory, spoiled) == fresh(spoiled)
    assert fresh(spoiled)[0] == "crc"  # type: ignore[index]
    assert again(memory, block) == fresh(block)


def test_the_checksum_is_the_same_two_bytes_at_a_time() -> None:
    """C6: the quick form agrees with the page's bit-by-bit definition at every length."""
    dice = random.Random(1)
    for length in range(200):
        data = dice.randbytes(length)
        assert crc16_modbus(data) == crc16(data)


def test_a_record_is_timed_from_the_reading_that_first_showed_it() -> None:
    """The figure of the way of a score begins where the gateway could first have known of it."""
    seen = Sightings()
    for last_seq, now in ((3, 100), (3, 200), (5, 300), (5, 400)):
        seen.shown(last_seq, now)
    assert [seen.of(seq) for seq in (2, 3, 4, 5, 6)] == [100, 100, 300, 300, 0]
    seen.shown(1, 500)  # the rig's memory began anew
    assert seen.of(1) == 500
