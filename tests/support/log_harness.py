"""Real logs on disk for tests: keys, making, opening, and a receipt from a mirror of the test's own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_clock import FakeClock

from scorelog.format.cosignature import CosignatureSigner, merge
from scorelog.format.note import Ed25519Signer, parse_note, parse_vkey
from scorelog.journal.sqlite import create_log, open_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from scorelog.format.note import Signer, Verifier
    from scorelog.journal.log import SqliteLog

ORIGIN_BASE = "exam.example/gw/gw-01"
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_MIRROR = CosignatureSigner("mirror.example/store", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))


def signer_for(origin: str) -> Signer:
    return Ed25519Signer(origin, _KEY)


def cosigned(checkpoint: bytes, time_s: int = 1_795_416_130) -> bytes:
    """The checkpoint as the server would give it back: with the mirror's line."""
    return merge(checkpoint, _MIRROR.cosign(parse_note(checkpoint).text, time_s))


def new_log(directory: Path) -> Path:
    """An empty log in `directory`/log."""
    path = directory / "log"
    create_log(path, ORIGIN_BASE, signer_for)
    return path


@asynccontextmanager
async def opened(path: Path, state_path: Path | None = None, **options: Any) -> AsyncIterator[SqliteLog]:
    log = open_log(path, signer_for, FakeClock(), state_path, **options)
    try:
        yield log
    finally:
        await log.close()


def mirror_verifier() -> Verifier:
    """The key with which receipts are cosigned here."""
    return parse_vkey(_MIRROR.vkey)
