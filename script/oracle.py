"""Compare what the rigs produced, what the gateway's log holds and what the server stores.

Three witnesses that never share code: the simulator's truth file, the entries in the gateway's database read as
plain rows, and the server's public API. P1: nothing acknowledged is lost, doubled, altered or out of order.
P2: everything carries a receipt. P4: the server's own recomputation agrees.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from world import WorldError, command

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from world import World

RESULT = "item.finished"
CLOSING = ("attempt.finished", "attempt.aborted")
OF_AN_EXAM = ("identity.checked", "item.started", "deduction", RESULT, *CLOSING, "candidate.acknowledged")


@dataclass(slots=True)
class Verdict:
    """What was compared, and every difference found, each in one line."""

    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing differed."""
        return not self.faults

    def need(self, condition: bool, fault: str) -> None:
        """Note the fault unless the condition holds."""
        if not condition:
            self.faults.append(fault)


def read_truth(path: Path) -> list[dict[str, Any]]:
    """Every record the rigs latched, in the order in which they latched it. A torn last line is not a record."""
    lines = path.read_text("utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def read_log(data: Path) -> list[tuple[str, list[bytes]]]:
    """Per log database under ``data`` the origin-ordered entry bytes, read as plain rows."""
    logs = []
    for database in sorted(data.rglob("*.db")) + sorted(data.rglob("*.sqlite")):
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as rows:
            tables = {name for (name,) in rows.execute("select name from sqlite_master where type = 'table'")}
            if "entry" in tables:
                entries = [bytes(b) for (b,) in rows.execute("select bytes from entry order by idx")]
                logs.append((str(database), entries))
    return logs


def in_exam(record: dict[str, Any]) -> bool:
    """Practice and maintenance runs make a summary, not result entries (design section 8, modes)."""
    return str(record.get("mode", "exam")) == "exam"


def compare_log(truth: list[dict[str, Any]], entries: list[bytes], verdict: Verdict) -> None:
    """Every exam record of the rigs is in the log exactly once, unaltered, in the rig's order."""
    documents = [d for d in map(json.loads, entries) if "seq" in d and d.get("ordinal") == 0]
    counted = Counter(map(_key, documents))
    twice = [key for key, count in counted.items() if count > 1]
    verdict.need(not twice, f"logged twice: {twice[:5]}")
    by_key = {_key(document): document for document in documents}
    for record in filter(in_exam, truth):
        key = (record["serial"], record["boot"], record["seq"], record["type"])
        document = by_key.get(key)
        verdict.need(document is not None, f"lost: {key}")
        if document is not None:
            _same_fields(record["fields"], document["fields"], f"{key} in the log", verdict)
    _in_rig_order(map(json.loads, entries), verdict)
    verdict.counts["log entries"] = verdict.counts.get("log entries", 0) + len(entries)


def _key(document: dict[str, Any]) -> tuple[str, int, int, str]:
    return (document["rig"], document["epoch"], document["seq"], document["type"])


def _same_fields(made: dict[str, Any], logged: dict[str, Any], where: str, verdict: Verdict) -> None:
    for name, value in made.items():
        same = name in logged and logged[name] == value
        verdict.need(same, f"{where}: {name} is {logged.get(name)!r}, the rig made {value!r}")


def _in_rig_order(documents: Iterable[dict[str, Any]], verdict: Verdict) -> None:
    """Late comes only what was passed over: the log says that it could not be read before anything beyond it stands."""
    last: dict[str, int] = {}
    passed: set[tuple[str, int]] = set()
    for document in documents:
        rig, newest = document.get("rig", ""), last.get(document.get("rig", ""), 0)
        if document["type"] == "reading.refused" and (document["asked"] or 0) > newest:
            passed.add((rig, document["asked"]))
        if "seq" not in document or document.get("ordinal") != 0:
            continue
        seq = document["seq"]
        verdict.need(seq >= newest or (rig, seq) in passed, f"order: {rig} {seq} after {newest}")
        last[rig] = max(seq, newest)


def compare_server(world: World, truth: list[dict[str, Any]], verdict: Verdict) -> list[dict[str, Any]]:
    """Every result is at the server exactly once, receipted, and recomputed to the same score."""
    items = pages(world, "/api/v1/items")
    keys = Counter(map(_run, items))
    twice = [key for key, count in keys.items() if count > 1]
    verdict.need(not twice, f"stored twice: {twice[:5]}")
    stored = {_run(item): item for item in items}
    results = [record for record in truth if record["type"] == RESULT and in_exam(record)]
    for record in results:
        key = (record["serial"], record["exam_no"], record["ordinal"])
        item = stored.get(key)
        verdict.need(item is not None, f"not at the server: {key}")
        if item is not None:
            _same_result(record, item, f"{key} at the server", verdict)
    verdict.need(len(items) == len(results), f"the server has {len(items)} results, the rigs made {len(results)}")
    verdict.counts["results"] = len(results)
    return items


def _run(item: dict[str, Any]) -> tuple[str, int, int]:
    return (item["rig"], item["exam_no"], item["ordinal"])


def _same_result(record: dict[str, Any], item: dict[str, Any], where: str, verdict: Verdict) -> None:
    mute = record.get("rig_ticket") == ""  # a rig that knows nobody; the ticket came from another rig, or not yet
    verdict.need(item["ticket"] == record["ticket"] or (mute and not item["ticket"]), f"{where}: another ticket")
    for name in ("item", "outcome", "elapsed_s", "deductions"):
        verdict.need(item[name] == record[name], f"{where}: {name} is {item[name]!r}, the rig made {record[name]!r}")
    for name in ("score_claimed", "score_recomputed"):
        verdict.need(item[name] == record["score"], f"{where}: {name} is {item[name]}, the rig made {record['score']}")
    verdict.need(bool(item["receipted"]), f"{where}: no receipt")


def compare_bytes(world: World, entries: list[bytes], origin: str, verdict: Verdict) -> None:
    """The server holds the log byte for byte."""
    origin_hash = sha256(origin.encode()).hexdigest()
    different = [
        index for index, entry in enumerate(entries) if world.fetch(f"/api/v1/entries/{origin_hash}/{index}") != entry
    ]
    verdict.need(not different, f"bytes differ at the server: {different[:5]}")


def verify_offline(world: World, attempts: list[str], verdict: Verdict) -> None:
    """Each attempt's evidence file is proven by kaofen-verify, without the server."""
    folder = world.directory / "evidence"
    folder.mkdir(exist_ok=True)
    world.policy.write_bytes(world.fetch("/api/v1/policy"))
    files = []
    for attempt in attempts:
        file = folder / f"{attempt}.zip"
        file.write_bytes(world.fetch(f"/api/v1/attempts/{attempt}/evidence"))
        files.append(file)
    try:
        printed = command("kaofen-verify", "attempt", *files, "--policy", world.policy)
        verdict.counts["attempts proven offline"] = printed.count(" as a whole, ")
    except WorldError as error:
        verdict.faults.append(str(error))


def attempts(world: World) -> list[dict[str, Any]]:
    """All composed attempts; their cursor is called `before`."""
    rows: list[dict[str, Any]] = []
    before = ""
    while True:
        page = world.api(f"/api/v1/attempts?limit=200{f'&before={before}' if before else ''}")
        rows += page["attempts"]
        before = page["next"] or ""
        if not before:
            return rows


def pages(world: World, path: str) -> list[dict[str, Any]]:
    """All rows of a cursor-paged API list, which has the name of its last path part."""
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        page = world.api(f"{path}?limit=500{f'&after={after}' if after else ''}")
        rows += page[path.rsplit("/", 1)[-1]]
        after = page.get("next") or ""
        if not after:
            return rows
