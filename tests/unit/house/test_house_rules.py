"""The suite's own rules: a missing part is named, and in CI it is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from parts import PARTS, find_chromium, missing_reason
from tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """
import pytest

@pytest.mark.long
def test_long(): pass

@pytest.mark.root
def test_root(): pass

@pytest.mark.needs("nbdkit")
def test_needs(): pass

def test_plain(): pass
"""

SCRIPTS = ["demo", "test", "bench", "lock", "lib.sh"]


def _run(tmp_path: Path, *arguments: str, **environment: str) -> str:
    """Run a four-test suite under our conftest on a machine whose PATH holds nothing."""
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    (tmp_path / "tests" / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = -ra -p no:randomly -p no:cacheprovider\nmarkers =\n  long\n  root\n  needs\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests", *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "tests" / "support"), "PATH": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_a_missing_part_is_a_named_skip(tmp_path: Path) -> None:
    """At a desk: the reason names the part and the command that brings it."""
    said = _run(tmp_path)
    assert "1 passed, 3 skipped" in said
    assert "missing part: nbdkit (apt-get install -y nbdkit)" in said
    assert "root: run as root with KAOFEN_ROOT_TESTS=1" in said
    assert "long: run script/test --long" in said


def test_a_missing_part_fails_in_ci(tmp_path: Path) -> None:
    """In CI: nothing drops out of the gate unseen; what was not chosen stays a skip."""
    said = _run(tmp_path, CI="true")
    assert "1 passed, 2 skipped, 1 error" in said
    assert "missing part: nbdkit" in said


def test_long_runs_what_is_marked_long(tmp_path: Path) -> None:
    """--long adds the long tests."""
    assert "2 passed, 2 skipped" in _run(tmp_path, "--long")


def test_root_tests_chosen_without_their_parts_fail_in_ci(tmp_path: Path) -> None:
    """KAOFEN_ROOT_TESTS=1 is a promise: rights or tools that are missing break it."""
    said = _run(tmp_path, CI="true", KAOFEN_ROOT_TESTS="1")
    assert "1 passed, 1 skipped, 2 errors" in said
    assert ("missing part: nbdkit" if os.geteuid() == 0 else "missing part: root rights") in said


def test_a_snap_stub_is_no_chromium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ubuntu's package is a script that asks for a snap; it is not taken for a browser."""
    stub = tmp_path / "chromium"
    stub.write_text("#!/bin/sh\necho 'requires the chromium snap' >&2\nexec /snap/bin/chromium \"$@\"\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium() is None
    stub.write_text("#!/bin/sh\nexec /usr/lib/chromium/chromium\n")
    assert find_chromium() == str(stub)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_can_be_named(name: str) -> None:
    """A part is there, or its reason names its package."""
    reason = missing_reason(name)
    assert reason is None or PARTS[name].package in reason


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_well_formed(name: str) -> None:
    """Each script parses, and each but the library can be started."""
    path = ROOT / "script" / name
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert name == "lib.sh" or os.access(path, os.X_OK)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
