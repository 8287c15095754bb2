"""The strict fake of server.evidence.store.EntryStore: in memory, fails on misuse, fails writes when told to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scorelog.format.tree import CompactRange, MemoryNodes, leaf_hash
from server import limits
from server.errors import AlreadyThere, Missing, StoreFailed
from server.evidence.store import (
    Alarm,
    Bundle,
    BundleRef,
    Certificate,
    Cosigned,
    Gateway,
    GatewayStatus,
    LogState,
    Refusal,
    RowFinding,
    StoredBundle,
    StoredEntry,
    StoredTile,
    Witnessed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scorelog.format.commitment import Opening


class FakeEntryStore:
    """Keeps every bundle as given. `fail_next` makes the next write raise StoreFailed, and the store stays failed."""

    def __init__(self, now_us: int = 1_790_000_000_000_000) -> None:
        self.now_us = now_us
        self.fail_next = False
        self.persist_before_failing = False
        self.failed = False
        self.closed = False
        self._logs: dict[str, LogState] = {}
        self._bundles: list[tuple[BundleRef, Bundle]] = []
        self._gateways: dict[str, Gateway] = {}
        self._refusals: list[Refusal] = []
        self._witnessed: dict[str, Witnessed] = {}
        self._alarms: list[Alarm] = []

    # -- test conveniences ---------------------------------------------------------------------------------------

    async def append_entries(
        self,
        origin: str,
        entries: Sequence[bytes],
        openings: Sequence[Opening] = (),
        *,
        checkpoint: bytes = b"",
        received_us: int | None = None,
    ) -> BundleRef:
        """Store `entries` at the end of `origin` as one bundle, without any signature."""
        state = self._logs.get(origin)
        size = state.size if state else 0
        tree = CompactRange(size, state.range_hashes if state else ())
        leaves = tuple(leaf_hash(entry) for entry in entries)
        for leaf in leaves:
            tree.append(leaf)
        base, _, generation = origin.rpartition("/")
        stored = await self.append(
            Bundle(
                origin=origin,
                gateway_id=base.rpartition("/")[2],
                generation=int(generation),
                old_size=size,
                new_size=size + len(entries),
                entries=tuple(entries),
                leaves=leaves,
                openings=tuple(openings),
                checkpoint=checkpoint,
                root=tree.root(),
                range_hashes=tuple(tree.hashes),
                received_us=self.now_us if received_us is None else received_us,
                cosigned_s=self.now_us // 1_000_000,
            )
        )
        assert stored, f"{origin} is frozen"
        return self._bundles[-1][0]

    # -- EntryStore ----------------------------------------------------------------------------------------------

    async def log(self, origin: str) -> LogState | None:
        self._open()
        return self._logs.get(origin)

    async def logs(self) -> list[LogState]:
        self._open()
        return [self._logs[origin] for origin in sorted(self._logs)]

    async def gateways(self) -> list[Gateway]:
        self._open()
        return [self._gateways[name] for name in sorted(self._gateways)]

    async def gateway(self, gateway_id: str) -> Gateway | None:
        self._open()
        return self._gateways.get(gateway_id)

    async def add_gateway(self, gateway: Gateway) -> None:
        self._write()
        assert len(gateway.log_key) == 32
        if gateway.id in self._gateways:
            raise AlreadyThere(f"gateway {gateway.id} is already enrolled")
        self._gateways[gateway.id] = replace(gateway, added_us=gateway.added_us or self.now_us)

    async def set_gateway_status(self, gateway_id: str, status: GatewayStatus, reason: str | None = None) -> None:
        self._write()
        self._gateways[gateway_id] = replace(self._known(gateway_id), status=status, reason=reason)

    async def certificate_seen(self, gateway_id: str, fingerprint: str) -> Certificate:
        self._write()
        gateway = self._known(gateway_id)
        for certificate in gateway.certificates:
            if certificate.fingerprint == fingerprint:
                return certificate
        seen = Certificate(fingerprint, "active", self.now_us)
        self._gateways[gateway_id] = replace(gateway, certificates=(*gateway.certificates, seen))
        return seen

    async def revoke_certificate(self, gateway_id: str, fingerprint: str, reason: str) -> None:
        seen = await self.certificate_seen(gateway_id, fingerprint)
        gateway = self._known(gateway_id)
        revoked = replace(seen, status="revoked", reason=reason)
        kept = tuple(revoked if c.fingerprint == fingerprint else c for c in gateway.certificates)
        self._gateways[gateway_id] = replace(gateway, certificates=kept)

    async def append(self, bundle: Bundle) -> bool:
        return (await self.append_many([bundle]))[0]

    async def append_many(
        self, bundles: Sequence[Bundle], cosigned: Sequence[Cosigned] = (), again: Sequence[Cosigned] = ()
    ) -> list[bool]:
        before = (dict(self._logs), list(self._bundles))
        try:
            self._write(lambda: [self._append(b) for b in bundles])
        except StoreFailed:
            if not self.persist_before_failing:
                self._logs, self._bundles = before
            raise
        self._logs, self._bundles = before
        stored = [self._append(bundle) for bundle in bundles]
        for note in cosigned:
            await self.save_cosigned(note.origin, note.size, note.note, note.cosigned_s)
        return stored + [self._cosign_again(note) for note in again]

    def _cosign_again(self, note: Cosigned) -> bool:
        state = self._logs.get(note.origin)
        if state is None or not note.size:
            return state is None and not note.size
        if state.size != note.size or state.frozen or state.cosigned_s > note.cosigned_s:
            return False
        self._logs[note.origin] = replace(
            state, cosigned=note.note, cosigned_size=note.size, cosigned_s=note.cosigned_s
        )
        return True

    async def save_cosigned(self, origin: str, size: int, note: bytes, cosigned_s: int) -> None:
        self._write()
        state = self._logs.get(origin)
        assert state is not None, f"cosigned note for {origin}, of which nothing is stored"
        assert size <= state.size, f"cosigned note of size {size}, but only {state.size} is stored"
        if size > state.cosigned_size or (size == state.cosigned_size and cosigned_s >= state.cosigned_s):
            state = replace(state, cosigned=note, cosigned_size=size)
        self._logs[origin] = replace(state, cosigned_s=max(state.cosigned_s, cosigned_s))

    async def entries(self, origin: str, start: int, stop: int) -> list[StoredEntry]:
        self._open()
        assert 0 <= start <= stop
        found: list[StoredEntry] = []
        for ref, bundle in self._of(origin):
            for offset, data in enumerate(bundle.entries):
                index = ref.start + offset
                if start <= index < stop:
                    mine = tuple(o for o in bundle.openings if o.index == index)
                    found.append(StoredEntry(origin, index, data, ref.received_us, mine))
        return found

    async def arrived(self, first: int, last: int) -> list[StoredEntry]:
        assert 0 < first <= last
        refs = [ref for ref, _ in self._bundles if first <= ref.seq <= last]
        return [entry for ref in refs for entry in await self.entries(ref.origin, ref.start, ref.stop)]

    async def bundles_after(self, seq: int, limit: int) -> list[BundleRef]:
        self._open()
        return [ref for ref, _ in self._bundles if ref.seq > seq][:limit]

    async def stored_bundles(self, origin: str, start: int, limit: int) -> list[StoredBundle]:
        self._open()
        found = [
            StoredBundle(
                ref,
                b"".join(len(e).to_bytes(2, "big") + e for e in bundle.entries),
                b"".join(bundle.leaves),
                bundle.checkpoint,
                bundle.cosigned_s,
            )
            for ref, bundle in self._of(origin)
            if ref.stop > start
        ]
        return found[:limit]

    async def stored_tiles(self, origin: str, level: int, start: int, limit: int) -> list[StoredTile]:
        nodes = MemoryNodes(self._leaves(origin))
        full = (nodes.size >> (8 * level)) // 256
        return [
            StoredTile(
                level,
                n,
                nodes(8 * level + 8, n),
                b"".join(nodes(8 * level, each) for each in range(n * 256, n * 256 + 256)),
            )
            for n in range(start, min(full, start + limit))
        ]

    async def row_findings(self) -> list[RowFinding]:
        self._open()
        return []

    async def node(self, origin: str, level: int, index: int) -> bytes:
        self._open()
        leaves = self._leaves(origin)
        if (index + 1) << level > len(leaves):
            raise Missing(f"{origin}: node {level}/{index} is not stored")
        return MemoryNodes(leaves)(level, index)

    async def hashes(self, origin: str, level: int, start: int, stop: int) -> list[bytes]:
        return [await self.node(origin, 8 * level, index) for index in range(start, stop)]

    async def openings(self, origin: str, start: int, stop: int) -> list[Opening]:
        self._open()
        return [o for _, bundle in self._of(origin) for o in bundle.openings if start <= o.index < stop]

    async def refuse(self, refusal: Refusal) -> None:
        self._write()
        assert len(refusal.body) <= limits.REFUSAL_BYTES_MAX
        for place, kept in enumerate(self._refusals):
            if (kept.origin, kept.status, kept.body) == (refusal.origin, refusal.status, refusal.body):
                self._refusals[place] = replace(kept, times=kept.times + 1)
                return
        if sum(kept.origin == refusal.origin for kept in self._refusals) < limits.REFUSALS_PER_ORIGIN_MAX:
            self._refusals.append(refusal)

    async def refusals(self, origin: str | None = None) -> list[Refusal]:
        self._open()
        return [kept for kept in self._refusals if origin in (None, kept.origin)]

    async def alarm(self, kind: str, origin: str | None, index: int | None, detail: str, evidence: bytes = b"") -> int:
        self._write()
        detail, evidence = detail[: limits.DETAIL_MAX], evidence[: limits.ALARM_EVIDENCE_MAX]
        for place, kept in enumerate(self._alarms):
            if (kept.kind, kept.origin, kept.index, kept.detail) == (kind, origin, index, detail):
                self._alarms[place] = replace(kept, times=kept.times + 1, last_us=self.now_us)
                return kept.id
        alike = [place for place, kept in enumerate(self._alarms) if (kept.kind, kept.origin) == (kind, origin)]
        if len(alike) >= limits.ALARMS_PER_KIND_MAX:
            kept = self._alarms[alike[-1]]
            self._alarms[alike[-1]] = replace(kept, times=kept.times + 1, last_us=self.now_us)
            return kept.id
        number = len(self._alarms) + 1
        self._alarms.append(Alarm(number, kind, origin, index, detail, evidence, self.now_us, self.now_us, 1))
        return number

    async def alarms(self, after: int = 0, limit: int = 1000) -> list[Alarm]:
        self._open()
        return [kept for kept in self._alarms if kept.id > after][:limit]

    async def witnessed(self, origin: str) -> Witnessed | None:
        self._open()
        return self._witnessed.get(origin)

    async def witness(self, before: Witnessed | None, after: Witnessed) -> bool:
        self._write()
        if self._witnessed.get(after.origin) != before:
            return False
        self._witnessed[after.origin] = after
        return True

    async def close(self) -> None:
        self.closed = True

    # -- inside --------------------------------------------------------------------------------------------------

    def _append(self, bundle: Bundle) -> bool:
        assert bundle.new_size - bundle.old_size == len(bundle.entries) == len(bundle.leaves) > 0
        assert all(bundle.old_size <= o.index < bundle.new_size for o in bundle.openings)
        state = self._logs.get(bundle.origin)
        newest = max((s.generation for s in self._logs.values() if s.gateway_id == bundle.gateway_id), default=-1)
        late = bundle.generation < newest
        if (state.size if state else 0) != bundle.old_size or (late and not bundle.regained):
            return False
        if state is not None and state.cosigned_s > bundle.cosigned_s:
            return False
        for origin, other in list(self._logs.items()):
            if other.gateway_id == bundle.gateway_id and other.generation < bundle.generation and not other.frozen:
                self._logs[origin] = replace(other, frozen=f"generation {bundle.generation} was opened")
        self._logs[bundle.origin] = LogState(
            origin=bundle.origin,
            gateway_id=bundle.gateway_id,
            generation=bundle.generation,
            size=bundle.new_size,
            range_hashes=bundle.range_hashes,
            root=bundle.root,
            checkpoint=bundle.checkpoint,
            cosigned=state.cosigned if state else None,
            cosigned_size=state.cosigned_size if state else 0,
            cosigned_s=bundle.cosigned_s,
            frozen="a later generation was open" if late else None,
            updated_us=bundle.received_us,
        )
        seq = self._bundles[-1][0].seq + 1 if self._bundles else 1
        ref = BundleRef(seq, bundle.origin, bundle.old_size, bundle.new_size, bundle.received_us)
        self._bundles.append((ref, bundle))
        return True

    def _of(self, origin: str) -> list[tuple[BundleRef, Bundle]]:
        return [(ref, bundle) for ref, bundle in self._bundles if ref.origin == origin]

    def _leaves(self, origin: str) -> list[bytes]:
        return [leaf for _, bundle in self._of(origin) for leaf in bundle.leaves]

    def _known(self, gateway_id: str) -> Gateway:
        if gateway_id not in self._gateways:
            raise Missing(f"no gateway {gateway_id}")
        return self._gateways[gateway_id]

    def _open(self) -> None:
        assert not self.closed, "the store was used after close()"

    def _write(self, step: object = None) -> None:
        self._open()
        if self.failed:
            raise StoreFailed("the store has failed before")
        if self.fail_next:
            self.failed = True
            if self.persist_before_failing and callable(step):
                step()
            raise StoreFailed("told to fail")
