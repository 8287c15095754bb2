"""The server's own secrets: mirror key, witness key, cookie secret. Made by `init`, 0600, never printed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from certs.errors import CertsError
from certs.keys import create_ed25519, load_ed25519, refuse_shared, write_private
from scorelog.format.cosignature import CosignatureSigner
from scorelog.format.keys import CosignatureVerifier
from server.errors import AlreadyThere, ConfigError
from server.evidence.seal import Sealer

if TYPE_CHECKING:
    from pathlib import Path

    from server.config import Config

MIRROR: Final = "mirror.key"
WITNESS: Final = "witness.key"
COOKIES: Final = "cookies.secret"
SECRET_BYTES: Final = 32
_ID_NUMBERS: Final = b"kaofen id number key v1"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the server signs with."""

    mirror: CosignatureSigner
    witness: CosignatureSigner
    sealer: Sealer
    cookies: bytes
    id_numbers: bytes  # the key of the hashes of id numbers; derived, so that no copy of it lies anywhere

    @property
    def mirror_verifier(self) -> CosignatureVerifier:
        """Checks what the mirror signed."""
        return CosignatureVerifier(self.mirror.name, self.mirror.public_key)

    @property
    def verifiers(self) -> tuple[CosignatureVerifier, CosignatureVerifier]:
        """Of both, for the audit."""
        return self.mirror_verifier, self.witness_verifier

    @property
    def witness_verifier(self) -> CosignatureVerifier:
        """Checks what the witness signed."""
        return CosignatureVerifier(self.witness.name, self.witness.public_key)


def create_keys(folder: Path) -> None:
    """Make all of them; none may be there."""
    folder.mkdir(0o700, parents=True, exist_ok=True)
    for name in (MIRROR, WITNESS, COOKIES):
        if (folder / name).exists():
            raise AlreadyThere(f"{folder / name}: already there; a key is never overwritten")
    create_ed25519(folder / MIRROR)
    create_ed25519(folder / WITNESS)
    write_private(folder / COOKIES, secrets.token_bytes(SECRET_BYTES))


def load_keys(config: Config) -> Keys:
    """Read all of them."""
    try:
        mirror = load_ed25519(config.keys / MIRROR)
        witness = load_ed25519(config.keys / WITNESS)
        refuse_shared(config.keys / COOKIES)
        cookies = (config.keys / COOKIES).read_bytes()
    except CertsError as error:
        raise ConfigError(str(error)) from error
    if len(cookies) < SECRET_BYTES:  # a cut or empty file: everybody could make the cookies of anybody
        raise ConfigError(
            f"{config.keys / COOKIES}: {len(cookies)} bytes, expected {SECRET_BYTES} random ones; put it back from a "
            f"copy, or run: head -c {SECRET_BYTES} /dev/urandom > {config.keys / COOKIES} (everybody logs in again)"
        )
    return Keys(
        CosignatureSigner(config.mirror_name, mirror),
        CosignatureSigner(config.witness_name, witness),
        Sealer.of(mirror),
        cookies,
        HKDF(hashes.SHA256(), SECRET_BYTES, None, _ID_NUMBERS).derive(mirror.private_bytes_raw()),
    )
