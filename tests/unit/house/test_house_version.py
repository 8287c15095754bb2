"""Every console command says which version it is, the same way."""

from __future__ import annotations

import importlib
import tomllib

import pytest
from tree import ROOT
from typer.testing import CliRunner

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("program", sorted(PROJECT["scripts"]))
def test_a_command_says_its_name_and_version(program: str) -> None:
    """`--version` is one line, `<name> <version>`, and exit 0; nothing has to be configured for it."""
    app = importlib.import_module(PROJECT["scripts"][program].partition(":")[0]).app
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.output) == (0, f"{program} {PROJECT['version']}\n")
