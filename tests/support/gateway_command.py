"""`kaofen-gateway` in this process, as a person types it."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout

from gateway.cli import main


def command(*words: object) -> tuple[int, str]:
    """One command: exit code and everything that it printed."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()
