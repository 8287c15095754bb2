"""Records that a rig shows page by page: whole under one number and checksum, or refused; over TCP and on a bus."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from dst_loop import SimLoop
from fake_line import FakeLine
from hypothesis import given, settings
from hypothesis import strategies as st
from rig_profiles import adapter_for, follow
from scripted_bus import ScriptedBus, seal
from window_rig import PAGE, SLOT, WINDOW, WINDOW_TEXT, WINDOWED, WindowRig, result

from device_adapters.contract import Position
from device_adapters.decoding.decode import decode_entry_raw
from device_adapters.errors import DecodeError, NotConnected
from device_adapters.factory import open_bus_adapter
from device_adapters.language.lint import lint
from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.framing import RtuFraming
from device_adapters.modbus.pages import WindowPages
from device_adapters.modbus.reading import read_record
from device_adapters.modbus.registers import RegisterMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from scripted_rig import Answer, Fault

    from device_adapters.contract import Adapter, Evidence, Observation

T = TypeVar("T")
PAGES = 7  # of 62 words
# One reading: the status, then twice: the slot, and for each page its number and the window. Then the ack.
EXCHANGE = 1 + 2 * (1 + 2 * PAGES) + 1


def adapter_of(rig: WindowRig) -> Adapter:
    return adapter_for(rig, Position(3, 0), WINDOWED, serial="WB-0001")


async def test_a_record_is_turned_over_twice_and_comes_whole() -> None:
    """P5: slot and pages are written in order, all of the first pass before the second; raw is the record."""
    async with WindowRig() as rig:
        rig.finish()
        adapter = adapter_of(rig)
        async with asyncio.timeout(5):
            (seen,), refused, lost = await follow(adapter, lambda *_: rig.acked_seq == 1)
        await adapter.close()
    assert (refused, lost) == ([], [])
    one_pass = [(16, SLOT, 1), *[step for _ in range(PAGES) for step in ((16, PAGE, 1), (3, WINDOW, 13))]]
    assert rig.requests[1 : 2 * len(one_pass) + 1] == one_pass * 2
    assert (seen.fields["score"], len(seen.fields["deductions"])) == (8750, 7)  # type: ignore[arg-type]
    assert (seen.raw[0].at, seen.raw[0].data) == (WINDOW, result(1))
    assert decode_entry_raw(WINDOWED, seen.raw).fields == seen.fields


# Page, number, then ten words: 34 words, "WB-0001", boot 3, finished, exam | the ticket, item "K21" | exam 9,
# ordinal 2, 400 s of 600, times as in coil-bench.golden.toml, 87.50, no veto | no rows, number again, checksum.
GOLDEN = """
0001 0000 000C  0000 000C 0022 5742 2D30 3030 3100 0003 0001 0000
0002 0000 000C  3230 3236 3131 3233 2D30 3030 3700 0000 4B32 3100
0003 0000 000C  0009 0002 0190 0258 6B03 E03D 6B03 E1CD 222E 0000
0004 0000 000C  0000 0000 000C 6A42 0000 0000 0000 0000 0000 0000
"""


async def test_golden_pages_laid_out_by_hand_are_read_exactly() -> None:
    """P5: heads are taken off, the last page is cut to the length word; the server decodes the same words (P4)."""
    pages = [bytes.fromhex(line) for line in GOLDEN.strip().splitlines()]
    rig = WindowRig()
    rig.show = lambda: rig.put(WINDOW, pages[max(1, rig.registers[PAGE]) - 1])  # type: ignore[method-assign]
    async with rig:
        rig.last_seq = rig.oldest_seq = 12
        rig.refresh()
        adapter = adapter_for(rig, Position(3, 11), WINDOWED, serial="WB-0001")
        async with asyncio.timeout(5):
            (seen,), _, _ = await follow(adapter, lambda seen, *_: bool(seen))
        await adapter.close()
    assert seen.raw[0].data == b"".join(page[6:] for page in pages)[:68]
    assert {name: seen.fields[name] for name in ("score", "item", "exam_no", "finished", "deductions")} == {
        "score": 8750,
        "item": "K21",
        "exam_no": 9,
        "finished": "2026-11-23T06:48:45Z",
        "deductions": [],
    }
    assert seen.personal == {"ticket": b"20261123-0007"}


def truth(seen: Sequence[Observation]) -> list[tuple[int, object]]:
    return [(row.seq, row.fields["score"]) for row in seen if row.type == "item.finished"]


async def refusal(rig: WindowRig) -> Evidence:
    """The first one that is told, after three failures."""
    adapter = adapter_of(rig)
    async with asyncio.timeout(10):
        seen, refused, _ = await follow(adapter, lambda seen, refused, _: bool(seen or refused))
    await adapter.close()
    assert seen == []
    return refused[0]


@pytest.mark.parametrize("page", [1, 2, PAGES])
async def test_a_page_that_did_not_turn_is_refused(page: int) -> None:
    """P5: the words of another page are never taken for those of the one asked for; nothing is acknowledged."""
    async with WindowRig() as rig:
        rig.finish()
        rig.on_every_request = lambda _: setattr(
            rig, "turns", rig.requests[-1] != (16, PAGE, 1) or not stuck(rig, page)
        )
        found = await refusal(rig)
    assert (found.reason, found.asked, rig.acks) == ("area", 1, [])
    assert found.detail == f"the window of result shows another page than {page}"
    assert all(area.cut == ((0, len(area.data)),) for area in found.raw)


def stuck(rig: WindowRig, page: int) -> bool:
    """Whether the page about to be written is this one: so many were written since the slot was."""
    written = list(reversed(rig.requests))
    return list(itertools.takewhile(lambda asked: asked != (16, SLOT, 1), written)).count((16, PAGE, 1)) == page


async def test_a_page_of_another_record_is_refused() -> None:
    """P5: somebody else writes another slot between two pages: the head says whose page it is."""
    async with WindowRig() as rig:
        rig.finish()
        rig.hold(2, result(2, score=100, ticket="SOMEBODY-ELSE"))

        def meddle(_: int) -> None:
            if rig.requests[-1] == (3, WINDOW, 13) and rig.registers[PAGE] == 3:
                rig.registers[SLOT] = 2
                rig.show()

        rig.on_every_request = meddle
        found = await refusal(rig)
    assert (found.reason, found.detail) == ("sequence", "the window of result shows another seq than 1")
    assert "SOMEBODY" not in found.detail


async def test_a_record_that_changes_between_two_pages_is_refused() -> None:
    """P5: the same number, another score, page by page and pass by pass: never a mixture."""
    for at in range(1, 4 * PAGES, 3):
        async with WindowRig() as rig:
            rig.finish()
            rig.on_request[1 + at] = lambda rig=rig: rig.hold(1, result(1, score=100))  # type: ignore[misc]
            adapter = adapter_of(rig)
            async with asyncio.timeout(5):
                seen, _, _ = await follow(adapter, lambda *_, rig=rig: rig.acked_seq == 1)  # type: ignore[misc]
            await adapter.close()
        assert truth(seen) in ([(1, 8750)], [(1, 100)])


@pytest.mark.parametrize("at", [3, 8, 20])
async def test_a_restart_in_the_middle_never_gives_a_wrong_record(at: int) -> None:
    """P5, R3: the window is back at its beginning: the reading fails, and is made again from the status block."""
    async with WindowRig() as rig:
        rig.finish()
        rig.on_request[at] = rig.restart
        adapter = adapter_of(rig)
        async with asyncio.timeout(5):
            seen, _, lost = await follow(adapter, lambda *_: rig.acked_seq == 1)
        await adapter.close()
    assert truth(seen) == [(1, 8750)]
    assert lost


async def test_no_page_is_turned_on_a_rig_that_was_not_recognised() -> None:
    """G3: nothing is written to a rig whose serial number was not read on that connection."""
    async with WindowRig() as rig:
        rig.finish()
        from device_adapters.modbus.tcp import ModbusWire  # noqa: PLC0415

        wire = ModbusWire("127.0.0.1", rig.port, 1, WINDOWED.transport)
        await wire.connect()
        memory = RegisterMemory(WINDOWED, wire, "WB-0001")
        with pytest.raises(DecodeError, match="another connection by now"):
            await memory.fetch(1, 3, 0)
        await memory.look(again=False)
        assert (await memory.fetch(1, 3, 0)).seq == 1
        before = len(rig.requests)
        await wire.connect()
        with pytest.raises(NotConnected):
            await read_record(wire, WINDOWED, "WB-0001", 1, 3, connection=wire.connection - 1)
        wire.drop()
    assert len(rig.requests) == before


FAULTS: dict[str, Fault | None] = {
    "request lost": None,
    "reply lost": lambda _, __: [],
    "reply late": lambda _, reply: [0.1, reply],
    "reply damaged": lambda _, reply: [reply[:-1] + bytes((reply[-1] ^ 1,))],
    "device failure": lambda request, _: [seal(bytes((request[0], request[1] | 0x80, 4)))],
    "busy": lambda request, _: [seal(bytes((request[0], request[1] | 0x80, 6)))],
}


def on_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(work)


@pytest.mark.parametrize("how", FAULTS)
def test_no_fault_at_any_place_of_the_exchange_gives_a_wrong_record(how: str) -> None:
    """P5 on a bus: one fault at each request in turn; the record comes once, right, and is acknowledged."""

    async def work(at: int) -> None:
        rig = WindowRig()
        rig.finish()
        copper = ScriptedBus(rig)
        fault = FAULTS[how]
        if fault is not None:
            copper.faults[at] = fault

        def steps(request: bytes) -> Answer:
            if fault is None and len(copper.requests) + 1 == at:
                copper.requests.append(request)
                return []
            return copper.steps(request)

        bus = Bus(FakeLine(steps, byte_s=10 / 115200), RtuFraming(), BusTimes())
        named: dict[str, Any] = {"serial": "WB-0001", "unit": 1, "rng": random.Random(1)}
        adapter = open_bus_adapter(WINDOWED, bus, position=Position(3, 0), **named)
        async with asyncio.timeout(60):
            seen, _, _ = await follow(adapter, lambda *_: rig.acked_seq == 1)
        assert truth(seen) == [(1, 8750)], at
        assert set(rig.acks) == {1}
        await adapter.close()
        await bus.close()

    for at in range(2, EXCHANGE + 2, 2 if how in {"request lost", "reply lost"} else 7):
        on_virtual_time(work(at))


class Turning:
    """A window over `data`; at page `wrong` the head is spoilt by `spoil`."""

    connected, connection = True, 4

    def __init__(self, data: bytes, seq: int, wrong: int | None, spoil: Callable[[bytes], bytes]) -> None:
        self.data, self.seq, self.wrong, self.spoil, self.page = data, seq, wrong, spoil, 0

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        assert connection == self.connection
        if at == PAGE:
            (self.page,) = values

    async def read(self, at: int, words: int) -> bytes:
        assert (at, words) == (WINDOW, 13)
        body = self.data[(self.page - 1) * 20 :][:20].ljust(20, b"\0")
        head = self.page.to_bytes(2, "big") + self.seq.to_bytes(4, "big")
        return (self.spoil(head) if self.page == self.wrong else head) + body


@settings(max_examples=25)
@given(st.data())
def test_pages_give_exactly_the_record_or_are_refused(data: st.DataObject) -> None:
    """P5, property: any length, any beginning at a page; one changed bit of one head is always seen."""
    words = data.draw(st.integers(1, 130))
    body = data.draw(st.binary(min_size=words * 2, max_size=words * 2))
    pages = -(-words // 10)
    wrong = data.draw(st.none() | st.integers(1, pages))
    bit = data.draw(st.integers(0, 47))
    spoil = lambda head: (int.from_bytes(head, "big") ^ 1 << bit).to_bytes(6, "big")  # noqa: E731
    wire: Any = Turning(body, 7, wrong, spoil)
    record = WINDOWED.event
    start = data.draw(st.integers(0, pages - 1)) * 10

    async def work() -> bytes:
        window = record.window
        assert window is not None
        return await WindowPages(wire, record, window, slot=3, seq=7, connection=4).read(start, words)

    if wrong is not None and wrong > start // 10:
        with pytest.raises(DecodeError) as refused:
            asyncio.run(work())
        assert refused.value.reason in {"area", "sequence"}
    else:
        assert asyncio.run(work()) == body[start * 2 :]


CASES = [
    ("no page in the head", 'page = { at = 0, type = "uint16", order = "AB" }\nseq', "seq", '"page" is missing'),
    ("no number in the head", 'seq = { at = 1, type = "uint32", order = "ABCD" }\n\n', "\n", '"seq" is missing'),
    ("text in the head", '0, type = "uint16", order = "AB" }\nseq', '0, type = "time-dos", zone = "+08:00", order = "ABCD" }\nseq', "whole number"),  # noqa: E501
    ("more in the head", ".head.fields]\n", '.head.fields]\nx = { at = 0, type = "uint16", order = "AB" }\n', "only page and seq"),  # noqa: E501
    ("oversize", "registers_max = 16", "registers_max = 12", "oversize read: 13 words"),
    ("no slot", 'slot = { at = 111, type = "uint16", order = "AB" }\n', "", "slot is missing: 4 records"),
    ("slot outside", "at = 111,", "at = 112,", "window.slot.at: lies in no area marked write"),
    ("page outside", "page = { at = 110,", "page = { at = 99,", "window.page.at: lies in no area marked write"),
    ("an area too small", "at = 512, words = 13", "at = 512, words = 12", "outside the area"),
    ("a stride", "slots = 4\n", "slots = 4\nstride = 114\n", "stride: unknown key"),
    ("length on a later page", "words = { at = 2,", "words = { at = 31,", "must lie in the first reading"),
    ("a person on two pages", "{ at = 10, words = 8", "{ at = 13, words = 8", "split by the page boundary at word 20"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_mistake_with_windows_is_a_finding(case: tuple[str, str, str, str]) -> None:
    """One mistake, one reason."""
    _, find, replace, reason = case
    text = WINDOW_TEXT.decode()
    assert text.count(find) == 1
    findings = [str(finding) for finding in lint(text.replace(find, replace))]
    assert any(reason in finding for finding in findings), findings
