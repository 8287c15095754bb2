"""How far an attempt is: its planned items, each with what happened, what is happening, and how sure that is. Pure.

    plan: item, place ──┐
    runs (composed) ────┼─▶ Step per planned item: to do, running, ended ── and what happened beyond the plan
    rows of the board ──┘

Never decides a score: runs come from the composition, running values from the board, and each says its proof state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Row = dict[str, Any]
Doing = Literal["todo", "running", "ended"]
# From strong to weak, as design.md P5 has them.
GUARANTEES: Final = ("latched", "double-read", "single-read", "unacknowledged")
PROOFS: Final = ("receipted", "stored", "live")


@dataclass(frozen=True, slots=True)
class Step:
    """One item: `run` is the end of it that counts, `live` the board's row of the rig where it runs now."""

    item: str
    place: str | None
    run: Row | None
    others: tuple[Row, ...]  # ends that do not count, with their reasons
    live: Row | None
    planned: bool = True

    @property
    def doing(self) -> Doing:
        """Where it stands."""
        if self.live is not None:
            return "running"
        return "ended" if self.run or self.others else "todo"


@dataclass(frozen=True, slots=True)
class Progress:
    """All items in the order of the plan, then what the plan does not have."""

    steps: tuple[Step, ...]
    at: tuple[Row, ...]  # the rigs where the candidate is now
    guarantee: str | None  # the weakest of what counts
    proof: str | None  # the least sure of what counts

    @property
    def ended(self) -> int:
        """How many planned items have ended."""
        return sum(step.planned and step.run is not None for step in self.steps)

    @property
    def planned(self) -> int:
        """How many items the plan has."""
        return sum(step.planned for step in self.steps)


def progress_of(
    planned: Sequence[Mapping[str, Any]],
    runs: Sequence[Row],
    rigs: Sequence[Row],
    cosigned: Mapping[str, int],
) -> Progress:
    """`planned`: {item, place} in order; `rigs`: rows of the board that are at this attempt."""
    shown = [{**run, "proof": _proof(run, cosigned)} for run in runs]
    running = {row["item"]["code"]: row for row in rigs if row["state"] == "running" and row["item"]}
    listed = [one["item"] for one in planned]
    beyond = list(dict.fromkeys([run["item"] for run in shown if run["item"] not in listed]))
    beyond += [code for code in running if code not in listed and code not in beyond]
    steps = [_step(one["item"], one["place"], shown, running, planned=True) for one in planned]
    steps += [_step(item, None, shown, running, planned=not planned) for item in beyond]
    counted = [step.run for step in steps if step.run]
    return Progress(
        tuple(steps),
        tuple(row for row in rigs if row["closed"] is None),
        _least([run["guarantee"] for run in counted], GUARANTEES),
        _least([run["proof"] for run in counted], PROOFS),
    )


def _step(item: str, place: str | None, runs: Sequence[Row], running: Mapping[str, Row], *, planned: bool) -> Step:
    mine = [run for run in runs if run["item"] == item]
    counts = next((run for run in mine if run["counts"]), None)
    others = tuple(run for run in mine if run is not counts)
    return Step(item, place, counts, others, running.get(item), planned)


def _proof(run: Mapping[str, Any], cosigned: Mapping[str, int]) -> str:
    return "receipted" if run["index"] < cosigned.get(run["origin"], 0) else "stored"


def _least(values: Sequence[str | None], order: Sequence[str]) -> str | None:
    known = [value for value in values if value in order]
    return max(known, key=order.index, default=None)
