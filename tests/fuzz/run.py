"""Fuzz the parsers.

    python tests/fuzz/run.py --runs 200000 [--parser NAME] [--seed N] [--grow] [--guided]

Mutates the inputs kept in tests/fuzz/corpus/<parser>/ and checks the law of tests/support/fuzz_targets.py. `--grow`
adds to the corpus the smallest input of every kind of refusal that is not in it yet. `--guided` follows the lines that
run, five to twenty times slower: inputs that reach a new one are mutated further, and kept by `--grow`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "script"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from fuzz_lines import Lines
from fuzz_loop import fuzz, grow
from fuzz_targets import all_targets


def say(line: str) -> None:
    """One line of output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the targets that were asked for; 1 if one breaks its law."""
    targets = all_targets()
    parser = argparse.ArgumentParser(description="Fuzz the parsers of Kaofen.")
    parser.add_argument("--runs", type=int, default=20_000, help="runs per parser")
    parser.add_argument("--parser", choices=sorted(targets), action="append", help="only this one (repeatable)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another walk")
    parser.add_argument("--grow", action="store_true", help="keep what is new in the corpus")
    parser.add_argument("--guided", action="store_true", help="follow the lines that run")
    options = parser.parse_args()
    failed = 0
    for name in options.parser or targets:
        try:
            guide = Lines() if options.guided else None
            outcome = fuzz(targets[name], options.runs, options.seed, guide)
        except AssertionError as broken:
            say(f"{name}: BROKEN: {broken}")
            failed += 1
            continue
        added = f", {grow(targets[name], outcome)} added" if options.grow else ""
        reached = f", {len(guide.seen)} lines" if guide else ""
        say(outcome.line + reached + added)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
