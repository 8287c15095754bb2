"""Bodies that come compressed (docs/formats/upload.md rule 8), and how far they may swell.

Owns which forms are taken, and the bound: whatever a few bytes claim to be, no more than the limit of a plain body is
ever made of them.
"""

from __future__ import annotations

import zlib
from typing import Final

from scorelog.format.errors import UploadError
from scorelog.format.packed import ENCODING as PACKED
from scorelog.format.packed import decode_packed
from server.errors import Refused

GZIP: Final = "gzip"
TAKEN: Final = (PACKED, GZIP)
_GZIP: Final = 31  # zlib's window bits for a gzip member with its own check sum


def plain_body(body: bytes, encoding: str, most: int) -> bytes:
    """The upload body that came in this form, plain or one of TAKEN."""
    if encoding == GZIP:
        return inflated(body, most)
    return unpacked(body, most) if encoding == PACKED else body


def unpacked(body: bytes, most: int) -> bytes:
    """The plain body of a packed one; 413 when it is longer than `most`, 400 when it is anything else."""
    try:
        return decode_packed(body, most)
    except UploadError as error:
        raise Refused(error.status, str(error)) from None


def inflated(body: bytes, most: int) -> bytes:
    """The plain body of exactly one gzip member; 413 when it is longer than `most`, 400 when it is anything else."""
    member = zlib.decompressobj(_GZIP)
    try:
        plain = member.decompress(body, most + 1)
    except zlib.error:
        raise Refused(400, f"the body is not {GZIP}, as its head says") from None
    if len(plain) > most:
        raise Refused(413, f"a body of more than {most} bytes, inflated")
    if not member.eof or member.unused_data:
        raise Refused(400, f"the body is not one whole {GZIP} member")
    return plain
