"""The background audit: re-reads every stored entry and names what was changed (P3), beside the ingest and slower.

One pass reads all logs at a bounded rate and compares them with what their keys signed (server/evidence/check.py).
Between two passes a look at the heads, every minute. Each finding is an alarm of kind `tampered` with origin and index,
and one log line when it is new. Owns pace and alarms; changes nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from server.evidence.check import Finding, check_head, check_log, check_witnessed
from server.unreadable import readable

if TYPE_CHECKING:
    from scorelog.format.keys import CosignatureVerifier
    from scorelog.journal.clock import Clock
    from server.evidence.store import EntryStore, LogState

    Verifiers = tuple[CosignatureVerifier, CosignatureVerifier]  # of the mirror and of the witness

log = structlog.get_logger()

TAMPERED: Final = "tampered"
HEADS_EVERY_S: Final = 60.0


class Auditor:
    """One per process."""

    def __init__(
        self, store: EntryStore, verifiers: Verifiers, clock: Clock, *, pause_s: float, bytes_per_s: int
    ) -> None:
        self._store = store
        self._mirror, self._witness = verifiers
        self._clock = clock
        self._pause_s = pause_s
        self._bytes_per_s = bytes_per_s
        self._known: frozenset[Finding] = frozenset()
        self.passes = 0
        self.findings = 0

    async def run(self) -> None:
        """Pass after pass until cancelled."""
        while True:
            await self.once()
            left = self._pause_s
            while left > 0:
                await self._clock.sleep(min(left, HEADS_EVERY_S))
                left -= HEADS_EVERY_S
                if left > 0:
                    found = await self.heads()
                    await self._report(found)
                    self._known |= frozenset(found)

    async def once(self) -> list[Finding]:
        """One whole pass; every finding is an alarm when it returns."""
        found = await readable(None, self._rows())
        keys = await self._keys()
        for state in await self._store.logs():
            key = keys.get(state.gateway_id)
            found += await readable(state.origin, check_log(self._store, state, key, self._mirror, pace=self._pace))
            found += await readable(state.origin, check_witnessed(self._store, state, key, self._witness))
        found += frozen_findings(await self._store.logs())
        self.passes += 1
        self.findings = len(found)
        await self._report(found)
        self._known = frozenset(found)  # what was put right and is changed again is told again
        return found

    async def heads(self) -> list[Finding]:
        """The cheap look: state rows against the signatures they carry."""
        keys = await self._keys()
        logs = await self._store.logs()
        found = [each for state in logs for each in check_head(state, keys.get(state.gateway_id), self._mirror)]
        return found + frozen_findings(logs)

    async def _rows(self) -> list[Finding]:
        return [Finding(row.origin, row.index, row.detail) for row in await self._store.row_findings()]

    async def _keys(self) -> dict[str, bytes]:
        return {gateway.id: gateway.log_key for gateway in await self._store.gateways()}

    async def _pace(self, size: int) -> None:
        await self._clock.sleep(size / self._bytes_per_s)

    async def _report(self, found: list[Finding]) -> None:
        for each in found:
            if each not in self._known:
                log.error("stored evidence was changed", origin=each.origin, index=each.index, detail=each.detail)
                await self._store.alarm(TAMPERED, each.origin, each.index, each.detail)


def frozen_findings(logs: list[LogState]) -> list[Finding]:
    """A generation is frozen exactly when a higher one of the same gateway is there."""
    newest: dict[str, int] = {}
    for state in logs:
        newest[state.gateway_id] = max(newest.get(state.gateway_id, 0), state.generation)
    return [
        Finding(state.origin, None, f"frozen: {state.frozen}, newest generation is {newest[state.gateway_id]}")
        for state in logs
        if (state.frozen is not None) != (state.generation < newest[state.gateway_id])
    ]
