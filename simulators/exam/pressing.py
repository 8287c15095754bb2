"""A planned press becomes a press of the rig's button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.device.codes import AbortReason, Acknowledgement, Mode, Verdict
from simulators.exam.deeds import Press, Step

if TYPE_CHECKING:
    from simulators.device.rig import Rig


def press(rig: Rig, step: Step, at: int) -> None:  # noqa: C901 - one case a button
    """RigRefuses when the rig does not do it. A power cut is not a button."""
    numbers = step.numbers
    match step.press:
        case Press.MODE:
            rig.set_mode(Mode(numbers[0]), at)
        case Press.OPEN:
            rig.open_exam(step.text, numbers[0], Verdict(numbers[1]), at)
        case Press.START:
            rig.start_item(step.text, at)
        case Press.DEDUCT:
            rig.deduct(numbers[0], numbers[1], at)
        case Press.FINISH:
            rig.measure(*step.measures)
            rig.finish_item(at)
        case Press.TIME_OUT:
            rig.measure(*step.measures)
            rig.time_out(at)
        case Press.ABORT:
            rig.abort(AbortReason(numbers[0]), at)
        case Press.ACKNOWLEDGE:
            rig.acknowledge(Acknowledgement(numbers[0]), at)
        case Press.CLOSE:
            rig.close_exam(at)
        case Press.POWER_CUT:
            raise AssertionError("the station itself pulls the plug")
