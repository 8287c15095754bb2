"""Packed upload bodies (docs/formats/packed.md): what comes out is what went in, and doubt is a refusal."""

from __future__ import annotations

import hashlib
import json
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import format_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree import ROOT

from scorelog.format.commitment import Opening
from scorelog.format.errors import FormatError, UploadError
from scorelog.format.limits import ENTRY_BYTES_MAX, UPLOAD_BODY_BYTES_MAX, UPLOAD_BYTES_MAX
from scorelog.format.packed import decode_packed, encode_packed
from scorelog.format.packed_words import WORDS
from scorelog.format.tree import leaf_hash
from scorelog.format.upload import Upload, encode_upload, parse_upload

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = json.loads((ROOT / "tests/vectors/packed/bodies.json").read_text("utf-8"))["vectors"]
WORDS_SHA256 = "4164cae61fe0a756b61c4dd76b1d81110eafecfa32ccdee453eb1713fd6ce65b"
HEX = "0123456789abcdef"


def packed(text: bytes, random: bytes = b"", *, fillings: bytes = b"\x00", start: int = 7, count: int = 1) -> bytes:
    """A packed body by hand."""
    head = start.to_bytes(8, "big") + count.to_bytes(2, "big") + len(fillings).to_bytes(4, "big")
    deflate = zlib.compressobj(zdict=WORDS)
    deflated = deflate.compress(head + fillings + text) + deflate.flush()
    return len(random).to_bytes(4, "big") + random + deflated


def body(*entries: bytes, start: int = 7, openings: tuple[Opening, ...] = ()) -> bytes:
    """A plain one."""
    return encode_upload(Upload(start, entries, openings, b"checkpoint\n"))


def there_and_back(plain: bytes) -> bytes:
    """Packed, and proven to be the same."""
    made = encode_packed(plain)
    assert made is not None
    assert decode_packed(made) == plain
    return made


@pytest.mark.parametrize("vector", VECTORS, ids=[one["why"] for one in VECTORS])
def test_packed_bodies_are_read_as_ever(vector: dict[str, str]) -> None:
    """Frozen: what an older gateway packs is what it was, for ever."""
    found = decode_packed(b64decode(vector["base64"]))
    assert found == b64decode(vector["body"])


def test_the_words_are_frozen() -> None:
    """Another set of words is another encoding: its name would have to change with them."""
    assert hashlib.sha256(WORDS).hexdigest() == WORDS_SHA256


def test_the_entries_of_an_attempt_leave_out_what_follows() -> None:
    """Rules 4 to 7: leaves, commitments, hex and base64 are gone from the line, and back at the other end."""
    log = samples.sample_log()
    openings = samples.openings_of(4) + samples.openings_of(5)
    plain = encode_upload(Upload(0, log.entries, openings, log.checkpoint))
    made = there_and_back(plain)
    assert len(made) < 0.75 * len(zlib.compress(plain))
    for one in openings:
        assert one.commitment not in made
        assert one.blind in made
    assert not any(leaf_hash(entry) in made for entry in log.entries[:3])


_hexed = st.sampled_from((32, 64)).flatmap(lambda size: st.text(HEX, min_size=size, max_size=size))
_spelled = st.binary(max_size=40).map(lambda some: b64encode(some).decode())
_odd = st.sampled_from(("AAA", "AAAAA", "A=", "=", "AB==", "Zh==", "\u8003\u5206", "a" * 63, "A" * 64, "g" * 32))
_values = st.one_of(_hexed, _spelled, _odd, st.text(max_size=8), st.lists(_hexed, max_size=3))
_entries = st.dictionaries(st.sampled_from(("bytes", "salt", "leaves", "x")), _values, min_size=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(_entries, max_size=6), st.binary(max_size=20), st.integers(0, 2**40), st.data())
def test_whatever_entries_hold_comes_out_as_it_went_in(
    made: list[dict[str, object]], value: bytes, start: int, data: st.DataObject
) -> None:
    """Rule 1: also leaves and commitments of other entries, in any order, any number of times."""
    entries: list[bytes] = []
    openings: list[Opening] = []
    for index, one in enumerate(made, start):
        some = [Opening(index, name, bytes([len(entries)]) * 32, value) for name in ("raw.event", "ticket")]
        names = data.draw(st.lists(st.sampled_from((*some, *openings)), max_size=3))
        before = data.draw(st.lists(st.sampled_from(entries), max_size=3)) if entries else []
        listed = {"candidate": [each.commitment.hex() for each in names], "of": [leaf_hash(e).hex() for e in before]}
        entries.append(json.dumps({**one, **listed}, ensure_ascii=False).encode())
        openings += some
    there_and_back(body(*entries, start=start, openings=tuple(openings)))


@pytest.mark.parametrize("spelled", ["AAAA", "AA==", "AB==", "AAAAA", "AAA", "AA", "A", "=", "", "A A="])
def test_only_base64_that_is_spelled_as_we_spell_it_is_left_out(spelled: str) -> None:
    """Rule 7: any other spelling stays as it is, and comes out as it was."""
    there_and_back(body(b'{"bytes":"%b"}' % spelled.encode()))


@pytest.mark.parametrize("mark", range(6))
def test_an_entry_with_a_mark_in_it_is_not_packed(mark: int) -> None:
    """Rule 9: no canonical entry has one; whatever has goes as it is."""
    assert encode_packed(body(b"{}", bytes([123, mark, 125]))) is None
    assert encode_packed(body(b"{}", b"{\x06}")) is not None


def test_so_many_openings_of_one_entry_are_packed() -> None:
    """Limit and limit + 1: their number is one byte."""
    openings = tuple(Opening(7, f"field.{number:03d}", bytes(32), b"") for number in range(256))
    there_and_back(body(b"{}", openings=openings[:255]))
    assert encode_packed(body(b"{}", openings=openings)) is None


def test_nothing_but_an_upload_is_packed() -> None:
    """Bad input is refused as it is unpacked."""
    with pytest.raises(UploadError, match="no empty line"):
        encode_packed(b"no upload")


OPENED = b"\x01\x06ticket\x00\x01x"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x09short", "cut short"),
        (bytes(4) + b"no stream", "not a deflated text"),
        (packed(b"a\0")[:-1], "not one whole deflated text"),
        (packed(b"a\0") + b"more", "not one whole deflated text"),
        (packed(b"", fillings=b"")[:4] + zlib.compress(b"seven b"), "0 entries|14"),
        (packed(b"a\0", count=2), "1 entries"),
        (packed(b"a", count=1), "0 entries"),
        (packed(b"a\0", fillings=b""), "fillings byte 0: cut short"),
        (packed(b"a\0", fillings=b"\x00\x01"), "1 of fillings are left over"),
        (packed(b"a\0", b"r"), "1 random bytes"),
        (packed(b"\x01\0", b"r" * 15), "random byte 0: cut short"),
        (packed(b"\x02\0", b"r" * 31), "random byte 0: cut short"),
        (packed(b"\x03\0"), "a commitment without its opening"),
        (packed(b"\x03\x03\0", bytes(32), fillings=OPENED), "a commitment without its opening"),
        (packed(b"\x04\0", fillings=b"\0\0"), "the leaf of entry 0"),
        (packed(b"a\0\x04\0", fillings=b"\0\0\x01", count=2), "the leaf of entry 1"),
        (packed(b"\x05\0", fillings=b"\0\0\x02a"), "cut short"),
        (packed(b"a\0", bytes(32), fillings=b"\x01\x01\xff\0\0"), "field"),
        (packed(b"\0"), "0 bytes"),
        (packed(b"a\0", start=2**64 - 1), "start 18446744073709551615"),
        (packed(b"a\0", start=2**53 - 1), "a size of at most"),
    ],
)
def test_what_does_not_unpack_is_refused(data: bytes, words: str) -> None:
    """Rule 10: said what and where; nothing is guessed."""
    with pytest.raises(FormatError, match=words):
        parse_upload(decode_packed(data))


def _long_entry(size: int) -> bytes:
    return packed(b"a" * size + b"\0")


def _leaves(count: int) -> bytes:
    return packed(b"a\0" + b"\x04" * count + b"\0", fillings=bytes(2 + count), count=2)


def _entries_of(size: int) -> bytes:
    """Entries of so many bytes together."""
    lengths = [ENTRY_BYTES_MAX] * (size // ENTRY_BYTES_MAX) + [size % ENTRY_BYTES_MAX]
    return packed(b"".join(b"a" * each + b"\0" for each in lengths), fillings=bytes(len(lengths)), count=len(lengths))


@pytest.mark.parametrize(
    ("make", "most", "status"),
    [
        (_long_entry, ENTRY_BYTES_MAX, 400),  # as a plain body could not even say it
        (_leaves, ENTRY_BYTES_MAX // 64, 400),
        (_entries_of, UPLOAD_BYTES_MAX - 2 * 16, 413),
    ],
)
def test_a_body_swells_to_its_limits_and_no_further(make: Callable[[int], bytes], most: int, status: int) -> None:
    """B20: limit and limit + 1 of an entry, of marks in one, of all entries with their lengths."""
    assert parse_upload(decode_packed(make(most))).entries
    with pytest.raises(UploadError) as refused:
        parse_upload(decode_packed(make(most + 1)))
    assert refused.value.status == status


def test_entries_are_counted_while_they_are_made() -> None:
    """B20: at the first one too many nothing more is made."""
    with pytest.raises(UploadError, match="bytes of entries") as refused:
        decode_packed(_entries_of(UPLOAD_BYTES_MAX + 1))
    assert refused.value.status == 413


def test_a_text_swells_to_the_limit_and_no_further() -> None:
    """B20: of a bomb no more than the limit is ever made, and the plain body is bounded as well."""
    plain = body(b"a" * 1000)
    made = there_and_back(plain)
    assert decode_packed(made, len(plain)) == plain
    with pytest.raises(UploadError, match=f"at most {len(plain) - 1}") as refused:
        decode_packed(made, len(plain) - 1)
    assert refused.value.status == 413
    for length in (UPLOAD_BODY_BYTES_MAX + 1, 50_000_000):
        with pytest.raises(UploadError, match="a text of more than") as bomb:
            decode_packed(bytes(4) + zlib.compress(bytes(length), 1))
        assert bomb.value.status == 413
