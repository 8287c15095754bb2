"""The secret under which the gateway hashes the content of rig records (docs/formats/entry.md rule 7).

Owns the file `content.key`: 32 random bytes as one line of hex, mode 0600. Only `init` makes it. It is the box's own:
never sent, never in an entry, and the same through all generations of the log, since a record that comes again after
a generation was given up is known by its content.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from certs.errors import KeyFileError
from certs.keys import refuse_shared, write_private
from gateway import limits
from scorelog.format.limits import CONTENT_KEY_BYTES
from scorelog.format.text import is_hex

if TYPE_CHECKING:
    from pathlib import Path


def create_content_key(path: Path) -> None:
    """Make it. Raises KeyFileError if it is there: it is never overwritten."""
    write_private(path, f"{secrets.token_hex(CONTENT_KEY_BYTES)}\n".encode())


def load_content_key(path: Path) -> bytes:
    """Raises KeyFileError, which says what to do and what is lost."""
    if not path.exists():
        raise KeyFileError(
            f"{path}: no content key. Put it back from the box's backup. If it is gone, `kaofen-gateway init` makes "
            "another: nothing is lost, but a record that a rig gives again will be logged again, as a conflict"
        )
    refuse_shared(path)
    with path.open("rb") as file:
        text = file.read(limits.CONTENT_KEY_FILE_BYTES_MAX + 1)
    line = text.decode("ascii", "replace").strip()
    if len(text) > limits.CONTENT_KEY_FILE_BYTES_MAX or not is_hex(line, CONTENT_KEY_BYTES):
        raise KeyFileError(f"{path}: not a content key; expected one line of {2 * CONTENT_KEY_BYTES} lower-case hex")
    return bytes.fromhex(line)
