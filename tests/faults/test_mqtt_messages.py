"""What comes over a real broker and is no good record in its turn: refused, put in order, or recognised (H1 to H5)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from mqtt_point import GATEWAY, Followed, Point, message_point, switched_on
from real_mosquitto import RealMosquitto, running_mosquitto

from device_adapters.contract import Observation, Position
from device_adapters.limits import LET_GO_ABOVE, UNACKNOWLEDGED_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from mqtt_rig import MqttRig

pytestmark = [pytest.mark.crash, pytest.mark.needs("mosquitto")]
RIG, OTHER = "CP-0001", "CP-0002"


@pytest.fixture
def real() -> Iterator[RealMosquitto]:
    with running_mosquitto("password", (GATEWAY, RIG, OTHER)) as made:
        yield made


@pytest.fixture(params=["5", "3.1.1"])
async def point(request: pytest.FixtureRequest, real: RealMosquitto) -> AsyncIterator[Point]:
    async with message_point(real, request.param, [RIG, OTHER]) as made:
        yield made


def finished(rig: MqttRig, seq: int, **values: object) -> bytes:
    return json.dumps(rig.record(seq, "item_finished") | values).encode()


async def test_what_is_no_record_is_refused_and_blocks_nothing(point: Point) -> None:
    """H4, P5, P8: each with its reason, all PUBACKed, none acknowledged, and the good records beside them come."""
    rig = point.rig(RIG)
    async with switched_on(rig):
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        rig.latch()
        await follow.until(lambda: rig.acked_seq == 1)
        bad = {
            "not_utf8": b'{"v":1,"serial":"\xff"}',
            "not_json": b'{"v":1,',
            "duplicate_key": b'{"v":1,"v":1}',
            "not_integer": b'{"v":1.5}',
            "oversize": b'{"v":1,"x":"' + b"a" * 16_384 + b'"}',
            "serial": finished(rig, 2, serial=OTHER),
            "constant": finished(rig, 2, v=2),
            "missing_field": b'{"v":1}',
        }
        for payload in bad.values():
            rig.say(payload)
        rig.latch(score=8000)
        await follow.until(lambda: rig.acked_seq == 2 and len(follow.refused) == len(bad))
        assert sorted(reason for reason, _ in follow.reasons) == sorted(bad)
        assert follow.order == [("item.finished", 1), ("item.finished", 2)]
        for evidence in follow.refused:
            (area,) = evidence.raw
            assert len(area.data) <= 16_384
            assert area.cut == ((0, len(area.data)),), "P7: nobody knows which of its bytes are personal"
        rig.show(running_score=1)
        await follow.until(lambda: point.broker.unacknowledged == 0)


async def test_a_record_that_stays_bad_is_passed_over(point: Point) -> None:
    """H3, H4, G1: refused under its number at once, asked for again, then the others go on; never acknowledged over."""
    rig = point.rig(RIG)
    async with switched_on(rig):
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        rig.spoiled = {1}
        rig.latch()
        rig.latch(score=8000)
        await follow.until(lambda: follow.order == [("item.finished", 2)])
        assert follow.reasons == [("code", 1)]
        assert rig.acked_seq == 0
        rig.spoiled = set()
        await follow.until(lambda: rig.acked_seq == 2)
        assert follow.order == [("item.finished", 2), ("item.finished", 1)]


async def test_a_retained_record_is_refused(real: RealMosquitto, point: Point) -> None:
    """H3: it would come again for ever; what the broker sends live is taken."""
    rig = point.rig(RIG)
    async with switched_on(rig):
        said = rig.puback
        rig.say(finished(rig, 7), retain=True)
        async with asyncio.timeout(5):
            while rig.puback < said + 1 or not point.boxes[RIG].records:
                await asyncio.sleep(0.02)
        await point.down()
        await point.up()  # subscribes again: the broker hands out what it retained
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        rig.latch()
        await follow.until(lambda: rig.acked_seq == 1 and bool(follow.refused))
        assert follow.reasons == [("retained", None)]
        assert follow.order == [("item.finished", 1)]


async def test_a_repetition_is_acknowledged_again_and_comes_once(point: Point) -> None:
    """H3, H5: the same bytes under the same number are no second record; the rig hears the acknowledgement again."""
    rig = point.rig(RIG)
    async with switched_on(rig):
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        for _ in range(3):
            rig.latch()
        await follow.until(lambda: rig.acked_seq == 3)
        acks = len(rig.acks)
        await asyncio.sleep(1.1)  # the same acknowledgement is not published again within a second
        rig.say(rig.truth[2])
        await follow.until(lambda: len(rig.acks) > acks)
        assert rig.acks[-1]["seq"] == 3
        assert [seq for _, seq in follow.order] == [1, 2, 3]
        assert rig.acks[-1]["entry"] == bytes(32).hex()


async def test_another_record_under_a_stored_number_is_offered_too(point: Point) -> None:
    """P3: same key, other content: the log keeps both, so the adapter must not swallow it."""
    rig = point.rig(RIG)
    async with switched_on(rig):
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        rig.latch(score=9200)
        await follow.until(lambda: rig.acked_seq == 1)
        rig.say(finished(rig, 1, score=9900))
        await follow.until(lambda: len(follow.seen) == 2)
        assert [(one.seq, one.fields["score"]) for one in follow.seen] == [(1, 9200), (1, 9900)]
        rig.latch()
        await follow.until(lambda: rig.acked_seq == 2)


async def test_records_out_of_order_are_put_in_order(point: Point) -> None:
    """H3: kept back, asked for at most once a resend interval, taken in the order of their numbers."""
    rig = point.rig(RIG)
    async with switched_on(rig):
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        rig.withheld = {1, 2}
        for _ in range(5):
            rig.latch()
        await follow.until(lambda: bool(rig.resends))
        rig.withheld = set()
        await follow.until(lambda: rig.acked_seq == 5)
        assert [seq for _, seq in follow.order] == [1, 2, 3, 4, 5]
        assert rig.resends[0] == 1
        assert len(rig.resends) <= 4


async def test_records_that_are_gone_are_a_gap(point: Point) -> None:
    """H3, G2: what two statuses in a row say is no longer held is missing, and named."""
    rig = point.rig(RIG)
    async with switched_on(rig):
        rig.withheld = {1, 2}
        for _ in range(4):
            rig.latch()
        del rig.records[1], rig.records[2]
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        await follow.until(lambda: rig.acked_seq == 4)
        assert follow.order == [("sequence.gap", 2), ("item.finished", 3), ("item.finished", 4)]
        assert follow.seen[0].fields == {"epoch": 3, "from": 1, "to": 2}


async def test_a_record_that_never_comes_holds_back_nothing_for_long(point: Point) -> None:
    """H3: after three questions in vain it is passed over and said to be missing; it comes late when it comes."""
    rig = point.rig(RIG)
    async with switched_on(rig):
        rig.withheld = {2}
        for _ in range(3):
            rig.latch()
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        await follow.until(lambda: [seq for _, seq in follow.order] == [1, 3])
        assert follow.reasons == [("wire", 2)]
        assert rig.acked_seq == 1
        rig.withheld = set()
        await follow.until(lambda: rig.acked_seq == 3)
        assert [seq for _, seq in follow.order] == [1, 3, 2]


async def test_a_stalled_store_is_felt_by_the_broker(point: Point) -> None:
    """H1, H2: never more than 64 messages without PUBACK, none PUBACKed before it is stored, all come in the end."""
    rigs = [point.rig(serial) for serial in (RIG, OTHER)]
    async with switched_on(*rigs):
        adapters = [point.adapter(rig.serial, Position(3, 0)) for rig in rigs]
        for adapter in adapters:
            await adapter.connect()
        await asyncio.gather(*(adapter.read() for adapter in adapters))
        for _ in range(60):
            for rig in rigs:
                rig.latch()
        async with asyncio.timeout(10):
            while point.broker.unacknowledged < LET_GO_ABOVE - 8:
                await asyncio.sleep(0.02)
        highest = point.broker.unacknowledged
        assert all(rig.acks == [] for rig in rigs), "nothing is stored, so nothing is acknowledged"
        follows = [Followed(adapter) for adapter in adapters]

        async def watched(follow: Followed, rig: MqttRig) -> None:
            nonlocal highest

            def done() -> bool:
                nonlocal highest
                highest = max(highest, point.broker.unacknowledged)
                return rig.acked_seq == 60

            await follow.until(done, 20)

        await asyncio.gather(*(watched(follow, rig) for follow, rig in zip(follows, rigs, strict=True)))
        assert highest <= UNACKNOWLEDGED_MAX
        for follow in follows:
            assert [seq for _, seq in follow.order] == list(range(1, 61))


async def test_a_rig_with_a_missing_record_takes_no_places_of_others(point: Point) -> None:
    """H2, P8: its kept-back records are let go before they fill the 64 places; the other rig is read all the while."""
    held, free = (point.rig(serial) for serial in (RIG, OTHER))
    async with switched_on(held, free):
        held.withheld = {1}
        for _ in range(100):
            held.latch()
        follow = Followed(point.adapter(OTHER, Position(3, 0)))
        for _ in range(20):
            free.latch()
        await follow.until(lambda: free.acked_seq == 20)
        assert point.broker.unacknowledged <= LET_GO_ABOVE
        held.withheld = set()
        late = Followed(point.adapter(RIG, Position(3, 0)))
        await late.until(lambda: held.acked_seq == 100, 20)
        assert [seq for _, seq in late.order] == list(range(1, 101))


async def test_nothing_is_puback_before_it_is_stored(point: Point) -> None:
    """H2, P1: a gateway that dies with a record in its hands gets it again from the broker's session."""
    rig = point.rig(RIG, again_s=60)
    async with switched_on(rig):
        adapter = point.adapter(RIG, Position(3, 0))
        await adapter.connect()
        rig.latch()
        async with asyncio.timeout(5):
            while not isinstance((await adapter.read())[0], Observation):
                pass
        await point.down()
        again = Point(point.real, point.protocol, [RIG])
        await again.up()
        try:
            rig.withheld = {1}  # it does not say it again
            follow = Followed(again.adapter(RIG, Position(3, 0)))
            await follow.until(lambda: rig.acked_seq == 1)
            assert follow.order == [("item.finished", 1)]
        finally:
            await again.down()


async def test_a_stored_number_with_other_bytes_is_acknowledged_too(point: Point) -> None:
    """H5, M7: a rig that broke M6 waits for the acknowledgement of the bytes that it holds; it is not left waiting."""
    rig = point.rig(RIG, again_s=1)
    async with switched_on(rig):
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        held = rig.record(1, "item_finished") | {"score": 9100}
        rig.say(json.dumps(held | {"score": 9900}).encode())
        rig.withheld = {1}
        rig.latch(score=9100)
        await follow.until(lambda: len(rig.acks) == 1)
        assert rig.acked_seq == 0
        rig.withheld = set()
        await follow.until(lambda: rig.acked_seq == 1)
        assert [one.fields["score"] for one in follow.seen] == [9900, 9100]


async def test_a_record_of_a_boot_that_never_was_is_refused(point: Point) -> None:
    """P5: as in the Modbus half: a record is never of a later boot than the rig."""
    rig = point.rig(RIG)
    async with switched_on(rig):
        follow = Followed(point.adapter(RIG, Position(3, 0)))
        rig.withheld = {1}
        rig.latch()
        rig.say(finished(rig, 1, boot=9))
        await follow.until(lambda: bool(rig.resends))
        rig.withheld = set()
        rig.show(running_score=1)
        await follow.until(lambda: rig.acked_seq == 1 and bool(follow.refused))
        assert follow.reasons == [("pair", 1)]
        assert follow.order == [("item.finished", 1)]


async def test_first_contact_with_a_rig_that_never_rests(point: Point) -> None:
    """H7, G5: every status differs from the one before; the epoch is opened all the same, and all is read."""
    rig = point.rig(RIG, status_s=5)
    async with switched_on(rig):
        stop = asyncio.Event()

        async def busy() -> None:
            while not stop.is_set() and rig.last_seq < 400:
                rig.latch("deduction")
                await asyncio.sleep(0.02)

        working = asyncio.create_task(busy())
        follow = Followed(point.adapter(RIG))
        await follow.until(lambda: rig.acked_seq > 5)
        stop.set()
        await working
        await follow.until(lambda: rig.acked_seq == rig.last_seq)
        assert follow.order[0] == ("rig.rebooted", 0)
        assert [seq for _, seq in follow.order[1:]] == list(range(1, rig.last_seq + 1))
