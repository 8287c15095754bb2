"""For parsers that read a file: the bytes of a run, in a file of one process's own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER = tempfile.TemporaryDirectory(prefix="kaofen-fuzz-")


def in_a_file(load: Callable[[Path], Any], name: str) -> Callable[[bytes], Any]:
    """`load` over the bytes."""
    path = Path(_FOLDER.name) / name

    def parse(data: bytes) -> Any:
        path.write_bytes(data)
        path.chmod(0o600)
        return load(path)

    return parse


def text_of(data: bytes) -> str:
    """Bytes as text without a second spelling, for parsers that take text."""
    return data.decode("utf-8", "surrogateescape")


TOML_TOKENS = (
    *(b"[a]\n", b"[[a]]\n", b'"""', b"'''", b"= 1979-05-27T07:32:00Z\n", b"inf", b"nan", b"{ a = 1 }", b"a.b.c = 1\n"),
    *(b"0x" + b"f" * 5000, b"9" * 5000, b"[" * 2000, b"{a=" * 600, b"\\ud800", b"\\U00110000", b"true", b"-1", b"''"),
)
