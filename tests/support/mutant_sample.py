"""A random sample of the mutants that mutmut made, by a seed: their names, one a line.

    python mutant_sample.py MUTANTS COUNT SEED

MUTANTS is the folder in which mutmut keeps its results (`mutants/scorelog/format`).
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path


def sample(folder: Path, count: int, seed: str) -> list[str]:
    """The same names for the same tree, count and seed."""
    names = [
        name
        for path in sorted(folder.rglob("*.meta"))
        for name in sorted(json.loads(path.read_text("utf-8"))["exit_code_by_key"])
    ]
    random.Random(seed).shuffle(names)
    return names[:count]


if __name__ == "__main__":
    sys.stdout.write("\n".join(sample(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])) + "\n")
