"""More small laws of journal and verifier: each killed a mutant of the sample of seed 7002 (docs/test-strength.md)."""

from __future__ import annotations

import errno
import hashlib
import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import format_samples as samples
import pytest
from fake_clock import FakeClock
from forged_log import change, small_log
from log_entries import READ, key_of, plain, salt_of, scored
from log_harness import new_log, opened, signer_for

from scorelog.format import canonical
from scorelog.format.entry import build_entry, parse_entry
from scorelog.format.evidence import build_evidence, parse_evidence
from scorelog.format.limits import ENTRY_BYTES_MAX
from scorelog.format.policy import parse_policy
from scorelog.journal import rows
from scorelog.journal.adoptions import plans_named
from scorelog.journal.errors import AppendRefused, Damaged
from scorelog.journal.fsck import fsck
from scorelog.journal.generation import open_generation, quarantine
from scorelog.journal.limits import ROOM_ENTRY_BYTES
from scorelog.journal.relog import relogged
from scorelog.journal.request import built
from scorelog.journal.room import Reserve, RoomPolicy
from scorelog.journal.schema import DATABASE, open_reader
from scorelog.journal.statefile import State, StateDamaged, StateWriter, parse_state
from scorelog.journal.store import AppendRequest
from scorelog.verify.attempt import verify_attempt
from scorelog.verify.report import describe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("spare", "taken"), [(-1, False), (0, True), (1, True)])
def test_the_last_byte_of_room_is_room(tmp_path: Path, spare: int, taken: bool) -> None:
    """B14: entries are taken while the disk holds its floor and one entry, to the byte."""
    free = 5_000 + ROOM_ENTRY_BYTES + spare
    policy = RoomPolicy(reserve_bytes=0, floor_bytes=5_000, measure=lambda _: (free, 1 << 40))
    assert Reserve(tmp_path / "reserve", policy).room().accepts_entries is taken


@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_the_largest_entry_can_be_stored(more: int, taken: bool) -> None:
    """What an upload can carry, the log takes, to the byte."""
    document = {"v": 1, "type": "gateway.started", "salt": salt_of("large"), "read": READ, "reason": ""}
    document["reason"] = "x" * (ENTRY_BYTES_MAX + more - len(build_entry(document)))
    entry = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    assert len(entry) == ENTRY_BYTES_MAX + more
    request = AppendRequest(lambda _: entry)
    if taken:
        assert built(request, None).entry == entry
    else:
        with pytest.raises(AppendRefused, match=f"at most {ENTRY_BYTES_MAX}"):
            built(request, None)


def test_an_entry_that_was_logged_again_names_the_plan_of_the_one_it_holds() -> None:
    """P3: a plan is wanted by what it binds, wherever that stands now."""
    plan = "ab" * 32
    document = {"v": 1, "type": "gateway.started", "salt": salt_of("p"), "read": READ, "fields": {"plan": plan}}
    inner = build_entry(document)
    (carrier,) = relogged("a.example/gw/g/0", 7, inner, (), FakeClock())
    assert list(plans_named(inner)) == [plan]
    assert list(plans_named(carrier.entry)) == [plan]


def test_what_a_crash_left_of_a_new_log_is_swept_away(tmp_path: Path) -> None:
    """G2: a log that never got its name was none; making it again works."""
    left = tmp_path / "log.creating"
    left.mkdir()
    (left / DATABASE).write_bytes(b"half")
    assert fsck(new_log(tmp_path)).ok
    assert not left.exists()


async def test_a_start_writes_down_when_it_was(tmp_path: Path) -> None:
    """A log says since when it has been open."""
    path = new_log(tmp_path)
    async with opened(path):
        pass
    with closing(open_reader(path / DATABASE)) as connection:
        assert str(rows.get_meta(connection, "opened")).endswith("Z")


async def test_a_log_knows_whether_it_was_stopped_in_order(tmp_path: Path) -> None:
    """The first start and one after a stop are clean; one after an end without is not."""
    path = new_log(tmp_path)
    for _ in range(2):
        async with opened(path) as log:
            assert log.clean
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        rows.set_meta(connection, "clean", 0)
        connection.commit()
    async with opened(path) as log:
        assert not log.clean


async def test_the_words_of_a_lost_entry_are_exact(tmp_path: Path) -> None:
    """P5: what is said of a damage has no more words than these."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append_many([plain(f"entry {n}") for n in range(3)])
        change(path, "DELETE FROM entry WHERE idx = 1")
        with pytest.raises(Damaged) as damaged:
            log.entries(0, 3)
        assert str(damaged.value).endswith("the entry is missing")


async def test_one_entry_too_few_is_called_that(tmp_path: Path) -> None:
    """P3: an entry taken out and the rest moved up: gone, and no more can be said of the span."""
    path = await small_log(tmp_path)
    change(path, "DELETE FROM entry WHERE idx = 1", "DELETE FROM checkpoint WHERE size < 3")
    for index in range(2, 6):
        change(path, "UPDATE entry SET idx = :to WHERE idx = :index", index=index, to=index - 1)
    said = [f"{one.kind} {one.detail}" for one in fsck(path).findings]
    assert any("one is gone, and the others do not lead" in one for one in said), said


async def test_the_last_two_of_a_long_span_swapped_are_named(tmp_path: Path) -> None:
    """P3: every pair of neighbours is tried, the last one too."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append_many([scored(key_of(n)) for n in range(300)])
    change(path, "DELETE FROM checkpoint WHERE size < 300", "UPDATE entry SET idx = -1 WHERE idx = 298")
    change(path, "UPDATE entry SET idx = 298 WHERE idx = 299", "UPDATE entry SET idx = 299 WHERE idx = -1")
    found = {(one.kind, one.index) for one in fsck(path).findings}
    assert {("reorder", 298), ("reorder", 299)} <= found


def test_a_report_names_the_check_that_failed() -> None:
    """A program reads `check`: whose entry it is, and whether the attempt is whole."""
    log, other = samples.sample_log(), "00" * 16
    policy = samples.policy_text()
    bundle = build_evidence(other, [log.item(index) for index in range(2, 8)], policy)
    failed = [one.check for one in verify_attempt(parse_evidence(bundle), parse_policy(policy)).findings if not one.ok]
    assert set(failed) == {"belongs", "whole"}


def test_a_description_takes_eight_letters_of_an_item() -> None:
    """An item's id is short; a long one is cut, and a page stays a page."""
    document = samples.rig_document(6, "item.finished", {"item": "K23456789", "score": 8750})
    assert describe(parse_entry(build_entry(document))) == "item.finished K2345678 87.50"


async def test_a_log_given_up_without_a_receipt_says_that_there_was_none(tmp_path: Path) -> None:
    """P3: entry 0 of the next generation names the old log's newest receipt, or nothing under that name."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append(plain("x").build)
    log = open_generation(path, quarantine(path, "x", None), signer_for, FakeClock())
    try:
        previous = parse_entry(log.entries(0, 1)[0]).document["previous"]
    finally:
        await log.close()
    assert (previous["checkpoint"], previous["size"], sorted(previous)) == (
        None,
        1,
        ["checkpoint", "keys", "origin", "size"],
    )


@pytest.mark.parametrize("field", ["origin", "root", "receipt"])
def test_a_second_file_of_another_type_is_damaged(field: str) -> None:
    """G8: one wrong field is enough, though the file's own hash fits."""
    lines = State("a.example/gw/g/0", 0, 0, bytes(32), 1, None).encode().split(b"\n")
    wrong = canonical.encode({**canonical.decode(lines[0]), field: 7})
    with pytest.raises(StateDamaged, match="a field has another type"):
        parse_state(wrong + b"\n" + hashlib.sha256(wrong).hexdigest().encode() + b"\n")


class TooLargeState(State):
    """One that there is no memory to write."""

    def encode(self) -> bytes:
        raise MemoryError


def test_a_second_file_that_memory_does_not_suffice_for_is_a_failure_that_is_said(tmp_path: Path) -> None:
    """G13: its thread goes on and says why, and the next state is written."""
    writer = StateWriter(tmp_path / "state")
    writer.offer(TooLargeState("a.example/gw/g/0", 0, 0, bytes(32), 1, None))
    deadline = time.monotonic() + 20
    while writer.failed is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert writer.failed is not None
    assert writer.failed.errno == errno.ENOMEM
    writer.close()
