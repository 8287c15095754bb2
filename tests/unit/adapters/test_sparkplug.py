"""Sparkplug rigs: bytes derived by hand, births, deaths, the sequence, and what is refused (S1 to S12)."""

from __future__ import annotations

import asyncio
import tomllib
from typing import Any

import pytest
from spark_bench import AT_MS, OTHER, RESULT, SERIAL, TEXT, Bench, birth, data
from tree import ROOT

from device_adapters.contract import Evidence, NotConnected, Observation, Position, RawArea, RigStatus
from device_adapters.decoding.sparkplug import areas_of, decode_spark
from device_adapters.language.lint import lint
from device_adapters.language.profile import load_profile
from device_adapters.language.values import SparkShape
from device_adapters.limits import (
    REBIRTH_FIRST_S,
    SPARK_DATA_BYTES_MAX,
)
from device_adapters.sparkplug.command import rebirth
from simulators.mqtt.spark_payload import Metric, chunk, number

GOLDEN = tomllib.loads((ROOT / "tests/vectors/profile/sparkplug-device.golden.toml").read_text(encoding="utf-8"))
AT = Position(3, 17)


def hexed(name: str) -> bytes:
    return bytes.fromhex(" ".join(GOLDEN[name]))


def shape(text: str = TEXT) -> SparkShape:
    found = load_profile(text.encode()).message
    assert isinstance(found, SparkShape)
    return found


def zeroed(area: RawArea) -> RawArea:
    shown = bytearray(area.data)
    for offset, length in area.cut:
        shown[offset : offset + length] = bytes(length)
    return RawArea(area.area, area.at, bytes(shown), area.cut)


async def ready(position: Position | None = AT, **how: Any) -> Bench:
    bench = Bench(position=position, **how)
    bench.be_born(devices=list(bench.boxes))
    await bench.adapter.connect()
    return bench


async def refused(bench: Bench, reason: str) -> Evidence:
    found = await bench.next()
    assert isinstance(found, Evidence), found
    assert found.reason == reason, found
    return found


async def record(bench: Bench, seq: int) -> Observation:
    found = await bench.next()
    assert isinstance(found, Observation), found
    assert (found.type, found.seq) == ("item.finished", seq)
    return found


def test_bytes_derived_by_hand_decode_exactly_and_again_without_the_person() -> None:
    """P4, P7, S9, S10: every value and every range that must not be shown; erased for good it says the same."""
    raw, expect = areas_of(GOLDEN["topic"], hexed("birth"), [hexed("data")]), GOLDEN["expect"]
    found = decode_spark(shape(), raw, rig=SERIAL)
    assert (found.type, found.rig, found.epoch, found.seq) == tuple(
        expect[key] for key in ("type", "rig", "epoch", "seq")
    )
    fields = {name: value for name, value in found.fields.items() if value is not None}
    assert (found.mode, found.rig_time, fields) == (expect["mode"], expect["rig_time"], expect["fields"])
    assert {name: value.decode() for name, value in found.personal.items()} == expect["personal"]
    hidden = [area.data[at : at + size] for area in found.areas for at, size in area.cut]
    assert [one.decode() if len(one) == 2 else one.hex() for one in hidden] == expect["hidden"]
    gone = decode_spark(shape(), [zeroed(area) for area in found.areas], erased=True)
    assert (gone.fields, gone.seq, gone.epoch, gone.personal, gone.rig_time) == (
        found.fields,
        found.seq,
        found.epoch,
        {},
        found.rig_time,
    )
    assert [area.cut for area in gone.areas] == [area.cut for area in found.areas]


def test_the_command_is_the_one_derived_by_hand() -> None:
    """S7: the only thing that is ever said to an edge node."""
    assert rebirth(1) == hexed("rebirth")


async def test_records_come_and_nothing_is_settled_before_they_are_stored() -> None:
    """P1, S9: in one message, or over several; what stays is not said again."""
    bench = await ready()
    bench.say("DDATA", data({"Result/Score": 87.5, "Task/Code": "K21"}))
    bench.say("DDATA", data({"Candidate/Ticket": "S1", "Result/At": AT_MS}))
    before = len(bench.fates)
    bench.say("DDATA", data({"Result/Number": 18}))
    assert len(bench.fates) == before
    found = await record(bench, 18)
    assert len(bench.fates) == before + 1
    assert [area.area for area in found.raw] == ["topic", "birth", "data.1", "data.2", "data.3"]
    assert (found.fields["score"], found.personal, found.guarantee) == (8750, {"ticket": b"S1"}, "unacknowledged")
    bench.say("DDATA", data({"Result/Score": 50.0, "Task/Code": "K22", "Result/At": AT_MS, "Result/Number": 19}))
    second = await record(bench, 19)
    assert [area.area for area in second.raw] == ["topic", "birth", "data.1", "data.2"], (
        "the ticket's message, and this"
    )
    assert (second.fields["score"], second.personal) == (5000, {"ticket": b"S1"})
    shape_ = bench.profile.message
    assert isinstance(shape_, SparkShape)
    assert decode_spark(shape_, second.raw, rig=SERIAL).fields == second.fields


async def test_a_value_of_the_last_record_is_never_used_again() -> None:
    """P5, V8: the score must be said anew; report by exception is for values that stay."""
    bench = await ready()
    bench.finish(18)
    await record(bench, 18)
    bench.say("DDATA", data({"Task/Code": "K22", "Result/At": AT_MS, "Result/Number": 19}))
    found = await refused(bench, "missing_field")
    assert (found.detail, found.asked) == ("score not said since the last record", 19)
    bench.finish(20)
    gap = await bench.next()
    assert isinstance(gap, Observation)
    assert (gap.type, gap.fields["from"], gap.fields["to"]) == ("sequence.gap", 19, 19)
    await record(bench, 20)


async def test_a_gap_in_the_sequence_forgets_the_certificates_and_asks_for_a_rebirth() -> None:
    """S6, S7, M4: the lost message may have been a certificate, so aliases are not believed; 255 is followed by 0."""
    bench = await ready()
    bench.seq = 254
    bench.say("NBIRTH", [Metric("Int64", 0, "bdSeq", typed=True)], None)
    bench.say("DBIRTH", birth())
    bench.finish(18)
    await record(bench, 18)
    assert bench.seq == 1
    bench.seq = 3
    bench.finish(19)
    bench.finish(20)
    await refused(bench, "sequence")
    with pytest.raises(NotConnected, match="no birth certificate"):
        await bench.next()
    assert bench.asked == []
    connecting = asyncio.create_task(bench.adapter.connect())
    await asyncio.sleep(0)
    assert [topic for topic, _ in bench.asked] == ["spBv1.0/hall-3/NCMD/edge-1"]
    bench.be_born(Result_Number=20)
    await connecting
    gap = await bench.next()
    assert isinstance(gap, Observation)
    assert (gap.type, gap.fields["from"], gap.fields["to"]) == ("sequence.gap", 19, 20)
    bench.finish(21)
    await record(bench, 21)


async def test_a_rebirth_is_asked_for_at_most_so_often() -> None:
    """S7: an edge node that does not answer is not flooded."""
    bench = Bench(position=AT)
    waits = [await bench.node.chores(bench) for _ in range(50)]
    assert len(bench.asked) == 1
    assert all(0 < wait <= REBIRTH_FIRST_S for wait in waits if wait is not None)
    bench.be_born()
    assert await bench.node.chores(bench) is None
    bench.trouble = "no connection to the broker"  # type: ignore[assignment]
    bench.cut()
    assert await bench.node.chores(bench) is None


async def test_data_before_a_birth_is_refused_once_and_never_guessed() -> None:
    """S6: after a start of the gateway, and of a device whose certificate is missing."""
    bench = Bench(position=AT)
    for number_ in (18, 19):
        bench.finish(number_)
    await bench.adapter.connect()
    await refused(bench, "sequence")
    with pytest.raises(NotConnected):
        await bench.next()
    bench.say("NBIRTH", [Metric("Int64", 0, "bdSeq", typed=True)], None)
    bench.finish(20)
    await bench.adapter.connect()
    assert (await refused(bench, "sequence")).detail == "data without a birth certificate of the rig"
    with pytest.raises(NotConnected):
        await bench.next()
    await bench.node.chores(bench)
    assert bench.asked


async def test_an_unknown_alias_is_refused_and_a_rebirth_asked_for() -> None:
    """S6: the whole message, and what follows it until the next certificate."""
    bench = await ready()
    bench.say("DDATA", [*data(RESULT), Metric("UInt32", 18, None, 99, AT_MS)])
    await refused(bench, "code")
    await bench.node.chores(bench)
    assert len(bench.asked) == 1
    bench.be_born()
    bench.finish(18)
    await bench.adapter.connect()
    await record(bench, 18)


async def test_deaths_are_believed_of_this_life_only() -> None:
    """S5, M10: NDEATH with the bdSeq of the birth, DDEATH of the device; an old will changes nothing."""
    bench = await ready(serials=(SERIAL, OTHER))
    bench.die(bdseq=7)
    bench.finish(18)
    await record(bench, 18)
    bench.say("DDEATH", [])
    with pytest.raises(NotConnected, match="away"):
        await bench.next()
    assert await bench.node.chores(bench) is None, "it comes back by itself"
    await bench.adapters[OTHER].connect()
    bench.say("DBIRTH", birth(Result_Number=18))
    await bench.adapter.connect()
    bench.die()
    with pytest.raises(NotConnected):
        await bench.next()
    with pytest.raises(NotConnected):
        await bench.adapters[OTHER].read()
    assert await bench.node.chores(bench) is None
    bench.be_born(1, devices=(SERIAL, OTHER), Result_Number=18)
    await bench.adapter.connect()
    bench.finish(19)
    await record(bench, 19)


async def test_devices_of_one_node_share_its_sequence_and_nothing_else() -> None:
    """P8: a message of a device that is no rig counts; a bad record of one rig is no matter of the other."""
    bench = await ready(serials=(SERIAL, OTHER))
    bench.say("DBIRTH", [Metric("Int8", 1, "x", 200, AT_MS, typed=True)], "lamp")
    bench.say("DDATA", [Metric("Int8", 2, None, 200, AT_MS)], "lamp")
    bench.say("DDATA", data({**RESULT, "Result/Score": 100.01, "Result/Number": 18}), OTHER)
    bench.finish(18)
    await record(bench, 18)
    assert isinstance(bench.boxes[OTHER].inbox.arrived[0].found, Evidence)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "inexact": ({"Result/Score": 87.555}, "inexact"),
    "too much": ({"Result/Score": 101.0}, "range"),
    "no number": ({"Result/Score": float("nan")}, "inexact"),
    "infinite": ({"Result/Score": float("inf")}, "inexact"),
    "null": ({"Result/Score": None}, "missing_field"),
    "unknown word": ({"Result/End": 9}, "code"),
    "a code above its type": ({"Result/End": 256}, "range"),
    "negative": ({"Task/Run": -1}, "range"),
    "number 0": ({"Result/Number": 0}, "range"),
    "no moment": ({"Result/At": 2**63}, "range"),
    "a control character": ({"Candidate/Ticket": "S\x07"}, "text"),
    "too long": ({"Candidate/Ticket": "S" * 33}, "range"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_values_that_are_none_are_refused_and_the_next_record_comes(name: str) -> None:
    """P5, P8: nothing is patched; the evidence is cut whole."""
    changed, reason = REFUSED[name]
    bench = await ready()
    bench.say("DDATA", data({**RESULT, "Result/Number": 18, **changed}))
    found = await refused(bench, reason)
    assert all(area.cut == ((0, len(area.data)),) for area in found.raw[1:])
    bench.say("DDATA", data({**RESULT, "Task/Run": 1, "Result/End": 0, "Result/Number": 19}))
    gap = await bench.next()
    assert isinstance(gap, Observation)
    assert gap.type == "sequence.gap"
    await record(bench, 19)


async def test_other_types_than_the_profile_says_are_refused() -> None:
    """S3, S4: at birth, in data, and in the field that carries the value; data sets and templates of ours too."""
    bench = await ready()
    bench.say("DDATA", [*data({**RESULT, "Result/Number": 18}), Metric("Int64", 5, None, 6, AT_MS)])
    await refused(bench, "wrong_kind")  # a long where an Int16 belongs
    typed = [Metric("Int32", 18, None, 1, AT_MS, typed=True)]
    bench.say("DDATA", [*data(RESULT), *typed])
    await refused(bench, "wrong_kind")
    bench.be_born()
    await bench.adapter.connect()
    dataset = chunk(2, number(2, 5) + chunk(17, b"")) + b"".join(
        chunk(2, one.encode()) for one in data({"Result/Number": 18})
    )
    bench.say("DDATA", [], raw=dataset + number(3, bench.seq))
    await refused(bench, "missing_field")  # of what is not said anew, first
    bench.say("DBIRTH", birth(Result_Score=...))
    assert (await refused(bench, "missing_field")).detail == "score is not in the birth certificate"
    with pytest.raises(NotConnected):
        await bench.next()
    assert await bench.node.chores(bench) is None, "another certificate would say the same"


async def test_historical_values_are_a_record_only_all_together() -> None:
    """S8: a record of before the connection; never mixed with what holds now, never shown as live."""
    bench = await ready()
    whole = {**RESULT, "Result/End": 1, "Task/Run": 2, "Exam/Number": 16, "Key/Exam": True, "Properties/Starts": 3}
    bench.say("DDATA", data({**whole, "Result/Number": 18}, historical=True))
    found = await record(bench, 18)
    assert (found.fields["outcome"], found.fields["exam_no"]) == ("timeout", 16)
    bench.say("DDATA", data({**RESULT, "Result/Number": 19}, historical=True))
    assert (await refused(bench, "missing_field")).asked == 19
    bench.say("DDATA", [*data(whole), *data({"Result/Number": 20}, historical=True)])
    await refused(bench, "pair")
    late = [*data(whole, historical=True), *data({"Result/Number": 21}, historical=True, at_ms=AT_MS + 1)]
    bench.say("DDATA", late)
    await refused(bench, "pair")
    bench.say("DDATA", data({"Result/Score": 1.0, "Exam/Number": 3}, historical=True, at_ms=AT_MS - 1))
    bench.finish(22)
    gap = await bench.next()
    assert isinstance(gap, Observation)
    assert gap.fields["to"] == 21
    assert (await record(bench, 22)).fields["score"] == 8750


async def test_what_is_called_historical_and_is_not_older_leaves_nothing_certain() -> None:
    """S8, P5: the exam number of the birth may have been the last one's; said again, it holds."""
    bench = await ready()
    bench.say("DDATA", data({"Exam/Number": 18}, historical=True))
    bench.finish(18)
    assert (await refused(bench, "pair")).detail == "exam_no said as historical, and not older than what holds"
    bench.say("DDATA", data({"Exam/Number": 18}))
    bench.finish(19)
    assert isinstance(await bench.next(), Observation)
    assert (await record(bench, 19)).fields["exam_no"] == 18


async def test_a_birth_is_no_record_and_the_number_in_it_tells_what_was_lost() -> None:
    """P5, S9: its values may be of the next exam already."""
    bench = await ready()
    bench.cut()
    with pytest.raises(NotConnected):
        await bench.next()
    bench.be_born(Result_Number=20, Result_Score=99.0)
    await bench.adapter.connect()
    gap = await bench.next()
    assert isinstance(gap, Observation)
    assert (gap.type, gap.fields["from"], gap.fields["to"]) == ("sequence.gap", 18, 20)


async def test_retained_messages_are_not_believed() -> None:
    """M3: the specification forbids them."""
    bench = Bench(position=AT)
    bench.say("NBIRTH", [Metric("Int64", 0, "bdSeq", typed=True)], None, retained=True)
    bench.finish(18)
    await bench.adapter.connect()
    await refused(bench, "sequence")
    bench = await ready()
    bench.say("DDATA", data({**RESULT, "Result/Number": 18}), retained=True)
    await refused(bench, "retained")


async def test_a_birth_of_the_node_without_its_number_is_none() -> None:
    """S5: without bdSeq no death could be told from an old one."""
    bench = Bench(position=AT)
    bench.say("NBIRTH", [], None)
    bench.say("DBIRTH", birth())
    assert not bench.boxes[SERIAL].inbox.arrived, "no record is in a certificate, so nothing is refused"
    bench.finish(18)
    await bench.adapter.connect()
    await refused(bench, "sequence")


async def test_the_live_state_is_shown() -> None:
    """P6: from the birth on."""
    bench = await ready()
    reading, _ = await bench.adapter.read()
    assert isinstance(reading, RigStatus)
    assert (reading.mode, reading.exam_no, reading.last_seq) == ("exam", 17, 17)


async def test_messages_that_do_not_fit_into_an_entry_are_refused() -> None:
    """B16: at most so many bytes of data for one record."""
    bench = await ready()
    filler = chunk(5, bytes(SPARK_DATA_BYTES_MAX // 2))
    for values in ({"Candidate/Ticket": "S1"}, {"Task/Code": "K21"}):
        content = filler + b"".join(chunk(2, one.encode()) for one in data(values)) + number(3, bench.seq)
        bench.say("DDATA", [], raw=content)
    bench.say("DDATA", data({"Result/Score": 5.0, "Result/At": AT_MS, "Result/Number": 18}))
    await refused(bench, "oversize")


async def test_a_node_that_is_itself_the_rig_is_read_too() -> None:
    """S1: without `device`."""
    text = TEXT.replace('device = "{serial}"\n', "").replace('node = "edge-1"', 'node = "{serial}"')
    assert lint(text) == []
    bench = Bench(text, AT)
    bench.say("NBIRTH", [*birth(), Metric("Int64", 0, "bdSeq", typed=True)], None)
    await bench.adapter.connect()
    bench.say("NDATA", data({**RESULT, "Result/Number": 18}), None)
    found = await record(bench, 18)
    assert found.raw[0].data == b"spBv1.0/hall-3/NDATA/B-7"
    bench.die()
    with pytest.raises(NotConnected, match="away"):
        await bench.next()
