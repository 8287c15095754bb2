"""Any sequence of buttons, acknowledgements and power cuts keeps K1-K4, K7 and K8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from modbus_probe import crc16
from sim_parts import ManualTime, long, rubric, word

from simulators.device.codes import AbortReason, EventType, Mode
from simulators.device.rig import Latched, Rig
from simulators.errors import RigRefuses

if TYPE_CHECKING:
    from simulators.device.rubric import Rubric

RUBRIC: Rubric = rubric()


class Buttons(RuleBasedStateMachine):
    """Presses anything at any time; the rig does it or refuses, and never breaks a promise."""

    def __init__(self) -> None:
        super().__init__()
        self.time = ManualTime()
        self.latched: list[Latched] = []
        self.acked = 0
        self.ready = 0
        self.rig = Rig("LV-0001", RUBRIC, self.time, on_latch=self.latched.append)
        self.rig.power_up()

    def press(self, action: object, *args: object) -> None:
        try:
            action(*args)  # type: ignore[operator]
        except RigRefuses:
            return

    @rule(ticket=st.sampled_from(["T1", "T2"]))
    def open_exam(self, ticket: str) -> None:
        self.press(self.rig.open_exam, ticket)

    @rule(code=st.sampled_from(["K11", "K21", "K32"]))
    def start(self, code: str) -> None:
        begun = len(self.latched)
        self.press(self.rig.start_item, code)
        if len(self.latched) > begun and self.rig.memory.mode is Mode.EXAM:
            assert self.rig.gateway_fresh, "K5"

    @rule(line=st.integers(1, 7), points=st.integers(0, 3000))
    def deduct(self, line: int, points: int) -> None:
        self.press(self.rig.deduct, line, points)

    @rule()
    def finish(self) -> None:
        self.press(self.rig.finish_item)

    @rule(reason=st.sampled_from(list(AbortReason)))
    def abort(self, reason: AbortReason) -> None:
        self.press(self.rig.abort, reason)

    @rule()
    def close(self) -> None:
        self.press(self.rig.close_exam)

    @rule(mode=st.sampled_from(list(Mode)))
    def mode(self, mode: Mode) -> None:
        self.press(self.rig.set_mode, mode)

    @rule()
    def power(self) -> None:
        boot = self.rig.memory.boot
        open_item = self.rig.state == 2
        self.rig.power_cut()
        self.time.advance(3)
        self.rig.power_up()
        assert self.rig.memory.boot == boot + 1, "K7"
        if open_item:
            assert [e.event.type for e in self.latched[-2:]] == [EventType.ITEM_FINISHED, EventType.EXAM_ABORTED], "K7"

    @rule(seq=st.integers(-2, 40))
    def acknowledge(self, seq: int) -> None:
        target = max(0, self.acked + seq)
        self.rig.write_ack(target)
        if self.acked <= target <= len(self.latched):
            self.acked = target

    @rule(seconds=st.sampled_from([0.5, 9, 11]))
    def wait(self, seconds: float) -> None:
        self.time.advance(seconds)

    @rule()
    def gateway(self) -> None:
        self.ready += 1
        self.rig.write_ready(self.ready)

    @invariant()
    def numbers_are_whole(self) -> None:
        """K4: +1 per record, never reset; the status block agrees with the model."""
        assert [entry.event.seq for entry in self.latched] == list(range(1, len(self.latched) + 1))
        status = self.rig.status_block()
        held = len(self.latched) > self.acked
        assert (long(status, 16), long(status, 18), long(status, 20)) == (
            len(self.latched),
            self.acked + 1 if held else 0,
            self.acked,
        )
        assert crc16(status[:94]) == word(status, 47)

    @invariant()
    def unacknowledged_records_are_intact(self) -> None:
        """K2, K3, C8: every record not acknowledged is in its slot, byte for byte as latched, and its result too."""
        for entry in self.latched[self.acked :][-40:]:
            assert self.rig.memory.event(entry.event.seq % 512) == entry.event.encode()
            if entry.result is not None:
                data = entry.result.encode()
                assert self.rig.memory.result(entry.event.args[0])[: len(data)] == data

    @invariant()
    def starts_and_ends_pair_up(self) -> None:
        """K8: within an exam items do not overlap, and none stays open when the exam ends."""
        running = False
        for entry in self.latched:
            kind = entry.event.type
            if kind is EventType.ITEM_STARTED:
                assert not running
                running = True
            elif kind is EventType.ITEM_FINISHED:
                assert running
                running = False
            elif kind in {EventType.EXAM_CLOSED, EventType.EXAM_ABORTED, EventType.MODE_CHANGED}:
                assert not running


TestButtons = Buttons.TestCase
TestButtons.settings = settings(max_examples=40, stateful_step_count=60, deadline=None)
