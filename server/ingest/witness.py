"""The C2SP witness (tlog-witness, text of July 2026): cosigns that a tree only grows, and stores nothing of it.

Another statement than the mirror's, so another key. Owns the status table of `POST /add-checkpoint`:
400 malformed or old > size, 403 no valid log signature, 404 unknown origin, 409 + size when `old` is not what was
cosigned last, 422 a proof that does not prove, 200 the cosignature line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scorelog.format.checkpoint import Checkpoint, parse_checkpoint
from scorelog.format.cosignature import merge
from scorelog.format.errors import FormatError, ProofError, SignatureInvalid
from scorelog.format.keys import Ed25519Verifier
from scorelog.format.note import open_note
from scorelog.format.tree import EMPTY_ROOT, verify_consistency
from scorelog.format.witness import AddCheckpoint, parse_add_checkpoint
from server import limits
from server.errors import Behind, Busy, Refused
from server.evidence.store import Refusal, Witnessed
from server.ingest.mirror import FORKED
from server.ingest.origins import parse_origin

if TYPE_CHECKING:
    from scorelog.format.cosignature import CosignatureSigner
    from scorelog.journal.clock import Clock
    from server.evidence.store import EntryStore

WITNESS_REFUSED: Final = "witness_refused"


class Witness:
    """Compare and store, then cosign."""

    def __init__(self, store: EntryStore, signer: CosignatureSigner, clock: Clock, domain: str) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock
        self._domain = domain

    async def add_checkpoint(self, body: bytes) -> bytes:
        """The cosignature line; Refused or Behind as the table says."""
        try:
            asked = parse_add_checkpoint(body)
            checkpoint, note = parse_checkpoint(asked.checkpoint_note)
        except FormatError as error:
            raise Refused(400, str(error)) from error
        if len(note.signatures) > limits.CHECKPOINT_LINES_MAX:
            raise Refused(400, f"{len(note.signatures)} signature lines, at most {limits.CHECKPOINT_LINES_MAX}")
        verifier = await self._verifier(checkpoint.origin)
        try:
            open_note(note, (verifier,))
        except SignatureInvalid as error:
            raise Refused(403, str(error)) from error
        if asked.old > checkpoint.size:
            raise Refused(400, f"old size {asked.old} is above the checkpoint's size {checkpoint.size}")
        return await self._cosign(asked, checkpoint, body)

    async def _verifier(self, origin: str) -> Ed25519Verifier:
        parts = parse_origin(origin)
        gateway = await self._store.gateway(parts.gateway_id) if parts and parts.domain == self._domain else None
        if gateway is None or gateway.status == "revoked":
            raise Refused(404, f"unknown origin {origin}")
        return Ed25519Verifier(origin, gateway.log_key)

    async def _cosign(self, asked: AddCheckpoint, checkpoint: Checkpoint, body: bytes) -> bytes:
        before = await self._store.witnessed(checkpoint.origin)
        size, root = (before.size, before.root) if before else (0, EMPTY_ROOT)
        if asked.old != size:
            raise Behind(size)
        try:
            verify_consistency(size, checkpoint.size, asked.hashes, root, checkpoint.root)
        except ProofError as error:
            await self._keep(checkpoint, body, str(error))
            raise Refused(422, str(error)) from error
        time_s = max(self._clock.now_us() // 1_000_000, before.cosigned_s if before else 0)
        line = self._signer.cosign(checkpoint.body(), time_s)
        note = merge(asked.checkpoint_note, line)
        after = Witnessed(checkpoint.origin, checkpoint.size, checkpoint.root, note, time_s)
        # The line was made before it was stored, but leaves this function only after.
        if not await self._store.witness(before, after):
            raise Busy("another request moved this log", limits.RETRY_AFTER_S)
        return line

    async def _keep(self, checkpoint: Checkpoint, body: bytes, reason: str) -> None:
        parts = parse_origin(checkpoint.origin)
        gateway_id = parts.gateway_id if parts else ""
        now = self._clock.now_us()
        await self._store.refuse(Refusal(checkpoint.origin, gateway_id, 422, reason, body, now))
        await self._store.alarm(FORKED, checkpoint.origin, checkpoint.size, f"{WITNESS_REFUSED}: {reason}")
