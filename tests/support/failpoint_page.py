"""The page docs/failpoints.md as the code says it: this file run with `--write` writes it again."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "failpoints.md"

_HEAD = """# Failpoints

Named places where a test makes the machine fail. When nothing is armed, which is always so in production, each
costs one check of a global.

## Example

```
KAOFEN_FAILPOINTS="journal.commit=kill@3;state.rename=error"
```

The process is killed just before the third commit of the log, and the first rename of the second state file
fails as if the disk had refused it.

## Rules

1. `KAOFEN_FAILPOINTS` is a list of `name=action` or `name=action@n`, separated by `;`. A program refuses to
   start with a name or an action it does not know.
2. Actions: `kill` (SIGKILL before the step), `kill-after` (the step is done, then SIGKILL), `error` (OSError
   EIO before the step: not persisted), `error-after` (the step is done, then OSError EIO: persisted, though
   the caller is told that it failed).
3. `@n` acts at the n-th time only; without it, the first; `@0` acts every time.
4. The names below are all there are: a test compares this page with the code.
"""


def registered() -> dict[str, str]:
    """Every failpoint of the house: all modules are imported, since each registers its own."""
    for root in ("scorelog", "gateway", "server"):
        package = importlib.import_module(root)
        for found in pkgutil.walk_packages(package.__path__, f"{root}."):
            importlib.import_module(found.name)
    return dict(importlib.import_module("scorelog.journal.failpoints").REGISTERED)


def page(names: dict[str, str]) -> str:
    """The whole page, one table per package of names."""
    parts = [_HEAD]
    for group in sorted({name.split(".")[0] for name in names}):
        rows = [f"| `{name}` | {why} |" for name, why in sorted(names.items()) if name.split(".")[0] == group]
        parts.append("\n".join([f"## {group}", "", "| name | the step |", "| --- | --- |", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(registered()))
    else:
        sys.stdout.write(page(registered()))
