"""What no file of the tree may say."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tree import ROOT, tree_files

# Each in two pieces, so that this file does not name what it forbids.
HOSTS = [
    "pypi" + ".org",
    "python" + "hosted",
    "registry" + ".npmjs",
    "proxy" + ".golang",
    "deb" + ".debian.org",
    "security" + ".debian.org",
    "archive" + ".ubuntu.com",
    "unpkg" + ".com",
    "jsdelivr" + ".net",
]
MACHINE_PATHS = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/opt/" + "pypi", "/t" + "mp/kaofen"]

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$", re.MULTILINE)


@pytest.mark.parametrize("word", HOSTS + MACHINE_PATHS)
def test_no_file_names_a_registry_or_a_machine(word: str) -> None:
    """A clone works behind any mirror and in any folder: no file leans on where it was written."""
    assert [str(path) for path in tree_files() if word.encode() in (ROOT / path).read_bytes()] == []


def _pins(level: str) -> dict[str, tuple[str, str | None]]:
    text = (ROOT / "requirements" / f"{level}.txt").read_text()
    return {canonicalize_name(match["name"]): (match["version"], match["marker"]) for match in PIN.finditer(text)}


@pytest.mark.parametrize("level", ["runtime", "dev"])
def test_every_line_of_a_lock_is_a_pin_with_hashes_and_no_address(level: str) -> None:
    """The lock says what, never from where."""
    text = (ROOT / "requirements" / f"{level}.txt").read_text()
    assert "://" not in text
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(blocks) == len(PIN.findall(text)) > 20  # a name may stand twice, for two versions of Python
    for block in blocks:
        assert PIN.match(block), block.splitlines()[0]
        assert "--hash=sha256:" in block


def test_the_dev_lock_holds_the_runtime_lock() -> None:
    """What is tested is what is installed on a gateway box: same names, same versions, same hashes."""
    runtime, dev = _pins("runtime"), _pins("dev")
    assert {name: dev.get(name, ("",))[0] for name in runtime} == {name: pin[0] for name, pin in runtime.items()}


def test_the_locks_follow_from_pyproject() -> None:
    """Every dependency that pyproject.toml asks for is pinned, at a version it allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    runtime = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    runtime += [line for name, lines in extras.items() if name != "all" for line in lines]
    for level, lines in (("runtime", runtime), ("dev", runtime + project["dependency-groups"]["dev"])):
        pins = _pins(level)
        for line in lines:
            wanted = Requirement(line)
            version = pins[canonicalize_name(wanted.name)][0]
            assert wanted.specifier.contains(version), f"{level}: {line} but {version} is locked; run script/lock"


def test_the_extras_cover_everything_that_is_shipped() -> None:
    """`all` is every other extra: what demo and tests install is what the roles install together."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert Requirement(everything).extras == set(extras) - {"all"}
