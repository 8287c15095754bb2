"""One upload from its bytes to its answer: who is it, is it right, store it, cosign, answer.

Owns the order of these steps, the lock per log, and the evidence that is kept of what was refused. Who may come in is
admission.py's. Knows no HTTP: server/ingest/routes.py does. The listener and `kaofen-server import` use it alike.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import groupby
from random import SystemRandom
from typing import TYPE_CHECKING, NoReturn

import structlog

from scorelog.format.errors import UploadError
from scorelog.format.keys import Ed25519Verifier
from scorelog.format.tree import EMPTY_ROOT, CompactRange
from scorelog.format.upload import parse_upload
from scorelog.journal.failpoints import failpoint
from server import limits
from server.errors import Behind, Busy, Damaged, Refused
from server.evidence.committed import wrong_fields
from server.evidence.store import Bundle, Gateway, LogState, Refusal
from server.failpoints import PARSE, VERIFY
from server.ingest import mirror
from server.ingest.admission import Admission
from server.ingest.held import HeldLog, HeldLogs
from server.ingest.loglocks import LogLocks
from server.ingest.origins import Origin, parse_origin
from server.ingest.regain import Regain

if TYPE_CHECKING:
    from random import Random

    from scorelog.format.checkpoint import Checkpoint
    from scorelog.format.note import Note
    from scorelog.format.upload import Upload
    from scorelog.journal.clock import Clock
    from server.evidence.store import EntryStore
    from server.ingest.checking import SecondProcess
    from server.ingest.committer import Committer

log = structlog.get_logger()

NEW_GENERATION = "new_generation"
OPENING_MISMATCH = "opening_mismatch"
REVOKED = "revoked"
TAMPERED = "tampered"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is calling: what the verified client certificate says, or the operator's word for an imported file."""

    domain: str
    gateway_id: str
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Signed:
    """An upload whose log signature was verified."""

    upload: Upload
    origin: Origin
    checkpoint: Checkpoint
    note: Note


class Ingest:
    """The way of uploads into the evidence."""

    def __init__(
        self,
        store: EntryStore,
        committer: Committer,
        clock: Clock,
        domain: str,
        *,
        rng: Random | None = None,
        second: SecondProcess | None = None,
    ) -> None:
        self._second = second
        self.admission = Admission(clock, rng or SystemRandom())
        self._store = store
        self._committer = committer
        self._clock = clock
        self._domain = domain
        self._regain = Regain(store, committer.verifier)
        self._logs = HeldLogs()
        self._logs_locked = LogLocks()
        self._verifiers: dict[tuple[str, bytes], Ed25519Verifier] = {}
        self.accepted = 0
        self.refused: Counter[int] = Counter()

    # -- who is it -------------------------------------------------------------------------------------------------

    async def authorise(self, peer: Peer) -> Gateway:
        """The enrolled gateway as the database has it now; a revocation counts from the next request on."""
        gateway = await self._store.gateway(peer.gateway_id) if peer.domain == self._domain else None
        if gateway is None:
            raise Refused(404, f"{peer.domain}/gw/{peer.gateway_id} is not enrolled at this server")
        if gateway.status == "revoked":
            raise Refused(403, f"gateway {gateway.id} is revoked: {gateway.reason or 'no reason given'}")
        if peer.fingerprint is not None:
            await self._check_certificate(gateway, peer.fingerprint)
        return gateway

    async def _check_certificate(self, gateway: Gateway, fingerprint: str) -> None:
        known = {each.fingerprint: each for each in gateway.certificates}
        seen = known.get(fingerprint) or await self._store.certificate_seen(gateway.id, fingerprint)
        if seen.status == "revoked":
            raise Refused(403, f"this certificate of gateway {gateway.id} is revoked: {seen.reason}")

    # -- is it right, store it, cosign -----------------------------------------------------------------------------

    async def upload(self, gateway: Gateway, body: bytes) -> bytes:
        """The cosignature line(s) of a stored upload, or Refused, Behind, Busy."""
        try:
            signed = await self._verify(gateway, body)
            async with self._logs_locked.of(signed.origin.text):
                line = await self._store_or_refuse(gateway, signed, body)
        except Refused as refused:
            self.refused[refused.status] += 1
            raise
        self.accepted += 1
        return line

    async def keep_refused(self, gateway_id: str, body: bytes, refused: Refused, kind: str = REVOKED) -> None:
        """Keep an upload that was refused before it was looked at, when it says a log of that gateway."""
        try:
            found = mirror.read_checkpoint(parse_upload(body))
        except UploadError:
            return
        origin = f"{self._domain}/gw/{gateway_id}" if isinstance(found, mirror.Refuse) else found[0].origin
        await self._keep(gateway_id, origin, body, mirror.Refuse(refused.status, refused.reason, kind))

    async def _verify(self, gateway: Gateway, body: bytes) -> Signed:
        with failpoint(PARSE):
            upload = _parse(body)
        found = mirror.read_checkpoint(upload)
        if isinstance(found, mirror.Refuse):
            raise Refused(found.status, found.reason)
        checkpoint, note = found
        origin = parse_origin(checkpoint.origin)
        if origin is None or (origin.domain, origin.gateway_id) != (self._domain, gateway.id):
            await self._refuse(gateway, checkpoint.origin, body, _foreign(checkpoint, gateway))
        with failpoint(VERIFY):
            bad = await self._check_signature(note, self._verifier(checkpoint.origin, gateway))
        if bad is not None:
            await self._refuse(gateway, checkpoint.origin, body, bad)
        return Signed(upload, origin, checkpoint, note)

    async def _check_signature(self, note: Note, verifier: Ed25519Verifier) -> mirror.Refuse | None:
        """By the second process while many are at work, if it vouches for it; else, and before a refusal, here."""
        if self._second is not None and self.admission.turns.busy >= limits.SECOND_FROM:
            line = note.by(verifier)
            message = note.text.encode()
            if line is not None and await self._second.vouches(verifier.public_key, line.signature, message):
                return None
        return mirror.check_signature(note, verifier)

    async def _store_or_refuse(self, gateway: Gateway, signed: Signed, body: bytes) -> bytes:
        """Judge against the stored state; when another process moved the log meanwhile, once more."""
        for _ in range(limits.LOST_RACES_MAX):
            state, verdict = await self._judged(gateway, signed)
            if isinstance(verdict, mirror.Refuse):
                await self._refuse(gateway, signed.origin.text, body, verdict)
            line = await self._carry_out(state, gateway, signed, verdict)
            if line is not None:
                return line
        raise Busy("this log is being written by another server process", limits.RETRY_AFTER_S)

    async def _judged(self, gateway: Gateway, signed: Signed) -> tuple[LogState | HeldLog | None, mirror.Verdict]:
        """By what this process remembers, if that lets the upload in: storing it proves it. Else by what is stored."""
        upload, origin = signed.upload, signed.origin.text
        held = self._logs.take(origin, upload.start) if upload.entries else None
        if held is not None:
            verdict = await self._judge(held, gateway, signed)
            if isinstance(verdict, mirror.Accept):
                return held, verdict
        state = await self._store.log(origin)
        return state, await self._judge(state, gateway, signed)

    async def _judge(self, state: LogState | HeldLog | None, gateway: Gateway, signed: Signed) -> mirror.Verdict:
        newest = await self._newest(gateway) if state is None else signed.origin.generation
        frozen = newest > signed.origin.generation or bool(state and state.frozen)
        receipted = frozen and self._regain.receipted(signed.note)
        if state is None and frozen and not receipted:
            return mirror.Refuse(403, f"generation {newest} of this log is open already", mirror.FROZEN)
        with failpoint(VERIFY):
            upload = signed.upload
            behind = state is not None and upload.start < state.size
            held = await self._held(state, upload) if state and behind else None
            verdict = mirror.judge(state, upload, signed.checkpoint, held, receipted=receipted)
            return replace(verdict, regained=True) if receipted and isinstance(verdict, mirror.Accept) else verdict

    async def _carry_out(
        self,
        state: LogState | HeldLog | None,
        gateway: Gateway,
        signed: Signed,
        verdict: mirror.Accept | mirror.Cosign,
    ) -> bytes | None:
        not_before_s = state.cosigned_s if state else 0
        if isinstance(verdict, mirror.Cosign):
            return await self._committer.cosign(verdict.checkpoint, signed.upload.checkpoint, not_before_s)
        bundle = self._bundle(gateway, signed, verdict)
        try:
            line = await self._committer.store(bundle, verdict.checkpoint, not_before_s)
        except Damaged as error:
            await self._store.alarm(TAMPERED, bundle.origin, bundle.old_size, str(error))
            raise
        if line is not None:
            self._logs.put(bundle, not_before_s)
            await self._flag(bundle, opened=state is None)
        return line

    def _bundle(self, gateway: Gateway, signed: Signed, verdict: mirror.Accept) -> Bundle:
        upload = signed.upload
        return Bundle(
            origin=signed.origin.text,
            gateway_id=gateway.id,
            generation=signed.origin.generation,
            old_size=upload.start,
            new_size=upload.size,
            entries=upload.entries,
            leaves=verdict.leaves,
            openings=upload.openings,
            checkpoint=upload.checkpoint,
            root=verdict.checkpoint.root,
            range_hashes=verdict.range_hashes,
            received_us=self._clock.now_us(),
            cosigned_s=0,  # the committer sets it
            regained=verdict.regained,
        )

    # -- what is flagged, never blocked ----------------------------------------------------------------------------

    async def _flag(self, bundle: Bundle, *, opened: bool) -> None:
        if bundle.regained:
            await self._regain.tell_regained(bundle)
        elif opened and bundle.generation > 0:
            await self._regain.tell_lost(bundle)
            detail = f"generation {bundle.generation} was opened; lower ones are frozen"
            log.warning("new generation", origin=bundle.origin)
            await self._store.alarm(NEW_GENERATION, bundle.origin, 0, detail, bundle.checkpoint)
        for index, openings in groupby(bundle.openings, lambda each: each.index):  # they come in this order
            if wrong := wrong_fields(openings, bundle.entries[index - bundle.old_size]):
                detail = f"openings that open no commitment of the entry: {', '.join(wrong)}"
                await self._store.alarm(OPENING_MISMATCH, bundle.origin, index, detail)

    async def _refuse(self, gateway: Gateway, origin: str, body: bytes, refuse: mirror.Refuse) -> NoReturn:
        if refuse.size is not None:
            raise Behind(refuse.size)
        await self._keep(gateway.id, origin, body, refuse)
        newest = await self._newest(gateway) if refuse.kind == mirror.FROZEN else None
        raise Refused(refuse.status, refuse.reason, newest)

    async def _keep(self, gateway_id: str, origin: str, body: bytes, refuse: mirror.Refuse) -> None:
        log.warning("upload refused", origin=origin, gateway=gateway_id, status=refuse.status, kind=refuse.kind)
        if refuse.kind is None:
            return
        now = self._clock.now_us()
        kept = body[: limits.REFUSAL_BYTES_MAX]
        await self._store.refuse(Refusal(origin, gateway_id, refuse.status, refuse.reason, kept, now))
        detail = f"gateway {gateway_id}: {refuse.reason}"
        await self._store.alarm(refuse.kind, origin, refuse.index, detail)

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _held(self, state: LogState | HeldLog, upload: Upload) -> mirror.Held:
        stop = min(state.size, upload.size)
        leaves = await self._store.hashes(state.origin, 0, upload.start, stop)
        root = await root_at(self._store, state.origin, upload.size) if upload.size <= state.size else None
        return mirror.Held(root, tuple(leaves))

    async def _newest(self, gateway: Gateway) -> int:
        return max((s.generation for s in await self._store.logs() if s.gateway_id == gateway.id), default=-1)

    def _verifier(self, origin: str, gateway: Gateway) -> Ed25519Verifier:
        key = (origin, gateway.log_key)
        if key not in self._verifiers:
            if len(self._verifiers) >= limits.VERIFIERS_MAX:
                self._verifiers.clear()
            self._verifiers[key] = Ed25519Verifier(origin, gateway.log_key)
        return self._verifiers[key]


async def root_at(store: EntryStore, origin: str, size: int) -> bytes:
    """The root of the stored tree at an earlier size."""
    if not size:
        return EMPTY_ROOT
    parts, begin = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            parts.append(await store.node(origin, level, begin >> level))
            begin += 1 << level
    return CompactRange(size, parts).root()


def _parse(body: bytes) -> Upload:
    try:
        return parse_upload(body)
    except UploadError as error:
        raise Refused(error.status, str(error)) from error


def _foreign(checkpoint: Checkpoint, gateway: Gateway) -> mirror.Refuse:
    return mirror.Refuse(403, f"{checkpoint.origin} is not a log of gateway {gateway.id}", mirror.WRONG_ORIGIN)
