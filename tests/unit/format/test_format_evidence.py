"""Evidence bundles: one spelling, opened by any unzip tool, safe to read from a stranger."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import format_samples as samples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorelog.format.commitment import Opening
from scorelog.format.errors import EvidenceError, PolicyError
from scorelog.format.evidence import EvidenceItem, build_evidence, parse_evidence
from scorelog.format.limits import EVIDENCE_BYTES_MAX, EVIDENCE_ENTRIES_MAX
from scorelog.format.storedzip import check_spelling, decode_zip, encode_zip

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = samples.sample_log()
BUNDLE = samples.sample_evidence(LOG)

Members = list[tuple[str, bytes]]


def repacked(change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The sample bundle with changed files and sums that fit."""
    files = dict(decode_zip(BUNDLE))
    change(files)
    rest = {name: data for name, data in files.items() if name != "SHA256SUMS"}
    listing = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in rest.items()).encode()
    return encode_zip([(name, listing if name == "SHA256SUMS" else data) for name, data in files.items()])


def stdlib_zip(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    """The same members written by Python's zipfile: the independent path."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr, info.compress_type = 3, 0o100644 << 16, compression
            archive.writestr(info, data)
    return out.getvalue()


def test_a_bundle_is_read_back_and_always_the_same() -> None:
    """The same evidence gives the same bytes, in whatever order it is handed over."""
    evidence = parse_evidence(BUNDLE)
    assert evidence.encode() == BUNDLE
    assert (evidence.attempt, evidence.policy) == (samples.ATTEMPT, samples.policy_text())
    assert [item.entry for item in evidence.items] == list(LOG.entries[2:])
    assert evidence.items[3].openings == samples.openings_of(5)
    assert build_evidence(samples.ATTEMPT, reversed(evidence.items), samples.policy_text()) == BUNDLE


def test_entries_of_several_logs_stand_in_the_order_of_origin_and_index() -> None:
    """An attempt may run over several gateways and generations."""
    other = samples.sample_log(list(LOG.entries), "exam.example/gw/gw-02/0")
    data = build_evidence(samples.ATTEMPT, [other.item(1), LOG.item(3), LOG.item(2)], samples.policy_text())
    assert [(item.origin, item.index) for item in parse_evidence(data).items] == [
        (LOG.origin, 2), (LOG.origin, 3), (other.origin, 1),
    ]  # fmt: skip


def test_any_unzip_tool_opens_a_bundle() -> None:
    """Python's zipfile reads it, finds every checksum right, and would have written the same bytes."""
    with zipfile.ZipFile(io.BytesIO(BUNDLE)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[:4] == ["README.txt", "SHA256SUMS", "attempt.json", "policy.txt"]
        for line in archive.read("SHA256SUMS").decode().splitlines():
            digest, name = line.split("  ")
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest
    assert stdlib_zip(decode_zip(BUNDLE)) == BUNDLE


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z./0-9]{1,20}", fullmatch=True), st.binary(max_size=50)), min_size=1, max_size=5
    )
)
def test_a_stored_zip_is_read_back(members: Members) -> None:
    """Our writer agrees with Python's, and our reader with both."""
    data = encode_zip(members)
    assert decode_zip(data) == members
    check_spelling(data, members)


@given(st.integers(0, len(BUNDLE) - 1), st.integers(1, 255))
def test_every_changed_byte_is_refused(at: int, change: int) -> None:
    """P3: not one byte of a bundle can differ."""
    data = bytearray(BUNDLE)
    data[at] ^= change
    with pytest.raises(EvidenceError):
        parse_evidence(bytes(data))


@given(st.integers(0, len(BUNDLE) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    """Nor can it end early."""
    with pytest.raises(EvidenceError):
        parse_evidence(BUNDLE[:length])


def rename(old: str, new: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        kept = list(files.items())
        files.clear()
        files.update({new if name == old else name: data for name, data in kept})

    return change


def replace(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change


def put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({name: data})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (rename("entries/0001.json", "../evil.json"), "no file 'entries/0001.json'"),
        (rename("policy.txt", "/etc/policy.txt"), "no file 'policy.txt'"),
        (rename("README.txt", "readme.txt"), "no file 'README.txt'"),
        (put("../../evil", b"x"), "file '../../evil' does not belong"),
        (put("entries/0007.json", b"x"), "does not belong"),
        (replace("attempt.json", b'"v":1', b'"v":2'), "attempt.json: another shape"),
        (replace("attempt.json", b'"v":1', b'"v": 1'), "attempt.json: .*not the canonical spelling"),
        (replace("attempt.json", samples.ATTEMPT.encode(), b"x"), "attempt 'x'; expected 16 bytes"),
        (replace("attempt.json", b'"index":3', b'"index":4'), "not as written"),
        (
            put("attempt.json", b'{"attempt":"' + samples.ATTEMPT.encode() + b'","entries":[],"v":1}'),
            "an entry from 1 to 0",
        ),
        (replace("policy.txt", b"quorum mirror", b"quorum nobody"), "policy line 4"),
        (replace("entries/0002.tlog-proof", b"index 3", b"index 2"), "entry 2 of .*; expected one after 2"),
        (
            replace("entries/0002.tlog-proof", b"tlog-proof@v1", b"tlog-proof@v9"),
            "entries/0002.tlog-proof: proof line 1",
        ),
        (put("entries/0001.json", b""), "an entry of 0 bytes"),
        (put("entries/0001.json", bytes(65_536)), "an entry of 65536 bytes"),
        (put("openings.json", b"{}"), "openings.json, opening 0: another shape"),
        (put("openings.json", b'{"openings":[],"v":1}'), "'openings.json' does not belong"),
        (
            replace("openings.json", b'"entry":4', b'"entry":9'),
            "opening 0: another shape; expected an entry from 1 to 6",
        ),
        (replace("openings.json", b'"entry":4', b'"entry":true'), "an entry from 1 to 6"),
        (replace("openings.json", b'"blind":"', b'"blind":"0'), "blind in hex"),
        (replace("openings.json", b'"field":"raw', b'"field":"Raw'), "opening 0: field 'Raw"),
        (replace("openings.json", b'"value":"', b'"value":"="'[:10]), "base64|not JSON"),
    ],
)
def test_a_bundle_that_is_not_one_is_refused(change: Callable[[dict[str, bytes]], None], says: str) -> None:
    """Files that are missing, foreign, out of place or of another shape; the sums fit in each case."""
    with pytest.raises((EvidenceError, PolicyError), match=says):
        parse_evidence(repacked(change))


def test_a_damaged_file_is_named() -> None:
    """SHA256SUMS says which file it is before anything is read from it."""
    members = [(name, data + b" " if name == "entries/0003.json" else data) for name, data in decode_zip(BUNDLE)]
    with pytest.raises(EvidenceError, match=r"file 'entries/0003\.json' is not what SHA256SUMS states"):
        parse_evidence(encode_zip(members))
    doubled = decode_zip(BUNDLE)
    with pytest.raises(EvidenceError, match="a name twice"):
        parse_evidence(encode_zip([*doubled, doubled[-1]]))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "expected a zip file"),
        (b"not a zip file", "expected a zip file"),
        (stdlib_zip([("a", bytes(10_000_000))], zipfile.ZIP_DEFLATED), "expected a stored member"),
        (b"junk" + BUNDLE, "expected a zip file"),
        (BUNDLE + b"junk", "not as written"),
        (BUNDLE[:-1], "not as written"),
        (b"PK\x03\x04" + bytes(10), "zip byte 0: cut short"),
        (struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 2**31, 2**31, 1, 0) + b"a", "cut short"),
        (struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 0, 0, 60_000, 0) + bytes(60_000), "cut short"),
        (struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, zlib.crc32(b""), 0, 0, 1, 0) + b"\xff", "not ASCII"),
    ],
)
def test_a_zip_that_could_harm_is_refused(data: bytes, says: str) -> None:
    """No decompression, no lengths beyond the file, nothing before or behind it."""
    with pytest.raises(EvidenceError, match=says):
        parse_evidence(data)


def test_a_bundle_has_limits() -> None:
    """64 MiB, 4,096 entries; one more is refused on both sides."""
    with pytest.raises(EvidenceError, match="bytes; expected at most"):
        decode_zip(bytes(EVIDENCE_BYTES_MAX + 1))
    with pytest.raises(EvidenceError, match="bytes; expected at most"):
        encode_zip([("a", bytes(EVIDENCE_BYTES_MAX))])
    with pytest.raises(EvidenceError, match="members; expected at most"):
        encode_zip([("a", b"")] * (2 * EVIDENCE_ENTRIES_MAX + 9))
    many = encode_zip([("a", b"")] * (2 * EVIDENCE_ENTRIES_MAX + 8))
    assert len(decode_zip(many)) == 2 * EVIDENCE_ENTRIES_MAX + 8


@pytest.mark.parametrize(
    ("attempt", "items", "says"),
    [
        ("x", [LOG.item(2)], "attempt 'x'"),
        (samples.ATTEMPT, [], "0 entries; expected 1 to 4096"),
        (samples.ATTEMPT, [LOG.item(2), LOG.item(2)], "expected one after 2"),
        (samples.ATTEMPT, [EvidenceItem(b"", LOG.proof(2))], "an entry of 0 bytes"),
        (samples.ATTEMPT, [LOG.item(2, (Opening(3, "ticket", bytes(32), b""),))], "openings of another entry"),
    ],
)
def test_a_bundle_that_would_not_be_read_is_not_built(attempt: str, items: list[EvidenceItem], says: str) -> None:
    """The server learns of its mistake before the auditor does."""
    with pytest.raises(EvidenceError, match=says):
        build_evidence(attempt, items, samples.policy_text())
    with pytest.raises(PolicyError):
        build_evidence(samples.ATTEMPT, [LOG.item(2)], b"no policy\n")
