"""`kaofen-gateway run CONFIG` goes past the parser of the command line, and means the same."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gateway import cli

if TYPE_CHECKING:
    from pathlib import Path

LOADED = """
import sys
from gateway import cli
try:
    cli.main(["run", sys.argv[1]])
except SystemExit as stop:
    print(stop.code, "pydantic" in sys.modules)
"""


def test_a_wrong_settings_file_is_told_and_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The short way has the words and the exit code of every other command."""
    for words in (["run", str(tmp_path / "none.toml")], ["fsck", str(tmp_path / "none.toml")]):
        with pytest.raises(SystemExit) as stop:
            cli.main(words)
        assert stop.value.code == cli.USAGE
        assert "none.toml: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["run"], ["run", "--help"], ["run", "a", "b"]])
def test_anything_else_is_the_parsers(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help and mistakes are answered as before."""
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    assert stop.value.code in (0, 2)
    told = capsys.readouterr()
    assert "CONFIG" in told.out + told.err or "unexpected" in told.err


def test_the_process_that_stays_does_not_load_the_validation_library(tmp_path: Path) -> None:
    """The memory of a box: 12 MB for one word of a command line are not kept for months."""
    words = [sys.executable, "-c", LOADED, str(tmp_path / "none.toml")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["2", "False"]
