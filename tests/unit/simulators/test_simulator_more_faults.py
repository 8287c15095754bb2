"""Faults of clocks, values, texts, modes and other masters (R9-R13): each seen on a rig."""

from __future__ import annotations

import pytest
from sim_parts import UTC_START_US, ManualTime, rubric

from simulators.faults import FaultSpec
from simulators.host import RigHost
from simulators.latched import Latched
from simulators.rig import Rig

_HOUR_S = 3600


async def hosted() -> tuple[RigHost, ManualTime, list[Latched]]:
    """A rig with power whose clock stands still."""
    time, latched = ManualTime(), list[Latched]()
    host = RigHost(Rig("LV-0001", rubric(), time, on_latch=latched.append))
    await host.start()
    host.rig.write_ready(1)
    return host, time, latched


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("clock-back", UTC_START_US // 1_000_000 - 2 * _HOUR_S),
        ("clock-summer", UTC_START_US // 1_000_000 + _HOUR_S),
        ("clock-1970", _HOUR_S),
        ("clock-2106", 2**32 - 60),
    ],
)
async def test_r9_a_wrong_clock_is_told_and_latched_and_right_again_afterwards(name: str, seconds: int) -> None:
    """R9: the truth says what the rig says; after the window both are right."""
    host, time, latched = await hosted()
    host.rig.open_exam("20261123-0007")
    host.rig.start_item("K11")
    host.set_fault(FaultSpec(name))
    time.advance(5)
    host.rig.finish_item()
    assert host.rig.status().utc_us // 1_000_000 == (seconds + 5) % 2**32
    result = latched[-1].result
    assert result is not None
    assert result.finished_s == (seconds + 5) % 2**32
    assert result.elapsed_s == 5  # the timer is not the clock (R10: an item may end before it began)
    host.clear_faults()
    assert host.rig.status().utc_us == UTC_START_US + 5_000_000
    await host.stop()


async def test_r9_a_clock_at_its_end_begins_anew() -> None:
    """R9: 2106-02-07 06:28:15 is followed by 0: a register cannot hold more, and the rig goes on."""
    host, time, latched = await hosted()
    host.set_fault(FaultSpec("clock-2106"))
    time.advance(61)
    host.rig.open_exam("20261123-0007")
    assert latched[-1].event.utc_us // 1_000_000 == 1
    await host.stop()
