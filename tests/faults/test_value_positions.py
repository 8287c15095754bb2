"""Every fault at every message of a record, for rigs that say each value once: right, or refused, never silent (P5).

The record 18 is said with one fault at one place, 19 and 20 without. Whatever was stored is what the rig meant, and
each of the three numbers is stored, refused or a gap. 20, which nothing disturbs, is always stored (P8).
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from plain_bench import TEXT as PLAIN
from plain_bench import Bench as PlainBench
from plain_bench import by_number
from spark_bench import AT_MS, SERIAL, data
from spark_bench import Bench as SparkBench

from device_adapters.contract import BadReading, NotConnected, Observation, Position
from device_adapters.limits import PLAIN_BYTES_MAX
from device_adapters.messages.fates import LET_GO

NUMBERS = (18, 19, 20)
SCORES = {18: 8750, 19: 6000, 20: 10000}
PLAIN_FAULTS = ("lost", "twice", "swapped", "junk", "oversize", "retained", "cut", "restart", "let go")
SPARK_FAULTS = ("lost", "twice", "swapped", "junk", "retained", "cut", "reborn", "died", "historical")


def plain_record(number: int) -> list[tuple[str, str]]:
    """What the bench says of a record, in order; each record has other values."""
    return [
        ("key", "1"),
        ("task", f"K{number}"),
        ("exam", str(number)),
        ("card", f"S{number}"),
        ("seconds", str(100 + number)),
        ("faults", "0"),
        ("clock", str(1_763_870_500 + number)),
        ("score", f"{SCORES[number] / 100:.2f}"),
        ("end", "ok"),
        ("count", str(number)),
    ]


async def gather(adapter: Any, seen: dict[int, Observation], told: set[int]) -> None:
    """Read until nothing is left."""
    try:
        if adapter._opened is None:
            await adapter.connect()
        while True:
            async with asyncio.timeout(0.002):
                try:
                    reading, ack = await adapter.read()
                except BadReading as error:
                    told |= {error.evidence.asked} - {None}
                    continue
            if isinstance(reading, Observation) and reading.type == "sequence.gap":
                told |= set(range(int(str(reading.fields["from"])), int(str(reading.fields["to"])) + 1))
            elif isinstance(reading, Observation) and reading.type == "item.finished":
                assert reading.fields["score"] == SCORES[reading.seq], reading
                assert reading.fields["item"] == f"K{reading.seq}"
                assert reading.personal == {"ticket": f"S{reading.seq}".encode()}
                seen[reading.seq] = reading
            await ack(bytes(32))
    except (NotConnected, TimeoutError):
        return


class PlainWay:
    """The broker between rig and gateway: what was not settled comes again on the next connection."""

    def __init__(self, text: str) -> None:
        self.text, self.numbered = text, "{seq}" in text
        self.position = Position(0, 17)
        self.open: dict[int, tuple[str, str, str]] = {}
        self.count = itertools.count()
        self.bench = PlainBench(text, self.position)
        self.bench.box.inbox.heard()

    def say(self, last: str, payload: str | bytes, number: str, *, retained: bool = False) -> None:
        key = next(self.count)
        if isinstance(payload, str) and not retained:
            self.open[key] = (last, payload, number)
        self.bench.say(last, payload, retained=retained, number=number)
        self.bench.box.inbox.heard()
        if self.bench.open == 0:
            self.open.clear()

    def again(self) -> None:
        """The connection is back: queued first, kept last."""
        waiting, self.open = list(self.open.values()), {}
        for last, payload, number in waiting:
            self.say(last, payload, number)
        if not self.numbered:
            self.bench.say("key", "1", retained=True)


@pytest.mark.parametrize("fault", PLAIN_FAULTS)
@pytest.mark.parametrize("way", ["trigger", "number"])
async def test_plain_values(fault: str, way: str) -> None:
    """M1-M5, M9, V8-V14."""
    text = PLAIN if way == "trigger" else by_number()
    places = len(plain_record(18)) - (way == "number")
    for place in range(places):
        line = PlainWay(text)
        seen: dict[int, Observation] = {}
        told: set[int] = set()
        for number in NUMBERS:
            messages = plain_record(number)[:places]
            if number == 18 and fault == "swapped" and place + 1 < places:
                messages[place], messages[place + 1] = messages[place + 1], messages[place]
            for at, (last, payload) in enumerate(messages):
                await one_plain(line, last, payload, number, fault if (number, at) == (18, place) else "")
            await gather(line.bench.adapter, seen, told)
        assert set(NUMBERS) <= {*seen, *told}, (place, sorted(seen), told)
        assert 20 in seen, place


async def one_plain(line: PlainWay, last: str, payload: str, number: int, fault: str) -> None:
    """One message, with the fault."""
    level = str(number) if line.numbered else ""
    if fault == "lost":
        return
    if fault == "junk":
        line.say(last, b"\xff", level)
        return
    if fault == "oversize":
        line.say(last, b"1" * (PLAIN_BYTES_MAX + 1), level)
        return
    line.say(last, payload, level, retained=fault == "retained")
    if fault == "twice":
        line.say(last, payload, level)
    elif fault == "let go":
        while line.bench.box.let_go():
            pass
    elif fault == "cut":
        line.bench.cut()
        line.again()
    elif fault == "restart":
        line.bench = PlainBench(line.text, line.position)
        line.again()


def spark_record(number: int) -> list[dict[str, Any]]:
    """Four messages; the last ends the record."""
    return [
        {"Task/Code": f"K{number}", "Exam/Number": number},
        {"Candidate/Ticket": f"S{number}"},
        {"Result/Score": SCORES[number] / 100, "Result/At": AT_MS},
        {"Result/Number": number},
    ]


@pytest.mark.parametrize("fault", SPARK_FAULTS)
async def test_sparkplug(fault: str) -> None:
    """M1-M5, M10, S5-S12."""
    for place in range(len(spark_record(18))):
        bench = SparkBench(position=Position(3, 17))
        bench.be_born()
        seen: dict[int, Observation] = {}
        told: set[int] = set()
        for number in NUMBERS:
            messages = spark_record(number)
            if number == 18 and fault == "swapped" and place + 1 < len(messages):
                messages[place], messages[place + 1] = messages[place + 1], messages[place]
            for at, values in enumerate(messages):
                one_spark(bench, values, number - 1, fault if (number, at) == (18, place) else "")
            await gather(bench.adapter, seen, told)
            if bench.node._birth is None or bench.boxes[SERIAL].wants_birth:
                await bench.node.chores(bench)
                assert bench.asked, "a rebirth is asked for"
                bench.seq = 0
                bench.be_born(Result_Number=number)
                await gather(bench.adapter, seen, told)
        assert set(NUMBERS) <= {*seen, *told}, (place, sorted(seen), told)
        assert 20 in seen, place
        assert set(bench.fates) >= {LET_GO}


def one_spark(bench: SparkBench, values: dict[str, Any], last: int, fault: str) -> None:
    """One message, with the fault."""
    if fault == "lost":
        bench.seq += 1
        return
    if fault == "junk":
        bench.say("DDATA", [], raw=b"\x12\xff")
        return
    bench.say("DDATA", data(values, historical=fault == "historical"), retained=fault == "retained")
    if fault == "twice":
        bench.say("DDATA", data(values), seq=bench.seq - 1)
    elif fault == "cut":
        bench.cut()
    elif fault in {"reborn", "died"}:
        if fault == "died":
            bench.die()
        bench.be_born(Result_Number=last)
