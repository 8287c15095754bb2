"""Admission: what is bounded is bounded, nobody starves, who is sent away comes back spread out (S4, B13, I10, I16)."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from server import limits
from server.errors import Busy
from server.ingest.admission import Admission

if TYPE_CHECKING:
    from server.ingest.admission import Place

LIVE = 2_000
BACKLOG = limits.LIVE_BODY_MAX + 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def admission(clock: FakeClock) -> Admission:
    """One whose pace sends nobody away."""
    made = Admission(clock, random.Random(5))
    made.pace.seconds = 0.0
    return made


async def enter(stack: AsyncExitStack, admission: Admission, count: int, size: int, name: str = "gw") -> list[Place]:
    """So many places of so many gateways."""
    return [await stack.enter_async_context(admission.admitted(f"{name}-{at}", size)) for at in range(count)]


async def refused(admission: Admission, gateway: str, size: int) -> Busy:
    """Must be sent away."""
    with pytest.raises(Busy) as caught:
        async with admission.admitted(gateway, size):
            pass
    return caught.value


async def test_places_are_counted_to_the_last(admission: Admission) -> None:
    """I10: the last place is given, the next asks again later, and a place that came free is given again."""
    async with AsyncExitStack() as stack:
        await enter(stack, admission, limits.PLACES_MAX - 1, 1)
        async with admission.admitted("last", 1):
            busy = await refused(admission, "next", 1)
            assert (busy.status, busy.retry_after_s >= 1) == (503, True)
        async with admission.admitted("next", 1):
            pass
    assert (admission.places, admission.bytes) == (0, 0)
    assert admission.sent_away == {503: 1}


async def test_bytes_are_counted_to_the_last(admission: Admission) -> None:
    """I16: what bodies say they bring is bounded all together, before one byte is read."""
    full = limits.PLACES_BYTES_MAX
    async with AsyncExitStack() as stack:
        large = limits.UPLOAD_BODY_MAX
        await enter(stack, admission, limits.BACKLOG_PLACES_BYTES_MAX // large, large, "backlog")
        while admission.bytes + limits.LIVE_BODY_MAX <= full:
            await enter(stack, admission, 1, limits.LIVE_BODY_MAX, f"live{admission.places}")
        room = full - admission.bytes
        assert (await refused(admission, "next", room + 1)).status == 503
        async with admission.admitted("next", room):
            assert admission.bytes == full


async def test_one_gateway_has_so_many(admission: Admission) -> None:
    """P8: a gateway that floods is told so, and takes no place of others."""
    async with AsyncExitStack() as stack:
        for _ in range(limits.UPLOADS_PER_GATEWAY_MAX):
            await stack.enter_async_context(admission.admitted("flood", LIVE))
        assert (await refused(admission, "flood", LIVE)).status == 429
        async with admission.admitted("calm", LIVE):
            pass
    async with admission.admitted("flood", LIVE):
        pass


@pytest.mark.parametrize("size", [BACKLOG, limits.UPLOAD_BODY_MAX])
async def test_backlogs_leave_room_for_fresh_scores(admission: Admission, size: int) -> None:
    """P6: however many gateways catch up, places and bytes are left for those that are live."""
    count = min(limits.BACKLOG_PLACES_MAX, limits.BACKLOG_PLACES_BYTES_MAX // size)
    async with AsyncExitStack() as stack:
        await enter(stack, admission, count, size)
        assert (await refused(admission, "one more", size)).status == 503
        await enter(stack, admission, 100, LIVE, "live")


@dataclass(slots=True)
class Work:
    """Uploads under way: who began, and how to end one."""

    admission: Admission
    began: list[str] = field(default_factory=list)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)

    def send(self, name: str, size: int, gateway: str = "") -> None:
        self.gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._one(name, size, gateway or name))

    async def _one(self, name: str, size: int, gateway: str) -> None:
        async with self.admission.admitted(gateway, size) as place, place.turn():
            self.began.append(name)
            await self.gates[name].wait()

    async def end(self, *names: str) -> None:
        """These are stored."""
        for name in names:
            self.gates[name].set()
            await self.tasks[name]

    async def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
async def work(admission: Admission):
    made = Work(admission)
    yield made
    await made.close()
    assert (admission.places, admission.turns.busy) == (0, 0)


async def fill(work: Work) -> list[str]:
    """Every turn is taken."""
    names = [f"busy-{at}" for at in range(limits.INGEST_QUEUE_MAX)]
    for name in names:
        work.send(name, LIVE)
    await turns()
    assert work.began == names
    return names


async def test_a_flood_has_one_turn_at_a_time(work: Work) -> None:
    """P8: eight uploads of one gateway wait for each other, while those of eight others are worked on."""
    for at in range(limits.UPLOADS_PER_GATEWAY_MAX):
        work.send(f"flood-{at}", LIVE, "flood")
    for at in range(8):
        work.send(f"calm-{at}", LIVE)
    await turns()
    assert work.began == ["flood-0", *(f"calm-{at}" for at in range(8))]
    await work.end("flood-0")
    await turns()
    assert work.began[-1] == "flood-1"


async def test_fresh_scores_go_before_backlogs_which_still_move(work: Work) -> None:
    """P6, P8: among those who wait a live one is next; a backlog has at least every fourth turn."""
    busy = await fill(work)
    for at in range(6):
        work.send(f"old-{at}", BACKLOG)
    for at in range(12):
        work.send(f"new-{at}", LIVE)
    await turns()
    for name in busy[:12]:
        await work.end(name)
        await turns()
    order = work.began[len(busy) :]
    assert [name for name in order if name.startswith("new")] == [f"new-{at}" for at in range(9)]
    assert [at for at, name in enumerate(order) if name.startswith("old")] == [0, 4, 8]


async def test_backlogs_never_take_all_turns(work: Work) -> None:
    """P6: some backlogs are worked on at once, and a fresh score does not wait for any of them."""
    for at in range(limits.BACKLOGS_AT_WORK_MAX + 4):
        work.send(f"old-{at}", BACKLOG)
    await turns()
    assert len(work.began) == limits.BACKLOGS_AT_WORK_MAX
    work.send("new", LIVE)
    await turns()
    assert work.began[-1] == "new"
    await work.end("old-0")
    await turns()
    assert work.began[-1] == f"old-{limits.BACKLOGS_AT_WORK_MAX}"


async def test_who_gives_up_waiting_takes_no_turn(work: Work) -> None:
    """I10: a request that ends while it waits leaves nothing behind."""
    busy = await fill(work)
    for name in ("gone", "next"):
        work.send(name, LIVE)
    await turns()
    work.tasks["gone"].cancel()
    await turns()
    await work.end(busy[0])
    await turns()
    assert work.began[-1] == "next"


async def busy_for(admission: Admission, clock: FakeClock, seconds_each: float, busy: int, count: int) -> None:
    """The server stores so many, with so many others under way."""
    for _ in range(count):
        await clock.advance(seconds_each)
        admission.pace.stored(busy)


async def test_more_than_can_be_stored_in_time_is_sent_away_at_the_head(clock: FakeClock) -> None:
    """B13: the pace is learnt; whoever would wait longer than the limit is told before the body is read."""
    admission = Admission(clock, random.Random(5))
    await busy_for(admission, clock, 0.05, limits.PACE_BUSY_FROM, 100)
    assert admission.pace.seconds == pytest.approx(0.05, rel=0.3)
    async with AsyncExitStack() as stack:
        with pytest.raises(Busy, match="can be stored"):
            await enter(stack, admission, 50, LIVE)
        assert 12 <= admission.places <= 23
    await busy_for(admission, clock, 0.001, 1, 60)
    async with AsyncExitStack() as stack:
        await enter(stack, admission, 200, LIVE)  # it was over: the estimate has eased


async def test_a_fleet_that_catches_up_sends_no_fresh_score_away(clock: FakeClock) -> None:
    """P6, P8: a hundred backlogs, each slow to store: the next backlog is told to come back, a fresh score is not."""
    admission = Admission(clock, random.Random(5))
    async with AsyncExitStack() as stack:
        await enter(stack, admission, 100, BACKLOG)
        admission.pace.seconds = 0.05
        assert (await refused(admission, "one more", BACKLOG)).status == 503
        async with admission.admitted("live", LIVE) as place, place.turn():
            pass


async def test_slow_lines_are_no_load(clock: FakeClock) -> None:
    """N2, S4: two hundred bodies that drip in over slow lines do not send a fast one away."""
    admission = Admission(clock, random.Random(5))
    admission.pace.seconds = 0.01
    async with AsyncExitStack() as stack:
        for batch in range(5):
            await enter(stack, admission, 40, LIVE, f"slow{batch}")
            await clock.advance(2)
        assert admission.places == 200
        async with admission.admitted("fast", LIVE) as place, place.turn():
            pass


async def test_retry_after_grows_with_the_crowd_and_spreads_it(clock: FakeClock) -> None:
    """B13: few sent away come back in a second; two thousand at 10 ms each are spread over the 20 s that they need."""
    admission = Admission(clock, random.Random(5))
    admission.pace.seconds = 0.01
    async with AsyncExitStack() as stack:
        with suppress(Busy):
            await enter(stack, admission, 100, LIVE)
        first = [(await refused(admission, f"x{at}", LIVE)).retry_after_s for at in range(20)]
        crowd = [(await refused(admission, f"y{at}", LIVE)).retry_after_s for at in range(2000)]
    assert set(first) == {2}
    assert max(crowd) <= 2 + limits.RETRY_SPREAD_MAX_S
    assert 9 < mean(crowd[-200:]) < 15
    assert len(set(crowd[-200:])) > 15
    await clock.advance(60)
    async with AsyncExitStack() as stack:
        with suppress(Busy):
            await enter(stack, admission, 100, LIVE)
        assert (await refused(admission, "later", LIVE)).retry_after_s == 2


async def test_who_was_sent_away_is_let_in_before_others(clock: FakeClock) -> None:
    """B13: a gateway that comes back when it was told to is not sent away again while others keep the server full."""
    admission = Admission(clock, random.Random(5))
    admission.pace.seconds = 0.01
    async with AsyncExitStack() as stack:
        with suppress(Busy):
            await enter(stack, admission, 100, LIVE)
        busy = await refused(admission, "patient", LIVE)
        await clock.advance(0.5)  # the others are still there, and no slow bodies
        await refused(admission, "greedy", LIVE)
        async with admission.admitted("patient", LIVE):
            pass
        await refused(admission, "patient", LIVE)  # once for each time it was sent away
        assert busy.retry_after_s < limits.OWED_US / 1e6
    for number in range(limits.OWED_MAX + 1):
        async with AsyncExitStack() as stack:
            admission.pace.seconds = 10.0
            await stack.enter_async_context(admission.admitted("one", LIVE))
            await refused(admission, f"many-{number}", LIVE)
    assert len(admission._owed) == limits.OWED_MAX


STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "big", "end", "cancel"]), st.integers(0, 5), st.integers(0, 400)), max_size=100
)


@settings(max_examples=40)
@given(script=STEPS)
async def test_any_order_of_uploads_keeps_every_bound_and_ends(script: list[tuple[str, int, int]]) -> None:
    """I10, P8: whatever comes, ends and gives up: bounds hold, one turn per gateway, and at the end all had theirs."""
    admission = Admission(FakeClock(), random.Random(1))
    admission.pace.seconds = 0.0
    work = Work(admission)
    at_work: dict[str, str] = {}
    for number, (what, gateway, pick) in enumerate(script):
        names = [name for name, task in work.tasks.items() if not task.done()]
        if what in ("send", "big"):
            work.send(f"{number}", LIVE if what == "send" else BACKLOG, f"gw-{gateway}")
            at_work[f"{number}"] = f"gw-{gateway}"
        elif names and what == "end":
            work.gates[names[pick % len(names)]].set()
        elif names:
            work.tasks[names[pick % len(names)]].cancel()
        await turns(6)
        working = [at_work[n] for n in work.began if not work.tasks[n].done()]
        assert len(working) == len(set(working))
        assert admission.turns.busy <= admission.places <= limits.PLACES_MAX
    for gate in work.gates.values():
        gate.set()
    done = await asyncio.gather(*work.tasks.values(), return_exceptions=True)
    assert all(each is None or isinstance(each, (Busy, asyncio.CancelledError)) for each in done)
    assert (admission.places, admission.bytes, admission.turns.busy) == (0, 0, 0)
