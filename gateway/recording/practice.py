"""Practice and maintenance runs: folded record by record into one summary (rig interface K9). They never score.

    record ─fold─> run ─spool (fsync)─> ack … last record ─> summary ─> spool removed

A record of a run is acknowledged once the spool holds it, so P1 holds here too: a crash in the middle of a run loses
nothing of its summary. A run holds counts, times and keyed content hashes, and nothing personal.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from device_adapters.observation import Position
from gateway import limits
from scorelog.format import types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.observation import Observation

MODES = frozenset({"practice", "maintenance"})
_FOLDED = frozenset(
    {types.IDENTITY_CHECKED, types.ITEM_STARTED, types.DEDUCTION, types.ITEM_FINISHED, types.ATTEMPT_FINISHED}
    | {types.ATTEMPT_ABORTED, types.CANDIDATE_ACKNOWLEDGED}
)
_ENDS = {types.ATTEMPT_FINISHED: "finished", types.ATTEMPT_ABORTED: "aborted"}


@dataclass(frozen=True, slots=True)
class PracticeRun:
    """One run at one rig, as far as it was read."""

    rig: str
    mode: str
    exam_no: int
    epoch: int
    first_seq: int
    last_seq: int
    source: str
    guarantee: str
    started: str | None
    finished: str | None
    items_started: int = 0
    items_finished: int = 0
    deductions: int = 0
    elapsed_s: int = 0
    ended: str | None = None
    records: tuple[str, ...] = ()

    @property
    def position(self) -> Position:
        """How far the rig was followed by this run."""
        return Position(self.epoch, self.last_seq)

    def to_json(self) -> dict[str, Any]:
        """The spool's content."""
        return {**asdict(self), "records": list(self.records)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PracticeRun:
        """Back from the spool; KeyError or TypeError when it is not one."""
        names = {field.name for field in fields(cls)}
        return cls(**{**{name: value[name] for name in names}, "records": tuple(value["records"])})

    def summary(self) -> dict[str, Any]:
        """The `fields` of the entry."""
        left_out = ("rig", "epoch", "source", "guarantee")
        return {name: value for name, value in self.to_json().items() if name not in left_out}


def is_practice(observation: Observation) -> bool:
    """Whether a record goes into a run. A mode not known to be practice counts as an exam: never lose a score."""
    return observation.mode in MODES and observation.type in _FOLDED


def belongs(run: PracticeRun, observation: Observation) -> bool:
    """Whether the record is of this run, and not of the next one."""
    return (
        run.ended is None
        and is_practice(observation)
        and run.mode == observation.mode
        and run.exam_no == observation.fields.get("exam_no", 0)
    )


def fold(run: PracticeRun | None, observation: Observation, content: str) -> PracticeRun:
    """The run with one record more. A record that it already holds changes nothing."""
    if run is None:
        run = _begun(observation)
    elif (observation.epoch, observation.seq) <= (run.epoch, run.last_seq):
        return run
    kind = observation.type
    elapsed = observation.fields.get("elapsed_s", 0) if kind == types.ITEM_FINISHED else 0
    run = replace(
        run,
        epoch=observation.epoch,
        last_seq=observation.seq,
        finished=observation.rig_time or run.finished,
        items_started=run.items_started + (kind == types.ITEM_STARTED),
        items_finished=run.items_finished + (kind == types.ITEM_FINISHED),
        deductions=run.deductions + (kind == types.DEDUCTION),
        elapsed_s=run.elapsed_s + (elapsed if isinstance(elapsed, int) else 0),
        ended=_ENDS.get(kind),
        records=(*run.records, content),
    )
    full = run.ended is None and len(run.records) >= limits.PRACTICE_RECORDS_MAX
    return replace(run, ended="continued") if full else run


def _begun(observation: Observation) -> PracticeRun:
    number = observation.fields.get("exam_no", 0)
    return PracticeRun(
        rig=observation.rig,
        mode=str(observation.mode),
        exam_no=number if isinstance(number, int) else 0,
        epoch=observation.epoch,
        first_seq=observation.seq,
        last_seq=0,
        source=observation.source,
        guarantee=observation.guarantee,
        started=observation.rig_time,
        finished=None,
    )
