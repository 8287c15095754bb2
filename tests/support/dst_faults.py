"""What may befall a simulated world, each fault a function of the world and a seeded source (docs/simulation.md).

Every seed draws its own few kinds of faults (a swarm): a bug that needs two of them is not drowned by the others.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from dst_life import Doom
from dst_network import FATES
from dst_rig import named

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from dst_box import Box
    from dst_rig import Rig
    from dst_world import World

    Fault = Callable[[World, Random], Coroutine[None, None, None]]


def _box(world: World, rng: Random) -> Box:
    return rng.choice(world.boxes)


def _rig(world: World, rng: Random) -> Rig:
    return rng.choice(list(_box(world, rng).rigs.values()))


async def box_killed(world: World, rng: Random) -> None:
    """G1: SIGKILL at any time."""
    box = _box(world, rng)
    if box.life is not None and not box.life.dead:
        box.life.crash()


async def box_off(world: World, rng: Random) -> None:
    """G2: no power for a while; another boot."""
    box = _box(world, rng)
    if box.life is not None and not box.life.dead:
        box.life.crash()
        box.clock.reboot()


async def box_step(world: World, rng: Random) -> None:
    """G1, G2: dies at one of its next steps, before it, after it, or in the middle of its write."""
    box = _box(world, rng)
    doom = rng.choice(
        (
            Doom("crash", rng.randint(1, 120)),
            Doom("crash-after", rng.randint(1, 120)),
            Doom("crash", rng.randint(1, 12), "journal."),
            Doom("crash", rng.randint(1, 3), "gateway.receipt"),
            Doom("crash-after", rng.randint(1, 4), "gateway.a"),
            Doom("torn", rng.randint(1, 15), "journal.commit"),
            Doom("crash", rng.randint(1, 6), "state."),
        )
    )
    if box.life is not None:
        box.life.doom = doom


async def box_start(world: World, rng: Random) -> None:
    """G1: dies again while it starts."""
    box = _box(world, rng)
    kind = rng.choice(("crash", "crash-after", "torn", "error"))
    among = {"torn": "journal.boot-fold", "error": "journal."}.get(kind, "")
    box.next_doom = Doom(kind, 1 if kind == "torn" else rng.randint(1, 12), among)
    if box.life is not None and not box.life.dead:
        box.life.crash()


async def box_disk(world: World, rng: Random) -> None:
    """G4: EIO or ENOSPC at one of the next steps that write, persisted or not."""
    box = _box(world, rng)
    if box.life is not None:
        among = rng.choice(("journal.commit", "journal.rows", "journal.", "state."))
        box.life.doom = Doom(rng.choice(("error", "error-after", "full")), rng.randint(1, 10), among)


async def box_full(world: World, rng: Random) -> None:
    """G5: no room for a while."""
    box = _box(world, rng)
    box.full = True
    await asyncio.sleep(rng.uniform(1, 20))
    box.full = False


async def box_clock(world: World, rng: Random) -> None:
    """G7: the wall clock is set back or forward, or the box wakes up in 1970."""
    clock = rng.choice([box.clock for box in world.boxes] + [world.server.clock])
    if rng.random() < 0.3:
        clock.lose()
    else:
        clock.step(rng.choice((-1, 1)) * rng.choice((0.5, 3, 600, 86400, 3.2e8)))
    await asyncio.sleep(rng.uniform(1, 30))
    if rng.random() < 0.5:
        clock.mend()


async def box_rolled_back(world: World, rng: Random) -> None:
    """G8: an older copy of the card is put in."""
    box = _box(world, rng)
    box.keep_image()
    await asyncio.sleep(rng.uniform(2, 30))
    box.roll_back()


async def box_damaged(world: World, rng: Random) -> None:
    """G6: one wrong bit on the card."""
    _box(world, rng).damage()


async def line_down(world: World, rng: Random) -> None:
    """N11: no line for a while."""
    link = _box(world, rng).link
    link.up = False
    await asyncio.sleep(rng.uniform(1, 40))
    link.up = True


async def line_flaps(world: World, rng: Random) -> None:
    """N12: up and down."""
    link = _box(world, rng).link
    for _ in range(rng.randint(3, 10)):
        link.up = not link.up
        await asyncio.sleep(rng.uniform(0.1, 3.0))
    link.up = True


async def line_bad(world: World, rng: Random) -> None:
    """N1, N4, N5, N6: requests and answers get lost, repeated, cut; others answer in the server's place."""
    link = _box(world, rng).link
    link.trouble = rng.choice((0.1, 0.4, 0.8))
    link.fates = tuple(rng.sample(FATES, rng.randint(1, len(FATES))))
    link.delay_s = rng.choice(((0.001, 0.02), (0.02, 0.3), (0.5, 2.0)))
    await asyncio.sleep(rng.uniform(5, 40))
    link.trouble, link.delay_s = 0.0, (0.001, 0.02)


async def server_killed(world: World, _rng: Random) -> None:
    """S1: SIGKILL at any time."""
    if world.server.life is not None and not world.server.life.dead:
        world.server.life.crash()


async def server_step(world: World, rng: Random) -> None:
    """S1, S3: dies at one of the next steps of an upload, or its disk fails there."""
    doom = rng.choice(
        (
            Doom("crash", rng.randint(1, 30), "server."),
            Doom("crash-after", rng.randint(1, 30), "server."),
            Doom("crash-after", rng.randint(1, 6), "server.commit"),
            Doom("crash-after", rng.randint(1, 6), "server.cosign"),
            Doom("torn", rng.randint(1, 8), "server.commit"),
            Doom("error", rng.randint(1, 8), "server.commit"),
            Doom("error-after", rng.randint(1, 8), "server.commit"),
            Doom("full", rng.randint(1, 8), "server.insert"),
        )
    )
    if world.server.life is not None:
        world.server.life.doom = doom


async def server_restored(world: World, rng: Random) -> None:
    """S10: put back from a backup."""
    world.server.back_up()
    await asyncio.sleep(rng.uniform(2, 15))
    world.server.restore()


async def revoked(world: World, rng: Random) -> None:
    """G9: a gateway is revoked, and allowed again."""
    box = _box(world, rng)
    for status in ("revoked", "active"):
        store = world.server.store
        if store is not None:
            await world.administer(store.set_gateway_status(box.id, status, "simulated"))
        await asyncio.sleep(rng.uniform(1, 20))


async def rig_cable(world: World, rng: Random) -> None:
    """R6: the cable is out."""
    rig = _rig(world, rng)
    rig.cable = False
    await asyncio.sleep(rng.uniform(0.5, 15))
    rig.cable = True


async def rig_noise(world: World, rng: Random) -> None:
    """R4, R6: a noisy hall: resets and busy answers; acknowledgements of all rigs of a box are lost there or back."""
    rigs = list(_box(world, rng).rigs.values())
    faults = rng.choice((0.02, 0.1, 0.3))
    for rig in rigs:
        rig.faults = faults
    await asyncio.sleep(rng.uniform(5, 40))
    for rig in rigs:
        rig.faults = 0.0


async def rig_reboots(world: World, rng: Random) -> None:
    """R7: another boot; what it keeps is kept."""
    _rig(world, rng).reboot()


async def rig_forgets(world: World, rng: Random) -> None:
    """R7: its memory is gone, it counts from 1 again."""
    _rig(world, rng).reboot(forgets=True)


async def rig_overflows(world: World, rng: Random) -> None:
    """R8: it loses the oldest records that nobody has acknowledged."""
    rig = _rig(world, rng)
    rig.cable = False
    await asyncio.sleep(rng.uniform(5, 15))
    rig.overflow()
    rig.cable = True


async def broker_killed(world: World, rng: Random) -> None:
    """M1, M8: the broker is killed and forgets everything; it is back after a while."""
    broker = _box(world, rng).broker
    broker.kill()
    await asyncio.sleep(rng.uniform(0.2, 10))
    broker.start()


async def rig_torn(world: World, rng: Random) -> None:
    """R1: a record that cannot be read for a while; the following ones go on."""
    rig = _rig(world, rng)
    rig.was_unreadable = True
    seq = rig.last_seq + rng.randint(1, 4)
    rig.unreadable.add(seq)
    await asyncio.sleep(rng.uniform(1, 20))
    rig.unreadable.discard(seq)


CARD: tuple[Fault, ...] = (box_rolled_back, box_damaged)
ALWAYS: tuple[Fault, ...] = (
    box_killed,
    box_off,
    box_step,
    box_step,
    box_start,
    box_disk,
    box_full,
    box_clock,
    line_down,
    line_flaps,
    line_bad,
    line_bad,
    server_killed,
    server_step,
    server_step,
    revoked,
    rig_cable,
    rig_noise,
    rig_reboots,
    rig_forgets,
    rig_overflows,
    rig_torn,
    broker_killed,
)


def swarm_of(seed: int) -> list[Fault]:
    """The kinds of faults of one seed."""
    return _swarm(Random(named(f"{seed}/swarm")))


def _swarm(rng: Random) -> list[Fault]:
    """A card that lies and a server that forgets are never in one world.

    Together they lose what both had: that takes a person with `export --generation` (docs/gateway.md).
    """
    kinds = rng.sample(ALWAYS, rng.randint(2, 6))
    kinds += rng.choices(((), (server_restored,), (rng.choice(CARD),)), weights=(5, 3, 2))[0]
    return kinds
