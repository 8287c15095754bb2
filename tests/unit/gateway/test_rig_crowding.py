"""A rig that allows one connection, while a gateway has it (K6): the tool says so, and never hangs."""

from __future__ import annotations

import asyncio

from rig_profiles import fast_v1
from scripted_rig import ScriptedRig

from gateway.rig.crowding import connections_to
from gateway.rig.place import Place
from gateway.rig.probing import Look, Wanted, probe

QUICK = fast_v1(200)


async def looked(port: int) -> Look:
    found: list[Look] = []
    async with asyncio.timeout(10):
        await probe(Place("tcp", "127.0.0.1", port), Wanted(QUICK, looks=1), found.append)
    return found[0]


async def test_a_rig_whose_only_connection_is_taken_is_told_as_such() -> None:
    """R6: hung up at once, beside another connection of this machine; afterwards it answers."""
    async with ScriptedRig() as rig:
        rig.max_connections = 1
        _, gateway = await asyncio.open_connection("127.0.0.1", rig.port)
        await rig.changed.wait()
        assert connections_to("127.0.0.1", rig.port) == connections_to("localhost", rig.port) == 1
        taken = await looked(rig.port)
        gateway.close()
        await gateway.wait_closed()
        async with asyncio.timeout(5):
            while not (free := await looked(rig.port)).good:
                await asyncio.sleep(0.02)
    assert "this machine has 1 connection to it already" in taken.fault
    assert "K6" in taken.fault
    assert free.fault == ""


async def test_a_silent_rig_may_be_crowded_from_elsewhere() -> None:
    """Taken and never answered: no certainty, so a hint; a rig that is not there gives none."""
    async with ScriptedRig() as rig:
        rig.silent = True
        silent = await looked(rig.port)
        port = rig.port
    gone = await looked(port)
    assert "if a gateway reads it now, it may allow one connection only" in silent.fault
    assert "K6" not in gone.fault


def test_nobody_is_counted_where_that_cannot_be_told() -> None:
    """A name of another machine is not looked up for a hint."""
    assert connections_to("rig.example", 502) == 0
    assert connections_to("::1", 1) == 0
