"""What a rig shows of itself at one moment, before any wire writes it: the status block of both halves of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.device.records import encode_status, text
from simulators.limits import EVENT_SLOTS, HEARTBEAT_US, ITEM_BYTES, RESULT_SLOTS, SERIAL_BYTES, U16_MAX

if TYPE_CHECKING:
    from simulators.device.codes import Mode, State
    from simulators.device.rig import Rig


@dataclass(frozen=True, slots=True)
class Shown:
    """The running or last item of the open exam."""

    item: str = ""
    ordinal: int = 0
    elapsed_s: int = 0
    limit_s: int = 0
    running_score: int = 0
    deduction_count: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that the page's status knows."""

    serial: str
    boot: int
    state: State
    mode: Mode
    last_seq: int
    oldest_seq: int
    acked_seq: int
    utc_us: int
    exam_no: int
    shown: Shown
    heartbeat: int
    gateway_seen: bool
    unacked_results: int
    fault: int

    def words(self) -> bytes:
        """The 48 words of the Modbus half."""
        shown = self.shown
        return encode_status(
            serial=text(self.serial, SERIAL_BYTES),
            boot=self.boot,
            state=self.state,
            mode=self.mode,
            last_seq=self.last_seq,
            oldest_seq=self.oldest_seq,
            acked_seq=self.acked_seq,
            utc_us=self.utc_us,
            exam_no=self.exam_no,
            item=text(shown.item, ITEM_BYTES),
            counters=(
                shown.ordinal,
                shown.elapsed_s,
                shown.limit_s,
                shown.running_score,
                shown.deduction_count,
                self.heartbeat,
                int(self.gateway_seen),
                EVENT_SLOTS,
                RESULT_SLOTS,
                self.unacked_results,
                self.fault,
            ),
        )


def status_of(rig: Rig, shown: Shown, utc_us: int) -> Status:
    """What the rig shows now."""
    memory = rig.memory
    return Status(
        serial=rig.serial,
        boot=memory.boot,
        state=rig.state,
        mode=memory.mode,
        last_seq=memory.last_seq,
        oldest_seq=memory.oldest_seq,
        acked_seq=memory.acked_seq,
        utc_us=utc_us,
        exam_no=memory.exam.exam_no if memory.exam else 0,
        shown=shown,
        heartbeat=rig.time.bus_us() // HEARTBEAT_US & U16_MAX,
        gateway_seen=rig.gateway_fresh,
        unacked_results=memory.unacked_results,
        fault=rig.fault_code,
    )
