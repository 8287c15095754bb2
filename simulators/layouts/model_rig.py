"""A rig that is not of interface v1: the same buttons, but only some of what happens is a record, by its maker's rules.

Owns: what such a model can tell, and so what it means. Its truth is what its records say, no more: a model without a
list of deductions tells none, one that counts in half points never marks a quarter. How it is told, each kind of
model knows: registers (layouts/rig.py) or messages (talk/rig.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from simulators.device.codes import EventType, Mode, Outcome
from simulators.device.rig import Latched, Rig
from simulators.errors import RigRefuses
from simulators.layouts.people import name_of
from simulators.limits import U16_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.device.memory import ItemRun, OpenExam
    from simulators.device.records import Deduction, EventRecord, Measure, ResultRecord
    from simulators.device.rubric import Item, Line
    from simulators.layouts.values import Value

_US = 1_000_000


class Model(Protocol):
    """What the rules below must know of a model."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def serial(self) -> str:
        """How its serial numbers begin."""
        ...

    @property
    def rubric(self) -> str:
        """What its candidates sit."""
        ...

    @property
    def items(self) -> tuple[str, ...]:
        """Of the rubric; empty: all."""
        ...

    @property
    def lines(self) -> Mapping[int, Line]:
        """By its own sensors; empty: it marks by the rubric."""
        ...

    @property
    def bits(self) -> Mapping[int, int]:
        """Line -> bit of `faults`."""
        ...

    @property
    def codes(self) -> Mapping[str, Mapping[str, Value]]:
        """State, mode and outcome in its own numbers or words."""
        ...

    @property
    def events(self) -> Mapping[EventType, Value]:
        """What is a record, and how `type` is written then."""
        ...

    @property
    def step(self) -> int:
        """Hundredths that it counts in."""
        ...

    @property
    def rows_most(self) -> int:
        """Deductions that a result can list; 0: it has no list."""
        ...

    @property
    def name_room(self) -> tuple[str, int] | None:
        """Coding and bytes of a candidate's name; None: it knows none."""
        ...

    def tells(self, name: str) -> bool:
        """Whether a record has a place for it."""
        ...

    def coarse(self, name: str) -> bool:
        """Whether this time is kept in two seconds."""
        ...


class ModelWire:
    """What a record of the model holds, value by value."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def measures(self, taken: tuple[Measure, ...]) -> tuple[Measure, ...]:  # noqa: ARG002 - no model has a place yet
        """None."""
        return ()

    def values(self, event: EventRecord, result: ResultRecord | None) -> dict[str, Value]:
        """Of an event, or of a whole sheet."""
        return self._said(event) | ({} if result is None else self._sheet(result))

    def _said(self, event: EventRecord) -> dict[str, Value]:
        """What every record has; what an event does not have is 0."""
        model = self._model
        mode, args = model.codes["mode"], event.args
        deduction, changed = event.type is EventType.DEDUCTION, event.type is EventType.MODE_CHANGED
        closed = event.type is EventType.EXAM_CLOSED
        return {
            **dict.fromkeys(("started", "finished", "outcome", "score", "veto_lines", "faults"), 0),
            "type": model.events[event.type],
            "seq": event.seq,
            "serial": event.serial,
            "boot": event.boot,
            "ticket": event.ticket,
            "name": self.name(event.ticket),
            "exam_no": event.exam_no,
            "item": event.item,
            "ordinal": event.ordinal,
            "happened": event.utc_us // _US,
            "mode": mode[event.mode.name.lower()],
            "mode_before": mode[Mode(args[0]).name.lower()] if changed else 0,
            "limit_s": args[0] if event.type is EventType.ITEM_STARTED else 0,
            "line": args[0] if deduction else 0,
            "points": args[1] if deduction else 0,
            "elapsed_s": args[2] if deduction else 0,
            "veto": args[3] if deduction else 0,
            "claimed_total": args[0] if closed else 0,
            "items": args[1] if closed else 0,
            "exam_failed": bool(args[2]) if closed else False,
        }

    def _sheet(self, result: ResultRecord) -> dict[str, Value]:
        bits = self._model.bits
        return {
            "started": result.started_s,
            "finished": result.finished_s,
            "elapsed_s": result.elapsed_s,
            "limit_s": result.limit_s,
            "outcome": self._model.codes["outcome"][result.outcome.name.lower()],
            "score": result.score,
            "veto_lines": result.veto_lines,
            "faults": sum(1 << bits[line] for line in {d.line for d in result.deductions} & set(bits)),
        }

    def name(self, ticket: str) -> str:
        """Of the candidate, where the model knows it."""
        room = self._model.name_room
        return name_of(ticket, *room) if room is not None else ""


class ModelRig(Rig):
    """See simulators.rig.Rig for the buttons."""

    clock_digits = "seconds"  # of the times in its records

    @property
    def model(self) -> Model:
        """Its own."""
        raise NotImplementedError

    def store(self, event: EventRecord, result: ResultRecord | None) -> None:
        """Keep the record."""
        self.memory.latch(event.seq, self.wire.encode(event, result)[0])

    def status_values(self) -> dict[str, Value]:
        """What there is to tell, in this maker's codes."""
        now, codes = self.status(), self.model.codes
        shown = now.shown
        return {
            "serial": now.serial,
            "boot": now.boot,
            "state": codes["state"][now.state.name.lower()],
            "mode": codes["mode"][now.mode.name.lower()],
            "last_seq": now.last_seq,
            "oldest_seq": now.oldest_seq,
            "acked_seq": now.acked_seq,
            "clock": now.utc_us // _US,
            "exam_no": now.exam_no,
            "item": shown.item,
            "ordinal": shown.ordinal,
            "elapsed_s": shown.elapsed_s,
            "limit_s": shown.limit_s,
            "running_score": shown.running_score,
            "deduction_count": shown.deduction_count,
            "heartbeat": now.heartbeat & U16_MAX,
            "fault": now.fault,
            "unacked_results": now.unacked_results,
        }

    # ---- marking ----

    def item(self, code: str) -> Item:
        """The item; lines are those of this model's own sensors, if it has such."""
        if self.model.items and code not in self.model.items:
            raise RigRefuses(f"this rig has no item {code}")
        item = super().item(code)
        return replace(item, lines=self.model.lines) if self.model.lines else item

    def deduct(self, line: int, points: int, at: int | None = None) -> Latched:
        """What no sensor sees, costs nothing; points go by the steps in which this model counts."""
        _, run = self._need_item()
        taken, rule = run.sheet.deductions, run.sheet.item.lines.get(line)
        if self.model.lines:
            if rule is None or any(d.line == line for d in taken):
                return self._unrecorded(EventType.DEDUCTION, at)
            points = rule.max_points
        rows = self.model.rows_most
        if rows and rule is not None and not rule.veto and len(taken) >= rows - 1:
            return self._unrecorded(EventType.DEDUCTION, at)  # the last row is kept for a veto
        return super().deduct(line, max(self.model.step, points - points % self.model.step), at)

    # ---- inside ----

    def _latch(
        self,
        kind: EventType,
        now: int,
        args: tuple[int, int, int, int],
        run: ItemRun | None = None,
        *,
        result: ResultRecord | None = None,
    ) -> Latched:
        if kind not in self.model.events:
            return self._unrecorded(kind, now, args, run)
        event = self._event(kind, now, args, run, self._next_seq())
        if result is not None:
            event = replace(event, ordinal=result.ordinal, mode=result.mode, utc_us=self._told_us(event, result))
        self.store(event, result)
        told = event if self.model.tells("ticket") else replace(event, ticket="")
        return self._told(Latched(self.serial, told, result, self.time.wall_us(), clock_digits=self.clock_digits))

    def _told_us(self, event: EventRecord, result: ResultRecord) -> int:
        """The time that the record of a result has."""
        return event.utc_us if self.model.tells("happened") else result.finished_s * _US

    def _unrecorded(
        self,
        kind: EventType,
        at: int | None,
        args: tuple[int, int, int, int] = (0, 0, 0, 0),
        run: ItemRun | None = None,
    ) -> Latched:
        """It happened, and nothing says so. The number is that of the newest record."""
        event = self._event(kind, self._now(at), args, run, self.memory.last_seq)
        self.on_change()
        return Latched(self.serial, event, None, self.time.wall_us())

    def _result(self, exam: OpenExam, run: ItemRun, outcome: Outcome, score: int, now: int) -> ResultRecord:
        """What the whole sheet becomes when only this much of it can be told."""
        whole, model = super()._result(exam, run, outcome, score, now), self.model
        vetoes = whole.veto_lines
        told = whole.deductions if model.rows_most else _seen(whole.deductions, model)
        codes = model.codes["outcome"]
        names = {codes[name]: name for name in sorted(codes, key=lambda name: -Outcome[name.upper()])}
        return replace(
            whole,
            ordinal=whole.ordinal if model.tells("ordinal") else 1,
            outcome=Outcome[names[codes[outcome.name.lower()]].upper()],
            started_s=self._clock(whole.started_s, "started"),
            finished_s=self._clock(whole.finished_s, "finished"),
            deductions=told,
            veto_count=vetoes if model.tells("veto_lines") else 0,
        )

    def _clock(self, seconds: int, name: str) -> int:
        """A file system counts in two seconds."""
        return seconds - seconds % 2 if self.model.coarse(name) else seconds


def _seen(deductions: tuple[Deduction, ...], model: Model) -> tuple[Deduction, ...]:
    """By sensors: in the order of the bits, without a time."""
    by_bit = sorted((d for d in deductions if d.line in model.bits), key=lambda d: model.bits[d.line])
    return tuple(replace(d, at_s=None) for d in by_bit)
