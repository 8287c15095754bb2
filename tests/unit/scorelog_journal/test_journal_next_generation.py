"""P3: what the next generation holds of a log that was given up, for many ways to spoil one.

Frozen in tests/vectors/refusals/generations.json: KAOFEN_WRITE_VECTORS=1 with this test writes it again, and a person
reads the difference.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from forged_log import small_log
from log_harness import mirror_verifier, signer_for
from spoilt_logs import SPOILT
from tree import ROOT

from scorelog.format.entry import parse_entry
from scorelog.format.tree import leaf_hash
from scorelog.journal import rows
from scorelog.journal.errors import JournalError
from scorelog.journal.fsck import fsck
from scorelog.journal.generation import open_generation, pending_quarantine, quarantine
from scorelog.journal.schema import DATABASE, RESERVE, open_reader
from scorelog.journal.sqlite import RoomPolicy

if TYPE_CHECKING:
    from pathlib import Path

FROZEN = ROOT / "tests" / "vectors" / "refusals" / "generations.json"
SMALL = RoomPolicy(reserve_bytes=4096)
WAYS = (
    "nothing",
    "an entry altered",
    "an entry altered with its leaf",
    "a leaf altered",
    "a receipted leaf altered",
    "the last entry gone",
    "two of two spans swapped",
    "an entry put in behind the receipt",
    "no newest checkpoint",
    "a receipt that is none",
    "a receipt of a larger log",
    "a key gone",
    "a key of an earlier generation",
    "an opening of another field",
    "no keys",
    "another origin in the database",
    "a state of a later log",
    "a state of another log",
)


def short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def given_up(path: Path) -> list[str]:
    """The log put aside; entry 0, every other entry, opening and key of the one behind it; and what fsck says of it."""
    aside = quarantine(path, "because", path.parent / "state")
    assert pending_quarantine(path) == aside
    receipt = None if aside.receipt is None else aside.receipt.size
    found = [f"aside: size {aside.size}, receipt {receipt}, next {aside.next_generation}, {aside.path.name}"]
    log = open_generation(path, aside, signer_for, FakeClock(), path.parent / "state", room=SMALL)
    entries = log.entries(0, log.size)
    for index, entry in enumerate(entries):
        document = dict(parse_entry(entry).document)
        assert len(bytes.fromhex(str(document.pop("salt")))) == 16
        del document["read"]
        held = document.pop("entry", None)
        document["previous"].pop("checkpoint", None)
        found.append(f"{index}: {json.dumps(document, sort_keys=True)}{'' if held is None else short(held.encode())}")
    found += [f"opening {one.index} {one.field} {short(one.value)}" for one in log.openings(0, log.size)]
    log._close()
    connection = open_reader(path / DATABASE)
    for key, row in rows.all_keys(connection):
        own = row.generation == log.generation
        assert not own or row.leaf == leaf_hash(entries[row.idx])
        leaf = "its own" if own else short(row.leaf)
        found.append(f"key {key.rig} {key.seq} {row.generation} {row.idx} {leaf}")
    connection.close()
    report = fsck(path, log.vkey, path.parent / "state", [mirror_verifier()])
    return [*found, f"fsck: size {report.size}", *map(str, report.findings)]


async def test_the_next_generation_holds_what_it_always_held(tmp_path: Path) -> None:
    """P3: what is stranded is logged again with its doubt, keys of all that is settled are carried, nothing else is."""
    whole = tmp_path / "whole"
    whole.mkdir()
    await small_log(whole)
    found: dict[str, list[str]] = {}
    for number, name in enumerate(WAYS):
        case = tmp_path / f"case{number}"
        shutil.copytree(whole, case, ignore=shutil.ignore_patterns(RESERVE))
        SPOILT[name](case / "log")
        try:
            said = given_up(case / "log")
        except JournalError as error:
            said = [f"{type(error).__name__}: {error}"]
        found[name] = [one.replace(str(case), "…") for one in said]
        shutil.rmtree(case)
    if os.environ.get("KAOFEN_WRITE_VECTORS") == "1":
        FROZEN.write_text(json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
    assert found == json.loads(FROZEN.read_text("utf-8"))


@pytest.mark.parametrize("name", ["log", "old.quarantined-log"])
async def test_the_next_generation_is_above_every_one_beside_it(tmp_path: Path, name: str) -> None:
    """P3: a generation that was put aside earlier is never opened a second time, whatever the folder is called."""
    path = (await small_log(tmp_path)).rename(tmp_path / name)
    shutil.copytree(path, tmp_path / "more" / name)
    high = quarantine(tmp_path / "more" / name, "x", known_generation=6)
    assert high.next_generation == 7
    later = open_generation(tmp_path / "more" / name, high, signer_for, FakeClock(), room=SMALL)
    await later.close()
    aside = quarantine(tmp_path / "more" / name, "y").path
    assert aside.name == f"{name}.quarantined-7"
    aside.rename(tmp_path / aside.name)
    assert quarantine(path, "z").next_generation == 8
