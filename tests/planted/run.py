"""Plant bugs in a copy of the product and see whether the suite notices.

    python tests/planted/run.py [--bug NAME ...] [--write] [--bare]

Prints one line a bug. Exit 1 when one is not noticed, or when its test fails without it. `--bare` leaves that second
run out; `--write` writes docs/planted-bugs.md after all were noticed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from planted_bugs import BUGS, PAGE, page
from planted_copy import PASSED, PlantedCopy


def say(line: str) -> None:
    """One line of output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Plant what was asked for."""
    names = [bug.name for bug in BUGS]
    parser = argparse.ArgumentParser(description="Plant bugs and see whether the tests notice.")
    parser.add_argument("--bug", choices=names, action="append", metavar="NAME", help="only this one (repeatable)")
    parser.add_argument("--bare", action="store_true", help="do not run the tests without the bugs as well")
    parser.add_argument("--write", action="store_true", help="write docs/planted-bugs.md when all were noticed")
    options = parser.parse_args()
    chosen = [bug for bug in BUGS if options.bug is None or bug.name in options.bug]
    with tempfile.TemporaryDirectory(prefix="kaofen-planted.") as folder:
        copy = PlantedCopy(Path(folder) / "tree")
        failing = set() if options.bare else {t for t in sorted({b.test for b in chosen}) if copy.run(t)[0] != PASSED}
        unnoticed = len(failing)
        for test in sorted(failing):
            say(f"broken     {test} fails without any bug")
        for bug in chosen:
            began = time.monotonic()
            caught, said = copy.caught(bug)
            unnoticed += not caught
            word = "caught" if caught else "NOT CAUGHT"
            say(f"{word:10} {bug.name:36} {bug.test} ({time.monotonic() - began:.1f} s)")
            if not caught:
                say(said)
    if options.write and not unnoticed and len(chosen) == len(BUGS):
        PAGE.write_text(page(), "utf-8")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
