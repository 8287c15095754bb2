"""kaofen-verify at its edges: entries logged again that hold nothing, its version, its console command."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import format_samples as samples
import pytest
from typer.testing import CliRunner

from scorelog.format import types
from scorelog.format.entry import build_entry, parse_entry
from scorelog.format.evidence import build_evidence, parse_evidence
from scorelog.format.policy import parse_policy
from scorelog.verify import cli
from scorelog.verify.attempt import verify_attempt, verify_item
from scorelog.verify.report import describe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "held",
    [
        {"entry": "*"},
        {"entry": base64.b64encode(b"no entry").decode()},
        {"entry": None},
        {"part": {"number": 1, "of": 1, "bytes": base64.b64encode(b"no entry").decode()}},
        {"part": {"number": 2, "of": 2, "bytes": "eA=="}},
        {"doubt": 7, "entry": "e30="},
    ],
)
def test_what_was_logged_again_and_cannot_be_read_proves_no_attempt(held: dict[str, Any]) -> None:
    """P3: the entry is in its log, and says nothing of an attempt: a finding, never a traceback."""
    previous = {"origin": samples.ORIGIN, "index": 0, "leaf": "00" * 32}
    log = samples.sample_log([build_entry(samples.document(1, types.RELOGGED, previous=previous, **held))])
    policy = parse_policy(samples.policy_text())
    bundle = build_evidence(samples.ATTEMPT, [log.item(0)], policy.encode())
    report = verify_attempt(parse_evidence(bundle), policy)
    assert not report.ok
    assert all(one.line for one in report.findings)


def test_the_command_says_its_version() -> None:
    """One line: name and version."""
    result = CliRunner().invoke(cli.app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("kaofen-verify ")


def test_the_console_command_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The entry point of the package."""
    monkeypatch.setattr(sys, "argv", ["kaofen-verify", "--version"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("kaofen-verify ")


def test_a_report_says_its_version_and_each_finding_where(tmp_path: Path) -> None:
    """What other programs read: `v`, booleans that are booleans, and origin and index of each finding."""
    log = samples.sample_log()
    policy, bundle = tmp_path / "policy", tmp_path / "bundle.zip"
    policy.write_bytes(samples.policy_text())
    bundle.write_bytes(samples.sample_evidence(log))
    result = CliRunner().invoke(cli.app, ["attempt", str(bundle), "--json", "--policy", str(policy)])
    said = json.loads(result.stdout)
    assert (said["v"], said["proven"]) == (1, True)
    assert all(type(one["ok"]) is bool for one in said["findings"])
    bundle.write_bytes(b"no zip")
    result = CliRunner().invoke(cli.app, ["attempt", str(bundle), "--json", "--policy", str(policy)])
    said = json.loads(result.stdout)
    assert (result.exit_code, said["v"], said["proven"]) == (1, 1, False)
    assert [one["ok"] for one in said["findings"]] == [False]


def test_a_file_name_cannot_reach_the_terminal(tmp_path: Path) -> None:
    """O5: whatever a name holds, it is printed as one line without control characters."""
    (tmp_path / "policy").write_bytes(samples.policy_text())
    bundle = tmp_path / "a\x1b[31m\nproven.zip"
    bundle.write_bytes(b"no zip")
    result = CliRunner().invoke(cli.app, ["attempt", str(bundle), "--policy", str(tmp_path / "policy")])
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize("entry", [b"no entry", None])
def test_an_entry_that_is_not_proven_is_named_by_its_place(entry: bytes | None) -> None:
    """P3: its origin and index stand in the finding, whether it cannot be read or is not the one of its proof."""
    log = samples.sample_log()
    item = replace(log.item(3), entry=log.entries[4] if entry is None else entry)
    finding, _ = verify_item(item, parse_policy(samples.policy_text()))
    assert (finding.ok, finding.check, finding.origin, finding.index) == (False, "entry", samples.ORIGIN, 3)


def test_a_score_of_nothing_is_a_score() -> None:
    """0.00 is told like any other; what is below is no score."""
    for score, said in ((0, "item.finished K21 0.00"), (-1, "item.finished K21")):
        entry = build_entry(samples.rig_document(5, types.ITEM_FINISHED, {"item": "K21", "score": score}))
        assert describe(parse_entry(entry)) == said


def test_no_control_character_reaches_the_terminal(tmp_path: Path) -> None:
    """A file may be named by anybody: what moves a cursor is spelled out whole."""
    (tmp_path / "policy.txt").write_bytes(samples.policy_text())
    bundle = tmp_path / "a\x1b[2J.zip"
    bundle.write_bytes(b"no zip")
    words = ["attempt", str(bundle), "--policy", str(tmp_path / "policy.txt")]
    said = CliRunner().invoke(cli.app, words).stdout
    assert "a\\x1b[2J.zip" in said
    assert "\x1b" not in said


def test_a_report_for_programs_has_one_spelling(tmp_path: Path) -> None:
    """Names are in order at every level, so that two reports of one bundle are the same bytes."""
    (tmp_path / "policy.txt").write_bytes(samples.policy_text())
    (tmp_path / "bundle.zip").write_bytes(samples.sample_evidence(samples.sample_log()))
    words = ["attempt", str(tmp_path / "bundle.zip"), "--json", "--policy", str(tmp_path / "policy.txt")]
    said = CliRunner().invoke(cli.app, words).stdout
    assert said == json.dumps(json.loads(said), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
