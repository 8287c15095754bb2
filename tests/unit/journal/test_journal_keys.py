"""Which records are the same one, and in which order they stand (design section 5, idempotency)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from log_entries import content_of, key_of, scored, scored_builder
from log_harness import new_log, opened

from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_number_of_another_boot_is_another_record(tmp_path: Path) -> None:
    """P1, R7: after a reboot numbers begin anew; the same words under the same number are a record of their own."""
    async with opened(new_log(tmp_path)) as log:
        one = key_of(7, epoch=1)
        first = await log.append(scored(one).build, one, content_of("first reading"))
        two = key_of(7, epoch=2)
        second = await log.append(scored(two).build, two, content_of("first reading"))
        assert (second.index, second.existing, second.conflict_with) == (1, False, None)
        again = await log.append(scored(one).build, one, content_of("first reading"))
        assert (again.index, again.existing, again.leaf) == (0, True, first.leaf)
        assert (log.find(one), log.find(two), log.size) == (0, 1, 2)


async def test_appends_that_wait_together_stand_in_the_order_of_their_calls(tmp_path: Path) -> None:
    """I2: whatever the group commit takes at once, nobody overtakes."""
    async with opened(new_log(tmp_path)) as log:
        numbers = range(60)
        keys = [key_of(n) for n in numbers]
        requests = [AppendRequest(scored_builder(key, "words"), key, content_of("words")) for key in keys]
        waiting = [asyncio.ensure_future(log.append(one.build, one.key, one.content)) for one in requests]
        found = [answer.index for answer in await asyncio.gather(*waiting)]
        assert found == list(numbers)
        assert [json.loads(entry)["seq"] for entry in log.entries(0, log.size)] == list(numbers)
