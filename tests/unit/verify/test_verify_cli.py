"""kaofen-verify: one line a result, exact exit codes, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import format_samples as samples
import pytest
from typer.testing import CliRunner

from scorelog.format.limits import EVIDENCE_BYTES_MAX
from scorelog.verify.cli import app

if TYPE_CHECKING:
    from pathlib import Path

RUNNER = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy, a bundle, and two receipts with their entries."""
    log = samples.sample_log()
    (tmp_path / "policy.txt").write_bytes(samples.policy_text())
    (tmp_path / "bundle.zip").write_bytes(samples.sample_evidence(log))
    for index in (4, 5):
        (tmp_path / f"{index}.json").write_bytes(log.entries[index])
        (tmp_path / f"{index}.tlog-proof").write_bytes(log.proof(index).encode())
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, list[str], str]:
    """Exit code, lines of output, error output."""
    known = [str(folder / one) if (folder / one).exists() or "." in one else one for one in arguments]
    result = RUNNER.invoke(app, [*known, "--policy", str(folder / "policy.txt")])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout.splitlines(), result.stderr


def test_receipts_are_proven_one_line_each(folder: Path) -> None:
    """Exit 0; the entry is found beside its proof."""
    code, lines, _ = run(folder, "proof", "4.tlog-proof", "5.tlog-proof")
    assert code == 0
    assert [line.split(" of ")[0] for line in lines] == ["proven: entry 4", "proven: entry 5"]


def test_one_bad_receipt_among_good_ones_gives_exit_1(folder: Path) -> None:
    """Exit 1; the bad one is named with its file, the good one is still reported."""
    (folder / "4.json").write_bytes((folder / "5.json").read_bytes())
    code, lines, _ = run(folder, "proof", "4.tlog-proof", "5.tlog-proof")
    assert code == 1
    assert lines[0].startswith("not proven: ")
    assert "4.tlog-proof: entry 4 of" in lines[0]
    assert lines[1].startswith("proven: entry 5")


def test_an_entry_can_be_named(folder: Path) -> None:
    """--entry for one FILE; with several it is a usage error."""
    (folder / "5.json").rename(folder / "score.json")
    assert run(folder, "proof", "5.tlog-proof", "--entry", "score.json")[0] == 0
    code, _, error = run(folder, "proof", "5.tlog-proof", "4.tlog-proof", "--entry", "score.json")
    assert (code, error) == (2, "kaofen-verify: --entry goes with exactly one FILE\n")


def test_a_bundle_is_proven(folder: Path) -> None:
    """Every finding a line, the last one about the whole; exit 0."""
    code, lines, _ = run(folder, "attempt", "bundle.zip")
    assert code == 0
    assert len(lines) == 10
    assert all(line.startswith("proven: ") for line in lines)


def test_a_bundle_is_reported_as_json(folder: Path) -> None:
    """--json: one object with every finding."""
    code, lines, _ = run(folder, "attempt", "bundle.zip", "--json")
    report = json.loads("\n".join(lines))
    assert (code, report["proven"], len(report["findings"])) == (0, True, 9)
    (folder / "bundle.zip").write_bytes(b"PK")
    code, lines, _ = run(folder, "attempt", "bundle.zip", "--json")
    assert (code, json.loads(lines[0])["proven"]) == (1, False)


def test_a_damaged_bundle_is_not_proven(folder: Path) -> None:
    """Exit 1 and the file inside that is damaged."""
    data = (folder / "bundle.zip").read_bytes()
    (folder / "bundle.zip").write_bytes(data.replace(b'"score":8750', b'"score":9750'))
    code, lines, _ = run(folder, "attempt", "bundle.zip")
    assert code == 1
    assert lines[0].endswith("file 'entries/0004.json' is not what SHA256SUMS states")


def test_no_control_character_reaches_the_terminal(folder: Path) -> None:
    """What a hostile file contains is printed escaped."""
    proof = (folder / "5.tlog-proof").read_bytes().replace(b"index 5", b"index \x1b[31m5")
    (folder / "5.tlog-proof").write_bytes(proof)
    code, lines, _ = run(folder, "proof", "5.tlog-proof")
    assert code == 1
    assert "\x1b" not in lines[0]


def test_what_cannot_be_carried_out_is_exit_2(folder: Path) -> None:
    """Missing files, folders, files too large and broken policies: one line on the error output."""
    code, _, error = run(folder, "proof", "6.tlog-proof")
    assert code == 2
    assert error.endswith("No such file or directory\n")
    (folder / "big.tlog-proof").touch()
    with (folder / "big.tlog-proof").open("r+b") as file:
        file.truncate(EVIDENCE_BYTES_MAX + 1)
    (folder / "big.json").touch()
    assert "larger than" in run(folder, "proof", "big.tlog-proof")[2]
    (folder / "policy.txt").write_text("quorum nobody\n")
    code, _, error = run(folder, "attempt", "bundle.zip")
    assert code == 2
    assert "policy line 1: name 'nobody' is not defined above" in error
    assert RUNNER.invoke(app, ["attempt"]).exit_code == 2
    assert RUNNER.invoke(app, ["proof", str(folder / "5.tlog-proof")]).exit_code == 2


def test_help_is_there() -> None:
    """Both commands, in words."""
    text = RUNNER.invoke(app, ["--help"]).stdout
    assert "proof" in text
    assert "attempt" in text
    assert RUNNER.invoke(app, ["proof", "--help"]).exit_code == 0


def test_help_starts_without_the_log() -> None:
    """The command line loads neither cryptography nor the format before it needs them."""
    code = (
        "import sys, scorelog.verify.cli; loaded = sys.modules; "
        "sys.exit('cryptography' in loaded or 'scorelog.format' in loaded)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
