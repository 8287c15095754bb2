"""Every fault of the catalogue really puts its malformed bytes on the wire, and only when and where it is told to."""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from modbus_probe import ModbusError, ModbusProbe, crc16, read_status
from sim_parts import ROOT, long, rubric, word

from simulators.device.clock import FleetTime
from simulators.device.codes import AbortReason
from simulators.device.rig import Rig
from simulators.errors import FaultError
from simulators.faults import CATALOGUE, FaultSpec, parse_fault
from simulators.modbus.host import RigHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

READ_STATUS = struct.pack(">BHH", 3, 0, 48)
LOST: list[tuple[str, int, int]] = []


@pytest.fixture
async def host() -> AsyncIterator[RigHost]:
    """A rig with two finished items of two candidates, records 1 to 8; results in slots 0 and 1."""
    LOST.clear()
    host = RigHost(Rig("LV-0001", rubric(), FleetTime()), on_memory_lost=lambda *lost: LOST.append(lost))
    await host.start()
    host.rig.write_ready(1)
    for ticket, points in (("S20261123-0001", 100), ("S20261123-0002", 2000)):
        host.rig.open_exam(ticket)
        host.rig.start_item("K13")
        host.rig.deduct(1, points)
        host.rig.finish_item()
        host.rig.abort(AbortReason.EXAMINER)
    yield host
    await host.stop()


def set_fault(host: RigHost, name: str, **more: object) -> None:
    host.set_fault(FaultSpec(name, **{"probability": 1.0, **more}))  # type: ignore[arg-type]


def healthy(frame: bytes, tid: bytes, pdu: bytes) -> bool:
    return frame == tid + b"\0\0" + struct.pack(">HB", len(pdu) + 1, 1) + pdu


FINISHED = 4096 + 48 * 9  # the item_finished of the second candidate has seq 9
RESULT = 28672 + 160 * 1
RESULT_WORDS = 53


def valid(record: bytes) -> bool:
    """CRC right."""
    return crc16(record[:-2]) == int.from_bytes(record[-2:], "big")


@pytest.mark.parametrize("at", range(1, 48))
async def test_r1_torn_event_at_every_point(host: RigHost, probe: ModbusProbe, at: int) -> None:
    """R1: from word `at` on the slot is old; the checksum shows it at every split but where both are alike."""
    good = await probe.read(FINISHED, 48)
    set_fault(host, "torn-record", area="event", at=at, times=1)
    torn = await probe.read(FINISHED, 48)
    assert torn == good[: 2 * at] + bytes(96 - 2 * at)
    assert not valid(torn)
    assert await probe.read(FINISHED, 48) == good


async def test_r1_torn_result_in_one_page_of_two(host: RigHost, probe: ModbusProbe) -> None:
    """R1: a result read in two pages can be torn in the second page alone (`skip`)."""
    first, second = await probe.read(RESULT, 40), await probe.read(RESULT + 40, 13)
    set_fault(host, "torn-record", area="result", at=42, times=1, skip=1)
    assert await probe.read(RESULT, 40) == first
    torn = await probe.read(RESULT + 40, 13)
    assert torn == second[:4] + bytes(22)


async def test_r1_half_written(host: RigHost, probe: ModbusProbe) -> None:
    """R1: trailing sequence number and CRC are those of before."""
    set_fault(host, "half-written")
    event, result = await probe.read(FINISHED, 48), await probe.read(RESULT, RESULT_WORDS)
    assert (long(event, 0), long(event, 45), word(event, 47)) == (9, 0, 0)
    assert (long(result, 0), long(result, 50), word(result, 52)) == (9, 0, 0)


async def test_r1_changing_record_is_valid_and_different_each_time(host: RigHost, probe: ModbusProbe) -> None:
    """R1: two reads, both with a right CRC, and another score: only comparing finds it."""
    set_fault(host, "changing-record")
    events = [await probe.read(FINISHED, 48) for _ in range(2)]
    results = [await probe.read(RESULT, RESULT_WORDS) for _ in range(2)]
    assert all(map(valid, events + results))
    assert events[0] != events[1]
    assert word(results[0], 42) != word(results[1], 42)


async def test_r1_torn_status_and_bad_status_crc(host: RigHost, probe: ModbusProbe) -> None:
    """R1: the two last_seq differ; and one flipped bit that the CRC shows."""
    set_fault(host, "torn-status", times=1)
    block = await probe.read(0, 48)
    assert valid(block)
    assert (long(block, 16), long(block, 45)) == (10, 9)
    set_fault(host, "bad-status-crc", times=1)
    assert not valid(await probe.read(0, 48))
    assert valid(await probe.read(0, 48))


async def test_r2_stuck_status_and_heartbeat(host: RigHost, probe: ModbusProbe) -> None:
    """R2: the frozen block does not show a new record; the stuck heartbeat shows everything else."""
    set_fault(host, "stuck-heartbeat")
    assert word(await probe.read(0, 48), 34) == 7
    host.clear_faults()
    set_fault(host, "stuck-status")
    before = await probe.read(0, 48)
    host.rig.open_exam("T3")
    assert await probe.read(0, 48) == before
    host.clear_faults()
    assert (await read_status(probe))["last_seq"] == 11


async def test_r3_last_seq_bounces_and_runs_ahead(host: RigHost, probe: ModbusProbe) -> None:
    """R3: valid blocks whose last_seq is one less, or one more, than there are records."""
    set_fault(host, "last-seq-bounce", times=1)
    set_fault(host, "last-seq-ahead", times=1, skip=1)
    assert [(await read_status(probe))["last_seq"] for _ in range(3)] == [9, 11, 10]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 10, 11])
async def test_r4_exceptions(host: RigHost, probe: ModbusProbe, code: int) -> None:
    """R4: each exception code once, then the rig answers again."""
    set_fault(host, f"exception-{code}", times=1)
    with pytest.raises(ModbusError) as refusal:
        await probe.read(0, 48)
    assert refusal.value.code == code
    assert (await read_status(probe))["last_seq"] == 10


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wrong-tid", lambda f: b"\x00\x02" + f[2:]),
        ("tid-zero", lambda f: b"\0\0" + f[2:]),
        ("wrong-protocol", lambda f: f[:2] + b"\0\1" + f[4:]),
        ("wrong-unit", lambda f: f[:6] + b"\2" + f[7:]),
        ("wrong-function", lambda f: f[:7] + b"\4" + f[8:]),
        ("short-count", lambda f: f[:4] + b"\0\5\1\3\2" + f[9:11]),
        ("long-count", lambda f: f[:4] + b"\0\x09\1\3\6" + f[9:] + b"\0\0"),
        ("length-65535", lambda f: f[:4] + b"\xff\xff" + f[6:]),
        ("duplicate-reply", lambda f: f + f),
        ("trailing-bytes", lambda f: f + bytes.fromhex("00ff5a5a00")),
        ("garbage-before", lambda f: bytes.fromhex("00ff5a5a000000") + f),
        ("half-frame", lambda f: f[:6]),
        ("drip", lambda f: f),
        ("silent", lambda _: b""),
        ("reset", lambda _: b""),
        ("reset-in-reply", lambda f: f[:6]),
    ],
)
async def test_r5_r6_frames_on_the_wire(host: RigHost, probe: ModbusProbe, name: str, expected) -> None:
    """R5, R6: exactly the malformed bytes that the fault's name says."""
    good = bytes.fromhex("000100000007010304") + b"KF\0\1"
    set_fault(host, name, times=1)
    await probe.send(probe.frame(struct.pack(">BHH", 3, 0, 2), tid=1))
    assert await probe.receive_until_quiet() == expected(good)


async def test_r5_drip_comes_byte_by_byte(host: RigHost, probe: ModbusProbe) -> None:
    """R5: thirteen bytes at 4 ms apart take at least their time."""
    set_fault(host, "drip", at=4)
    began = time.monotonic()
    assert await probe.read(0, 2) == b"KF\0\1"
    assert time.monotonic() - began >= 0.04


async def test_r5_late_reply_comes_after_the_next_answer(host: RigHost, probe: ModbusProbe) -> None:
    """R5: the late reply carries its own transaction id and the block of the earlier address."""
    set_fault(host, "late-reply", at=100, times=1)
    await probe.send(
        probe.frame(struct.pack(">BHH", 3, 0, 1), tid=1) + probe.frame(struct.pack(">BHH", 3, 1, 1), tid=2)
    )
    assert await probe.receive(22) == bytes.fromhex("0002000000050103020001" + "000100000005010302") + b"KF"


async def test_r5_one_behind_answers_the_question_before_under_id_zero(host: RigHost, probe: ModbusProbe) -> None:
    """R5: what an unguarded client books to the wrong candidate."""
    set_fault(host, "one-behind", times=1)
    await probe.send(probe.frame(struct.pack(">BHH", 3, 0, 1), tid=1))
    assert await probe.receive_until_quiet() == b""
    await probe.send(probe.frame(struct.pack(">BHH", 3, 1, 1), tid=2))
    assert await probe.receive(22) == bytes.fromhex("000000000005010302") + b"KF" + bytes.fromhex(
        "0002000000050103020001"
    )


async def test_r5_previous_reply_has_the_right_id_and_the_words_before(host: RigHost, probe: ModbusProbe) -> None:
    """R5: the frame is right in every byte that a frame guard can check."""
    set_fault(host, "previous-reply", skip=1)
    first = await probe.read(4096 + 48 * 4, 48)
    assert await probe.read(FINISHED, 48) == first


async def test_r5_previous_block_and_foreign_serial(host: RigHost, probe: ModbusProbe) -> None:
    """R5: records valid in themselves that are not the ones asked for."""
    before = await probe.read(FINISHED - 48, 48), await probe.read(RESULT - 160, RESULT_WORDS)
    set_fault(host, "previous-block")
    assert (await probe.read(FINISHED, 48), await probe.read(RESULT, RESULT_WORDS)) == before
    host.clear_faults()
    set_fault(host, "foreign-serial")
    for record in (await probe.read(FINISHED, 48), await probe.read(RESULT, RESULT_WORDS)):
        assert valid(record)
        assert record[8:24] != b"LV-0001".ljust(16, b"\0")


async def test_r6_refuse_and_one_connection(host: RigHost, probe: ModbusProbe) -> None:
    """R6: the port is closed and opens again; a limited rig resets the second connection."""
    set_fault(host, "refuse")
    with pytest.raises(OSError, match=r"."):
        await ModbusProbe(host.address, host.port).__aenter__()
    host.clear_faults()
    async with asyncio.timeout(5):
        while True:
            try:
                first = await ModbusProbe(host.address, host.port).__aenter__()
                break
            except OSError:
                await asyncio.sleep(0.01)
    set_fault(host, "one-connection")
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        async with ModbusProbe(host.address, host.port) as second:
            await read_status(second)
    assert (await read_status(first))["serial"] == "LV-0001"
    await first.__aexit__()


async def test_r7_sequence_restarts_and_lost_records_are_told(host: RigHost, probe: ModbusProbe) -> None:
    """R7: next boot, numbers from 1, and the truth learns which records nobody can find any more."""
    set_fault(host, "seq-restart")
    await asyncio.wait_for(host.power.wait(), 5)
    host.rig.open_exam("T3")
    async with ModbusProbe(host.address, host.port) as again:
        status = await read_status(again)
    assert (status["boot"], status["last_seq"], status["oldest_seq"], status["acked_seq"]) == (2, 1, 1, 0)
    assert LOST == [("LV-0001", 1, 10)]


async def test_r7_wrong_boot(host: RigHost, probe: ModbusProbe) -> None:
    """R7: a record of another life, under a right CRC."""
    set_fault(host, "wrong-boot")
    for record in (await probe.read(FINISHED, 48), await probe.read(RESULT, RESULT_WORDS)):
        assert valid(record)
        assert long(record, 12) == 0xEEEE


async def test_r8_sequence_gap(host: RigHost, probe: ModbusProbe) -> None:
    """R8: the next record skips numbers; once everything before is acknowledged, oldest_seq tells the gap (G2)."""
    await probe.acknowledge(10)
    set_fault(host, "seq-gap", at=4)
    host.rig.open_exam("T3")
    status = await read_status(probe)
    assert (status["last_seq"], status["oldest_seq"], status["acked_seq"]) == (15, 15, 10)
    assert long(await probe.read(4096 + 48 * 15, 48), 0) == 15


async def test_r9_clock_jump_and_no_clock(host: RigHost, probe: ModbusProbe) -> None:
    """R9: a day ahead, then no clock at all, then right again."""
    right = int((await read_status(probe))["time_s"])
    set_fault(host, "clock-jump")
    assert 86_390 < int((await read_status(probe))["time_s"]) - right < 86_500
    host.clear_faults()
    set_fault(host, "clock-unset")
    assert (await read_status(probe))["time_s"] == 0
    host.clear_faults()
    assert int((await read_status(probe))["time_s"]) - right < 60


async def test_windows_open_and_close_by_bus_time(host: RigHost, probe: ModbusProbe) -> None:
    """A fault with a window happens inside it only."""
    now_s = host.rig.time.bus_us() / 1e6
    set_fault(host, "exception-6", start_s=now_s + 0.1, stop_s=now_s + 0.3)
    assert (await read_status(probe))["last_seq"] == 10
    async with asyncio.timeout(5):
        while not host.plan.active:
            await asyncio.sleep(0.01)
        with pytest.raises(ModbusError):
            await probe.read(0, 48)
        while host.plan.active:
            await asyncio.sleep(0.01)
    assert (await read_status(probe))["last_seq"] == 10


async def test_faults_compose(host: RigHost, probe: ModbusProbe) -> None:
    """Two faults at once: the words of one in the frame of the other."""
    set_fault(host, "last-seq-bounce")
    set_fault(host, "tid-zero")
    await probe.send(probe.frame(READ_STATUS))
    frame = await probe.receive(105)
    assert frame[:2] == b"\0\0"
    assert long(frame[9:], 16) == 9


async def test_probability_is_seeded() -> None:
    """The same seed fires at the same requests, another seed at others."""

    async def pattern(seed: int) -> str:
        host = RigHost(Rig("LV-0001", rubric(), FleetTime()), seed=seed)
        await host.start()
        host.set_fault(FaultSpec("exception-6", probability=0.3))
        marks = ""
        async with ModbusProbe(host.address, host.port) as probe:
            for _ in range(40):
                try:
                    await probe.read(0, 1)
                    marks += "."
                except ModbusError:
                    marks += "x"
        await host.stop()
        return marks

    first = await pattern(1)
    assert first == await pattern(1) != await pattern(2)
    assert 3 < first.count("x") < 25


def test_every_fault_has_a_test() -> None:
    """A fault nobody has seen on a wire, here, on a line or at a broker, is not in the catalogue."""
    here, others = (
        Path(__file__),
        ("test_simulator_mqtt_faults.py", "test_simulator_bus.py", "test_simulator_more_faults.py"),
    )
    text = "".join(file.read_text(encoding="utf-8") for file in (here, *map(here.with_name, others)))
    missing = [name for name in CATALOGUE if f'"{name}"' not in text and not name.startswith("exception-")]
    assert missing == []
    assert {kind.catalogue for kind in CATALOGUE.values()} == {
        *(f"R{n}" for n in range(1, 14)),
        "M5",
        "M6",
        "M9",
        "M10",
    }
    assert all((kind.__doc__ or "").startswith(f"{kind.catalogue}: ") for kind in CATALOGUE.values())


def test_the_text_of_a_fault() -> None:
    """[RIG=]NAME[:PROBABILITY][@FROM-TO]; anything else is refused with what was expected."""
    assert parse_fault("LV-0001=drip:0.1@5-20") == FaultSpec("drip", 0.1, 5.0, 20.0, rig="LV-0001")
    assert parse_fault("silent@3-") == FaultSpec("silent", None, 3.0)
    for wrong in ("", "drip:", "drip:2", "drip@5", "drip@9-5", "=drip", "drip:0.1.2", "Drip"):
        with pytest.raises(FaultError):
            parse_fault(wrong)


async def test_an_unknown_fault_or_area_is_refused(host: RigHost) -> None:
    """Nothing is set that would never happen."""
    with pytest.raises(FaultError, match="no fault 'dripp'"):
        set_fault(host, "dripp")
    with pytest.raises(FaultError, match="concerns event, result"):
        set_fault(host, "torn-record", area="status")


def test_the_page_tells_every_fault_as_the_code_does() -> None:
    """docs/simulators.md: its fault table is the catalogue, row by row."""
    page = (ROOT / "docs" / "simulators.md").read_text(encoding="utf-8")
    for name, kind in CATALOGUE.items():
        said = (kind.__doc__ or "").split(": ", 1)[1]
        assert f"| `{name}` | {kind.catalogue} | {kind.usual:.0%} | {said} |" in page
