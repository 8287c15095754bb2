"""`kaofen-server fsck`: the audit's checks on a database that nobody writes, everything that is wrong in one list.

Owns the order and the wording. Read-only; also run on a fresh backup, and on what was restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.cosignature import verify_cosignature
from scorelog.format.errors import FormatError
from scorelog.format.keys import CosignatureVerifier, Ed25519Verifier
from server.audit import frozen_findings
from server.evidence.check import Finding, check_log

if TYPE_CHECKING:
    from server.evidence.store import EntryStore, LogState


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


async def fsck(store: EntryStore, mirror: CosignatureVerifier, witness: CosignatureVerifier | None = None) -> Report:
    """Check every log and every row beside them."""
    findings = [Finding(row.origin, row.index, row.detail) for row in await store.row_findings()]
    keys = {gateway.id: gateway.log_key for gateway in await store.gateways()}
    logs = await store.logs()
    for state in logs:
        findings += await check_log(store, state, keys.get(state.gateway_id), mirror)
        findings += await _witnessed(store, state, keys.get(state.gateway_id), witness)
    findings += frozen_findings(logs)
    return Report(len(logs), sum(state.size for state in logs), tuple(findings))


async def _witnessed(
    store: EntryStore, state: LogState, log_key: bytes | None, witness: CosignatureVerifier | None
) -> list[Finding]:
    kept = await store.witnessed(state.origin)
    if kept is None or witness is None or log_key is None:
        return []
    try:
        time_s = verify_cosignature(kept.note, witness)
        checkpoint, _ = open_checkpoint(kept.note, Ed25519Verifier(state.origin, log_key))
    except FormatError as error:
        return [Finding(state.origin, kept.size, f"the witness's note: {error}")]
    if (checkpoint.size, checkpoint.root, time_s) != (kept.size, kept.root, kept.cosigned_s):
        return [Finding(state.origin, kept.size, "the witness's row is not what its note says")]
    return []
