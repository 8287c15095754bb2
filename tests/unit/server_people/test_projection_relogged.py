"""What was logged again in a new generation counts, once: whole or in parts, and not when the server has it already."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from people_world import RUBRIC, Log, Rig, attempt_id

from scorelog.format import canonical
from server.projection import schema
from server.projection.projector import Projector
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from pathlib import Path

ATTEMPT = attempt_id(1)


def first_generation() -> Log:
    """One whole exam, adopted texts before it."""
    log = Log("gw-01", Random(1)).adopt()
    Rig("LV-0001", "A-01", log).whole_exam("T-1", ATTEMPT)
    return log


def again(old: Log, first: int, *, doubt: str | None = None, parts: int = 1) -> Log:
    """The next generation: entry 0, the texts, and everything of the old one from `first` on."""
    log = Log("gw-01", Random(2), old.generation + 1)
    log.add("generation.opened", previous={"origin": old.origin, "size": len(old.entries)}, reason="test")
    log.adopt()
    for index in range(first, len(old.entries)):
        relog(log, old, index, doubt=doubt, parts=parts)
    return log


def relog(
    log: Log, old: Log, index: int, *, doubt: str | None = None, parts: int = 1, entry: bytes | None = None
) -> None:
    entry = old.entries[index] if entry is None else entry
    common: dict[str, Any] = {
        "previous": {"origin": old.origin, "index": index, "leaf": hashlib.sha256(b"\0" + entry).hexdigest()},
        **({} if doubt is None else {"doubt": doubt}),
    }
    document = canonical.decode(entry)
    first = len(log.entries)
    if parts == 1:
        log.add("relogged", **common, entry=base64.b64encode(entry).decode(), candidate=document.get("candidate", []))
    else:
        width = -(-len(entry) // parts)
        for number in range(1, parts + 1):
            piece = base64.b64encode(entry[(number - 1) * width : number * width]).decode()
            beside = {"candidate": document.get("candidate", [])} if number == 1 else {}
            log.add("relogged", **common, part={"number": number, "of": parts, "bytes": piece}, **beside)
    log.openings += [type(one)(first, one.field, one.blind, one.value) for one in old.openings if one.index == index]


async def shown(folder: Path, *uploads: tuple[Log, int, int]) -> dict[str, list[dict[str, Any]]]:
    """The projections after these uploads, each projected on its own; the same after a rebuild."""
    store, projections = FakeEntryStore(), await ProjectionStore.open(folder / "projections.db")
    projector = Projector(store, projections, FakeClock())
    try:
        for log, start, stop in uploads:
            await store.append_entries(log.origin, log.entries[start:stop], log.openings_in(start, stop), received_us=7)
            await projector.catch_up()
        found = await content(projections)
        await projector.rebuild()
        assert await content(projections) == found
        return found
    finally:
        await projections.close()


async def content(projections: ProjectionStore) -> dict[str, list[dict[str, Any]]]:
    async with projections.reading() as db:
        return {
            table.name: [dict(row) for row in (await db.execute(sa.select(table))).mappings()]
            for table in (schema.items, schema.marks, schema.attempts, schema.alerts, schema.quarantine, schema.entries)
        }


def whole(log: Log) -> tuple[Log, int, int]:
    return log, 0, len(log.entries)


async def plain(folder: Path) -> dict[str, Any]:
    """The attempt as it is without any damage."""
    await asyncio.to_thread(folder.mkdir)
    (attempt,) = (await shown(folder, whole(first_generation())))["attempts"]
    return {name: value for name, value in attempt.items() if name not in {"first_us", "last_us"}}


def same(attempt: dict[str, Any], other: dict[str, Any]) -> bool:
    """But for where and when its records came, which is another log's matter."""
    mine = {name: attempt[name] for name in other}
    return {**mine, "runs": _placeless(mine)} == {**other, "runs": _placeless(other)}


def _placeless(attempt: dict[str, Any]) -> list[dict[str, Any]]:
    placed = {"origin", "index", "received_us", "notes"}
    return [{name: run[name] for name in run if name not in placed} for run in attempt["runs"]]


@pytest.mark.parametrize("parts", [1, 2, 3])
async def test_an_attempt_over_two_generations_is_whole(tmp_path: Path, parts: int) -> None:
    """P4: the first half receipted, the second half logged again, in parts or not, cut between uploads or not."""
    old = first_generation()
    half = len(old.entries) // 2
    new = again(old, half, parts=parts)
    uploads = [(old, 0, half), *((new, at, at + 1) for at in range(len(new.entries)))]
    found = await shown(tmp_path, *uploads)
    (attempt,) = found["attempts"]
    assert same(attempt, await plain(tmp_path / "plain"))
    assert found["quarantine"] == []
    assert {alert["kind"] for alert in found["alerts"]} == {"generation_opened"}
    flags = [entry["flags"] for entry in found["entries"] if entry["type"] == "relogged"]
    assert flags == [["relogged_part"]] * ((parts - 1) * (len(old.entries) - half))


async def test_what_the_server_has_already_is_not_counted_twice(tmp_path: Path) -> None:
    """The answer to the last upload was lost: all of it comes again, and the attempt stays as it was."""
    old = first_generation()
    found = await shown(tmp_path, whole(old), whole(again(old, 2)))
    (attempt,) = found["attempts"]
    assert same(attempt, await plain(tmp_path / "plain"))
    assert {item["origin"] for item in found["items"]} == {old.origin}
    copies = [entry for entry in found["entries"] if "relogged_copy" in entry["flags"]]
    assert len(copies) == len(old.entries) - 2
    assert {entry["attempt"] for entry in copies} == {None}


async def test_stranded_twice_is_not_counted_twice(tmp_path: Path) -> None:
    """The generation in between never reached the server: the leaf of the entry inside is still known."""
    old = first_generation()
    between = Log("gw-01", Random(3), 1)
    last = Log("gw-01", Random(4), 2)
    for index in range(len(old.entries)):
        relog(last, between, index, entry=old.entries[index])
    found = await shown(tmp_path, whole(old), whole(last))
    assert same(found["attempts"][0], await plain(tmp_path / "plain"))
    assert {item["origin"] for item in found["items"]} == {old.origin}


async def test_another_entry_at_the_same_place_is_an_alarm(tmp_path: Path) -> None:
    """P3: what comes again is not what the server holds of that very index: the original counts, a person is told."""
    old = first_generation()
    new = Log("gw-01", Random(2), 1).adopt()
    index = next(at for at, entry in enumerate(old.entries) if b'"item.finished"' in entry)
    better = canonical.decode(old.entries[index])
    better["fields"]["score"] = 10_000
    relog(new, old, index, entry=canonical.encode(better))
    found = await shown(tmp_path, whole(old), whole(new))
    assert same(found["attempts"][0], await plain(tmp_path / "plain"))
    (alert,) = found["alerts"]
    assert (alert["kind"], alert["severity"], alert["index"]) == ("relogged_differs", "alarm", 2)


async def test_another_record_at_the_same_place_counts(tmp_path: Path) -> None:
    """P2: after a roll-back the places of the old log hold other records; what was logged there is not lost."""
    old = first_generation()
    new = Log("gw-01", Random(2), 1).adopt()
    index = next(at for at, entry in enumerate(old.entries) if b'"item.finished"' in entry)
    other = canonical.decode(old.entries[index])
    other["fields"]["exam_no"] += 1
    relog(new, old, index, entry=canonical.encode(other))
    found = await shown(tmp_path, whole(old), whole(new))
    assert {item["origin"] for item in found["items"]} == {old.origin, new.origin}
    assert ("relogged_displaced", "alarm") in {(alert["kind"], alert["severity"]) for alert in found["alerts"]}


@pytest.mark.parametrize(("doubt", "alarms"), [("altered", 3), ("unproven", 1)])
async def test_a_doubt_is_shown_and_told(tmp_path: Path, doubt: str, alarms: int) -> None:
    """The score is shown, with the doubt beside it: entry by entry where altered, once a log where only unproven."""
    old = first_generation()
    new = again(old, len(old.entries) - 3, doubt=doubt)
    found = await shown(tmp_path, (old, 0, len(old.entries) - 3), whole(new))
    kinds = [alert["kind"] for alert in found["alerts"]]
    assert kinds.count(f"relogged_{doubt}") == alarms
    flagged = [entry for entry in found["entries"] if f"relogged_{doubt}" in entry["flags"]]
    assert len(flagged) == 3


async def test_a_large_rubric_that_was_stranded_judges_what_comes_after_it(tmp_path: Path) -> None:
    """P4: an adopted text above 45 kB is logged again in parts, and the server scores with it."""
    old = first_generation()
    text = RUBRIC.decode() + "# " + "说明" * 5_500 + "\n"
    document = canonical.decode(old.entries[1]) | {
        "sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text,
    }  # fmt: skip
    old.entries[1] = canonical.encode(document)
    new = Log("gw-01", Random(2), 1)
    for index in range(len(old.entries)):
        relog(new, old, index, parts=2 if len(old.entries[index]) > 45_000 else 1)
    assert len(new.entries) == len(old.entries) + 1
    found = await shown(tmp_path, whole(new))
    (attempt,) = found["attempts"]
    assert [a for a in found["alerts"] if a["kind"] == "adoption_unusable"] == []
    assert (attempt["verdict"], attempt["rubric"]) == ("equal", document["sha256"])
    assert found["quarantine"] == []


async def test_parts_that_do_not_fit_together_are_quarantined(tmp_path: Path) -> None:
    """A missing part is told with its reason and blocks nothing after it (P8)."""
    old = first_generation()
    new = again(old, 2, parts=2)
    del new.entries[3]
    new.openings.clear()
    found = await shown(tmp_path, whole(new))
    assert [row["index"] for row in found["quarantine"]] == [3]
    assert "put together" in found["quarantine"][0]["reason"]
    assert len(found["items"]) > 0
