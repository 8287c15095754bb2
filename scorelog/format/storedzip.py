"""A zip file with one spelling: stored members, fixed times, in the order given.

Any unzip tool opens it. Reading trusts nothing in it: the members are walked from the front, nothing is ever
decompressed, and the file must equal, byte for byte, what writing those members again gives. So there is no room for
bombs, second directories, hidden members, comments or extra fields.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from scorelog.format.errors import EvidenceError
from scorelog.format.limits import EVIDENCE_BYTES_MAX, EVIDENCE_ENTRIES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_LOCAL_MAGIC: Final = b"PK\x03\x04"
_CENTRAL_MAGIC: Final = b"PK\x01\x02"
_END_MAGIC: Final = b"PK\x05\x06"
_VERSION: Final = 20
_MADE_BY_UNIX: Final = 3 << 8 | _VERSION
_DATE: Final = 0x0021  # 1980-01-01, the first day that a zip file knows
_PLAIN_FILE: Final = 0o100644 << 16
_NAME_MAX: Final = 128
_MEMBERS_MAX: Final = 2 * EVIDENCE_ENTRIES_MAX + 8


def encode_zip(members: Sequence[tuple[str, bytes]]) -> bytes:
    """The zip file of these members."""
    _check(members)
    parts: list[bytes] = []
    directory: list[bytes] = []
    at = 0
    for name, data in members:
        raw, check, size = name.encode("ascii"), zlib.crc32(data), len(data)
        parts += [
            _LOCAL.pack(_LOCAL_MAGIC, _VERSION, 0, 0, 0, _DATE, check, size, size, len(raw), 0), raw, data,
        ]  # fmt: skip
        head = (_CENTRAL_MAGIC, _MADE_BY_UNIX, _VERSION, 0, 0, 0, _DATE, check, size, size, len(raw))
        directory += [_CENTRAL.pack(*head, 0, 0, 0, 0, _PLAIN_FILE, at), raw]
        at += _LOCAL.size + len(raw) + size
    central = b"".join(directory)
    end = _END.pack(_END_MAGIC, 0, 0, len(members), len(members), len(central), at, 0)
    return b"".join((*parts, central, end))


def decode_zip(data: bytes) -> list[tuple[str, bytes]]:
    """The members of a zip file that `encode_zip` could have written."""
    if len(data) > EVIDENCE_BYTES_MAX:
        raise EvidenceError(f"{len(data)} bytes", where="zip", expected=f"at most {EVIDENCE_BYTES_MAX}")
    members: list[tuple[str, bytes]] = []
    at = 0
    while data[at : at + 4] == _LOCAL_MAGIC and len(members) < _MEMBERS_MAX:
        member, at = _member(data, at)
        members.append(member)
    if not members:
        raise EvidenceError(f"starts with {data[:4]!r}", where="zip byte 0", expected="a zip file")
    return members


def check_spelling(data: bytes, members: Sequence[tuple[str, bytes]]) -> None:
    """Raise unless the file is the one spelling of its members."""
    again = encode_zip(members)
    if again != data:
        shorter = min(len(again), len(data))
        at = next((place for place in range(shorter) if again[place] != data[place]), shorter)
        raise EvidenceError("not as written (packed again, or damaged)", where=f"zip byte {at}")


def _member(data: bytes, at: int) -> tuple[tuple[str, bytes], int]:
    where = f"zip byte {at}"
    if at + _LOCAL.size > len(data):
        raise EvidenceError("cut short", where=where, expected="a member")
    _, _, _, method, _, _, _, packed, size, name_length, extra = _LOCAL.unpack_from(data, at)
    if method or packed != size or extra:
        raise EvidenceError(
            f"compression method {method}, {extra} extra bytes", where=where, expected="a stored member"
        )
    name_at = at + _LOCAL.size
    data_at = name_at + name_length
    end = data_at + size
    if name_length > _NAME_MAX or end > len(data):
        raise EvidenceError("cut short", where=where, expected=f"a name of {name_length} and data of {size} bytes")
    try:
        name = data[name_at:data_at].decode("ascii")
    except UnicodeDecodeError:
        raise EvidenceError("a name that is not ASCII", where=where) from None
    return (name, data[data_at:end]), end


def _check(members: Sequence[tuple[str, bytes]]) -> None:
    if len(members) > _MEMBERS_MAX:
        raise EvidenceError(f"{len(members)} members", where="zip", expected=f"at most {_MEMBERS_MAX}")
    total = sum(len(data) + 2 * len(name) + _LOCAL.size + _CENTRAL.size for name, data in members) + _END.size
    if total > EVIDENCE_BYTES_MAX:
        raise EvidenceError(f"{total} bytes", where="zip", expected=f"at most {EVIDENCE_BYTES_MAX}")
