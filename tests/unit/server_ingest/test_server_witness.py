"""The C2SP witness: its status table, and that racing requests never split or roll back a log."""

from __future__ import annotations

import asyncio
import random

import pytest
from fake_entry_store import FakeEntryStore
from sample_uploads import SampleLog, asking
from server_bench import WITNESS_VERIFIER, Bench, bench

from server.errors import Behind, Busy, Refused

LOG = SampleLog().grow(12)
FORK = LOG.fork(4).grow(8, seed="other")


async def status_of(made: Bench, body: bytes) -> int:
    try:
        await made.witness.add_checkpoint(body)
    except Refused as refused:
        return refused.status
    return 200


async def test_it_follows_a_growing_log() -> None:
    """200 with the witness's line, from size 0 on, and again for the same size."""
    async with bench(FakeEntryStore()) as made:
        await made.enrol(LOG)
        for old, new in ((0, 3), (3, 8), (8, 8), (8, 12)):
            line = await made.witness.add_checkpoint(asking(LOG, old, new))
            assert LOG.receipt_time(new, line, WITNESS_VERIFIER)


async def test_the_status_table() -> None:
    """400, 403, 404, 409 with the size, 422 as the witness text of July 2026 has them."""
    async with bench(FakeEntryStore()) as made:
        await made.enrol(LOG)
        assert await status_of(made, asking(LOG, 0, 4)) == 200
        assert await status_of(made, b"junk") == 400
        assert await status_of(made, b"old 9\n\n" + LOG.checkpoint(5)) == 400
        assert await status_of(made, asking(SampleLog("gw-09").grow(2), 0, 2)) == 404
        assert await status_of(made, asking(SampleLog("gw-01", key=SampleLog("gw-02").key).grow(2), 0, 2)) == 403
        with pytest.raises(Behind) as behind:
            await made.witness.add_checkpoint(asking(LOG, 0, 6))
        assert behind.value.size == 4
        assert await status_of(made, b"old 4\n\n" + LOG.checkpoint(6)) == 422
        assert await status_of(made, asking(LOG.fork(2).grow(2, seed="x"), 4, 4)) == 422
        assert await status_of(made, asking(FORK, 4, 8)) == 200, "a fork after what was witnessed is not seen here"
        assert await status_of(made, asking(LOG, 8, 12)) == 422
        assert set(await made.kinds()) == {"forked"}


async def test_racing_requests_neither_split_nor_roll_back() -> None:
    """B17: two branches race from every size; what is cosigned is one growing tree."""
    rng = random.Random(11)
    log = SampleLog()
    async with bench(FakeEntryStore()) as made:
        await made.enrol(log)
        for _ in range(100):
            size = log.size
            one, two = log.fork(size).grow(2), log.fork(size).grow(rng.randint(1, 3), seed="two")
            answers = await asyncio.gather(
                *(made.witness.add_checkpoint(asking(each, size, each.size)) for each in (one, two, one)),
                return_exceptions=True,
            )
            assert all(isinstance(each, bytes | Busy | Refused) for each in answers)
            last = await made.store.witnessed(log.origin)
            assert last is not None
            log = next(each for each in (one, two) if each.root(each.size) == last.root)
