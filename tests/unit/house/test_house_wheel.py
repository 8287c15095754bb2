"""What is shipped: our six packages with their data, nothing else, and never a key."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from tree import PACKAGES, ROOT, tree_files

# In two pieces, so that this file does not hold what it looks for.
KEY_MARK = b"-----BEGIN " + b"PRIVATE KEY-----"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of the tree, with keys planted where a careless hand leaves them."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    for path in tree_files():
        if path.parts[0] in PACKAGES or path.name in {"pyproject.toml", "README.md", "LICENSE", ".gitignore"}:
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, source / path)
    for name in ("certs/root.key", "certs/issuing.pem", "gateway/log.key", "server/mirror.sqlite"):
        (source / name).write_bytes(KEY_MARK + b"\n")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_installs_exactly_our_top_level_names(wheel: zipfile.ZipFile) -> None:
    """Two names are as common as `gateway` and `server`: at least nothing beside the six is taken."""
    tops = {PurePosixPath(name).parts[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    """Profiles, rubrics, templates, static files, translations, py.typed: what is in the tree is in the wheel."""
    expected = {path.as_posix() for path in tree_files() if path.parts[0] in PACKAGES}
    shipped = {name for name in wheel.namelist() if PurePosixPath(name).parts[0] in PACKAGES}
    assert shipped == expected
    for package in PACKAGES:
        assert f"{package}/py.typed" in shipped


def test_no_key_is_shipped(wheel: zipfile.ZipFile) -> None:
    """Key files lying in a package folder stay out of the wheel (the planted ones prove that it is looked for)."""
    assert [name for name in wheel.namelist() if KEY_MARK in wheel.read(name)] == []


def test_the_console_commands_are_the_five(wheel: zipfile.ZipFile) -> None:
    """The names that documentation and units use, each with its entry point."""
    entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    lines = wheel.read(entry_points).decode().splitlines()
    commands = {line.split(" = ")[0] for line in lines if " = " in line}
    assert commands == {"kaofen-certs", "kaofen-gateway", "kaofen-server", "kaofen-simulate", "kaofen-verify"}


def test_no_key_is_in_the_tree() -> None:
    """Keys are made where they are used; none was ever committed by mistake."""
    marks = (KEY_MARK, b"-----BEGIN " + b"EC PRIVATE KEY", b"-----BEGIN " + b"OPENSSH PRIVATE")
    holders = [path for path in tree_files() if any(mark in (ROOT / path).read_bytes() for mark in marks)]
    assert holders == []
    assert [path for path in tree_files() if Path(path).suffix in {".key", ".pem", ".p12", ".pfx"}] == []
