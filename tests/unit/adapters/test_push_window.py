"""From a pushed record to its answer: the verdict comes from the log's side alone. Laws: W1 to W3, W7."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from rig_messages import GOLDEN, STATUS

from device_adapters.contract import Adapter, BadReading, Observation, Position
from device_adapters.factory import open_message_adapter
from device_adapters.http.answers import of_records, of_status, records_of
from device_adapters.http.window import Late, OutOfOrder, Window
from device_adapters.language.profile import load_profile
from device_adapters.limits import PUSH_BATCH_MAX, PUSH_WAITING_MAX
from device_adapters.messages.fates import LET_GO, Refused, Stored
from device_adapters.messages.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERIAL, BOOT, ENTRY = "CP-0001", 3, bytes(range(32))
TEXT = b"""
profile = 1
id = "quick"
version = "1"
guarantee = "latched"
name = { zh = "a", en = "a" }
[transport]
kind = "http"
status_every_ms = 300
resend_every_ms = 300
"""
PROFILE = load_profile(TEXT)
PATIENT = load_profile(TEXT.replace(b"resend_every_ms = 300", b"resend_every_ms = 60000"))


def record(seq: int, **values: Any) -> bytes:
    return GOLDEN["deduction"].changed(seq=seq, boot=BOOT, **values)


def said(last: int, oldest: int, acked: int = 0, **values: Any) -> bytes:
    return json.dumps(
        {**STATUS, "boot": BOOT, "last_seq": last, "oldest_seq": oldest, "acked_seq": acked, **values}
    ).encode()


class Gateway:
    """What a supervisor does with the adapter, without a log."""

    def __init__(self, window: Window, adapter: Adapter) -> None:
        self.window, self.adapter = window, adapter
        self.seen: list[int] = []
        self.refused: list[str] = []
        self.storing = asyncio.Event()
        self.storing.set()

    async def run(self) -> None:
        await self.adapter.connect()
        await self.adapter.set_ready(True)
        while True:
            try:
                reading, ack = await self.adapter.read()
            except BadReading as error:
                self.refused.append(error.evidence.reason)
                continue
            if isinstance(reading, Observation):
                await self.storing.wait()
                self.seen.append(reading.seq)
            await ack(ENTRY)


@pytest.fixture
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    profile = getattr(request, "param", PROFILE)
    window = Window(Mailbox(SERIAL, profile.message))
    window.open()
    window.begin(Position(BOOT, 0))
    adapter = open_message_adapter(profile, window, window.box, position=Position(BOOT, 0), rng=random.Random(7))
    made = Gateway(window, adapter)

    async def beat() -> None:
        while True:
            await asyncio.sleep(0.1)
            if window.box.status is not None:
                standing = window.box.status.standing
                assert standing is not None
                window.say_status(said(standing.last_seq, standing.oldest_seq))

    tasks = [asyncio.create_task(made.run()), asyncio.create_task(beat())]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_answer_waits_for_the_log(gateway: Gateway) -> None:
    """P1: until the append has returned there is no verdict; then it names the entry, and the rig may forget."""
    gateway.storing.clear()
    gateway.window.say_status(said(1, 1))
    asking = asyncio.create_task(gateway.window.hand_in([record(1)]))
    done, _ = await asyncio.wait({asking}, timeout=0.2)
    assert not done
    assert gateway.window.told()["ack"] is None
    gateway.storing.set()
    digest = hashlib.sha256(record(1)).digest()
    assert await asking == [Stored(BOOT, 1, digest, ENTRY)]
    assert gateway.window.told() == {
        "ack": {"v": 1, "boot": BOOT, "seq": 1, "record": digest.hex(), "entry": ENTRY.hex()},
        "ready": gateway.window.told()["ready"],
        "resend": None,
    }
    assert gateway.window.told()["ready"] > 0
    assert gateway.window.newest == {"boot": BOOT, "seq": 1}


async def test_a_repetition_has_the_same_answer_and_stores_nothing(gateway: Gateway) -> None:
    """Issue 5.1, I14: the answer was lost, the rig repeats."""
    gateway.window.say_status(said(1, 1))
    first = await gateway.window.hand_in([record(1)])
    assert await gateway.window.hand_in([record(1)]) == first
    assert gateway.seen == [1]


async def test_a_batch_is_answered_record_by_record(gateway: Gateway) -> None:
    """P5, P8: a refused record in the middle has its reason; after the third time the others do not wait for it."""
    gateway.window.say_status(said(3, 1))
    batch = [record(1), record(2, mode="exan"), record(3)]
    seen = [await gateway.window.hand_in(batch) for _ in range(3)]
    assert [[type(one) for one in verdicts] for verdicts in seen] == [
        [Stored, Refused, OutOfOrder],
        [Stored, Refused, OutOfOrder],
        [Stored, Refused, Stored],
    ], "asked for three times, then passed over (H3)"
    verdicts = seen[-1]
    answer = of_records(verdicts, gateway.window.told())
    assert (answer.status, answer.document["reason"]) == (422, "code")
    assert "mode" in answer.document["detail"]
    assert [row["outcome"] for row in answer.document["records"]] == ["stored", "refused", "stored"]
    assert gateway.window.told()["ack"]["seq"] == 1, "nothing above a hole may be forgotten"
    assert "code" in gateway.refused


async def test_a_record_whose_forerunner_is_missing_is_not_kept_waiting(gateway: Gateway) -> None:
    """409 and the number to go back to; sent in order all are stored, each once."""
    gateway.window.say_status(said(2, 1))
    assert await gateway.window.hand_in([record(2)]) == [OutOfOrder(1)]
    assert gateway.window.told()["resend"] == 1
    verdicts = await gateway.window.hand_in([record(1), record(2)])
    assert [type(one) for one in verdicts] == [Stored, Stored]
    assert (gateway.seen, gateway.window.told()["resend"]) == ([1, 2], None)


@pytest.mark.parametrize("gateway", [PATIENT], indirect=True)
async def test_what_comes_while_a_number_is_missing_is_sent_back_too(gateway: Gateway) -> None:
    """W7: not only what waited when the rig was asked. Found by a fleet that lost records: each later one was late."""
    gateway.window.say_status(said(3, 1))
    assert await gateway.window.hand_in([record(2)]) == [OutOfOrder(1)]
    assert await gateway.window.hand_in([record(3)]) == [OutOfOrder(1)]
    assert gateway.window.told()["resend"] == 1


async def test_a_closed_window_answers_nothing(gateway: Gateway) -> None:
    """P1: whoever waits is told that nothing is known; what was said before does not count on the next listener."""
    gateway.storing.clear()
    gateway.window.say_status(said(1, 1))
    asking = asyncio.create_task(gateway.window.hand_in([record(1)]))
    await asyncio.wait({asking}, timeout=0.05)
    gateway.window.shut()
    assert await asking == [Late()]
    assert gateway.window.told()["ready"] == 0


async def test_a_full_window_takes_no_more(gateway: Gateway) -> None:
    """I10: so many records wait for their answers, and the next request is told to come later."""
    gateway.storing.clear()
    window = gateway.window
    window.say_status(said(PUSH_WAITING_MAX, 1))
    asking = asyncio.create_task(window.hand_in([record(seq) for seq in range(1, PUSH_WAITING_MAX)]))
    await asyncio.wait({asking}, timeout=0.01)
    assert not window.full
    last = asyncio.create_task(window.hand_in([record(PUSH_WAITING_MAX)]))
    await asyncio.wait({last}, timeout=0.01)
    assert window.full
    gateway.storing.set()
    assert all(isinstance(one, Stored) for one in [*await asking, *await last])
    assert not window.full


def test_a_refused_status_says_what_and_where() -> None:
    """422 at once: a status is no evidence, nothing has to be durable."""
    assert PROFILE.message is not None

    async def run() -> None:
        window = Window(Mailbox(SERIAL, PROFILE.message))  # type: ignore[arg-type]
        answer = of_status(window.say_status(said(1, 1, state="asleep")), window.told())
        assert (answer.status, answer.document["reason"]) == (422, "code")
        assert of_status(window.say_status(said(1, 1)), window.told()).status == 200

    asyncio.run(run())


@pytest.mark.parametrize(
    ("verdicts", "status", "again"),
    [
        ([Stored(3, 1, bytes(32), None)], 200, None),
        ([Stored(3, 1, bytes(32), None), Late()], 503, 1),
        ([LET_GO], 503, 1),
        ([Late(), OutOfOrder(1)], 409, 1),
    ],
)
def test_only_what_is_stored_whole_is_a_200(verdicts: list[Any], status: int, again: int | None) -> None:
    """P1: one unknown record in a batch, and the batch is repeated."""
    answer = of_records(verdicts, {"ack": None, "ready": 0, "resend": None})
    assert (answer.status, answer.retry_after_s) == (status, again)


def test_a_batch_has_two_edges() -> None:
    """Limits: one record, the most, one more; blank lines are none."""
    assert records_of(b"{}\r\n\n {}\n") == [b"{}\r", b" {}"]
    assert len(records_of(b"{}\n" * PUSH_BATCH_MAX)) == PUSH_BATCH_MAX
    for body in (b"", b" \n", b"{}\n" * (PUSH_BATCH_MAX + 1)):
        with pytest.raises(ValueError, match="from 1 to"):
            records_of(body)
