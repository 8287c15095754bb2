"""`kaofen-server fsck`: the audit's checks on a database that nobody writes, everything that is wrong in one list.

Owns the order and the wording. Read-only; also run on a fresh backup, and on what was restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.audit import frozen_findings
from server.evidence.check import Finding, check_log, check_witnessed
from server.unreadable import readable

if TYPE_CHECKING:
    from scorelog.format.keys import CosignatureVerifier
    from server.evidence.store import EntryStore


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what was found."""

    logs: int
    entries: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


async def fsck(store: EntryStore, mirror: CosignatureVerifier, witness: CosignatureVerifier) -> Report:
    """Check every log and every row beside them."""
    findings = await readable(None, _rows(store))
    keys = {gateway.id: gateway.log_key for gateway in await store.gateways()}
    logs = await store.logs()
    for state in logs:
        key = keys.get(state.gateway_id)
        findings += await readable(state.origin, check_log(store, state, key, mirror))
        findings += await readable(state.origin, check_witnessed(store, state, key, witness))
    findings += frozen_findings(logs)
    return Report(len(logs), sum(state.size for state in logs), tuple(findings))


async def _rows(store: EntryStore) -> list[Finding]:
    return [Finding(row.origin, row.index, row.detail) for row in await store.row_findings()]
