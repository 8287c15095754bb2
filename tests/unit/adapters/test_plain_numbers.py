"""Rigs that publish single values with the number of the record in every topic (V12)."""

from __future__ import annotations

from plain_bench import GOOD, Bench, by_number

from device_adapters.contract import Evidence, Observation, Position
from device_adapters.limits import NUMBERS_OPEN_MAX, TOPIC_BYTES_MAX


async def ready(text: str) -> Bench:
    bench = Bench(text, Position(0, 17))
    bench.say("link", "1")
    await bench.adapter.connect()
    return bench


class TestByNumber:
    """V12: all that a record needs has come with one number in the topic."""

    async def test_order_does_not_matter_and_records_may_overlap(self) -> None:
        """M4: shuffled within one record, and the first message of the next one before the last of this one."""
        bench = await ready(by_number())
        names = list(GOOD)
        for last in reversed(names[1:]):
            bench.say(last, GOOD[last], number="18")
        bench.say(names[0], GOOD[names[0]], number="19")
        bench.say(names[0], GOOD[names[0]], number="18")
        for last in names[1:]:
            bench.say(last, GOOD[last], number="19")
        found = [await bench.next(), await bench.next()]
        assert [one.seq for one in found if isinstance(one, Observation)] == [18, 19]
        assert bench.open == 0

    async def test_repetitions_are_settled_and_another_value_under_a_number_is_refused(self) -> None:
        """M2, P3: before and after the record is whole."""
        bench = await ready(by_number())
        bench.say("score", "87.5", number="18")
        bench.say_all(number="18")
        bench.say("score", "87.5", number="18")
        bench.say("score", "12", number="18")
        found, refused = await bench.next(), await bench.next()
        assert isinstance(found, Observation)
        assert isinstance(refused, Evidence)
        assert (found.seq, refused.reason) == (18, "changed")
        bench.say("score", "87.5", number="19")
        bench.say("score", "12", number="19")
        refused = await bench.next()
        assert isinstance(refused, Evidence)
        assert (refused.reason, refused.asked) == ("changed", 19)

    async def test_half_records_are_refused_once_a_later_one_is_whole_or_too_many_are_open(self) -> None:
        """P5, B16: never filled up from another number, never kept for ever, never silent."""
        bench = await ready(by_number())
        bench.say("score", "50", number="18")
        bench.say_all(number="19")
        refused, gap, found = await bench.next(), await bench.next(), await bench.next()
        assert isinstance(refused, Evidence)
        assert isinstance(gap, Observation)
        assert isinstance(found, Observation)
        assert (refused.reason, refused.asked, gap.type, found.seq) == ("missing_field", 18, "sequence.gap", 19)
        for number in range(20, 20 + NUMBERS_OPEN_MAX):
            bench.say("score", "50", number=str(number))
        assert not bench.box.inbox.arrived
        bench.say("score", "50", number="40")
        refused = await bench.next()
        assert isinstance(refused, Evidence)
        assert refused.asked == 20

    async def test_retained_and_overlong_topics_are_refused(self) -> None:
        """M3: a retained value of any number would come again for ever."""
        bench = await ready(by_number())
        bench.say("score", "50", number="18", retained=True)
        bench.say("score", "50", number="1" * TOPIC_BYTES_MAX)
        found = [await bench.next(), await bench.next()]
        assert [one.reason for one in found if isinstance(one, Evidence)] == ["retained", "oversize"]
