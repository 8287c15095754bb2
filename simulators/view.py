"""The fleet on one screen, drawn again and again: what every rig does, and where it hangs (`--view`).

Plain text. Owns what is shown, never a candidate's ticket or name; reads the fleet and changes nothing.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from simulators.device.codes import State

if TYPE_CHECKING:
    from simulators.device.plug import Host
    from simulators.exam.station import Station
    from simulators.fleet import Fleet

_EVERY_S = 0.5
_EVERY_APART_S = 5.0  # where nothing can be drawn over
_HOME = "\x1b[H\x1b[J"  # cursor to the corner, screen empty
_FRAME_LINES = 4
_PIPE_COLUMNS = 200
_ROW = "{:<11} {:<7} {:<6} {:<9} {:<9} {:<5} {:>9} {:>7} {:>8} {:>8} {:<3} {}"
_HEAD = _ROW.format(
    "rig", "station", "wire", "state", "mode", "item", "time", "score", "records", "untold", "gw", "what it waits for"
)


async def watch(fleet: Fleet, out: TextIO = sys.stdout) -> None:
    """Draw until cancelled. Into a file or a pipe every five seconds, one screen below the other."""
    alone = out.isatty()
    while True:
        size = shutil.get_terminal_size()
        lines, columns = (size.lines - 1, size.columns) if alone else (len(fleet.hosts) + _FRAME_LINES, _PIPE_COLUMNS)
        out.write((_HOME if alone else "") + screen(fleet, lines, columns) + "\n")
        out.flush()
        await asyncio.sleep(_EVERY_S if alone else _EVERY_APART_S)


def screen(fleet: Fleet, lines: int, columns: int) -> str:
    """One screen: rigs in trouble first when not all have room."""
    rows = [(_trouble(station), _row(station)) for station in fleet.stations]
    room = max(1, lines - _FRAME_LINES)
    shown = rows if len(rows) <= room else sorted(rows, key=lambda row: -row[0])[: room - 1]
    left = len(rows) - len(shown)
    text = [_totals(fleet), _HEAD, *(row for _, row in shown)]
    if left:
        text.append(f"and {left} rigs more")
    text.append(_faults(fleet))
    return "\n".join(line[:columns].rstrip() for line in text)


def _totals(fleet: Fleet) -> str:
    running = sum(host.rig.state is State.RUNNING for host in fleet.hosts)
    off = sum(not host.rig.powered for host in fleet.hosts)
    left = sum(len(station.queue) for station in fleet.stations)
    return (
        f"{len(fleet.hosts)} rigs, {running} items running, {off} without power; {left} exams to come; "
        f"{fleet.truth.records} records, {sum(_untold(host) for host in fleet.hosts)} untold"
    )


def _trouble(station: Station) -> int:
    host = station.host
    return 4 * (not host.rig.powered) + 2 * bool(host.trouble or station.waiting) + bool(_untold(host))


def _untold(host: Host) -> int:
    return len(host.rig.memory.held)


def _row(station: Station) -> str:
    host, rig, memory = station.host, station.host.rig, station.host.rig.memory
    shown = rig.status().shown
    return _ROW.format(
        rig.serial,
        host.station,
        host.wire,
        rig.state.name.lower() if rig.powered else "no power",
        memory.mode.name.lower(),
        shown.item,
        f"{shown.elapsed_s}/{shown.limit_s}" if shown.limit_s else "",
        f"{shown.running_score / 100:.2f}" if shown.limit_s else "",
        memory.last_seq,
        _untold(host),
        "yes" if rig.gateway_fresh else "-",
        host.trouble or station.waiting or "",
    )


def _faults(fleet: Fleet) -> str:
    counts: dict[str, int] = {}
    for host in fleet.hosts:
        for name, count in host.plan.fired().items():
            counts[name] = counts.get(name, 0) + count
    return "faults: " + (", ".join(f"{name} {count}×" for name, count in sorted(counts.items())) or "none")
