"""A gateway's log in memory, made with the format package only: entries, openings, checkpoints, upload bodies."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scorelog.format.canonical import encode
from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.commitment import Opening, committed
from scorelog.format.cosignature import verify_cosignature
from scorelog.format.keys import Ed25519Signer
from scorelog.format.note import add_signature_lines, parse_note
from scorelog.format.tree import CompactRange, MemoryNodes, consistency_proof, leaf_hash
from scorelog.format.upload import Upload, encode_upload
from scorelog.format.witness import AddCheckpoint

if TYPE_CHECKING:
    from scorelog.format.keys import CosignatureVerifier

DOMAIN = "exam.example"


def sample_entry(
    number: int, *, openings: bool = False, pad: int = 0, seed: str = ""
) -> tuple[bytes, tuple[Opening, ...]]:
    """A small valid entry of its own, with the openings of its two commitments when asked."""
    digest = hashlib.sha256(f"{seed}/{number}".encode())
    document: dict[str, object] = {
        "v": 1,
        "type": "practice.summary",
        "salt": digest.hexdigest()[:32],
        "read": {"boot": "6d" * 16, "mono_us": number, "sync": "synced", "utc": "2026-11-23T06:42:05.000000Z"},
        "rig": "LV-0001",
        "station": "A-01",
        "fields": {"number": number, "pad": "x" * pad},
    }
    made: tuple[Opening, ...] = ()
    if openings:
        values = {"name": "张三".encode(), "ticket": f"T{number}".encode()}
        made = tuple(
            Opening(number, field, hashlib.sha256(f"{seed}/{number}/{field}".encode()).digest(), value)
            for field, value in values.items()
        )
        document["candidate"] = [
            {"field": one.field, "sha256": committed(one.blind, one.field, one.value).sha256} for one in made
        ]
    return encode(document), made


class SampleLog:
    """One gateway's log; `fork` copies it so that the two can grow apart."""

    def __init__(self, gateway_id: str = "gw-01", generation: int = 0, key: Ed25519PrivateKey | None = None) -> None:
        self.gateway_id = gateway_id
        self.generation = generation
        self.key = key or Ed25519PrivateKey.from_private_bytes(hashlib.sha256(gateway_id.encode()).digest())
        self.origin = f"{DOMAIN}/gw/{gateway_id}/{generation}"
        self.signer = Ed25519Signer(self.origin, self.key)
        self.entries: list[bytes] = []
        self.openings: list[Opening] = []
        self.nodes = MemoryNodes()

    @property
    def public_key(self) -> bytes:
        """What the server has in its registry."""
        return self.key.public_key().public_bytes_raw()

    @property
    def size(self) -> int:
        return len(self.entries)

    def grow(self, count: int, *, openings: bool = False, pad: int = 0, seed: str = "") -> SampleLog:
        """Append `count` entries; another seed makes other entries."""
        for _ in range(count):
            entry, made = sample_entry(self.size, openings=openings, pad=pad, seed=seed or self.origin)
            self.add(entry, made)
        return self

    def add(self, entry: bytes, openings: tuple[Opening, ...] = ()) -> None:
        """Append one entry as given."""
        self.entries.append(entry)
        self.openings += openings
        self.nodes.append(leaf_hash(entry))

    def fork(self, size: int) -> SampleLog:
        """The same log, cut to `size`: an older copy, or a clone."""
        other = SampleLog(self.gateway_id, self.generation, self.key)
        for index in range(size):
            other.add(self.entries[index], tuple(one for one in self.openings if one.index == index))
        return other

    def root(self, size: int) -> bytes:
        tree = CompactRange()
        tree.extend(leaf_hash(entry) for entry in self.entries[:size])
        return tree.root()

    def checkpoint(self, size: int | None = None) -> bytes:
        """Signed by the log."""
        size = self.size if size is None else size
        return sign_checkpoint(Checkpoint(self.origin, size, self.root(size)), self.signer)

    def upload(self, start: int, stop: int | None = None) -> bytes:
        """The body for the entries `[start, stop)`."""
        stop = self.size if stop is None else stop
        openings = tuple(
            sorted((o for o in self.openings if start <= o.index < stop), key=lambda o: (o.index, o.field))
        )
        return encode_upload(Upload(start, tuple(self.entries[start:stop]), openings, self.checkpoint(stop)))

    def receipt_time(self, size: int, lines: bytes, mirror: CosignatureVerifier) -> int:
        """The time of a cosignature over our checkpoint of `size`; raises when it does not verify."""
        return verify_cosignature(add_signature_lines(parse_note(self.checkpoint(size)), lines), mirror)


def asking(log: SampleLog, old: int, new: int) -> bytes:
    """The body of `add-checkpoint` from size `old` to `new`."""
    return AddCheckpoint(old, tuple(consistency_proof(old, new, log.nodes)), log.checkpoint(new)).encode()
