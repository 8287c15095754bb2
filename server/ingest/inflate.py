"""Bodies that come compressed (docs/formats/upload.md rule 8), and how far they may swell.

Owns the bound: whatever a few bytes claim to be, no more than the limit of a plain body is ever made of them.
"""

from __future__ import annotations

import zlib
from typing import Final

from server.errors import Refused

ENCODING: Final = "gzip"
_GZIP: Final = 31  # zlib's window bits for a gzip member with its own check sum


def inflated(body: bytes, most: int) -> bytes:
    """The plain body of exactly one gzip member; 413 when it is longer than `most`, 400 when it is anything else."""
    member = zlib.decompressobj(_GZIP)
    try:
        plain = member.decompress(body, most + 1)
    except zlib.error:
        raise Refused(400, f"the body is not {ENCODING}, as its head says") from None
    if len(plain) > most:
        raise Refused(413, f"a body of more than {most} bytes, inflated")
    if not member.eof or member.unused_data:
        raise Refused(400, f"the body is not one whole {ENCODING} member")
    return plain
