"""An upload body packed for the line (docs/formats/packed.md): what the receiver can put together again is left out.

    body ─ encode_packed ─▶ random bytes │ deflated: what fills the gaps, entries with marks ─ decode_packed ─▶ body

Left out are commitments that the openings beside them open, leaf hashes of entries of the same body, and the spelling
of hex and base64. Nothing is signed or hashed in this form: the leaf hashes and the checkpoint prove that what comes
out is what went in. What cannot be packed without a doubt is not packed; what does not unpack is refused.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64decode, b64encode
from collections import Counter
from itertools import chain, groupby
from typing import TYPE_CHECKING, Final

from scorelog.format.errors import UploadError
from scorelog.format.limits import (
    BLIND_BYTES,
    ENTRY_BYTES_MAX,
    HASH_BYTES,
    INT_MAX,
    SALT_BYTES,
    UPLOAD_BODY_BYTES_MAX,
    UPLOAD_BYTES_MAX,
)
from scorelog.format.packed_words import WORDS
from scorelog.format.tree import leaf_hash
from scorelog.format.upload import join_upload, parse_upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scorelog.format.commitment import Opening

ENCODING: Final = "kaofen-pack1"

_END, _SHORT, _LONG, _COMMITMENT, _LEAF, _BASE64 = (bytes([mark]) for mark in range(6))
_MARKS: Final = bytes(range(6))  # never in an entry: JSON escapes them
_MARK: Final = re.compile(rb"[\x01-\x05]")
_HEXED: Final = re.compile(rb'"([0-9a-f]{64}|[0-9a-f]{32})"')
_SPELLED: Final = re.compile(rb'"(?:([0-9a-f]{64}|[0-9a-f]{32})|bytes":"([A-Za-z0-9+/]+={0,2}))"')
_U8_MAX: Final = 255
_LEVEL: Final = 6
_MEMORY: Final = 9
_HEAD_BYTES: Final = 14  # start, number of entries, length of the fillings


def encode_packed(body: bytes) -> bytes | None:
    """The packed form of an upload body; None when it has none from which exactly this body comes out again."""
    upload = parse_upload(body)
    opened = {index: list(some) for index, some in groupby(upload.openings, lambda one: one.index)}
    marked = any(len(one.translate(None, _MARKS)) != len(one) for one in upload.entries)
    if marked or any(len(some) > _U8_MAX for some in opened.values()):
        return None
    packing = _Packing(upload.entries)
    texts = [packing.text(one, opened.get(index, ())) for index, one in enumerate(upload.entries, upload.start)]
    fillings, random = b"".join(packing.fillings), b"".join(packing.random)
    head = b"".join(
        number.to_bytes(size, "big") for number, size in ((upload.start, 8), (len(texts), 2), (len(fillings), 4))
    )
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY, zdict=WORDS)
    text = b"".join((head, fillings, _END.join((*texts, upload.checkpoint))))
    packed = len(random).to_bytes(4, "big") + random + deflate.compress(text) + deflate.flush()
    return packed if decode_packed(packed) == body else None


def decode_packed(data: bytes, most: int = UPLOAD_BODY_BYTES_MAX) -> bytes:
    """The upload body in these bytes, at most so long: for `parse_upload`, which refuses what is none."""
    text_at = 4 + int.from_bytes(data[:4], "big")
    if text_at > len(data):
        raise UploadError("cut short", where="packed upload", expected=f"{text_at} bytes and a deflated text")
    text = _inflated(data[text_at:], most)
    start, count = int.from_bytes(text[:8], "big"), int.from_bytes(text[8:10], "big")
    texts_at = _HEAD_BYTES + int.from_bytes(text[10:_HEAD_BYTES], "big")
    *texts, checkpoint = text[texts_at:].split(_END, count)
    if len(texts) != count or texts_at > len(text):
        raise UploadError(f"{len(texts)} entries", where="packed upload", expected=f"{count}")
    if start > INT_MAX:
        raise UploadError(f"start {start}", where="packed upload", expected=f"at most {INT_MAX}")
    unpacking = _Unpacking(data[4:text_at], text[_HEAD_BYTES:texts_at])
    for index, one in enumerate(texts, start):
        unpacking.add(index, one)
    unpacking.check_end()
    counts = count, unpacking.openings
    body = join_upload(start, counts, b"".join(unpacking.entries), b"".join(unpacking.opened), checkpoint)
    if len(body) > most:
        raise UploadError(f"{len(body)} bytes", status=413, where="packed upload", expected=f"at most {most}")
    return body


class _Packing:
    """The random bytes and the fillings of a body, while its entries become texts."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        found = Counter(chain.from_iterable(map(_HEXED.findall, entries)))
        self._again = {hexed for hexed, times in found.items() if times > 1}  # deflating finds them by itself
        self._places: dict[bytes, int] = {}
        self._commitments: list[bytes] = []
        self.random: list[bytes] = []
        self.fillings: list[bytes] = []

    def text(self, entry: bytes, openings: Sequence[Opening]) -> bytes:
        """One entry with marks in its gaps; what fills them, and its openings, are kept."""
        self.fillings.append(bytes([len(openings)]))
        for one in openings:
            field = one.field.encode()
            self.fillings += bytes([len(field)]), field, len(one.value).to_bytes(2, "big"), one.value
            self.random.append(one.blind)
        self._commitments = [one.commitment.hex().encode() for one in reversed(openings)]
        text = _SPELLED.sub(self._marked, entry)
        self._places[leaf_hash(entry).hex().encode()] = len(self._places)
        return text

    def _marked(self, found: re.Match[bytes]) -> bytes:
        hexed, spelled = found.groups()
        if hexed is not None:
            return b'"%b"' % self._mark(hexed)
        plain = b64decode(spelled) if len(spelled) % 4 == 0 else b""
        if b64encode(plain) != spelled:
            return found.group()
        self.fillings += len(plain).to_bytes(2, "big"), plain
        return b'"bytes":"%b"' % _BASE64

    def _mark(self, hexed: bytes) -> bytes:
        if self._commitments and hexed == self._commitments[-1]:
            self._commitments.pop()
            return _COMMITMENT
        if hexed in self._places:
            self.fillings.append(bytes([self._places[hexed]]))
            return _LEAF
        if hexed in self._again:
            return hexed
        self.random.append(bytes.fromhex(hexed.decode()))
        return _SHORT if len(self.random[-1]) == SALT_BYTES else _LONG


class _Unpacking:
    """The framed entries and openings, while texts and what fills their gaps are read."""

    def __init__(self, random: bytes, fillings: bytes) -> None:
        self._random, self._random_at = random, 0
        self._fillings, self._at = fillings, 0
        self._commitments: Iterator[bytes] = iter(())
        self._leaves: dict[int, bytes] = {}
        self._bytes = 0
        self._meant: dict[bytes, Callable[[], bytes]] = {
            _SHORT: lambda: self._secret(SALT_BYTES).hex().encode(),
            _LONG: lambda: self._secret(HASH_BYTES).hex().encode(),
            _COMMITMENT: self._commitment,
            _LEAF: self._leaf,
            _BASE64: lambda: b64encode(self._take(int.from_bytes(self._take(2), "big"))),
        }
        self.entries: list[bytes] = []  # each after its length
        self.opened: list[bytes] = []
        self.openings = 0

    def add(self, index: int, text: bytes) -> None:
        """The next entry."""
        self._commitments = iter([self._opening(index) for _ in range(self._take(1)[0])])
        self._check_entry(len(text))  # no mark is longer than what it stands for
        entry = _MARK.sub(lambda found: self._meant[found.group()](), text)
        self._check_entry(len(entry))
        self.entries += len(entry).to_bytes(2, "big"), entry
        self._bytes += len(entry)
        if self._bytes > UPLOAD_BYTES_MAX:
            raise UploadError(f"more than {UPLOAD_BYTES_MAX} bytes of entries", status=413, where="packed upload")

    def check_end(self) -> None:
        """Nothing is left over."""
        left = len(self._random) - self._random_at, len(self._fillings) - self._at
        if left != (0, 0):
            raise UploadError(f"{left[0]} random bytes and {left[1]} of fillings are left over", where="packed upload")

    def _check_entry(self, size: int) -> None:
        if size > ENTRY_BYTES_MAX:
            raise UploadError(f"an entry of more than {ENTRY_BYTES_MAX} bytes", where="packed upload")

    def _opening(self, index: int) -> bytes:
        """Frame the next one; the commitment that it opens. What is no name of a field, the body's reader refuses."""
        field_length = self._take(1)
        field = self._take(field_length[0])
        value_length = self._take(2)
        value = self._take(int.from_bytes(value_length, "big"))
        blind = self._secret(BLIND_BYTES)
        self.opened += index.to_bytes(8, "big"), field_length, field, blind, value_length, value
        self.openings += 1
        return hashlib.sha256(b"%b%b\0%b" % (blind, field, value)).hexdigest().encode()

    def _commitment(self) -> bytes:
        found = next(self._commitments, None)
        if found is None:
            raise UploadError("a commitment without its opening", where="packed upload")
        return found

    def _leaf(self) -> bytes:
        place = self._take(1)[0]
        if place not in self._leaves:
            if 2 * place >= len(self.entries):
                raise UploadError(f"the leaf of entry {place}", where="packed upload", expected="of one before")
            self._leaves[place] = leaf_hash(self.entries[2 * place + 1]).hex().encode()
        return self._leaves[place]

    def _take(self, count: int) -> bytes:
        begin, self._at = self._at, self._at + count
        if self._at > len(self._fillings):
            raise UploadError("cut short", where=f"fillings byte {begin}", expected=f"{count} bytes more")
        return self._fillings[begin : self._at]

    def _secret(self, count: int) -> bytes:
        begin, self._random_at = self._random_at, self._random_at + count
        if self._random_at > len(self._random):
            raise UploadError("cut short", where=f"random byte {begin}", expected=f"{count} bytes more")
        return self._random[begin : self._random_at]


def _inflated(data: bytes, most: int) -> bytes:
    """The text of exactly one zlib stream; never more than a body may have is made of it."""
    stream = zlib.decompressobj(zlib.MAX_WBITS, zdict=WORDS)
    try:
        text = stream.decompress(data, most + 1)
    except zlib.error:
        raise UploadError("not a deflated text", where="packed upload") from None
    if len(text) > most:
        raise UploadError(f"a text of more than {most} bytes", status=413, where="packed upload")
    if not stream.eof or stream.unused_data:
        raise UploadError("not one whole deflated text", where="packed upload")
    return text
