"""A copy of the checkout in a folder of its own, in which bugs are planted, one at a time, and tests are run.

    PlantedCopy(folder) ──runs(bug)──> plant ─> pytest in a process, on the copy ─> put right again ─> exit code

The tree itself is never written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tree import PACKAGES, ROOT, tree_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from planted_patch import Bug

_COPIED = {*PACKAGES, "tests", "script", "deploy", "docs", "pyproject.toml", "README.md"}
PASSED, FAILED = 0, 1
TEST_S_MAX = 180.0


class PlantedCopy:
    """The copy. `runs` and `passes` say what a test says of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._written = 0
        for path in tree_files():
            if path.parts[0] in _COPIED:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, root / path)

    def caught(self, bug: Bug) -> tuple[bool, str]:
        """Whether its test fails with the bug planted, and the last words of that run."""
        with self._planted(bug):
            code, said = self.run(bug.test)
        return code == FAILED, said

    def run(self, test: str) -> tuple[int, str]:
        """Run one test on the copy as it is; pytest's exit code and its last lines."""
        file, _, name = test.partition("::")
        found = next(self.root.joinpath("tests").rglob(file))
        words = (
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "--no-header",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
        )
        limits = ("--timeout", str(int(TEST_S_MAX)), "--long", f"--basetemp={self.root.parent / 'scratch'}")
        environment = {**os.environ, "PYTHONPATH": str(self.root), "CI": "false"}
        environment.pop("PYTEST_XDIST_WORKER", None)
        done = subprocess.run(
            (*words, *limits, f"{found}::{name}" if name else str(found)),
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TEST_S_MAX + 60,
            check=False,
        )
        return done.returncode, "\n".join((done.stdout + done.stderr).splitlines()[-12:])

    @contextmanager
    def _planted(self, bug: Bug) -> Iterator[None]:
        before = {patch.file: (self.root / patch.file).read_text("utf-8") for patch in bug.patches}
        try:
            for patch in bug.patches:
                if patch.places(self.root) != 1:
                    raise LookupError(
                        f"{bug.name}: the old text stands {patch.places(self.root)} times in {patch.file}"
                    )
                text = patch.applied(self.root)
                compile(text, patch.file, "exec")
                self._write(patch.file, text)
            yield
        finally:
            for file, text in before.items():
                self._write(file, text)

    def _write(self, file: str, text: str) -> None:
        """With a time of its own: compiled files are told apart by time and length."""
        path = self.root / file
        path.write_text(text, "utf-8")
        self._written += 1
        os.utime(path, (self._written, self._written))
