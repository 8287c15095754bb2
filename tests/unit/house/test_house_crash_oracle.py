"""The oracle of crash tests hears what was told, and only that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from log_crash import Oracle

if TYPE_CHECKING:
    from pathlib import Path


def test_a_line_that_its_writer_was_killed_in_was_not_told(tmp_path: Path) -> None:
    """A kill may cut a write at a page of the file; what the next writer tells is a line of its own."""
    oracle = Oracle(tmp_path)
    oracle.told.write_text("root 1 aa\nroot 2 b")
    oracle.listen()
    with oracle.told.open("a") as told:
        told.write("root 2 bb\n")
    oracle.listen()
    assert oracle.roots == {1: "aa", 2: "bb"}
