"""A file of the simulators with one thing wrong in it: the refusal names its line, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulators.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


def told_by_line(parse: Callable[[bytes], object], file: bytes, old: bytes, new: bytes, told: str) -> None:
    """`file` is good; with `old` once replaced by `new` it is refused with words that match `told` from their start."""
    assert old in file
    with pytest.raises(InputError, match=rf"\A{told}"):
        parse(file.replace(old, new, 1))
