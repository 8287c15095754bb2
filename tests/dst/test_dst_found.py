"""What the simulation found in the product: each is a case of its own here, beside its seed in seeds.txt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from log_harness import new_log, signer_for

from scorelog.journal.errors import Damaged
from scorelog.journal.identity import find_identity, read_identity
from scorelog.journal.recovery import check_key
from scorelog.journal.schema import IDENTITY

if TYPE_CHECKING:
    from pathlib import Path


def test_no_bit_of_the_identity_file_passes_for_another_key(tmp_path: Path) -> None:
    """G6, I14, seed 11: a flipped bit in the file is damage, which the next start heals; it was refused for ever."""
    log = new_log(tmp_path)
    file = log / IDENTITY
    sound, identity = file.read_bytes(), read_identity(log)
    start = sound.index(identity.origin.encode()) * 8
    origin = range(start, start + len(identity.origin) * 8)
    for bit in [*origin, *range(0, len(sound.removesuffix(b"\n")) * 8, 23)]:
        flipped = bytearray(sound)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        with pytest.raises(Damaged):
            check_key(found := read_identity(log), signer_for(found.origin).vkey)
        assert find_identity(log) == identity
