"""What many machines compute each for itself and one process of the simulation need not compute again.

Signatures: a gateway, the server, the audit, fsck and the oracle each check the same one. Whether 64 bytes are this
key's over this message is a matter of those bytes alone, so the answer is remembered for all of them, by key, signature
and message. It cannot go stale: one changed bit is another question. Everything above the one call into the library
(notes, key ids, suites, quorums) runs each time.

Statements: a server compiles its SQL once in its life, and lives for weeks; here it lives for seconds. Its next start
finds what the one before has compiled, by the statement's own cache key, which SQLAlchemy makes for this purpose.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.ext.asyncio import engine as asynchronous

if TYPE_CHECKING:
    from collections.abc import Iterator

_made = Ed25519PublicKey.from_public_bytes
_known: dict[tuple[bytes, bytes, bytes], bool] = {}


class RememberingKey:
    """What `Ed25519PublicKey` is here."""

    def __init__(self, public_key: bytes) -> None:
        self._public_key = public_key
        self._real = _made(public_key)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises InvalidSignature."""
        asked = self._public_key, signature, message
        found = _known.get(asked)
        if found is None:
            found = _known[asked] = self._verified(signature, message)
        if not found:
            raise InvalidSignature

    def _verified(self, signature: bytes, message: bytes) -> bool:
        try:
            self._real.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


_engine = sa.create_engine
assert asynchronous._create_engine is _engine
_first: dict[str, sa.Engine] = {}


def _compiled_once(*args: Any, **options: Any) -> sa.Engine:
    """An engine that shares what the first one compiled: its dialect stands in every key of that cache."""
    engine = _engine(*args, **options)
    first = _first.setdefault(engine.driver, engine)
    engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
    return engine


@contextmanager
def remembered() -> Iterator[None]:
    """Keys and engines made inside remember; what was said of signatures is forgotten at the end."""
    Ed25519PublicKey.from_public_bytes = RememberingKey  # type: ignore[method-assign,assignment]
    sa.create_engine = asynchronous._create_engine = _compiled_once
    try:
        yield
    finally:
        Ed25519PublicKey.from_public_bytes = _made  # type: ignore[method-assign]
        sa.create_engine = asynchronous._create_engine = _engine
        _known.clear()
