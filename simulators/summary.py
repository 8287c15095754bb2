"""The last words of a fleet: a table of what every rig did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.exam.candidates import Ending

if TYPE_CHECKING:
    from simulators.fleet import Fleet

_ROW = "{:<10} {:<7} {:>6} {:>6} {:>6} {:>6} {:>8} {:>8} {:>7} {:>7} {:>9}"


def summary(fleet: Fleet) -> str:
    """One line a rig, then the totals."""
    head = _ROW.format(
        "rig", "station", "sat", "passed", "failed", "broken", "practice", "repeated", "records", "unacked", "requests"
    )
    lines = [head, "-" * len(head)]
    for station in fleet.stations:
        host, memory = station.host, station.host.rig.memory
        unacked = memory.last_seq - memory.oldest_seq + 1 if memory.oldest_seq else 0
        lines.append(
            _ROW.format(
                host.rig.serial,
                host.station,
                station.endings[Ending.SAT],
                station.endings[Ending.PASSED],
                station.endings[Ending.FAILED],
                station.endings[Ending.ABORTED],
                station.endings[Ending.PRACTICE],
                station.repeated,
                memory.last_seq,
                unacked,
                host.requests,
            )
        )
    plan = ", ".join(f"{count} {what}" for what, count in sorted(fleet.scenario.counts().items()))
    outcomes = ", ".join(f"{count} {what}" for what, count in sorted(fleet.outcomes.items())) or "none"
    faults: dict[str, int] = {}
    for host in fleet.hosts:
        for name, count in host.plan.fired().items():
            faults[name] = faults.get(name, 0) + count
    lines += [
        f"plan: {plan}",
        f"item runs: {sum(fleet.outcomes.values())} ({outcomes}); records: {fleet.truth.records}",
    ]
    if faults:
        lines.append("faults that happened: " + ", ".join(f"{name} {count}×" for name, count in sorted(faults.items())))
    return "\n".join(lines)
