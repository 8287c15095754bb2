"""Who may import whom (docs/adr/0008), and what a role must install."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tree import PACKAGES, ROOT, package_sources

LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))

# Which extra a package may take third-party modules from, beside the base dependencies.
EXTRA_OF = {
    "scorelog": None,
    "certs": None,
    "device_adapters": "gateway",
    "gateway": "gateway",
    "server": "server",
    "simulators": "simulators",
}


def test_the_import_contracts_hold() -> None:
    """Every contract of pyproject.toml, over the tree as it is."""
    done = subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("server/planted.py", "import gateway"),
        ("gateway/planted.py", "import server"),
        ("simulators/planted.py", "import device_adapters"),
        ("scorelog/format/planted.py", "import asyncio"),
        ("scorelog/planted.py", "import certs"),
        ("device_adapters/planted.py", "import scorelog"),
        ("device_adapters/decoding/planted.py", "import device_adapters.latching"),
        ("gateway/recording/planted.py", "import gateway.supervising"),
        ("simulators/device/planted.py", "import simulators.exam"),
        ("server/planted.py", "import device_adapters.modbus"),
        ("certs/planted.py", "import scorelog"),
    ],
)
def test_a_planted_import_is_caught(tmp_path: Path, module: str, line: str) -> None:
    """The contracts bite: one forbidden import in an otherwise empty house fails the linter."""
    _empty_house(tmp_path)
    (tmp_path / module).write_text(f"{line}\n")
    planted = _linted(tmp_path)
    assert planted.returncode == 1, planted.stdout + planted.stderr


def test_an_empty_house_keeps_the_contracts(tmp_path: Path) -> None:
    """What fails with a planted import fails for it alone."""
    _empty_house(tmp_path)
    clean = _linted(tmp_path)
    assert clean.returncode == 0, clean.stdout + clean.stderr


def _empty_house(folder: Path) -> None:
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    logs = ("scorelog/format", "scorelog/journal", "scorelog/verify")
    built = ("device_adapters", "gateway", "simulators")
    rooms = sorted(f"{name}/{file.parent.name}" for name in built for file in (ROOT / name).glob("*/__init__.py"))
    for name in (*PACKAGES, *logs, *rooms):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
    for name in built:
        for file in (ROOT / name).glob("[a-z]*.py"):
            (folder / name / file.name).touch()


def _linted(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def _third_party(path: Path) -> set[str]:
    """Top-level names of foreign modules; one whose ImportError is caught is optional and does not count."""
    tree = ast.parse((ROOT / path).read_text())
    guarded = {id(node) for attempt in ast.walk(tree) if _catches_import_error(attempt) for node in attempt.body}
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - set(PACKAGES)


def _catches_import_error(node: ast.AST) -> bool:
    """`try: import x except ImportError:` or `with contextlib.suppress(ImportError): import x`."""
    if isinstance(node, ast.With):
        return any(ast.unparse(item.context_expr).endswith("suppress(ImportError)") for item in node.items)
    return isinstance(node, ast.Try) and any(
        isinstance(handler.type, ast.Name) and handler.type.id == "ImportError" for handler in node.handlers
    )


def _allowed(extra: str | None) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_its_extra_installs(package: str) -> None:
    """A gateway box without the server's libraries runs: nothing leans on a package that only another role brings."""
    owners = packages_distributions()
    allowed = _allowed(EXTRA_OF[package])
    foreign = {
        f"{path}: {name}"
        for path in package_sources()
        if path.parts[0] == package
        for name in _third_party(path)
        if not {canonicalize_name(owner) for owner in owners.get(name, ["?"])} & allowed
    }
    assert foreign == set()
