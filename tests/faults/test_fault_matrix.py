"""The matrix: every fault, on every wire of registers, at every place of a transaction (R1, R4, R5, R6; P1, P5).

Two rigs are read at once, each with its own records; the wires differ, the table of faults is one (fault_matrix.py).
The commit tier takes a sample that moves through the table, the long tier all of it. docs/fault-matrix.md is the page.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from fault_matrix import FAULTS, HARMLESS, Rtu, Story, Tcp, follow_story, on
from rig_profiles import v1
from scripted_bus import ScriptedBus
from scripted_rig import CONTROL, EVENTS, RESULTS, Item, ScriptedRig
from wired_loop import Place, WiredLoop, run_wired

from device_adapters.contract import Position
from device_adapters.errors import REASONS
from device_adapters.factory import open_adapter, open_bus_adapter
from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.framing import RtuFraming

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault_matrix import Wire
    from scripted_rig import Fault

    from device_adapters.contract import Adapter

PROFILE = v1()
WIRES: dict[str, Wire] = {"tcp": Tcp(), "rtu": Rtu(), "rtu-over-tcp": Rtu()}
PLACES = {"status": range(48), "event": range(EVENTS, RESULTS), "result": range(RESULTS, 65536), "ack": (CONTROL,)}
LAST = {"tcp": 8, "rtu": 18, "rtu-over-tcp": 18}  # requests until everything is acknowledged; two rigs share a bus
SOON_S, LONG_S = 60.0, 40.0
BEHIND = {"closed behind it", "twice, later", "bytes behind it, later"}  # the answer itself was whole
# The converter is unplugged, or the line is never quiet: no unit can be asked.
LINE_ITSELF = {"closed", "closed in the middle", "closed behind it", "dripping, too late", "a flood before it"}
LATE = {"too late", "far too late", "dripping, too late", "cut off, the rest too late"}


def rigs() -> list[ScriptedRig]:
    """Each with a record that is acknowledged already and one, of three pages, that is not."""
    made = [ScriptedRig(unit=1), ScriptedRig("LV-0002", unit=2)]
    for rig in made:
        rig.latch_item(Item(ticket="SOMEBODY-ELSE", score=1000, deductions=[(9, 9000, 1, 0)]), slot=1)
        rig.acked_seq, rig.oldest_seq = 1, 2
        rig.latch_item(item_of(rig))
    return made


def item_of(rig: ScriptedRig) -> Item:
    own = int(rig.serial[-1])
    return Item(score=7300 - own, ticket=f"T-{own}", deductions=[(n, 100, n * 7 + own, 0) for n in range(1, 28)])


@dataclass
class Cell:
    """One run: what each rig's adapter knew, and what each rig was told."""

    stories: dict[str, Story]
    rigs: dict[str, ScriptedRig]


def run_cell(kind: str, spoil: Callable[[ScriptedRig, int], Fault | None], *, until_s: float, once: bool) -> Cell:
    """`spoil(rig, n)`: what is wrong with the answer to the wire's n-th request, the rig's own on TCP."""

    async def work(loop: WiredLoop) -> Cell:
        made = rigs()

        def enough(rig: ScriptedRig) -> Callable[[Story], bool]:
            return lambda story: once and bool(story.seen) and 2 in rig.acks

        adapters, close = wired(kind, loop, made, spoil)
        stories = await asyncio.gather(
            *(follow_story(adapter, enough(rig), until_s) for adapter, rig in zip(adapters, made, strict=True))
        )
        await close()
        return Cell(dict(zip((rig.serial for rig in made), stories, strict=True)), {rig.serial: rig for rig in made})

    return run_wired(work)


def wired(kind: str, loop: WiredLoop, made: list[ScriptedRig], spoil: Any) -> tuple[list[Adapter], Any]:
    start = Position(3, 1)
    if kind == "tcp":
        for rig in made:
            rig.unit, port = 1, int(rig.serial[-1])
            rig.faults = _Spoilt(lambda number, rig=rig: spoil(rig, number))
            loop.places[port] = Place(rig)
        return [
            open_adapter(
                PROFILE, host="rig", port=port, serial=place.rig.serial, unit=1, position=start, rng=Random(port)
            )
            for port, place in loop.places.items()
        ], _nothing
    copper = ScriptedBus(*made)
    copper.faults = _Spoilt(lambda number: spoil(copper.units[copper.requests[-1][0]], number))
    bus = Bus(copper.line(renewable=kind == "rtu-over-tcp", byte_s=10 / 19200), RtuFraming(), BusTimes())
    return [
        open_bus_adapter(PROFILE, bus, serial=rig.serial, unit=rig.unit, position=start, rng=Random(rig.unit))
        for rig in made
    ], bus.close


async def _nothing() -> None:
    return


class _Spoilt(dict[int, Any]):
    """Faults by number, asked for when the request comes."""

    def __init__(self, fault: Callable[[int], Fault | None]) -> None:
        super().__init__()
        self._fault = fault

    def get(self, number: int, default: Any = None) -> Any:
        return self._fault(number) or default


def right(cell: Cell, serial: str) -> None:
    """At most one record, and it is the rig's own, word for word; only that one is acknowledged."""
    rig, story = cell.rigs[serial], cell.stories[serial]
    truth = item_of(rig)
    for row in story.seen:
        assert (row.rig, row.seq, row.type) == (serial, 2, "item.finished")
        assert (row.fields["score"], row.personal["ticket"]) == (truth.score, truth.ticket.encode())
        assert [one["at_s"] for one in row.fields["deductions"]] == [one[2] for one in truth.deductions]
    assert len(story.seen) <= 1
    assert set(rig.acks) <= {2}
    assert all(evidence.reason in REASONS for evidence in story.refused)
    assert all(story.lost)


def once(kind: str, name: str, numbers: range | list[int]) -> None:
    for number in numbers:
        met = []

        def spoil(rig: ScriptedRig, at: int, number: int = number, met: list[int] = met) -> Fault | None:
            if at != number or (kind == "tcp" and rig.serial != "LV-0001"):
                return None
            met.append(at)
            return on(WIRES[kind], name)

        cell = run_cell(kind, spoil, until_s=SOON_S, once=True)
        for serial, story in cell.stories.items():
            right(cell, serial)
            assert len(story.seen) == 1, f"{kind}, {name} at request {number}: {serial} is silent"
            assert cell.rigs[serial].acks, f"{kind}, {name} at request {number}: never acknowledged"
        assert met, "the fault was never met"


def always(kind: str, name: str, place: str) -> str:
    def spoil(rig: ScriptedRig, _number: int) -> Fault | None:
        here = rig.serial == "LV-0001" and rig.requests[-1][1] in PLACES[place]
        return on(WIRES[kind], name) if here else None

    cell = run_cell(kind, spoil, until_s=LONG_S, once=False)
    for serial in cell.stories:
        right(cell, serial)
    good, bad = cell.stories["LV-0002"], cell.stories["LV-0001"]
    nameless = WIRES[kind].nameless
    if nameless and name in LINE_ITSELF:
        assert good.seen or good.told
    else:
        assert len(good.seen) == 1, f"{kind}, {name} at every {place}: the neighbour's record came not"
        assert not good.told, f"{kind}, {name} at every {place}: the neighbour was disturbed: {good}"
    assert bad.seen or bad.told, f"{kind}, {name} at every {place}: silent"
    # Without names a late answer may be taken for that to the same question asked again; its record proves itself.
    assert not bad.seen or place == "ack" or name in HARMLESS | BEHIND or (nameless and name in LATE)
    return "refused" if bad.refused else "offline" if bad.lost else "busy" if bad.busy else "right"


SAMPLE = Random(20261124)
ONCE = [(kind, name) for kind in WIRES for name in FAULTS]
ALWAYS = [(kind, name, place) for kind in WIRES for name in FAULTS for place in PLACES]
SHORT_ONCE = SAMPLE.sample(ONCE, 12)
SHORT_ALWAYS = SAMPLE.sample(ALWAYS, 12)


@pytest.mark.parametrize(("kind", "name"), SHORT_ONCE)
def test_one_fault_anywhere_ends_in_the_right_record(kind: str, name: str) -> None:
    """P1, P5, R4, R5, R6: at a sample of places; each record right, once, acknowledged; the neighbour's too."""
    numbers = Random(f"{kind} {name}").sample(range(1, LAST[kind] + 1), 2)
    once(kind, name, numbers)


@pytest.mark.parametrize(("kind", "name", "place"), SHORT_ALWAYS)
def test_a_fault_that_stays_is_told_and_gives_no_value(kind: str, name: str, place: str) -> None:
    """P5, P8, R4, R5, R6: never wrong, never silent; the neighbour on the same line is read."""
    always(kind, name, place)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "name"), ONCE)
def test_every_fault_once_at_every_request(kind: str, name: str) -> None:
    """P1, P5, R4, R5, R6: the same, all of it."""
    once(kind, name, range(1, LAST[kind] + 1))


@pytest.mark.long
@pytest.mark.parametrize(("kind", "name"), ONCE)
def test_every_fault_that_stays_at_every_place(kind: str, name: str) -> None:
    """P5, P8, R4, R5, R6: the same, all of it; and what the page says of it is so."""
    for place in PLACES:
        always(kind, name, place)
