"""The second small file: what this box knows it has written, kept apart from the log (docs/formats/state-file.md).

A log that is put back to an older copy agrees with itself; only something beside it can tell. The file is written
after a commit, at most twice a second, in a thread of its own: never in the way of an acknowledgement and never ahead
of what is durable. A failure here is shown (`failed`), and does not stop the recording of scores.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scorelog.format import canonical
from scorelog.format.errors import FormatError
from scorelog.format.limits import HASH_BYTES
from scorelog.journal.failpoints import failpoint, register
from scorelog.journal.files import sync_directory, write_synced
from scorelog.journal.limits import STATE_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WRITE: Final = register("state.write", "the new copy of the second small file is written and fsynced")
RENAME: Final = register("state.rename", "the new copy takes the place of the old one")
SYNC: Final = register("state.sync", "the directory of the second small file is fsynced")

_MAGIC: Final = "kaofen.state/v1"


@dataclass(frozen=True, slots=True)
class State:
    """What was durable when the file was written."""

    origin: str
    generation: int
    size: int
    root: bytes
    boots: int
    receipt: bytes | None  # the newest cosigned checkpoint

    def encode(self) -> bytes:
        """The file's bytes: canonical JSON and, as its last line, the SHA-256 of that."""
        body = canonical.encode(
            {
                "boots": self.boots,
                "format": _MAGIC,
                "generation": self.generation,
                "origin": self.origin,
                "receipt": None if self.receipt is None else base64.b64encode(self.receipt).decode(),
                "root": self.root.hex(),
                "size": self.size,
            }
        )
        return body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n"


class StateDamaged(Exception):  # noqa: N818  # a finding; the caller goes on without the file
    """The second file does not hold what this program writes."""


def parse_state(content: bytes) -> State:
    """The strict reader; StateDamaged says what is wrong."""
    body, _, digest = content.partition(b"\n")
    if digest != hashlib.sha256(body).hexdigest().encode() + b"\n":
        raise StateDamaged("its checksum does not fit")
    try:
        return _from_document(canonical.decode(body))
    except (FormatError, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise StateDamaged(f"{type(error).__name__}: {error}") from error


def _from_document(document: Mapping[str, object]) -> State:
    if document["format"] != _MAGIC:
        raise StateDamaged(f"its format is {document['format']!r}")
    numbers = [document[name] for name in ("generation", "size", "boots")]
    origin, root, receipt = document["origin"], document["root"], document["receipt"]
    if not (isinstance(origin, str) and isinstance(root, str) and isinstance(receipt, str | None)):
        raise StateDamaged("a field has another type")
    generation, size, boots = (number if type(number) is int and number >= 0 else -1 for number in numbers)
    if min(generation, size, boots) < 0 or len(bytes.fromhex(root)) != HASH_BYTES:
        raise StateDamaged("a number or the root is out of range")
    note = None if receipt is None else base64.b64decode(receipt, validate=True)
    return State(origin, generation, size, bytes.fromhex(root), boots, note)


def read_state(path: Path) -> State | None:
    """None when there is no file; StateDamaged when it is not one of ours."""
    try:
        return parse_state(path.read_bytes())
    except FileNotFoundError:
        return None


def write_state(path: Path, state: State) -> None:
    """Replace the file in one step: a reader, or a start after a power cut, sees the old one or the new one whole."""
    fresh = path.with_name(path.name + ".new")
    with failpoint(WRITE):
        write_synced(fresh, state.encode())
    with failpoint(RENAME):
        fresh.replace(path)
    with failpoint(SYNC):
        sync_directory(path.parent)


class StateWriter:
    """Writes the newest state it was given, in its own thread; older ones that it did not get to are skipped."""

    def __init__(self, path: Path, interval_s: float = STATE_INTERVAL_S) -> None:
        self.failed: OSError | None = None
        self._path = path
        self._interval_s = interval_s
        self._wanted: State | None = None
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-state", daemon=True)
        self._thread.start()

    def offer(self, state: State) -> None:
        """Take note of a newer durable state; returns at once."""
        with self._changed:
            self._wanted = state
            self._changed.notify()

    def close(self) -> None:
        """Write what is still wanted, then end."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (state := self._next()) is not None:
            try:
                write_state(self._path, state)
            except MemoryError:  # this thread goes on: nobody would see that it had ended
                self.failed = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
            except OSError as error:  # the log itself is durable without this file, so scores go on
                self.failed = error
            else:
                self.failed = None
            self._stop.wait(self._interval_s)

    def _next(self) -> State | None:
        with self._changed:
            while self._wanted is None and not self._stop.is_set():
                self._changed.wait()
            state, self._wanted = self._wanted, None
            return state
