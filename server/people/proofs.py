"""Proofs for people: the tlog-proof of an entry, the policy to check it with, and the evidence bundle of an attempt.

Every proof is verified here before it is handed out, with the same code that an auditor runs offline.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.entry import Entry, parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.evidence import EvidenceItem, build_evidence
from scorelog.format.keys import SUITE_ED25519, encode_vkey
from scorelog.format.policy import Policy, parse_policy
from scorelog.format.proof import Proven, TlogProof, verify_proof
from scorelog.format.tree import inclusion_proof
from server.errors import Missing
from server.live.rows import origin_hash
from server.people import limits
from server.projection.relogged import pieces_before

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.evidence.store import EntryStore, LogState, StoredEntry


@dataclass(frozen=True, slots=True)
class EntryProof:
    """An entry, its proof, and what the proof says; `problem` when it does not verify."""

    entry: StoredEntry
    proof: TlogProof
    proven: Proven | None
    problem: str | None = None


class NotCosigned(Missing):
    """The entry is stored, and its cosignature is not there yet."""


class Prover:
    """Makes and checks proofs from the evidence store."""

    def __init__(self, store: EntryStore, mirror_vkey: str) -> None:
        self._store = store
        self._mirror_vkey = mirror_vkey
        # Complete subtrees never change, so their hashes may be kept; the newest nodes of a log are asked for most.
        self._nodes: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()

    async def policy(self) -> Policy:
        """One line per log, the mirror as the only witness: this server's own word for what to trust."""
        keys = {gateway.id: gateway.log_key for gateway in await self._store.gateways()}
        lines = [
            f"log {encode_vkey(state.origin, SUITE_ED25519, keys[state.gateway_id])}\n"
            for state in await self._store.logs()
            if state.gateway_id in keys
        ]
        return parse_policy(f"{''.join(lines)}witness mirror {self._mirror_vkey}\nquorum mirror\n")

    @staticmethod
    def hash_of(origin: str) -> str:
        """How URLs name an origin."""
        return origin_hash(origin)

    async def log_of(self, wanted: str) -> LogState:
        """The log whose origin has this hash; Missing when there is none."""
        for state in await self._store.logs():
            if origin_hash(state.origin) == wanted:
                return state
        raise Missing("no log of this origin")

    async def entry(self, origin: str, index: int) -> StoredEntry:
        """One entry; Missing when it is not stored."""
        found = await self._store.entries(origin, index, index + 1)
        if not found:
            raise Missing(f"entry {index} of {origin} is not stored")
        return found[0]

    @staticmethod
    def parsed(stored: StoredEntry) -> Entry | None:
        """What the entry says, where it can be read."""
        try:
            return parse_entry(stored.data)
        except FormatError:
            return None

    async def prove(self, state: LogState, index: int, policy: Policy) -> EntryProof:
        """The proof of an entry under the newest cosigned checkpoint; Missing or NotCosigned."""
        entry = await self.entry(state.origin, index)
        if state.cosigned is None or index >= state.cosigned_size:
            raise NotCosigned(f"entry {index} of {state.origin} is not cosigned yet")
        hashes = await self._hashes(state.origin, index, state.cosigned_size)
        proof = TlogProof(index, tuple(hashes), state.cosigned)
        try:
            return EntryProof(entry, proof, verify_proof(proof, entry.data, policy))
        except FormatError as error:
            return EntryProof(entry, proof, None, str(error))

    async def evidence(self, attempt: str, places: Iterable[tuple[str, int]], *, openings: bool) -> bytes:
        """The bundle of an attempt; with `openings` it holds the candidate's personal data."""
        policy = await self.policy()
        states = {state.origin: state for state in await self._store.logs()}
        items = []
        for origin, index in await self._with_parts(places):
            one = await self.prove(states[origin], index, policy)
            items.append(EvidenceItem(one.entry.data, one.proof, tuple(one.entry.openings) if openings else ()))
        return build_evidence(attempt, items, policy.encode())

    async def _with_parts(self, places: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        """An entry that was logged again in parts is nothing without the parts before it."""
        found: set[tuple[str, int]] = set()
        for origin, index in places:
            count = pieces_before((await self.entry(origin, index)).data)
            found.update((origin, at) for at in range(max(0, index - count), index + 1))
        return sorted(found)

    async def _hashes(self, origin: str, index: int, size: int) -> list[bytes]:
        """The audit path. Which nodes it needs does not depend on their hashes: ask once in vain, then fetch those."""
        wanted: list[tuple[int, int]] = []

        def note(level: int, at: int) -> bytes:
            wanted.append((level, at))
            return bytes(32)

        inclusion_proof(index, size, note)
        nodes = {place: await self._node(origin, *place) for place in wanted}
        return inclusion_proof(index, size, lambda level, at: nodes[level, at])

    async def _node(self, origin: str, level: int, at: int) -> bytes:
        key = (origin, level, at)
        if key not in self._nodes:
            self._nodes[key] = await self._store.node(origin, level, at)
            if len(self._nodes) > limits.NODES_KEPT:
                self._nodes.popitem(last=False)
        return self._nodes[key]
