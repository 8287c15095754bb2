"""One practical-exam rig: its state machine, its buttons and its status block (docs/rig-interface-v1.md, rules K1-K9).

Owns what happens on the rig. Never touches a socket (host.py) and decides nothing about candidates (candidates.py):
a caller presses its buttons, `at` being the exam time of the press, and the rig does it or refuses with the words
on its screen.

    button ─▶ rules K3 K5 K8 ─▶ records.encode ─▶ memory.latch ─▶ on_latch (truth)
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simulators.device import marking
from simulators.device.codes import AbortReason, Acknowledgement, EventType, Mode, Outcome, State, Verdict
from simulators.device.latched import Latched
from simulators.device.memory import ItemRun, Memory, OpenExam
from simulators.device.records import EventRecord, Measure, ResultRecord, text
from simulators.device.registers import V1, RegisterMap
from simulators.device.rubric import EXAM_FAILED, Item, Rubric
from simulators.device.status import Shown, Status, status_of
from simulators.device.wires import RegisterWire, Wire
from simulators.errors import RigRefuses
from simulators.limits import READY_FRESH_US, ROOM_EVENTS_MIN, SERIAL_BYTES, U16_MAX

__all__ = ["Latched", "Rig"]

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.device.clock import RigTime

_US = 1_000_000
_CLOCK_END_US = 2**32 * _US  # 32 bits of seconds


def _nothing() -> None:
    """Registers are read when somebody asks."""


class Rig:
    """A rig with power. `memory` outlives it: after a power cut a new life begins with `power_up`."""

    def __init__(
        self,
        serial: str,
        rubric: Rubric,
        time: RigTime,
        *,
        memory: Memory | None = None,
        wire: Wire | None = None,
        registers: RegisterMap = V1,
        on_latch: Callable[[Latched], None] = lambda _: None,
    ) -> None:
        self.serial = serial
        self.rubric = rubric
        self.time = time
        self.memory = memory or Memory()
        self.wire = wire or RegisterWire()
        self.registers = registers
        self.needs_gateway = True
        self.control_written = asyncio.Event()
        self.fault_code = 0
        self.clock_error_us: int | None = 0  # None: the rig has no clock
        self.numbers_to_lose = 0
        self.on_change: Callable[[], None] = _nothing  # its host's, when the host has to say so by itself
        self._on_latch = on_latch
        text(serial, SERIAL_BYTES)
        self.powered = False
        self._forget()

    def _forget(self) -> None:
        """The volatile part, as at power-up."""
        self._ready_value = 0
        self._ready_changed_us: int | None = None
        self._ack_words = self.memory.acked_seq

    # ---- power (K7) ----

    def power_up(self, at: int | None = None) -> None:
        """Count the boot; end, as aborted, what the cut interrupted."""
        if self.powered:
            raise RigRefuses("the rig already has power")
        self.powered = True
        self.memory.boot += 1
        self._forget()
        exam = self.memory.exam
        if exam is None:
            return
        now = self._now(at)
        if exam.run is not None and not exam.run.over:
            self._end_item(exam, exam.run, Outcome.ABORTED, now, elapsed_s=exam.run.elapsed_s)
        self._end_exam(exam, EventType.EXAM_ABORTED, (AbortReason.POWER, 0, 0, 0), now)

    def power_cut(self, at: int | None = None) -> None:
        """From here on nothing answers; the item timer stands still."""
        self._need_power()
        now = self._now(at)
        run = self.memory.exam.run if self.memory.exam else None
        if run is not None and not run.over:
            run.elapsed_s = self._elapsed_s(run, now)
        self.powered = False

    # ---- what may begin now ----

    @property
    def gateway_fresh(self) -> bool:
        """`gateway_ready` is not 0 and has changed within the last 10 s of real time (K5)."""
        changed = self._ready_changed_us
        return bool(self._ready_value) and changed is not None and self.time.bus_us() - changed <= READY_FRESH_US

    def no_room(self) -> str | None:
        """Why nothing new may begin for want of room (K3), or None."""
        if self.memory.event_room < ROOM_EVENTS_MIN:
            return f"record store nearly full: {self.memory.event_room} event slots free, {ROOM_EVENTS_MIN} needed"
        if not self.memory.result_room:
            return "record store full: no result slot free"
        return None

    def no_start(self) -> str | None:
        """Why no item may start now, as the screen says it, or None (K3, K5). Want of room counts in every mode."""
        if self.fault_code:
            return f"rig fault {self.fault_code}"
        if self.needs_gateway and self.memory.mode is Mode.EXAM and not self.gateway_fresh:
            return "gateway not ready: this exam cannot be recorded"
        return self.no_room()

    # ---- buttons ----

    def set_mode(self, mode: Mode, at: int | None = None) -> Latched:
        """Turn the mode switch; only between exams."""
        self._need_power()
        if self.memory.exam is not None:
            raise RigRefuses("the mode cannot change while an exam is open")
        self._need_room()
        old, self.memory.mode = self.memory.mode, mode
        return self._latch(EventType.MODE_CHANGED, self._now(at), (old, mode, 0, 0))

    def open_exam(
        self, ticket: str, attempt: int = 1, verdict: Verdict = Verdict.MATCH, at: int | None = None
    ) -> Latched:
        """A candidate was identified."""
        self._need_power()
        if self.memory.exam is not None:
            raise RigRefuses("an exam is open already")
        self._need_room()
        self.wire.check_ticket(ticket)
        self.memory.exam_no += 1
        self.memory.exam = OpenExam(ticket, self.memory.exam_no, self.memory.mode)
        return self._latch(EventType.EXAM_OPENED, self._now(at), (verdict, attempt, 0, 0))

    def start_item(self, code: str, at: int | None = None) -> Latched:
        """Start a drawn item."""
        exam = self._need_exam()
        if exam.run is not None and not exam.run.over:
            raise RigRefuses(f"item {exam.run.sheet.item.code} is running")
        if exam.failed_by_veto:
            raise RigRefuses("the exam is failed by veto: no further item")
        refusal = self.no_start()
        if refusal is not None:
            raise RigRefuses(refusal)
        item = self.item(code)
        now = self._now(at)
        exam.run = ItemRun(marking.Sheet(item), exam.run.ordinal + 1 if exam.run else 1, now)
        return self._latch(EventType.ITEM_STARTED, now, (item.limit_s, 0, 0, 0), exam.run)

    def item(self, code: str) -> Item:
        """What this rig knows of an item."""
        return self.rubric.item(code)

    def deduct(self, line: int, points: int, at: int | None = None) -> Latched:
        """Take points off; a veto line ends the item at once."""
        exam, run = self._need_item()
        now = self._now(at)
        taken = run.sheet.take(line, points, self._elapsed_s(run, now))
        args = (taken.line, taken.points, taken.at_s or 0, int(taken.veto))
        latched = self._latch(EventType.DEDUCTION, now, args, run)
        if not taken.veto:
            return latched
        exam.failed_by_veto = exam.failed_by_veto or run.sheet.item.veto_effect == EXAM_FAILED
        return self._end_item(exam, run, Outcome.VETO, now)

    def finish_item(self, at: int | None = None) -> Latched:
        """The candidate is done."""
        exam, run = self._need_item()
        return self._end_item(exam, run, Outcome.FINISHED, self._now(at))

    def measure(self, *taken: Measure) -> None:
        """Numbers that the rig takes during the item; a wire that has no room for them leaves them out."""
        _, run = self._need_item()
        run.measures += self.wire.measures(taken)

    def time_out(self, at: int | None = None) -> Latched:
        """The limit is reached; the sheet counts as it stands."""
        exam, run = self._need_item()
        return self._end_item(exam, run, Outcome.TIMEOUT, self._now(at), elapsed_s=run.sheet.item.limit_s)

    def abort(self, reason: AbortReason, at: int | None = None) -> Latched:
        """Break the exam off; a running item ends first (K8)."""
        exam = self._need_exam()
        now = self._now(at)
        if exam.run is not None and not exam.run.over:
            self._end_item(exam, exam.run, Outcome.ABORTED, now)
        return self._end_exam(exam, EventType.EXAM_ABORTED, (reason, 0, 0, 0), now)

    def acknowledge(self, answer: Acknowledgement, at: int | None = None) -> Latched:
        """The candidate saw the sheet and signed, or did not."""
        exam = self._need_exam()
        if exam.run is not None and not exam.run.over:
            raise RigRefuses(f"item {exam.run.sheet.item.code} is running")
        return self._latch(EventType.CANDIDATE_ACKNOWLEDGED, self._now(at), (answer, 0, 0, 0))

    def close_exam(self, at: int | None = None) -> Latched:
        """The exam is over: the rig's own total."""
        exam = self._need_exam()
        if exam.run is not None and not exam.run.over:
            raise RigRefuses(f"item {exam.run.sheet.item.code} is running")
        args = (marking.total(self.rubric, exam.scores), len(exam.scores), int(exam.failed_by_veto), 0)
        return self._end_exam(exam, EventType.EXAM_CLOSED, args, self._now(at))

    # ---- the bus side ----

    def status(self) -> Status:
        """What the rig shows at this moment."""
        exam, now = self.memory.exam, self.time.exam_us()
        return status_of(self, self._shown(exam.run if exam else None, now), self._utc_us(now))

    def _shown(self, run: ItemRun | None, now: int) -> Shown:
        if run is None:
            return Shown()
        elapsed_s = run.elapsed_s if run.over else self._elapsed_s(run, now)
        sheet = run.sheet
        return Shown(
            sheet.item.code, run.ordinal, elapsed_s, sheet.item.limit_s, sheet.running_score, len(sheet.deductions)
        )

    def status_block(self) -> bytes:
        """The 48 status words as they are at this moment."""
        return self.status().words()

    @property
    def state(self) -> State:
        """Status word `state`."""
        exam = self.memory.exam
        if self.fault_code:
            return State.FAULT
        if exam is None:
            return State.IDLE
        if exam.run is None:
            return State.OPEN
        return State.FINISHED if exam.run.over else State.RUNNING

    def new_memory(self) -> Memory:
        """An empty one."""
        return Memory()

    def control_block(self) -> tuple[int, int]:
        """`ack_seq` as it was last written, `gateway_ready`."""
        return self._ack_words, self._ready_value

    def write_ack(self, seq: int) -> None:
        """The gateway has everything up to `seq` (K4)."""
        self._ack_words = seq
        self.memory.acknowledge(seq)
        self.control_written.set()
        self.on_change()

    def write_ready(self, value: int) -> None:
        """The gateway can record an exam, or (0) cannot (K5)."""
        if value != self._ready_value:
            self._ready_value = value
            self._ready_changed_us = self.time.bus_us()
        self.control_written.set()

    # ---- inside ----

    def _now(self, at: int | None) -> int:
        """Exam time of this press, never before the last one."""
        self.memory.last_at_us = max(self.memory.last_at_us, self.time.exam_us() if at is None else at)
        return self.memory.last_at_us

    def _utc_us(self, at: int) -> int:
        return 0 if self.clock_error_us is None else (self.time.utc_us(at) + self.clock_error_us) % _CLOCK_END_US

    @staticmethod
    def _elapsed_s(run: ItemRun, now: int) -> int:
        return min(max(0, now - run.started_us) // _US, U16_MAX)

    def _need_power(self) -> None:
        if not self.powered:
            raise RigRefuses("the rig has no power")

    def _need_room(self) -> None:
        refusal = self.no_room()
        if refusal is not None:
            raise RigRefuses(refusal)

    def _need_exam(self) -> OpenExam:
        self._need_power()
        if self.memory.exam is None:
            raise RigRefuses("no exam is open")
        return self.memory.exam

    def _need_item(self) -> tuple[OpenExam, ItemRun]:
        exam = self._need_exam()
        if exam.run is None or exam.run.over:
            raise RigRefuses("no item is running")
        return exam, exam.run

    def _end_item(
        self, exam: OpenExam, run: ItemRun, outcome: Outcome, now: int, elapsed_s: int | None = None
    ) -> Latched:
        run.over = True
        run.elapsed_s = self._elapsed_s(run, now) if elapsed_s is None else elapsed_s
        item, deductions = run.sheet.item, tuple(run.sheet.deductions)
        score = run.sheet.score(outcome)
        exam.scores.append((item.code, score))
        args = (self.memory.next_result_slot, outcome, score, len(deductions))
        return self._latch(EventType.ITEM_FINISHED, now, args, run, result=self._result(exam, run, outcome, score, now))

    def _result(self, exam: OpenExam, run: ItemRun, outcome: Outcome, score: int, now: int) -> ResultRecord:
        return ResultRecord(
            seq=self._next_seq(),
            serial=self.serial,
            boot=self.memory.boot,
            ticket=exam.ticket,
            exam_no=exam.exam_no,
            item=run.sheet.item.code,
            ordinal=run.ordinal,
            started_s=self._utc_us(run.started_us) // _US,
            finished_s=self._utc_us(now) // _US,
            elapsed_s=run.elapsed_s,
            limit_s=run.sheet.item.limit_s,
            outcome=outcome,
            score=score,
            mode=exam.mode,
            deductions=tuple(run.sheet.deductions),
            measures=run.measures,
        )

    def _end_exam(self, exam: OpenExam, kind: EventType, args: tuple[int, int, int, int], now: int) -> Latched:
        exam.run = None  # the event is about the exam, not about its last item
        latched = self._latch(kind, now, args)
        self.memory.exam = None
        return latched

    def _next_seq(self) -> int:
        return self.memory.last_seq + self.numbers_to_lose + 1

    def _latch(
        self,
        kind: EventType,
        now: int,
        args: tuple[int, int, int, int],
        run: ItemRun | None = None,
        *,
        result: ResultRecord | None = None,
    ) -> Latched:
        event = self._event(kind, now, args, run, self._next_seq())
        self.memory.latch(event.seq, *self.wire.encode(event, result))
        return self._told(Latched(self.serial, event, result, self.time.wall_us()))

    def _told(self, latched: Latched) -> Latched:
        """It stands in memory: whoever listens is told."""
        self.numbers_to_lose = 0
        self._on_latch(latched)
        self.on_change()
        return latched

    def _event(
        self, kind: EventType, now: int, args: tuple[int, int, int, int], run: ItemRun | None, seq: int
    ) -> EventRecord:
        exam = self.memory.exam
        return EventRecord(
            seq=seq,
            type=kind,
            serial=self.serial,
            boot=self.memory.boot,
            ticket=exam.ticket if exam else "",
            exam_no=exam.exam_no if exam else 0,
            item=run.sheet.item.code if run else "",
            ordinal=run.ordinal if run else 0,
            utc_us=self._utc_us(now),
            mode=self.memory.mode,
            args=args,
        )
