"""Uploads made before the clock starts: logs of gateways as HTTP requests in files, one file a gateway.

The load generator (kit/upload_load.py) then only writes bytes and reads answers. Entries are either small ones without
openings, or those of whole exams at simulated rigs, with their openings (tests/support/people_world.py).
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from people_world import Log, Rig, attempt_id
from sample_uploads import sample_entry

from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.keys import Ed25519Signer
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.format.upload import Upload, encode_upload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scorelog.format.commitment import Opening

DOMAIN: Final = "exam.example"
PATH: Final = "/gateway/v1/upload"
ENTRY_BYTES: Final = 590  # the row of performance.md section 5
_PAD: Final = ENTRY_BYTES - len(sample_entry(100_000)[0])


class QuickRig(Rig):
    """Looks for the entries of its attempt only from where this attempt began."""

    _since = 0

    def open_exam(self, ticket: str, attempt: str, try_no: int = 1) -> int:
        """As every exam begins."""
        self._since = len(self.log.entries)
        return super().open_exam(ticket, attempt, try_no)

    def _leaves(self) -> list[str]:
        mine = f'"attempt":"{self.attempt}"'.encode()
        return [leaf_hash(entry).hex() for entry in self.log.entries[self._since :] if mine in entry]


class Uploads:
    """One gateway's log, cut into upload bodies as it grows."""

    def __init__(self, gateway_id: str) -> None:
        self.gateway_id = gateway_id
        self.bodies: list[bytes] = []
        self.entries = 0
        self.key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.gateway_id.encode()).digest())
        self.origin = f"{DOMAIN}/gw/{self.gateway_id}/0"
        self._signer = Ed25519Signer(self.origin, self.key)
        self._tree = CompactRange()

    @property
    def public_key(self) -> bytes:
        """What the server has in its registry."""
        return self.key.public_key().public_bytes_raw()

    def add(self, entries: Sequence[bytes], openings: tuple[Opening, ...] = ()) -> None:
        """One more upload."""
        self._tree.extend(leaf_hash(entry) for entry in entries)
        signed = sign_checkpoint(Checkpoint(self._signer.name, self._tree.size, self._tree.root()), self._signer)
        self.bodies.append(encode_upload(Upload(self.entries, tuple(entries), openings, signed)))
        self.entries += len(entries)

    def write(self, folder: Path) -> Path:
        """The requests as a file: each with its length before it."""
        path = folder / f"{self.gateway_id}.requests"
        with path.open("wb") as file:
            for body in self.bodies:
                whole = request(body)
                file.write(len(whole).to_bytes(4, "big") + whole)
        return path


def request(body: bytes) -> bytes:
    """One HTTP/1.1 request on a kept connection."""
    return b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % (PATH.encode(), len(body)) + body


def small(gateway_id: str, uploads: int, each: int) -> Uploads:
    """Entries of ENTRY_BYTES without openings."""
    made = Uploads(gateway_id)
    for number in range(uploads):
        first = number * each
        made.add([sample_entry(first + at, pad=_PAD, seed=gateway_id)[0] for at in range(each)])
    return made


def exams(gateway_id: str, uploads: int, each: int) -> Uploads:
    """Whole exams at four rigs, with the openings of their candidates."""
    log = Log(gateway_id, Random(gateway_id)).adopt()  # noqa: S311  # the same load every time
    rigs = [QuickRig(f"{gateway_id}-{place}", f"A-{place:02d}", log) for place in range(4)]
    for number in itertools.count(int(hashlib.sha256(gateway_id.encode()).hexdigest()[:8], 16)):
        rigs[number % len(rigs)].whole_exam(f"T{number}", attempt_id(number))
        if len(log.entries) >= uploads * each:
            break
    by_index: dict[int, list[Opening]] = defaultdict(list)
    for one in log.openings:
        by_index[one.index].append(one)
    made = Uploads(gateway_id)
    for start in range(0, uploads * each, each):
        opened = [sorted(by_index[index], key=lambda one: one.field) for index in range(start, start + each)]
        made.add(log.entries[start : start + each], tuple(itertools.chain.from_iterable(opened)))
    return made
