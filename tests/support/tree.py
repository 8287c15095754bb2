"""The checkout as the house's own tests see it: every file that belongs to it, none that a tool or a run left there."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("scorelog", "device_adapters", "gateway", "server", "simulators", "certs")

_LEFTOVERS = {".git", ".venv", ".hypothesis", ".venv.lock", "__pycache__", "dist", "build", "var"}


@cache
def tree_files() -> tuple[Path, ...]:
    """Paths relative to the root: what git tracks or would add; without git, what is not a known leftover."""
    if (ROOT / ".git").exists() and shutil.which("git") is not None:
        listed = subprocess.run(
            ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        paths = [Path(name) for name in listed.stdout.split("\0") if name]
    else:
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*") if not _is_leftover(path.relative_to(ROOT))]
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


def package_sources() -> list[Path]:
    """Every Python file of the shipped packages."""
    return [path for path in tree_files() if path.parts[0] in PACKAGES and path.suffix == ".py"]


def suite_sources() -> list[Path]:
    """Every Python file under tests/."""
    return [path for path in tree_files() if path.parts[0] == "tests" and path.suffix == ".py"]


def _is_leftover(path: Path) -> bool:
    return any(part in _LEFTOVERS or (part.startswith(".") and part.endswith("_cache")) for part in path.parts)
