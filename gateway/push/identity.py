"""The files of rigs that push: each rig's secret, each listener's certificate. Read once, checked, never shown.

A secret is one line of 32 to 256 printable ASCII characters in a file that nobody else may read
(`openssl rand -hex 32`).
"""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from device_adapters.limits import SECRET_CHARS_MAX, SECRET_CHARS_MIN
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gateway.push.settings import PushConfig
    from gateway.settings.config import Config

_SECRET: Final = re.compile(rf"[\x21-\x7e]{{{SECRET_CHARS_MIN},{SECRET_CHARS_MAX}}}")
_FILE_BYTES_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Identities:
    """By serial, and by the listener's id (None: without TLS)."""

    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    contexts: Mapping[str, ssl.SSLContext | None] = field(default_factory=dict)
    fingerprints: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # of their files, as they were read


def identities(config: Config) -> Identities:
    """Raises ConfigError that names the file, never what is in it."""
    found: dict[str, bytes] = {}
    for rig in config.rigs:
        if rig.push:
            found[rig.serial] = secret_at(config.base / rig.secret_file, f"[[rig]] {rig.serial} secret_file")
    twice = [serial for serial, secret in found.items() if list(found.values()).count(secret) > 1]
    if twice:
        raise ConfigError(f"[[rig]] {twice[0]} secret_file: {', '.join(twice)} have the same secret; each rig its own")
    contexts = {each.id: context_of(each) for each in config.pushes}
    return Identities(found, contexts, {each.id: fingerprint_of(each) for each in config.pushes})


def secret_at(path: Path, label: str) -> bytes:
    """Raises ConfigError that names the file, never what is in it."""
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES_MAX).decode("ascii").rstrip("\r\n")
        others = path.stat().st_mode & 0o077
    except OSError as error:
        raise ConfigError(f"{label} {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        text, others = "", 0
    if others:
        raise ConfigError(f"{label} {path}: others may read it; chmod 600")
    if not _SECRET.fullmatch(text):
        raise ConfigError(
            f"{label} {path}: one line of {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} printable characters, no spaces; "
            "make one with: openssl rand -hex 32"
        )
    return text.encode("ascii")


def context_of(config: PushConfig) -> ssl.SSLContext | None:
    """TLS of a listener, None without. Raises ConfigError."""
    if config.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.certificate, config.key)
    except (OSError, ssl.SSLError) as error:
        words = getattr(error, "strerror", None) or error
        raise ConfigError(f"[[push]] {config.id}: certificate or key is not usable: {words}") from None
    return context


def fingerprint_of(config: PushConfig) -> bytes:
    """Of certificate and key, which may be renewed under the same names. Raises ConfigError."""
    digest = hashlib.sha256()
    for path in (config.certificate, config.key):
        if path is not None:
            try:
                digest.update(path.read_bytes())
            except OSError as error:
                raise ConfigError(f"[[push]] {config.id}: {path}: {error.strerror}") from None
    return digest.digest()
