"""Every console command says which version it is, the same way."""

from __future__ import annotations

import importlib
import subprocess
import sys
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


@pytest.mark.parametrize(
    ("program", "package", "extra", "code"),
    [
        ("kaofen-gateway", "aiohttp", "gateway", 1),
        ("kaofen-server", "sqlalchemy", "server", 1),
        ("kaofen-simulate", "amqtt", "simulators", 2),
    ],
)
def test_a_command_of_a_part_that_was_not_installed_says_how_to_install_it(
    program: str, package: str, extra: str, code: int
) -> None:
    """All commands are in one wheel: on a gateway box `kaofen-server` is there, and its packages are not."""
    module = PROJECT["scripts"][program].partition(":")[0]
    blocked = f"import sys; sys.modules[{package!r}] = None; import {module}; {module}.app(['broker', '--port', '0'])"
    said = subprocess.run([sys.executable, "-c", blocked], check=False, capture_output=True, text=True, timeout=60)
    assert said.returncode == code
    told = f" is not installed; it comes with `pip install '.[{extra}]'`\n"
    assert said.stderr.startswith(f"{program}: {package}")
    assert said.stderr.endswith(told)
    assert said.stderr.count("\n") == 1
