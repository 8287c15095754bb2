"""What came back after a server was put back from a backup: told as alarms, so that somebody knows it is whole again.

    restore, or a gateway with more receipts than entries are here ─▶ alarm `restored` (from which entry on)
    the same log, as far as the gateway has receipts               ─▶ alarm `refilled` (which entries)

Gateways send again by themselves (docs/formats/backup.md rule 6). Owns only the telling; the state is in the alarms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server import limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.evidence.store import Alarm, EntryStore

RESTORED: Final = "restored"
REFILLED: Final = "refilled"


class Refills:
    """Fed by heartbeats: `receipted` is how far a gateway had receipts before it sent this one."""

    def __init__(self, store: EntryStore) -> None:
        self._store = store
        self._open: dict[str, int] | None = None

    async def look(self, origin: str, stored: int, receipted: int) -> None:
        """One heartbeat of a log of which `stored` entries are here."""
        if self._open is None:
            self._open = await self._unfinished()
        start = self._open.get(origin)
        if start is None and receipted > stored:
            detail = f"the gateway has receipts for {receipted} entries, here are {stored}: put back from a backup"
            self._open[origin] = stored  # before the alarm: two beats of one gateway may be looked at at once
            try:
                await self._store.alarm(RESTORED, origin, stored, detail)
            except BaseException:
                del self._open[origin]
                raise
        elif start is not None and receipted <= stored:
            del self._open[origin]
            try:
                await self._store.alarm(REFILLED, origin, start, _what(start, stored))
            except BaseException:
                self._open[origin] = start
                raise

    async def _unfinished(self) -> dict[str, int]:
        newest: dict[str, tuple[int, int]] = {}
        refilled: dict[str, int] = {}
        async for alarm in _all_alarms(self._store):
            if alarm.origin is None or alarm.index is None:
                continue
            if alarm.kind == RESTORED:
                newest[alarm.origin] = max(newest.get(alarm.origin, (0, 0)), (alarm.last_us, alarm.index))
            elif alarm.kind == REFILLED:
                refilled[alarm.origin] = max(refilled.get(alarm.origin, 0), alarm.last_us)
        return {origin: index for origin, (at_us, index) in newest.items() if at_us > refilled.get(origin, 0)}


async def tell_restored(store: EntryStore, made: str) -> None:
    """After `restore`: of every log, from which entry on something may be missing."""
    for state in await store.logs():
        detail = (
            f"put back from the backup of {made} with {state.size} entries; the gateway sends again what came later"
        )
        await store.alarm(RESTORED, state.origin, state.size, detail)


async def _all_alarms(store: EntryStore) -> AsyncIterator[Alarm]:
    after = 0
    while found := await store.alarms(after, limits.ALARMS_AT_ONCE):
        for alarm in found:
            yield alarm
        after = found[-1].id


def _what(start: int, stored: int) -> str:
    if stored == start:
        return "nothing was missing: the gateway has no receipt for more"
    return f"entries {start} to {stored - 1} are here again; the gateway has no receipt for more"
