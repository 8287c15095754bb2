"""The story of an attempt: every entry with its two times, its words, its proof and the interval that the proofs leave.

The interval is what somebody can show offline: not before the newest cosignature that the log itself anchors before the
entry, not after the first one that covers it (an anchor behind it, or the newest checkpoint).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorelog.format.errors import FormatError
from server.errors import Damaged, Missing
from server.people import formats, limits
from server.people.proofs import NotCosigned
from server.projection import queries
from server.projection.adopting import load_adopted
from server.projection.errors import Unreadable
from server.projection.facts import read_fact
from server.projection.judge import Judgement, judge
from server.projection.relogged import pieces_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scorelog.format.policy import Policy
    from server.evidence.store import EntryStore, LogState
    from server.people.proofs import EntryProof, Prover
    from server.projection.rubrics import Adopted, RubricBook
    from server.projection.store import ProjectionStore

WIDE_S = 600


@dataclass(frozen=True, slots=True)
class RawView:
    """One raw area as a hex table."""

    area: str
    rows: list[tuple[str, list[tuple[str, bool]]]]


@dataclass(frozen=True, slots=True)
class Step:
    """One entry on the timeline. `not_before_s`, `not_after_s`: the proven interval, None where nothing bounds it."""

    row: Mapping[str, Any]
    origin_hash: str
    raw: list[RawView]
    judged: Judgement | None
    proof: str
    problem: str | None  # a key of words.UNPROVEN
    reason: str | None
    size: int | None
    not_before_s: int | None
    not_after_s: int | None

    @property
    def wide(self) -> bool:
        """The interval is too wide to say much."""
        if self.not_before_s is None or self.not_after_s is None:
            return True
        return self.not_after_s - self.not_before_s > WIDE_S


@dataclass(frozen=True, slots=True)
class _Bound:
    index: int
    size: int
    time_s: int


class Timelines:
    """Makes timelines; asks the evidence, since the projections hold neither raw words nor proofs."""

    def __init__(self, store: EntryStore, projections: ProjectionStore, prover: Prover, book: RubricBook) -> None:
        self._store = store
        self._projections = projections
        self._prover = prover
        self._book = book

    async def of(self, rows: Sequence[Mapping[str, Any]]) -> list[Step]:
        """`rows` are projected entries of one attempt by (origin, index); so are the steps."""
        policy = await self._prover.policy()
        states = {state.origin: state for state in await self._store.logs()}
        bounds = {
            origin: await self._bounds(origin, [row["index"] for row in rows if row["origin"] == origin], policy)
            for origin in dict.fromkeys(row["origin"] for row in rows)
        }
        adopted = await load_adopted(self._projections, self._book)
        return [
            await self._step(row, states.get(row["origin"]), bounds[row["origin"]], policy, adopted) for row in rows
        ]

    async def _step(
        self,
        row: Mapping[str, Any],
        state: LogState | None,
        bounds: Sequence[_Bound],
        policy: Policy,
        adopted: Adopted,
    ) -> Step:
        proof, problem, reason = None, None, None
        try:
            proof = await self._prover.prove(state, row["index"], policy) if state else None
            reason = proof.problem if proof else None
            problem = "no_log" if proof is None else "broken" if reason else None
        except (Missing, Damaged) as error:
            problem = _why(error)
        raw, judged = await self._look_inside(row, adopted)
        before = [bound.time_s for bound in bounds if bound.index < row["index"]]
        after = [bound.time_s for bound in bounds if bound.size > row["index"]]
        after += [time_s for _, time_s in proof.proven.cosigned_by] if proof and proof.proven else []
        return Step(
            row=row,
            origin_hash=self._prover.hash_of(row["origin"]),
            raw=raw,
            judged=judged,
            proof=_proof_state(row, state, proof),
            problem=problem,
            reason=reason,
            size=proof.proven.size if proof and proof.proven else None,
            not_before_s=max(before, default=None),
            not_after_s=min(after, default=None),
        )

    async def _look_inside(self, row: Mapping[str, Any], adopted: Adopted) -> tuple[list[RawView], Judgement | None]:
        try:
            stored = await self._prover.entry(row["origin"], row["index"])
            fact = read_fact(stored, row["bundle"], await pieces_of(stored, self._store.entries))
        except (Missing, Damaged, Unreadable):
            return [], None
        views = [RawView(area.area, formats.words(area.data, area.cut, area.at)) for area in fact.entry.raw]
        return views, judge(fact, adopted)

    async def _bounds(self, origin: str, indices: Sequence[int], policy: Policy) -> list[_Bound]:
        async with self._projections.reading() as db:
            rows = await queries.anchors(db, origin, min(indices), max(indices), limits.ANCHORS_AROUND)
        found = []
        for row in rows:
            try:
                result = policy.check(row["anchor"].encode())
            except FormatError:
                continue
            time_s = max(time_s for _, time_s in result.cosigned_by)
            # A note of another log (or generation) says nothing about the indices of this one.
            size = result.checkpoint.size if result.checkpoint.origin == origin else 0
            found.append(_Bound(row["index"], size, time_s))
        return found


def _why(error: Missing | Damaged) -> str:
    if isinstance(error, NotCosigned):
        return "not_cosigned"
    return "missing" if isinstance(error, Missing) else "damaged"


def _proof_state(row: Mapping[str, Any], state: LogState | None, proof: EntryProof | None) -> str:
    if proof and proof.problem:
        return "broken"
    return "receipted" if proof and state and row["index"] < state.cosigned_size else "stored"
