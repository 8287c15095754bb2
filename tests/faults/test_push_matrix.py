"""The matrix for rigs that push: every fault of a request, at every request of an exam (W1 to W9, I14, P1, P5, P8).

The real listener, desk and adapter on virtual time, over connections of this process (memory_pipes.py); the rig and
the faults are push_rig.py's and push_faults.py's. The commit tier takes a sample. docs/fault-matrix.md is the page.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest
from memory_pipes import PipeLoop
from push_faults import FAULTS, GATEWAY, KILLS
from push_rig import BOOT, Gateway, Rig
from tree import ROOT

from device_adapters.errors import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from push_rig import Ask

COUNT, REQUESTS = 5, 5  # records of a rig; requests until all are stored: position, status, 1, 2-3, 4-5
OK = 200
ONE, OTHER = "CP-0001", "CP-0002"


@dataclass
class Cell:
    """One run: a rig with the fault, its neighbour, their gateway."""

    gateway: Gateway
    rig: Rig
    neighbour: Rig
    met: int = 0


def run_cell(name: str, here: Callable[[Ask], bool], *, until_s: float, once: bool) -> Cell:
    async def work() -> Cell:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PipeLoop)
        gateway = Gateway([ONE, OTHER], loop)
        cell = Cell(gateway, Rig(gateway, ONE, COUNT), Rig(gateway, OTHER, COUNT))

        def fault(ask: Ask) -> object:
            if not here(ask):
                return None
            cell.met += 1
            return FAULTS[name]

        cell.rig.fault = fault
        await gateway.start()
        await asyncio.sleep(0.01)
        lives = [asyncio.create_task(rig.live()) for rig in (cell.rig, cell.neighbour)]
        try:
            async with asyncio.timeout(until_s):
                while not (once and cell.met and cell.rig.acked == COUNT == cell.neighbour.acked):
                    await asyncio.sleep(0.1)
                    for life in lives:
                        if life.done():
                            life.result()
        except TimeoutError:
            pass
        finally:
            for life in lives:
                life.cancel()
            await asyncio.gather(*lives, return_exceptions=True)
            for rig in (cell.rig, cell.neighbour):
                rig.cut()
            await gateway.die()
        return cell

    with asyncio.Runner(loop_factory=PipeLoop) as runner:
        return runner.run(work())


def right(cell: Cell, serial: str) -> list[int]:
    """Every record in the log is the rig's own under its own number, once; every refusal has its reason."""
    for row in cell.gateway.log[serial]:
        assert (row.rig, row.epoch, row.type, row.fields["at_s"]) == (serial, BOOT, "deduction", 100 + row.seq)
    seqs = [row.seq for row in cell.gateway.log[serial]]
    assert len(seqs) == len(set(seqs))
    for story in cell.gateway.stories[serial]:
        assert all(evidence.reason in REASONS for evidence in story.refused)
        assert all(story.lost)
    return sorted(seqs)


def once(name: str, numbers: range | list[int]) -> None:
    for number in numbers:
        cell = run_cell(name, lambda ask, number=number: ask.number == number, until_s=120, once=True)  # type: ignore[misc]
        where = f"{name} at request {number}"
        assert cell.met == 1, where
        for rig in (cell.rig, cell.neighbour):
            assert right(cell, rig.serial) == list(rig.numbers), f"{where}: {rig.serial} has not all its records"
            assert rig.acked == COUNT, f"{where}: {rig.serial} was never told"
        if not cell.gateway.deaths and name not in GATEWAY:
            assert set(cell.neighbour.heard) == {200}, f"{where}: the neighbour was disturbed"
            assert cell.neighbour.answered_s < 0.2, f"{where}: the neighbour waited"


def always(name: str, place: str) -> tuple[str, str]:
    """What the rig is told, and what the gateway tells."""

    def here(ask: Ask) -> bool:
        return ask.what == place and (place != "records" or 2 in ask.seqs)

    cell = run_cell(name, here, until_s=60, once=False)
    where = f"{name} at every {place}"
    stored = right(cell, ONE)
    assert cell.met, where
    assert right(cell, OTHER) == list(cell.neighbour.numbers), f"{where}: the neighbour's records"
    stories = cell.gateway.stories[ONE]
    kinds = [
        word
        for word, kind in (("refused", "refused"), ("offline", "lost"))
        if any(getattr(story, kind) for story in stories)
    ]
    assert stored == list(cell.rig.numbers) or kinds, f"{where}: records are missing and nobody is told"
    assert set(range(1, cell.rig.acked + 1)) <= set(stored), f"{where}: acknowledged over a hole"
    codes = sorted({code for code in cell.rig.heard if code != OK})
    told = "·".join(str(code) if code else "no answer" for code in codes)
    return told or str(OK), " ".join(kinds) or "right"


def the_page() -> dict[str, list[str]]:
    """What docs/fault-matrix.md says of faults that stay."""
    text = (ROOT / "docs" / "fault-matrix.md").read_text(encoding="utf-8")
    rows = (re.split(r" *\| *", line.strip("| ")) for line in text.partition("## A pushed request")[2].splitlines())
    return {cells[0]: cells[1:] for cells in rows if len(cells) == 3}


SAMPLE = Random(20261124)
SHORT = SAMPLE.sample(sorted(FAULTS), 12)
STAYING = sorted(FAULTS.keys() - KILLS)


@pytest.mark.parametrize("name", SHORT)
def test_one_spoilt_request_anywhere_ends_in_all_records(name: str) -> None:
    """P1, P5, P8, W1 to W9: at one place of a sample; each record right, once, told; the neighbour as ever."""
    once(name, Random(name).sample(range(1, REQUESTS + 1), 1))


@pytest.mark.parametrize("name", SAMPLE.sample(STAYING, 4))
def test_a_spoilt_request_that_stays_is_told(name: str) -> None:
    """P1, P5, P8, W1 to W9: never wrong, never silent, nothing acknowledged over a hole; as the page says."""
    said = ["; ".join(always(name, place)) for place in ("status", "records")]
    assert said == the_page()[name]


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
def test_every_spoilt_request_once_at_every_request(name: str) -> None:
    """P1, P5, P8, W1 to W9: the same, all of it."""
    once(name, range(1, REQUESTS + 1))


@pytest.mark.long
@pytest.mark.parametrize("name", STAYING)
def test_every_spoilt_request_that_stays(name: str) -> None:
    """P1, P5, P8, W1 to W9: the same, all of it."""
    said = ["; ".join(always(name, place)) for place in ("status", "records")]
    assert said == the_page()[name]
