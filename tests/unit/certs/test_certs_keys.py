"""Key files: made once, 0600, never read when others could."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from certs.errors import KeyFileError
from certs.keys import create_ed25519, create_p256, encode_private, load_ed25519, load_private, write_private
from certs.limits import KEY_FILE_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path


def _raw(key):
    return key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())


def test_a_key_reads_back_as_itself(tmp_path: Path) -> None:
    """What was made is what is loaded: a log signs with one key for ever."""
    made = create_ed25519(tmp_path / "log.key")
    assert _raw(load_ed25519(tmp_path / "log.key")) == _raw(made)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_key_file_is_0600_under_any_umask(tmp_path: Path, umask: int) -> None:
    """Nobody but the owner ever reads a key file, and the owner always can."""
    before = os.umask(umask)
    try:
        create_ed25519(tmp_path / "log.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "log.key").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """A second key in the same file would be a silent fork of the log: refused, and the first one stays."""
    create_ed25519(tmp_path / "log.key")
    before = (tmp_path / "log.key").read_bytes()
    with pytest.raises(KeyFileError, match="already there; a key is never overwritten"):
        create_ed25519(tmp_path / "log.key")
    assert (tmp_path / "log.key").read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_shared_key_file_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that others could read is not used, and the message says which command mends it."""
    create_ed25519(tmp_path / "log.key")
    (tmp_path / "log.key").chmod(mode)
    with pytest.raises(KeyFileError, match=rf"mode {mode:04o} lets others read .* chmod 600"):
        load_ed25519(tmp_path / "log.key")


def test_a_read_only_key_file_is_accepted(tmp_path: Path) -> None:
    """Service managers hand credentials over with mode 0400."""
    create_ed25519(tmp_path / "log.key")
    (tmp_path / "log.key").chmod(0o400)
    load_ed25519(tmp_path / "log.key")


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    """A TLS key in the log key's place is a mistake that must be told, not a crash."""
    write_private(tmp_path / "tls.key", encode_private(create_p256()))
    with pytest.raises(KeyFileError, match=r"tls\.key: holds a .* key, expected Ed25519"):
        load_ed25519(tmp_path / "tls.key")


def test_missing_folder_and_missing_file_are_named(tmp_path: Path) -> None:
    """Every refusal says which path is wrong."""
    with pytest.raises(KeyFileError, match="its folder does not exist"):
        create_ed25519(tmp_path / "nowhere" / "log.key")
    with pytest.raises(KeyFileError, match="no such key file"):
        load_ed25519(tmp_path / "log.key")


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    """Rubbish, and a file beyond the limit, are refused with the path."""
    write_private(tmp_path / "rubbish.key", b"not a key\n")
    with pytest.raises(KeyFileError, match="not an unencrypted PKCS#8"):
        load_private(tmp_path / "rubbish.key")
    write_private(tmp_path / "full.key", b"x" * KEY_FILE_BYTES_MAX)
    with pytest.raises(KeyFileError, match="not an unencrypted PKCS#8"):
        load_private(tmp_path / "full.key")
    write_private(tmp_path / "huge.key", b"x" * (KEY_FILE_BYTES_MAX + 1))
    with pytest.raises(KeyFileError, match="is no key file"):
        load_private(tmp_path / "huge.key")
