"""`kaofen-server fsck`: the audit's checks on a database that nobody writes, everything that is wrong in one list.

Owns the order and the wording. Read-only; also run on a fresh backup, and on what was restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.audit import frozen_findings
from server.evidence.check import Finding, check_log, check_witnessed

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
    findings = [Finding(row.origin, row.index, row.detail) for row in await store.row_findings()]
    keys = {gateway.id: gateway.log_key for gateway in await store.gateways()}
    logs = await store.logs()
    for state in logs:
        findings += await check_log(store, state, keys.get(state.gateway_id), mirror)
        findings += await check_witnessed(store, state, keys.get(state.gateway_id), witness)
    findings += frozen_findings(logs)
    return Report(len(logs), sum(state.size for state in logs), tuple(findings))
