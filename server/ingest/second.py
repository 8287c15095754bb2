"""The second process: says of signatures whether they were made by their keys, for server/ingest/checking.py.

    python -m server.ingest.second      on its standard input a socket; ends when the other side closes it

    asks     32 bytes public key, 64 bytes signature, u16 length, message; one after the other
    answers  one byte each, in the order of the questions: 1 made by this key, 0 not

Reads no file, opens no connection, keeps nothing. Ed25519 alone: what a signature line means is scorelog.format's.
"""

from __future__ import annotations

import signal
import socket
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
MESSAGE_MAX: Final = 0xFFFF
_HEAD: Final = KEY_BYTES + SIGNATURE_BYTES + 2
_READ: Final = 1 << 16
_KEYS: Final = 1024

MADE: Final = 1
NOT_MADE: Final = 0


def question(public_key: bytes, signature: bytes, message: bytes) -> bytes:
    """One question as bytes."""
    return public_key + signature + len(message).to_bytes(2, "big") + message


def answers(data: bytes) -> tuple[bytes, bytes]:
    """The answers to all whole questions, and what is left behind them."""
    found = bytearray()
    at = 0
    while (begin := at + _HEAD) <= len(data):
        end = begin + int.from_bytes(data[begin - 2 : begin], "big")
        if end > len(data):
            break
        key, signature = data[at : at + KEY_BYTES], data[at + KEY_BYTES : begin - 2]
        found.append(MADE if _made(key, signature, data[begin:end]) else NOT_MADE)
        at = end
    return bytes(found), data[at:]


def _made(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        _key(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):  # ValueError: not a key; the first process finds out why
        return False
    return True


@lru_cache(_KEYS)
def _key(public_key: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public_key)


def serve(connection: socket.socket) -> None:
    """Until the other side is gone."""
    left = b""
    while data := connection.recv(_READ):
        said, left = answers(left + data)
        if said:
            connection.sendall(said)


def main() -> None:
    """The process. A Ctrl-C in a terminal is for the first one, which then closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=0) as connection:
        try:
            serve(connection)
        except OSError:
            return  # the first process has ended in the middle


if __name__ == "__main__":
    main()
