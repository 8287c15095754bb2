"""Rigs that publish single values: golden payloads, whole and half records, and what the linter refuses (V1 to V14)."""

from __future__ import annotations

import asyncio
import tomllib
from typing import Any

import pytest
from plain_bench import GOOD, SERIAL, TEXT, Bench
from tree import ROOT

from device_adapters.contract import Evidence, NotConnected, Observation, Position, RawArea, RigStatus
from device_adapters.decoding.plain import decode_plain
from device_adapters.errors import DecodeError
from device_adapters.language.values import PlainShape
from device_adapters.limits import ARRIVED_MAX, PLAIN_BYTES_MAX
from device_adapters.messages.fates import LET_GO

GOLDEN = tomllib.loads((ROOT / "tests/vectors/profile/plain-values.golden.toml").read_text(encoding="utf-8"))["record"]
AT = Position(0, 17)


async def ready(text: str = TEXT, position: Position | None = AT) -> Bench:
    bench = Bench(text, position)
    bench.say("link", "1") if "link" in text else None
    await bench.adapter.connect()
    return bench


def erased(area: RawArea) -> RawArea:
    data = bytearray(area.data)
    for offset, length in area.cut:
        data[offset : offset + length] = bytes(length)
    return RawArea(area.area, area.at, bytes(data), area.cut)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])
async def test_golden_payloads_read_exactly_and_again_without_the_person(golden: dict[str, Any]) -> None:
    """P4, P7, V5-V10: every value; the server reads the same from the raw areas, erased for good too."""
    bench, expect = await ready(position=Position(0, golden["expect"]["seq"] - 1)), golden["expect"]
    for last, payload in golden["topics"].items():
        bench.say(last, payload)
    found = await bench.next()
    assert isinstance(found, Observation)
    assert (found.type, found.rig, found.epoch, found.seq) == ("item.finished", SERIAL, expect["epoch"], expect["seq"])
    fields: dict[str, Any] = {name: value for name, value in found.fields.items() if value is not None}
    fields["deductions"] = [{k: v for k, v in row.items() if v is not None} for row in fields["deductions"]]
    assert fields == expect["fields"]
    assert {name: value.decode() for name, value in found.personal.items()} == expect["personal"]
    assert [area.area for area in found.raw if area.cut] == expect["cut"]
    shape = bench.profile.message
    assert isinstance(shape, PlainShape)
    again = decode_plain(shape, found.raw, rig=SERIAL)
    gone = decode_plain(shape, [erased(area) for area in found.raw], erased=True)
    assert (again.fields, again.areas, again.personal) == (found.fields, found.raw, found.personal)
    assert (gone.fields, gone.seq, gone.epoch, gone.personal) == (found.fields, found.seq, found.epoch, {})
    assert [area.cut for area in gone.areas] == [area.cut for area in found.raw]


async def test_nothing_is_settled_before_the_record_is_stored() -> None:
    """P1: PUBACK of every message of a record waits for the append; a live value does not."""
    bench = await ready()
    bench.say_all()
    bench.say("state", "done")
    bench.say("count", "18")
    assert bench.open == len(GOOD) + 1
    reading, ack = await bench.adapter.read()
    assert bench.open == len(GOOD) + 1, "read is not stored"
    assert isinstance(reading, Observation)
    await ack(bytes(32))
    assert (bench.open, bench.stored()) == (0, [18])


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "half a record": ({"score": None}, "missing_field", "score was not said"),
    "more than hundredths": ({"score": "87.555"}, "inexact", "score"),
    "above the top": ({"score": "100.01"}, "range", "score"),
    "a comma": ({"score": "87,5"}, "wrong_kind", "score"),
    "an exponent": ({"score": "1e2"}, "wrong_kind", "score"),
    "not a number": ({"score": "NaN"}, "wrong_kind", "score"),
    "a space": ({"score": " 87.5"}, "wrong_kind", "score"),
    "a fraction of a second": ({"seconds": "1.5"}, "not_integer", "elapsed_s"),
    "an unknown word": ({"end": "gone"}, "code", "outcome"),
    "a bit without a line": ({"faults": "2"}, "code", "deductions"),
    "a negative fault word": ({"faults": "-1"}, "code", "deductions"),
    "more points than there are": ({"score": "99", "faults": "17"}, "sum", "points"),
    "not UTF-8": ({"task": b"K\xff"}, "not_utf8", "item"),
    "a control character": ({"card": "S\x07"}, "text", "ticket"),
    "too long": ({"card": "S" * (PLAIN_BYTES_MAX + 1)}, "oversize", "ticket"),
    "long enough to be no ticket": ({"card": "S" * PLAIN_BYTES_MAX}, "range", "ticket"),
    "no moment": ({"clock": "99999999999999"}, "range", "finished"),
    "number 0": ({"count": "0"}, "range", "seq"),
    "no number": ({"count": "x"}, "wrong_kind", "seq"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_record_is_refused_with_its_reason_and_the_next_one_comes(name: str) -> None:
    """P5, P8, M5: refused and recorded with all that came, cut whole; nothing is filled up, the next record is good."""
    changed, reason, detail = REFUSED[name]
    bench = await ready()
    for last, payload in {**GOOD, "count": "18", **changed}.items():
        if payload is not None and last != "count":
            bench.say(last, payload)
    bench.say("count", changed.get("count", "18"))
    found = await bench.next()
    assert isinstance(found, Evidence)
    assert (found.reason, detail in found.detail) == (reason, True)
    assert all(area.cut == ((0, len(area.data)),) for area in found.raw[1:] if area.data)
    assert bench.open, "not settled before the refusal is durable"
    bench.say_all()
    bench.say("count", "19")
    gap, record = await bench.next(), await bench.next()
    assert isinstance(gap, Observation)
    assert isinstance(record, Observation)
    assert (gap.type, gap.fields["to"], record.seq) == ("sequence.gap", 18, 19)
    assert bench.open == 0


async def test_a_value_of_the_last_record_is_never_used_again() -> None:
    """P5: half-updated: the bench counted on without saying the score anew."""
    bench = await ready()
    bench.say_all()
    bench.say("count", "18")
    assert isinstance(await bench.next(), Observation)
    for last in GOOD:
        if last not in {"score", "key"}:
            bench.say(last, GOOD[last])
    bench.say("count", "19")
    found = await bench.next()
    assert isinstance(found, Evidence)
    assert (found.reason, found.detail) == ("missing_field", "score was not said since the last record")


async def test_a_retained_value_counts_only_where_the_profile_says_so() -> None:
    """M3: a retained number or score is refused; the key switch is the broker's kept word, until it is said anew."""
    bench = await ready()
    bench.say("count", "18", retained=True)
    refused = await bench.next()
    assert isinstance(refused, Evidence)
    assert refused.reason == "retained"
    bench.say("key", "2", retained=True)
    bench.say("score", "1", retained=True)
    for last, payload in GOOD.items():
        if last not in {"key", "score"}:
            bench.say(last, payload)
    bench.say("count", "18")
    refused = await bench.next()
    assert isinstance(refused, Evidence)
    assert (refused.reason, refused.detail) == ("retained", "score stands there retained, and was not said since")
    bench.say_all(key="1")
    bench.say("key", "2", retained=True)  # older than what was heard
    bench.say("count", "18")
    found = await bench.next()
    assert isinstance(found, Observation)
    assert (found.mode, found.seq) == ("exam", 18)


async def test_records_of_a_standing_session_wait_for_what_the_broker_keeps() -> None:
    """V13: it gives what it queued first and what it keeps last; a value that is said later says nothing of before."""
    values = {last: payload for last, payload in GOOD.items() if last != "key"}
    bench = await ready()
    for number in ("18", "19"):
        for last, payload in values.items():
            bench.say(last, payload)
        bench.say("count", number)
    assert not bench.box.inbox.arrived
    bench.say("key", "1", retained=True)
    assert [(await bench.next()).seq for _ in range(2)] == [18, 19]  # type: ignore[union-attr]
    bench.cut()
    for last, payload in values.items():
        bench.say(last, payload)
    bench.say("count", "20")
    bench.say("key", "2")
    await bench.adapter.connect()
    found = await bench.next()
    assert isinstance(found, Evidence)
    assert (found.reason, found.detail) == ("missing_field", "mode was said only after the record")


async def test_a_broker_that_keeps_nothing_is_not_waited_for_long() -> None:
    """P5: then the record is refused; the next ones at once."""
    values = {last: payload for last, payload in GOOD.items() if last != "key"}
    bench = await ready()
    for number in ("18", "19"):
        for last, payload in values.items():
            bench.say(last, payload)
        bench.say("count", number)
        bench.box._wait_no_longer()
        found = await bench.next()
        assert isinstance(found, Evidence)
        assert found.detail.startswith("mode was not said on this connection")


async def test_what_was_said_before_a_lost_connection_does_not_count_after_it() -> None:
    """M1, P5: the switch may have been turned meanwhile; what was not settled comes again from the broker."""
    bench = await ready()
    bench.say_all()
    bench.cut()
    bench.say("link", "1")
    with pytest.raises(NotConnected):
        await bench.adapter.read()
    await bench.adapter.connect()
    bench.say("count", "18")
    found = await bench.next()
    assert isinstance(found, Evidence)
    assert found.reason == "missing_field"
    bench.say_all()
    bench.say("count", "18")
    assert isinstance(await bench.next(), Observation)


async def test_a_repeated_end_changes_nothing_and_other_values_under_it_are_for_the_log() -> None:
    """M2, P3: QoS 1 may deliver twice; a whole record under a used number is offered, and the log judges by content."""
    bench = await ready()
    bench.say_all()
    bench.say("count", "18")
    bench.say("count", "18")
    found = await bench.next()
    assert isinstance(found, Observation)
    bench.say_all(score="60")
    bench.say("count", "18")
    again = await bench.next()
    assert isinstance(again, Observation)
    assert (again.seq, again.fields["score"], bench.open) == (18, 6000, 0)


async def test_half_a_record_that_the_log_has_whole_is_not_refused_after_a_restart() -> None:
    """M1: the last message comes again to a new process, its values were let go before."""
    bench = await ready(position=Position(0, 18))
    bench.say("count", "18")
    reading, _ = await bench.adapter.read()
    assert isinstance(reading, RigStatus)
    assert (bench.open, bench.fates) == (0, [("link", LET_GO), ("count", LET_GO)])


async def test_first_contact_and_a_boot_counter_open_an_epoch() -> None:
    """Contract 4: `rig.rebooted` before the first record of a boot; a fixed boot is one epoch for ever."""
    text = TEXT.replace("boot = 0\n", "").replace(
        "[values]\n", '[values]\nboot = { topic = "bench/{serial}/boot", stays = true }\n'
    )
    bench = await ready(text, None)
    bench.say("boot", "3")
    bench.say_all()
    bench.say("count", "18")
    first, record = await bench.next(), await bench.next()
    assert isinstance(first, Observation)
    assert (first.type, first.epoch, first.seq, first.fields["previous_epoch"]) == ("rig.rebooted", 3, 17, None)
    bench.say("boot", "4")
    bench.say_all()
    bench.say("count", "1")
    again, record = await bench.next(), await bench.next()
    assert isinstance(again, Observation)
    assert isinstance(record, Observation)
    assert (again.fields, again.seq, record.epoch, record.seq) == ({"epoch": 4, "previous_epoch": 3}, 0, 4, 1)


async def test_numbers_that_only_grow_have_no_gaps() -> None:
    """V4: an exam number or a time is no count."""
    bench = await ready(TEXT.replace('"count"\n\n', '"grow"\n\n'))
    bench.say_all()
    bench.say("count", "1763870525")
    found = await bench.next()
    assert isinstance(found, Observation)
    assert found.type == "item.finished"


async def test_presence_and_the_live_state_are_shown() -> None:
    """P6: `away` at once, from the will too; anything that is said shows that the rig is there."""
    bench = await ready()
    bench.say("state", "busy")
    bench.say("now", "91")
    reading, _ = await bench.adapter.read()
    assert isinstance(reading, RigStatus)
    assert (reading.state, reading.acked_seq) == ("running", 0)
    bench.say("link", "0", retained=True)
    with pytest.raises(NotConnected, match="away"):
        await bench.adapter.read()
    bench.say("state", "idle")
    await bench.adapter.connect()


async def test_what_arrived_is_stored_although_the_rig_is_gone() -> None:
    """P1: the last record before the power cut."""
    bench = await ready()
    bench.say_all()
    bench.say("count", "18")
    bench.say("link", "0")
    bench.cut()
    assert isinstance(await bench.next(), Observation)
    with pytest.raises(NotConnected):
        await bench.adapter.read()


async def test_a_flood_is_bounded_and_what_found_no_place_is_told() -> None:
    """M9, I10: the log stands still, the rig does not."""
    bench = await ready()
    for number in range(18, 18 + ARRIVED_MAX + 3):
        bench.say_all()
        bench.say("count", str(number))
    assert len(bench.box.inbox.arrived) == ARRIVED_MAX
    told = await bench.next()
    assert isinstance(told, Evidence)
    assert (told.reason, told.detail.startswith("3 more")) == ("oversize", True)
    assert [await bench.next() for _ in range(ARRIVED_MAX)][-1].seq == 17 + ARRIVED_MAX


async def test_values_of_half_a_record_are_let_go_and_kept() -> None:
    """H2: other rigs need the places; the record still comes whole, unless this process dies before."""
    bench = await ready()
    bench.say_all()
    while bench.box.let_go():
        pass
    assert bench.open == 0
    bench.say("count", "18")
    assert isinstance(await bench.next(), Observation)


async def test_another_rigs_topic_and_other_areas_are_refused() -> None:
    """P4, P5: right bytes from a wrong place are wrong."""
    bench = await ready()
    bench.say_all()
    bench.say("count", "18")
    found, shape = await bench.next(), bench.profile.message
    assert isinstance(found, Observation)
    assert isinstance(shape, PlainShape)
    for raw, rig, reason in (
        (found.raw, "B-8", "serial"),
        (found.raw[1:], SERIAL, "area"),
        (found.raw[:-1], SERIAL, "area"),
        ((*found.raw, found.raw[-1]), SERIAL, "area"),
        ((RawArea("topic", 0, b"bench/B-7/score"), *found.raw[1:]), SERIAL, "area"),
    ):
        with pytest.raises(DecodeError) as caught:
            decode_plain(shape, raw, rig=rig)
        assert caught.value.reason == reason


async def test_connect_gives_up_on_a_rig_that_says_nothing() -> None:
    """Contract 1: NotConnected, with the reason; the time is the profile's."""
    bench = Bench(TEXT.replace("status_every_ms = 2000", "status_every_ms = 10"))
    with pytest.raises(NotConnected, match=r"nothing of the rig for 0\.03 s"):
        await bench.adapter.connect()
    with pytest.raises(NotConnected):
        await bench.adapter.set_ready(True)
    task = asyncio.create_task(bench.adapter.connect())
    await asyncio.sleep(0)
    bench.say("state", "idle")
    await task
    await bench.adapter.set_ready(True)
    await bench.adapter.close()
    with pytest.raises(NotConnected):
        await bench.adapter.read()
