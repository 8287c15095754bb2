"""Private keys in files: made once, mode 0600, never overwritten, never read when others could read them.

Owns the rule that one file holds one PKCS#8 key in PEM. Log keys are Ed25519, TLS keys P-256 (every TLS stack and
every browser takes them). Never prints a key and never keeps one inside this package's folder.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from certs.errors import KeyFileError
from certs.limits import KEY_FILE_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_KEY_MODE: Final = 0o600
_OTHERS: Final = 0o077


def create_ed25519(path: Path) -> Ed25519PrivateKey:
    """Make a log, mirror or office key. An existing file is refused: a lost log key is a new generation."""
    key = Ed25519PrivateKey.generate()
    write_private(path, encode_private(key))
    return key


def load_ed25519(path: Path) -> Ed25519PrivateKey:
    """Read a key that `create_ed25519` wrote."""
    key = load_private(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: holds a {_kind(key)} key, expected Ed25519")
    return key


def create_p256() -> ec.EllipticCurvePrivateKey:
    """A fresh TLS key, not yet in any file."""
    return ec.generate_private_key(ec.SECP256R1())


def load_private(path: Path) -> PrivateKeyTypes:
    """Read one PEM key from a file that only its owner can read."""
    refuse_shared(path)
    data = path.read_bytes()
    if len(data) > KEY_FILE_BYTES_MAX:
        raise KeyFileError(f"{path}: {len(data)} bytes is no key file")
    try:
        return serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: not an unencrypted PKCS#8 private key in PEM") from error


def refuse_shared(path: Path) -> None:
    """Stop when the key file is missing or its group or the world may read or write it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError as error:
        raise KeyFileError(f"{path}: no such key file") from error
    if mode & _OTHERS:
        raise KeyFileError(f"{path}: mode {mode:04o} lets others read a private key; run: chmod 600 {path}")


def encode_private(key: PrivateKeyTypes) -> bytes:
    """PKCS#8, PEM, unencrypted: the file's mode and the disk protect it, not a passphrase in a unit file."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_private(path: Path, pem: bytes) -> None:
    """Create the file with mode 0600 from its first byte on, and make it durable."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _KEY_MODE)
    except FileExistsError as error:
        raise KeyFileError(f"{path}: already there; a key is never overwritten") from error
    except FileNotFoundError as error:
        raise KeyFileError(f"{path}: its folder does not exist") from error
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), _KEY_MODE)  # a umask of 0o777 would leave a key nobody can read
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A new name is on disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _kind(key: object) -> str:
    return type(key).__name__.removesuffix("PrivateKey").lstrip("_")
