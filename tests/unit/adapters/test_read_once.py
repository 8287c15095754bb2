"""Rigs that clear a result by its reading: what comes is told with its weaker guarantee, what is lost is told, too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from once_rig import ONCE, ONCE_TEXT, QUEUE, OnceRig, record
from rig_profiles import adapter_for, follow
from scripted_bus import ScriptedBus

from device_adapters.contract import Observation, Position
from device_adapters.factory import open_bus_adapter
from device_adapters.language.lint import lint
from device_adapters.limits import RESTART_AFTER_S
from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.framing import RtuFraming
from device_adapters.modbus.once import OnceRead

if TYPE_CHECKING:
    from scripted_rig import Fault

    from device_adapters.contract import Adapter, Evidence

TAKING = 2  # status, the record: the second request of an adapter that knows the rig's epoch


def adapter_of(rig: OnceRig) -> Adapter:
    return adapter_for(rig, Position(3, 0), ONCE, serial="RO-0001")


async def until(rig: OnceRig, adapter: Adapter, newest: int) -> tuple[list[tuple[str, int]], list[Evidence]]:
    async with asyncio.timeout(5):
        seen, refused, _ = await follow(adapter, lambda seen, *_: bool(seen) and seen[-1].seq >= newest)
    return [(row.type, row.seq) for row in seen], refused


async def test_each_record_is_asked_for_once_and_says_so() -> None:
    """P5: one request for each, the guarantee is `single-read`, the words are those that came."""
    async with OnceRig() as rig:
        for score in (875, 600, 1000):
            rig.finish(score)
        adapter = adapter_of(rig)
        async with asyncio.timeout(5):
            seen, refused, lost = await follow(adapter, lambda seen, *_: len(seen) == 3)
        await adapter.close()
    assert [(row.seq, row.fields["score"], row.guarantee) for row in seen] == [
        (1, 8750, "single-read"),
        (2, 6000, "single-read"),
        (3, 10000, "single-read"),
    ]
    assert seen[0].raw[0].data == record(1)
    assert (refused, lost, rig.queue) == ([], [], [])
    assert rig.requests.count((4, QUEUE, 21)) == 3


FAULTS: dict[str, Fault] = {
    "reply lost": lambda _, __: [],
    "connection cut": lambda _, __: [None],
    "reply cut off": lambda _, reply: [reply[:-4], None],
    "foreign transaction": lambda _, reply: [b"\0\0" + reply[2:]],
    "a byte too many": lambda _, reply: [reply + b"\0"],
    "torn": lambda _, reply: [reply[:-6] + b"\xff\xff" + reply[-4:]],  # a finish time that is none, and no score
    "of another rig": lambda _, reply: [reply[:13] + b"XX" + reply[15:]],
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_record_that_is_lost_on_its_way_is_refused_and_then_a_gap(name: str) -> None:
    """P5: the reply took the record along: its refusal and the gap are told, and the next one comes."""
    async with OnceRig() as rig:
        rig.finish()
        rig.finish(600)
        rig.faults[TAKING] = FAULTS[name]
        if name == "torn":
            rig.queue[0] = (1, record(1, score=60000))
            rig.faults.clear()
            rig.refresh()
        adapter = adapter_of(rig)
        seen, refused = await until(rig, adapter, 2)
        await adapter.close()
    assert seen == [("sequence.gap", 1), ("item.finished", 2)]
    assert [one.asked for one in refused] == [1]
    assert refused[0].reason in {"wire", "range", "serial"}
    assert rig.requests.count((4, QUEUE, 21)) == 2


async def test_a_request_that_never_reached_the_rig_costs_nothing() -> None:
    """The rig still says that it holds the record: it is asked for again, once."""
    async with OnceRig() as rig:
        rig.finish()
        rig.clears = False
        rig.faults[TAKING] = lambda _, __: []
        rig.on_request[TAKING + 1] = lambda: setattr(rig, "clears", True)
        adapter = adapter_of(rig)
        seen, refused = await until(rig, adapter, 1)
        await adapter.close()
    assert (seen, [one.reason for one in refused]) == ([("item.finished", 1)], ["wire"])


async def test_somebody_else_who_reads_is_seen() -> None:
    """A second reader took record 1 between status and reading: number 2 comes, is kept, and 1 is a gap."""
    async with OnceRig() as rig:
        rig.finish()
        rig.finish(600)

        def stolen() -> None:
            rig.queue.pop(0)
            rig.refresh()

        rig.on_request[TAKING] = stolen
        adapter = adapter_of(rig)
        seen, refused = await until(rig, adapter, 2)
        await adapter.close()
    assert seen == [("sequence.gap", 1), ("item.finished", 2)]
    assert [(one.asked, one.reason) for one in refused] == [(1, "sequence")]
    assert rig.requests.count((4, QUEUE, 21)) == 1


async def test_what_was_read_is_kept_until_it_is_stored() -> None:
    """P1: the caller cannot append, the connection breaks, the rig has cleared it: the same observation again."""
    async with OnceRig() as rig:
        rig.finish()
        adapter = adapter_of(rig)
        await adapter.connect()
        async with asyncio.timeout(5):
            first, _ = await adapter.read()
            while not isinstance(first, Observation):
                first, _ = await adapter.read()
            rig.cut()
            await adapter.connect()
            again, ack = await adapter.read()
            while not isinstance(again, Observation):
                again, ack = await adapter.read()
            await ack()
            assert again == first
            rig.finish(600)
            assert (await until(rig, adapter, 2))[0] == [("item.finished", 2)]
        await adapter.close()


async def test_a_gateway_that_starts_again_finds_the_gap() -> None:
    """What was read and not stored when the process ended is lost, and that is told: it is what `single-read` means."""
    async with OnceRig() as rig:
        rig.finish()
        adapter = adapter_of(rig)
        await adapter.connect()
        async with asyncio.timeout(5):
            while not isinstance((await adapter.read())[0], Observation):
                pass
        await adapter.close()
        adapter = adapter_of(rig)
        assert (await until(rig, adapter, 1))[0] == [("sequence.gap", 1)]
        await adapter.close()


async def test_a_memory_that_began_anew_gives_back_what_was_not_stored() -> None:
    """P5: a record of the old memory is never taken for the one of the same number in the new: it becomes evidence."""
    from device_adapters.decoding.decode import Standing  # noqa: PLC0415
    from device_adapters.errors import DecodeError  # noqa: PLC0415

    class Registers:
        async def read(self, _: int, __: int) -> bytes:
            return record(7)

    once = OnceRead(ONCE, Registers(), "RO-0001")  # type: ignore[arg-type]
    assert (await once.fetch(7, 3)).seq == 7
    assert once.held(Standing(3, 7, 0, 0)).oldest_seq == 7
    anew = Standing(3, 2, 1, 0)
    assert once.held(anew) == anew
    once._anew_since = asyncio.get_running_loop().time() - RESTART_AFTER_S
    with pytest.raises(DecodeError, match="began anew before record 7") as refused:
        once.held(anew)
    assert refused.value.raw[0].data == record(7)
    assert once.held(anew) == anew


async def test_on_a_bus_it_is_the_same() -> None:
    """Over RTU a lost reply takes its record along as well."""
    rig = OnceRig()
    rig.finish()
    rig.finish(600)
    copper = ScriptedBus(rig)
    copper.faults[3] = lambda _, __: []  # the probe, the status, the record
    bus = Bus(copper.line(byte_s=0.0001), RtuFraming(), BusTimes())
    adapter = open_bus_adapter(ONCE, bus, serial="RO-0001", unit=1, position=Position(3, 0))
    seen, refused = await until(rig, adapter, 2)
    await adapter.close()
    await bus.close()
    assert (seen, [one.asked for one in refused]) == ([("sequence.gap", 1), ("item.finished", 2)], [1])


@pytest.mark.parametrize(
    ("find", "replace", "reason"),
    [
        ("words = 21\norder", 'words = 21\nindex = "sequence"\nslots = 1\nstride = 21\norder', "one place"),
        ("registers_max = 32", "registers_max = 20", "must come in one request"),
        ("registers_max = 32", "registers_max = 32\none_field_per_request = true", "must come in one request"),
        ("oldest_seq = { at = 9", "older = { at = 9", '"oldest_seq" is missing'),
        ("[event]", '[handshake]\nkind = "echo"\nack = { at = 9, type = "uint16", order = "AB" }\n[event]', "nothing left"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_cannot_be_read_once_is_a_finding(find: str, replace: str, reason: str) -> None:
    """Two requests for one record, or no way to see a loss: the guarantee would be less than it says."""
    text = ONCE_TEXT.decode()
    assert text.count(find) == 1
    assert [one for one in lint(text.replace(find, replace)) if reason in one.reason]
