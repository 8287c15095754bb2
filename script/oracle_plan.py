"""What the plan and the rigs say every attempt must be, against logs, server and offline proof.

    candidate list ─┐
    truth file ─────┼─▶ expected attempt ─?= entries of both logs ─?= server's composed attempt ─?= evidence file
    rubric ─────────┘

The expected score is computed here once more, from docs/formats/rubric.md, with none of the product's code (P4).
"""

from __future__ import annotations

import json
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import oracle
from box import DOMAIN, RUBRIC
from point import POINT, SESSION
from service import command

if TYPE_CHECKING:
    from box import Box
    from oracle import Verdict
    from point import ExamPoint, Person
    from world import World

Record = dict[str, Any]
BINDINGS = {False: "rig", True: "plan"}  # whether the rig told no ticket


@dataclass(frozen=True, slots=True)
class Expected:
    """One attempt as it must come out. `total_e6`: 10^-6 points, of what was done."""

    total_e6: int
    complete: bool
    failed_by_veto: bool
    scores: dict[str, int]
    outcomes: dict[str, str]

    def passed(self, pass_mark: int) -> bool | None:
        """None while the session is open and the attempt has items to come."""
        if self.failed_by_veto:
            return False
        return self.total_e6 >= pass_mark * 10_000 if self.complete else None


class Rules:
    """Weights, pass mark and the effect of a veto, as the rubric file has them."""

    def __init__(self) -> None:
        text = RUBRIC.read_bytes()
        rubric = tomllib.loads(text.decode())
        self.sha256 = sha256(text).hexdigest()
        self.pass_mark: int = rubric["pass_mark"]
        self.share = {i["code"]: s["weight"] // s["draws"] for s in rubric["subject"] for i in s["item"]}
        self.fails = {
            i["code"] for s in rubric["subject"] for i in s["item"] if i["veto_effect"] == "exam_failed"
        }  # fmt: skip

    def expect(self, items: tuple[str, ...], runs: list[Record]) -> Expected:
        """From the ends of items that the rigs latched. An aborted run counts for nothing."""
        ended = {run["item"]: run for run in runs if run["outcome"] != "aborted"}
        scores = {item: run["score"] for item, run in ended.items()}
        total = sum(self.share[item] * score for item, score in scores.items())
        veto = any(run["outcome"] == "veto" and item in self.fails for item, run in ended.items())
        outcomes = {item: run["outcome"] for item, run in ended.items()}
        return Expected(total, set(ended) == set(items), veto, scores, outcomes)


def judge(world: World, point: ExamPoint, verdict: Verdict) -> None:
    """Everything: each box's log, the server's items and attempts, and every attempt offline."""
    truth = oracle.read_truth(world.truth)
    planned, plan = attempts_of(world, point, verdict)
    for box in world.boxes:
        serials = {rig.serial for rig in point.of_gateway(box.id)}
        mine = [record for record in truth if record["serial"] in serials]
        documents = _one_log(world, box, mine, verdict)
        _bound(documents, mine, planned, plan, verdict)
        _adopted(documents, plan, verdict)
    oracle.compare_server(world, truth, verdict)
    expected = expectations(point, truth, verdict)
    rules = Rules()
    rows = {row["attempt"]: row for row in oracle.attempts(world)}
    strangers = set(rows) - set(planned.values())
    verdict.need(not strangers, f"{len(strangers)} attempts that nobody planned: {sorted(strangers)[:3]}")
    for ticket, one in expected.items():
        row = rows.get(planned[ticket])
        verdict.need(row is not None, f"no attempt at the server: candidate {ticket[-4:]}")
        if row is not None:
            _same_attempt(rules, one, row, f"attempt of candidate {ticket[-4:]}", verdict)
    oracle.verify_offline(world, sorted(rows), verdict)
    proven = verdict.counts.get("attempts proven offline")
    verdict.need(proven == len(rows), f"{proven} of {len(rows)} attempts are proven offline")
    _count(point, rules, expected, truth, verdict)


def attempts_of(world: World, point: ExamPoint, verdict: Verdict) -> tuple[dict[str, str], str]:
    """The attempt id of each ticket by the published plan, and the hash of its text; the plan is what was written."""
    shown = command("kaofen-server", "plan", "show", world.server_config, POINT, "--personal")
    tickets: dict[str, Person] = {one.ticket: one for one in point.people}
    found: dict[str, str] = {}
    for line in shown.splitlines():
        words = line.split()
        ticket = next((word for word in words if word in tickets), None)
        if ticket is not None:
            found[ticket], one = words[0], tickets[ticket]
            places = [f"{item}@{place}" for item, place in zip(one.items, one.places, strict=True)]
            verdict.need(words[3:7] == places, f"the plan of candidate {ticket[-4:]} is not the list's")
    verdict.need(len(found) == len(set(found.values())) == len(tickets), f"{len(found)} of {len(tickets)} are planned")
    text = command("kaofen-server", "plan", "show", world.server_config, POINT, "--text").rstrip("\n").encode()
    return found, sha256(text).hexdigest()


def _one_log(world: World, box: Box, truth: list[Record], verdict: Verdict) -> list[Record]:
    """One box: exactly its own rigs' records, and byte for byte at the server. Its entries."""
    logs = oracle.read_log(box.data)
    verdict.need(len(logs) == 1, f"expected one log below {box.data}, found {[name for name, _ in logs]}")
    entries = logs[0][1] if logs else []
    documents = [json.loads(entry) for entry in entries]
    oracle.compare_log(truth, entries, verdict)
    foreign = {one["rig"] for one in documents if "seq" in one} - {record["serial"] for record in truth}
    verdict.need(not foreign, f"records of rigs of another gateway: {foreign}")
    oracle.compare_bytes(world, entries, f"{DOMAIN}/gw/{box.id}/0", verdict)
    return documents


def _bound(documents: list[Record], truth: list[Record], planned: dict[str, str], plan: str, verdict: Verdict) -> None:
    """Every record of an exam has the attempt, the session and the plan of the candidate who sat there."""
    by_key = {(one["rig"], one["epoch"], one["seq"]): one for one in documents if "attempt" in one}
    for record in filter(oracle.in_exam, truth):
        if record["exam_no"] == 0 or record["type"] not in oracle.OF_AN_EXAM:
            continue
        key = (record["serial"], record["boot"], record["seq"])
        mute = not record.get("rig_ticket", record["ticket"])
        wanted = {"attempt": planned[record["ticket"]], "binding": BINDINGS[mute], "session": SESSION, "plan": plan}
        entry = by_key.get(key, {})
        wrong = [f"{name} {entry.get(name)!r}" for name, value in wanted.items() if entry.get(name) != value]
        verdict.need(not wrong, f"bound wrongly: {key} {record['type']}: {', '.join(wrong)}")


def _adopted(documents: list[Record], plan: str, verdict: Verdict) -> None:
    """The plan and the rubric stand in the log whole, before their first use."""
    first = next((at for at, one in enumerate(documents) if one.get("plan") == plan and "attempt" in one), None)
    parts = [(at, one) for at, one in enumerate(documents) if one["type"] == "plan.adopted" and one["sha256"] == plan]
    text = "".join(one["text"] for _, one in parts[: parts[0][1]["of"]]) if parts else ""
    verdict.need(sha256(text.encode()).hexdigest() == plan, "the adopted plan is not the published one")
    verdict.need(first is None or (bool(parts) and parts[0][0] < first), "the plan was used before it was adopted")


def expectations(point: ExamPoint, truth: list[Record], verdict: Verdict) -> dict[str, Expected]:
    """By ticket, of every candidate who came to a rig."""
    rules, runs = Rules(), defaultdict(list)
    came = {record["ticket"] for record in truth if record["exam_no"] and oracle.in_exam(record)}
    for record in truth:
        if record["type"] == oracle.RESULT and oracle.in_exam(record):
            runs[record["ticket"]].append(record)
    for ticket, mine in runs.items():
        twice = [run["item"] for run in mine if run["outcome"] != "aborted"]
        verdict.need(len(twice) == len(set(twice)), f"the bench let candidate {ticket[-4:]} sit an item twice")
    return {one.ticket: rules.expect(one.items, runs[one.ticket]) for one in point.people if one.ticket in came}


def _same_attempt(rules: Rules, one: Expected, row: Record, where: str, verdict: Verdict) -> None:
    wanted = {
        "total_e6": one.total_e6, "complete": one.complete, "failed_by_veto": one.failed_by_veto,
        "session": SESSION, "point": POINT, "rubric": rules.sha256, "staged": False,
    }  # fmt: skip
    if one.complete:
        wanted |= {"state": "finished", "passed": one.passed(rules.pass_mark), "verdict": "equal"}
    for name, value in wanted.items():
        verdict.need(row[name] == value, f"{where}: {name} is {row[name]!r}, must be {value!r}")
    verdict.need(row["verdict"] in ("equal", "none"), f"{where}: recomputed as {row['verdict']}")
    counted = {run["item"]: run for run in row["runs"] if run["counts"] and run["outcome"] != "aborted"}
    for name, made in (("score", one.scores), ("outcome", one.outcomes)):
        shown = {item: run[name] for item, run in counted.items()}
        verdict.need(shown == made, f"{where}: {name} by item {shown}, the rigs made {made}")


def _count(
    point: ExamPoint, rules: Rules, expected: dict[str, Expected], truth: list[Record], verdict: Verdict
) -> None:
    wire = {rig.serial: rig.kind for rig in point.rigs}
    runs = [record for record in truth if record["type"] == oracle.RESULT and oracle.in_exam(record)]
    verdict.counts["attempts of the plan"] = len(expected)
    verdict.counts["complete"] = sum(one.complete for one in expected.values())
    verdict.counts["passed"] = sum(one.passed(rules.pass_mark) is True for one in expected.values())
    for name in dict.fromkeys(("modbus", "mqtt", *wire.values())):
        verdict.counts[f"item runs over {name}"] = sum(wire[run["serial"]] == name for run in runs)
    for name in ("veto", "timeout", "aborted"):
        verdict.counts[name] = sum(run["outcome"] == name for run in runs)


def alarms(world: World, allowed: set[str], verdict: Verdict) -> None:
    """Nothing was altered, so nothing may be alarmed but what the disturbances explain."""
    found = [one for one in world.api("/api/v1/alerts?limit=500")["alerts"] if one["kind"] not in allowed]
    kinds = sorted({one["kind"] for one in found if one["severity"] == "alarm"})
    verdict.need(not kinds, f"alarms that nothing explains: {kinds}")
