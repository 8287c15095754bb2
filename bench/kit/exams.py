"""Logs of whole exams as gateways write them, and an evidence store that holds them, for what reads entries.

Every exam is bound to a plan, taken at one rig, and has identity check, four items with four deductions, closing claim
and acknowledgement; an anchor stands before each. Entries are those of the tests (tests/support/people_world.py), so
that their words decode, score and add up: about 700 bytes an entry, with three openings each.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from people_world import Log, attempt_id
from planned_world import PAPER, SESSION, BoundRig, adopt_plan, candidate, document, text_of

from scorelog.format.tree import CompactRange, leaf_hash
from server.evidence.store import Bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.evidence.sql import SqlEntryStore

PER_EXAM: Final = 16
AT_ONCE: Final = 64
NOW_US: Final = 1_795_416_000_000_000


def exam_logs(entries: int, gateways: int = 4) -> list[Log]:
    """So many entries in all, in the logs of several gateways with two rigs each."""
    names = [f"gw-{number:02d}" for number in range(1, gateways + 1)]
    exams = entries // PER_EXAM
    text = text_of(_plan(names, exams))
    logs = [Log(name, Random(name)).adopt() for name in names]  # noqa: S311  the same logs each time
    rigs = []
    for number, log in enumerate(logs):
        plan = adopt_plan(log, text)
        log.add("session.opened", fields={"session": SESSION, "nonce": "ab" * 16, "plan": plan})
        rigs += [
            BoundRig(f"LV-{2 * number + each:04d}", f"S-{number}{each}", log, session=SESSION, plan=plan)
            for each in range(2)
        ]
    for number in range(exams):
        rig = rigs[number % len(rigs)]
        rig.log.add("anchor", receipt="cmVjZWlwdA==" * 40)
        rig.whole_exam(f"2026{number:08d}", attempt_id(number))
    return logs


def _plan(gateways: Sequence[str], exams: int) -> dict[str, Any]:
    plan = document()
    plan["point"]["gateways"] = list(gateways)
    plan["rooms"][0]["stations"] = [
        {
            "id": f"S-{number}{each}",
            "rigs": [
                {
                    "gateway": gateway,
                    "items": list(PAPER),
                    "purpose": "exam_only",
                    "serial": f"LV-{2 * number + each:04d}",
                    "wire": "modbus",
                }
            ],
        }
        for number, gateway in enumerate(gateways)
        for each in range(2)
    ]
    plan["sessions"][0]["candidates"] = [candidate(attempt_id(number), places=()) for number in range(exams)]
    return plan


def bundles(logs: Sequence[Log], size: int) -> Iterator[Bundle]:
    """All logs cut into bundles of so many entries, one of each log in turn."""
    for several in itertools.zip_longest(*(_bundles(log, size) for log in logs)):
        yield from (one for one in several if one is not None)


def _bundles(log: Log, size: int) -> Iterator[Bundle]:
    tree, opened = CompactRange(), {index: [] for index in range(len(log.entries))}  # type: ignore[var-annotated]
    for each in log.openings:
        opened[each.index].append(each)
    for start in range(0, len(log.entries), size):
        part = log.entries[start : start + size]
        leaves = tuple(map(leaf_hash, part))
        for leaf in leaves:
            tree.append(leaf)
        yield Bundle(
            origin=log.origin,
            gateway_id=log.gateway,
            generation=log.generation,
            old_size=start,
            new_size=start + len(part),
            entries=tuple(part),
            leaves=leaves,
            openings=tuple(one for index in range(start, start + len(part)) for one in opened[index]),
            checkpoint=b"bench",
            root=tree.root(),
            range_hashes=tuple(tree.hashes),
            received_us=NOW_US + start,
            cosigned_s=NOW_US // 1_000_000,
        )


async def fill(store: SqlEntryStore, logs: Sequence[Log], size: int) -> int:
    """Store everything; how many entries."""
    entries, waiting = 0, bundles(logs, size)
    while part := list(itertools.islice(waiting, AT_ONCE)):
        if not all(await store.append_many(part)):
            raise ValueError("the store did not take a bundle")
        entries += sum(len(one.entries) for one in part)
    return entries
