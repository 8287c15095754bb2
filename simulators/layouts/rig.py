"""A maker's rig: the same buttons, but only results are records, in the maker's own words and by the maker's rules.

Owns: what this model can tell, and so what it means. Its truth is what its registers say, no more: a model without a
list of deductions tells none, one that counts in half points never marks a quarter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from simulators.codes import EventType, Mode, Outcome
from simulators.errors import RigRefuses
from simulators.layouts.blocks import words_of
from simulators.layouts.memory import ReadOnce, ResultRing
from simulators.layouts.people import name_of
from simulators.layouts.registers import LayoutRegisters
from simulators.layouts.turning import Turning
from simulators.limits import U16_MAX
from simulators.records import Deduction, EventRecord, ResultRecord, text
from simulators.rig import Latched, Rig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulators.clock import RigTime
    from simulators.layouts.shape import Layout
    from simulators.layouts.values import Value
    from simulators.memory import ItemRun, Memory, OpenExam
    from simulators.records import Measure
    from simulators.rubric import Item, Rubric

_US = 1_000_000


class LayoutWire:
    """How a result becomes words."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def check_ticket(self, ticket: str) -> None:
        """ASCII of the width that the model has; nothing where it has none."""
        if self._layout.tells("ticket"):
            text(ticket, 2 * self._layout.result.places["ticket"][0].words)

    def measures(self, taken: tuple[Measure, ...]) -> tuple[Measure, ...]:  # noqa: ARG002 - no model has a place yet
        """None."""
        return ()

    def encode(self, event: EventRecord, result: ResultRecord | None) -> tuple[bytes, bytes | None]:
        """The record; there is no second one."""
        layout = self._layout
        rows = result.deductions if result and layout.result.rows else ()
        values = self._said(event) | ({} if result is None else self._sheet(result))
        return words_of(layout.result, {**values, "deduction_count": len(rows)}, [_row(each) for each in rows]), None

    def _said(self, event: EventRecord) -> dict[str, Value]:
        """What every record has; what an event does not have is 0."""
        layout = self._layout
        mode, args = layout.codes["mode"], event.args
        deduction, changed = event.type is EventType.DEDUCTION, event.type is EventType.MODE_CHANGED
        return {
            **dict.fromkeys(("started", "finished", "outcome", "score", "veto_lines", "faults"), 0),
            "type": layout.events[event.type],
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
        }

    def _sheet(self, result: ResultRecord) -> dict[str, Value]:
        bits = self._layout.bits
        return {
            "started": result.started_s,
            "finished": result.finished_s,
            "elapsed_s": result.elapsed_s,
            "limit_s": result.limit_s,
            "outcome": self._layout.codes["outcome"][result.outcome.name.lower()],
            "score": result.score,
            "veto_lines": result.veto_lines,
            "faults": sum(1 << bits[line] for line in {d.line for d in result.deductions} & set(bits)),
        }

    def name(self, ticket: str) -> str:
        """Of the candidate, where the model knows it."""
        places = self._layout.result.places.get("name")
        return name_of(ticket, places[0].kind, 2 * places[0].words) if places else ""


def _empty(layout: Layout) -> ResultRing:
    result = layout.result
    return ReadOnce(result.slots) if result.cleared else ResultRing(result.slots, overwrites=layout.overwrites)


def _row(deduction: Deduction) -> dict[str, Value]:
    return {
        "line": deduction.line,
        "points": deduction.points,
        "at_s": deduction.at_s or 0,
        "veto": int(deduction.veto),
    }


class MakerRig(Rig):
    """See simulators.rig.Rig for the buttons."""

    def __init__(
        self,
        serial: str,
        rubric: Rubric,
        time: RigTime,
        layout: Layout,
        *,
        on_latch: Callable[[Latched], None] = lambda _: None,
    ) -> None:
        self.layout = layout
        super().__init__(
            serial,
            rubric,
            time,
            memory=_empty(layout),
            wire=LayoutWire(layout),
            registers=LayoutRegisters(layout),
            on_latch=on_latch,
        )
        self.needs_gateway = layout.ready is not None
        self.status_words()  # a serial number that does not fit is told now

    def new_memory(self) -> Memory:
        """An empty one."""
        return _empty(self.layout)

    def _forget(self) -> None:
        """What the window shows and how the coil stands are volatile, too."""
        super()._forget()
        self.turning = Turning()
        self.bell_rings = False

    # ---- what may begin now ----

    def no_room(self) -> str | None:
        """One item runs at a time: room for all its records is enough."""
        enough = self.memory.result_room >= self.layout.room
        return None if enough else "result store full: the gateway has not told that it has them"

    # ---- marking ----

    def item(self, code: str) -> Item:
        """The item; lines are those of this model's own sensors, if it has such."""
        if self.layout.items and code not in self.layout.items:
            raise RigRefuses(f"this rig has no item {code}")
        item = super().item(code)
        return replace(item, lines=self.layout.lines) if self.layout.lines else item

    def deduct(self, line: int, points: int, at: int | None = None) -> Latched:
        """What no sensor sees, costs nothing; points go by the steps in which this model counts."""
        _, run = self._need_item()
        taken, rule = run.sheet.deductions, run.sheet.item.lines.get(line)
        if self.layout.lines:
            if rule is None or any(d.line == line for d in taken):
                return self._unrecorded(EventType.DEDUCTION, at)
            points = rule.max_points
        rows = self.layout.result.rows
        if rows is not None and rule is not None and not rule.veto and len(taken) >= rows.most - 1:
            return self._unrecorded(EventType.DEDUCTION, at)  # the last row is kept for a veto
        return super().deduct(line, max(self.layout.step, points - points % self.layout.step), at)

    # ---- the bus side ----

    def status_block(self) -> bytes:
        """In the maker's words."""
        return self.status_words()

    def status_words(self, changes: Mapping[str, int] | None = None) -> bytes:
        """With other numbers, when a fault wants them."""
        return words_of(self.layout.status, {**self.status_values(), **(changes or {})})

    def status_values(self) -> dict[str, Value]:
        """What there is to tell, in this maker's codes."""
        now, codes = self.status(), self.layout.codes
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

    def read_away(self) -> None:
        """The place of the oldest result was read to its end: the result is gone."""
        seq = self.memory.take() if isinstance(self.memory, ReadOnce) else 0
        if seq:
            self.write_ack(seq)

    def ring(self, *, on: bool) -> None:
        """The coil: set, it frees the oldest result, once."""
        if on and not self.bell_rings and self.memory.oldest_seq:
            self.write_ack(self.memory.oldest_seq)
        self.bell_rings = on

    def control_block(self) -> tuple[int, int]:
        """Where the model echoes, only what it took stays."""
        told, ready = super().control_block()
        echo = self.layout.told is not None and self.layout.told.echo
        return (self.memory.acked_seq if echo else told), ready

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
        if kind not in self.layout.events:
            return self._unrecorded(kind, now, args, run)
        event = self._event(kind, now, args, run, self._next_seq())
        if result is not None:
            at_us = event.utc_us if self.layout.tells("happened") else result.finished_s * _US
            event = replace(event, ordinal=result.ordinal, mode=result.mode, utc_us=at_us)
        self.memory.latch(event.seq, self.wire.encode(event, result)[0])
        told = event if self.layout.tells("ticket") else replace(event, ticket="")
        return self._told(Latched(self.serial, told, result, self.time.wall_us(), clock_digits="seconds"))

    def _unrecorded(
        self,
        kind: EventType,
        at: int | None,
        args: tuple[int, int, int, int] = (0, 0, 0, 0),
        run: ItemRun | None = None,
    ) -> Latched:
        """It happened, and no register says so. The number is that of the newest record."""
        event = self._event(kind, self._now(at), args, run, self.memory.last_seq)
        self.on_change()
        return Latched(self.serial, event, None, self.time.wall_us())

    def _result(self, exam: OpenExam, run: ItemRun, outcome: Outcome, score: int, now: int) -> ResultRecord:
        """What the whole sheet becomes when only this much of it can be told."""
        whole, layout = super()._result(exam, run, outcome, score, now), self.layout
        vetoes = whole.veto_lines
        told = whole.deductions if layout.result.rows else _seen(whole.deductions, layout)
        codes = layout.codes["outcome"]
        names = {codes[name]: name for name in sorted(codes, key=lambda name: -Outcome[name.upper()])}
        return replace(
            whole,
            ordinal=whole.ordinal if layout.tells("ordinal") else 1,
            outcome=Outcome[names[codes[outcome.name.lower()]].upper()],
            started_s=self._clock(whole.started_s, "started"),
            finished_s=self._clock(whole.finished_s, "finished"),
            deductions=told,
            veto_count=vetoes if layout.tells("veto_lines") else 0,
        )

    def _clock(self, seconds: int, name: str) -> int:
        """A file system counts in two seconds."""
        coarse = self.layout.result.places[name][0].kind == "time-dos" if self.layout.tells(name) else False
        return seconds - seconds % 2 if coarse else seconds


def _seen(deductions: tuple[Deduction, ...], layout: Layout) -> tuple[Deduction, ...]:
    """By sensors: in the order of the bits, without a time."""
    by_bit = sorted((d for d in deductions if d.line in layout.bits), key=lambda d: layout.bits[d.line])
    return tuple(replace(d, at_s=None) for d in by_bit)
