"""Writes the vectors that an independent program makes: Go's Ed25519 and SHA-256, x/mod's notes and tree.

    python tests/vectors/make.py CHECKER

CHECKER is tests/interop/checker.go, built. Each format gets tests/vectors/<format>/go.json. The rules.json files beside
them are written by hand.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """One file a format."""
    made = json.loads(subprocess.run([sys.argv[1], "make"], check=True, capture_output=True).stdout)
    for name, vectors in made.items():
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        text = json.dumps(vectors, ensure_ascii=False, indent=1, sort_keys=True)
        (folder / "go.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
