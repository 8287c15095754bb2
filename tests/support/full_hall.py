"""Twenty rigs of two gateways in four rooms, in every state that a tile can show, for looking at the pages."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from people_world import START_S, Log, Rig
from planned_hall import ITEMS, Hall, Sitter

if TYPE_CHECKING:
    from people_site import Site

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
    return Hall(rigs, tuple(Sitter(number) for number in range(1, 25)), names=ROOMS, now_s=now_s)


async def work_the_hall(site: Site, hall: Hall) -> dict[str, Log]:
    """Exams under way: a veto, a mismatch, a time-out, a silent rig, an unreadable record, practice, one unheard."""
    await hall.publish(site)
    logs = {name: Log(name, Random(n)).adopt() for n, name in enumerate(("gw-01", "gw-02"))}
    for log in logs.values():
        log.now_s = site.clock.now_us() / 1e6 - 400
    told: dict[str, list[dict[str, Any]]] = {"gw-01": [], "gw-02": []}
    for number, (serial, (_, station, gateway, items, _)) in enumerate(hall.rigs.items()):
        if number == 18:
            continue
        rig = Rig(serial, station, logs[gateway])
        told[gateway].append(_told(rig, number, items, hall.sitters[number]))
    for name, log in logs.items():
        await site.upload(log)
        site.beat(log, told[name])
    return logs


def _told(rig: Rig, number: int, items: tuple[str, ...], sitter: Sitter) -> dict[str, Any]:
    said: dict[str, Any] = {"rig": rig.serial, "station": rig.station, "state": "idle", "mode": "exam", "last_seq": 0}
    if number in {7, 13}:
        return said | {"state": "offline" if number == 13 else "idle"}
    if number == 19:
        return said | {"mode": "practice"}
    rig.open_exam(sitter.ticket, sitter.attempt, 2 if number == 4 else 1)
    if number == 9:
        return said | {"state": "open", "last_seq": rig.seq}
    _walk(rig, number, items)
    said |= {"state": "running" if rig.item else "finished", "last_seq": rig.seq, "item": rig.item}
    said |= {"ordinal": rig.ordinal, "elapsed_s": 40 + 27 * number, "limit_s": 600, "deduction_count": len(rig.taken)}
    if number == 5:
        said |= {"running_score": 6150, "last_seq": rig.seq + 2, "deduction_count": 5}
    return said | ({"unreadable": 41} if number == 11 else {})


def _walk(rig: Rig, number: int, items: tuple[str, ...]) -> None:
    if number % 3 != 1:
        rig.start(items[0])
        rig.deduct(2, 500 + 25 * number)
        rig.finish("timeout" if number == 6 else "finished", score=9900 if number == 2 else None)
    rig.start(items[1])
    for line in range(2, 2 + number % 4):
        rig.deduct(line, 250 * line, 10 * line)
    if number == 3:
        rig.deduct(1, 0, 95, veto=True)
    if number == 14:
        rig.finish()
