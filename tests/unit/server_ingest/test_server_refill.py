"""After a restore somebody is told from where on entries may be missing, and when they are here again (P2)."""

from __future__ import annotations

import asyncio

import pytest
from fake_entry_store import FakeEntryStore

from server.ingest.refill import REFILLED, RESTORED, Refills

ORIGIN = "exam.example/gw/gw-01/0"


async def told(store: FakeEntryStore) -> list[tuple[str, int | None, str]]:
    return [(alarm.kind, alarm.index, alarm.detail) for alarm in await store.alarms()]


async def test_a_gateway_with_more_receipts_than_entries_are_here_is_a_restored_server() -> None:
    """Told once with the first missing index, and once more when the last is here; not for entries in flight."""
    store = FakeEntryStore()
    refills = Refills(store)
    await refills.look(ORIGIN, 40, 40)
    await refills.look(ORIGIN, 41, 40)
    assert await told(store) == []
    for stored in (40, 47):
        await refills.look(ORIGIN, stored, 57)
    await refills.look(ORIGIN, 60, 57)
    await refills.look(ORIGIN, 61, 61)
    first, second = await told(store)
    assert first[:2] == (RESTORED, 40)
    assert "57" in first[2]
    assert second[:2] == (REFILLED, 40)
    assert "entries 40 to 59" in second[2]


@pytest.mark.parametrize(("stored", "what"), [(40, "nothing was missing"), (50, "entries 40 to 49")])
async def test_a_restore_is_finished_after_a_start_too(stored: int, what: str) -> None:
    """The state is in the alarms: a later process, and a second restore of the same log, are told apart."""
    store = FakeEntryStore()
    for _ in range(2):
        await store.alarm(RESTORED, ORIGIN, 40, "put back from the backup")
        store.now_us += 1
        await Refills(store).look(ORIGIN, 40, 50)
        await Refills(store).look(ORIGIN, stored, stored)
        store.now_us += 1
        await Refills(store).look(ORIGIN, 70, 70)
    alarms = await store.alarms()
    assert [(alarm.kind, alarm.times) for alarm in alarms] == [(RESTORED, 2), (REFILLED, 2)]
    assert what in alarms[1].detail


class SlowStore(FakeEntryStore):
    """A database that answers later."""

    async def alarm(self, kind: str, origin: str | None, index: int | None, detail: str, evidence: bytes = b"") -> int:
        await asyncio.sleep(0)
        return await super().alarm(kind, origin, index, detail, evidence)


async def test_two_heartbeats_at_once_tell_once() -> None:
    """P8: one gateway's beats may come over two connections, or by way of another process, at the same moment."""
    store = SlowStore()
    refills = Refills(store)
    await asyncio.gather(*(refills.look(ORIGIN, 40, 57) for _ in range(3)))
    await asyncio.gather(*(refills.look(ORIGIN, 60, 57) for _ in range(3)))
    assert [(alarm.kind, alarm.times) for alarm in await store.alarms()] == [(RESTORED, 1), (REFILLED, 1)]
