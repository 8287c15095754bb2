"""All planted bugs, in the order of docs/planted-bugs.md, and that page's text."""

from __future__ import annotations

import planted_centre
import planted_edge
from tree import ROOT

BUGS = (*planted_edge.BUGS, *planted_centre.BUGS)
PAGE = ROOT / "docs" / "planted-bugs.md"

_HEAD = """# Planted bugs

A test suite is believed when it notices bugs. Here is one, planted and noticed:

```sh
python tests/planted/run.py --bug {name}
```

1. A planted bug is a small replacement of text in a copy of the packages, and the one test that has to fail with it.
   Bugs and patches: `tests/support/planted_edge.py` and `tests/support/planted_centre.py`.
2. The same test passes on the copy without the bug; otherwise its failing would say nothing.
3. `script/test` checks that every patch still fits in exactly one place, and plants the quick ones;
   `script/test --long` plants all. `python tests/planted/run.py` prints the table; `--write` writes this page.
4. A bug that nothing notices is a missing test.

{count} bugs, all noticed when this page was written.

| Bug | What the product does wrong | Breaks | Where | Noticed by |
|---|---|---|---|---|
"""


def page() -> str:
    """docs/planted-bugs.md."""
    lines = [
        f"| `{bug.name}` | {bug.sentence} | {bug.breaks} | `{bug.patches[0].file}` | `{bug.test}` |" for bug in BUGS
    ]
    return _HEAD.format(count=len(BUGS), name=BUGS[0].name) + "\n".join(lines) + "\n"
