"""Twenty rigs of two gateways in four rooms, in every state that a tile can show, for looking at the pages."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from people_world import START_S, Log
from planned_hall import ITEMS, Hall, Sitter

if TYPE_CHECKING:
    from people_site import Site
    from planned_world import BoundRig

ROOMS = {
    "A": ("一号考场", "Room 1"),
    "B": ("二号考场", "Room 2"),
    "C": ("三号考场", "Room 3"),
    "D": ("四号考场", "Room 4"),
}
KINDS = tuple(ITEMS)


def twenty_rigs(now_s: int = START_S) -> Hall:
    """Five stations a room; rooms A and B belong to gw-01, C and D to gw-02."""
    rigs = {}
    for number in range(20):
        room = "ABCD"[number // 5]
        kind = KINDS[number % 4]
        purpose = "training_only" if number == 19 else "exam_only"
        gateway = "gw-01" if room in "AB" else "gw-02"
        rigs[f"LV-{number + 1:04d}"] = (room, f"{room}-{number % 5 + 1:02d}", gateway, ITEMS[kind], purpose)
    sitters = tuple(Sitter(number, ("K11", "K21", "K31", "K41"), _places(number - 1)) for number in range(1, 25))
    return Hall(rigs, sitters, names=ROOMS, now_s=now_s)


def _places(number: int) -> tuple[str, ...]:
    """Everybody begins at a rig of their own, and goes round the next ones."""
    near = [one if one < 19 else one % 16 for one in range(number, number + 4)]
    stations = {other % 4: f"{'ABCD'[other // 5]}-{other % 5 + 1:02d}" for other in near}
    return tuple(stations[kind] for kind in range(4))


async def work_the_hall(site: Site, hall: Hall) -> dict[str, Log]:
    """Exams under way: a veto, a mismatch, a time-out, a silent rig, an unreadable record, practice, one unheard."""
    await hall.publish(site)
    logs = {name: Log(name, Random(n)).adopt() for n, name in enumerate(("gw-01", "gw-02"))}
    told: dict[str, list[dict[str, Any]]] = {"gw-01": [], "gw-02": []}
    for log in logs.values():
        log.now_s = site.clock.now_us() / 1e6 - 400
        hall.open_at(log)
    for number, (serial, (_, _, gateway, items, _)) in enumerate(hall.rigs.items()):
        if number == 18:
            continue
        rig = hall.rig(serial, logs[gateway])
        if number % 5:
            _before(rig, number, items[0], hall.sitters[number - 1])
        told[gateway].append(_told(rig, number, items[0], hall.sitters[number]))
    for name, log in logs.items():
        await site.upload(log)
        site.beat(log, told[name])
    return logs


def _before(rig: BoundRig, number: int, item: str, sitter: Sitter) -> None:
    """Whoever is one rig back was here before."""
    cut = 250 * (number % 4)
    weight = 4000 if item == "K21" else 2000
    rig.part(
        sitter.attempt, item, (10_000 - cut) * weight // 10_000, *([(2, cut)] if cut else []), ticket=sitter.ticket
    )


def _told(rig: BoundRig, number: int, item: str, sitter: Sitter) -> dict[str, Any]:
    said: dict[str, Any] = {"rig": rig.serial, "station": rig.station, "state": "idle", "mode": "exam"}
    said["last_seq"] = rig.seq
    if number in {7, 13}:
        return said | {"state": "offline" if number == 13 else "idle"}
    if number == 19:
        return said | {"mode": "practice"}
    rig.open_exam(sitter.ticket, sitter.attempt, 2 if number == 4 else 1)
    if number == 9:
        return said | {"state": "open", "last_seq": rig.seq}
    rig.start(item)
    for line in range(2, 2 + number % 4):
        rig.deduct(line, 250 * line, 10 * line)
    if number == 3:
        rig.deduct(1, 0, 95, veto=True)
    if number in {2, 6, 14}:
        rig.finish("timeout" if number == 6 else "finished", score=9900 if number == 2 else None)
    said |= {"state": "running" if rig.item else "finished", "last_seq": rig.seq, "item": rig.item}
    said |= {"ordinal": rig.ordinal, "elapsed_s": 40 + 27 * number, "limit_s": 600, "deduction_count": len(rig.taken)}
    if number == 5:
        said |= {"running_score": 6150, "last_seq": rig.seq + 2, "deduction_count": 5}
    return said | ({"unreadable": 41} if number == 11 else {})
