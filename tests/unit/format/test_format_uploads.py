"""Uploads, size answers, commitments and openings: framing to the byte, limits to the byte."""

from __future__ import annotations

import format_samples as samples
import pytest
from format_strategies import fields, hashes, uploads
from hypothesis import given
from hypothesis import strategies as st

from scorelog.format.commitment import Opening, check_opening, commit, committed, new_blind
from scorelog.format.entry import build_entry, parse_entry
from scorelog.format.errors import CommitmentError, UploadError
from scorelog.format.limits import (
    CHECKPOINT_BYTES_MAX,
    INT_MAX,
    OPENING_VALUE_BYTES_MAX,
    UPLOAD_BYTES_MAX,
    UPLOAD_ENTRIES_MAX,
    UPLOAD_OPENINGS_BYTES_MAX,
)
from scorelog.format.upload import (
    Upload,
    encode_openings,
    encode_size_answer,
    encode_upload,
    parse_openings,
    parse_size_answer,
    parse_upload,
)

GOOD = encode_upload(Upload(41, (b"one", b"two"), (Opening(42, "ticket", bytes(32), b"4301"),), b"note\n"))
BLIND = bytes(32)


@given(uploads())
def test_an_upload_is_read_back(upload: Upload) -> None:
    """Rules 1 to 5: every upload has one spelling."""
    data = encode_upload(upload)
    assert parse_upload(data) == upload
    assert encode_upload(parse_upload(data)) == data
    assert upload.size == upload.start + len(upload.entries)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"kaofen.upload/v1", b"kaofen.upload/v2", "upload head"),
        (b"start 41", b"start 041", "line 2: '041'"),
        (b"start 41", b"start +41", "line 2"),
        (b"start 41", b"start  41", "line 2"),
        (b"start 41", b"begin 41", "line 2: 'begin 41'; expected 'start' and 1 numbers"),
        (b"start 41", b"start 40", "opening of entry 42; expected 40 to 41"),
        (b"start 41", b"start 9007199254740990", "a size of at most"),
        (b"start 41", b"start \xff41", "not ASCII"),
        (b"entries 2 10", b"entries 2", "line 3"),
        (b"entries 2 10", b"entries 3 10", "2 entries; expected 3"),
        (b"entries 2 10", b"entries 2 11", "bytes; expected"),
        (b"openings 1 53", b"openings 2 53", "1 openings; expected 2"),
        (b"openings 1 53", b"openings 0 53", "bytes after 0 openings"),
        (b"checkpoint 5\n\n", b"checkpoint 5\nmore 1\n\n", "and 5 lines"),
        (b"checkpoint 5\n\n", b"checkpoint 5\n", "no empty line"),
        (b"\x00\x03one", b"\x00\x04one", "upload|bundle"),
        (b"\x00\x03one\x00\x03two", b"\x00\x00\x00\x06onetwo", "an entry of 0 bytes"),
        (b"\x06ticket", b"\x06Ticket", "openings byte 0: field"),
        (b"\x06ticket", b"\x06tick\xff\xff", "not ASCII"),
        (b"\x06ticket", b"\xf6ticket", "cut short"),
        (b"note\n", b"note\n\n", "as the head says"),
    ],
)
def test_a_malformed_upload_is_answered_400(old: bytes, new: bytes, says: str) -> None:
    """Rules 1 to 5: what, where, what was expected."""
    assert old in GOOD
    with pytest.raises(UploadError, match=says) as refusal:
        parse_upload(GOOD.replace(old, new, 1))
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("entries {} 0", UPLOAD_ENTRIES_MAX),
        ("entries 0 {}", UPLOAD_BYTES_MAX),
        ("openings 0 {}", UPLOAD_OPENINGS_BYTES_MAX),
        ("checkpoint {}", CHECKPOINT_BYTES_MAX),
    ],
)
def test_one_over_a_limit_is_answered_413_before_anything_is_read(line: str, limit: int) -> None:
    """Rule 6: at the limit the framing speaks, above it the limit does."""
    lines = {"entries": "entries 0 0", "openings": "openings 0 0", "checkpoint": "checkpoint 0"}
    for number, status in ((limit, 400), (limit + 1, 413)):
        stated = {**lines, line.split(maxsplit=1)[0]: line.format(number)}
        head = "\n".join(("kaofen.upload/v1", "start 0", *stated.values())) + "\n\n"
        with pytest.raises(UploadError) as refusal:
            parse_upload(head.encode())
        assert refusal.value.status == status


def test_a_full_upload_fits() -> None:
    """256 entries and 1 MiB at once; one entry or one byte more does not fit."""
    filler = UPLOAD_BYTES_MAX // UPLOAD_ENTRIES_MAX - 2
    full = Upload(0, (bytes(filler),) * UPLOAD_ENTRIES_MAX, (), bytes(CHECKPOINT_BYTES_MAX))
    assert parse_upload(encode_upload(full)) == full
    for worse in (
        Upload(0, (b"x",) * (UPLOAD_ENTRIES_MAX + 1), (), b""),
        Upload(0, (bytes(filler + 1),) + (bytes(filler),) * (UPLOAD_ENTRIES_MAX - 1), (), b""),
        Upload(0, (), (), bytes(CHECKPOINT_BYTES_MAX + 1)),
    ):
        with pytest.raises(UploadError) as refusal:
            encode_upload(worse)
        assert refusal.value.status == 413


@pytest.mark.parametrize(
    ("upload", "says"),
    [
        (Upload(0, (b"",), (), b""), "0 bytes"),
        (Upload(-1, (), (), b""), "0 entries from -1"),
        (Upload(INT_MAX, (b"x",), (), b""), "a size of at most"),
        (Upload(5, (b"x",), (Opening(4, "a", BLIND, b""),), b""), "opening of entry 4; expected 5 to 5"),
        (Upload(5, (b"x",), (Opening(5, "b", BLIND, b""), Opening(5, "a", BLIND, b"")), b""), "strictly increasing"),
        (Upload(5, (b"x",), (Opening(5, "a", BLIND, b""),) * 2, b""), "strictly increasing"),
    ],
)
def test_what_would_not_be_read_is_not_written(upload: Upload, says: str) -> None:
    """The gateway learns of its mistake before the server does."""
    with pytest.raises(UploadError, match=says):
        encode_upload(upload)


@given(st.lists(st.builds(Opening, st.integers(0, INT_MAX), fields, hashes, st.binary(max_size=40)), max_size=4))
def test_openings_are_read_back(openings: list[Opening]) -> None:
    """The binary form of openings alone."""
    assert parse_openings(encode_openings(openings), len(openings)) == tuple(openings)


@pytest.mark.parametrize("cut", range(1, 58))
def test_a_cut_opening_is_refused_at_every_byte(cut: int) -> None:
    """No prefix of an opening is an opening."""
    whole = encode_openings([Opening(1, "ticket", BLIND, b"123456789")])
    assert len(whole) == 58
    with pytest.raises(UploadError, match="cut short"):
        parse_openings(whole[:cut], 1)


@given(st.integers(0, INT_MAX))
def test_a_size_answer_is_read_back(size: int) -> None:
    """The body of a 409."""
    assert parse_size_answer(encode_size_answer(size)) == size


@pytest.mark.parametrize(
    "data", [b"", b"5", b"05\n", b"5\n\n", b"-1\n", b"9007199254740992\n", b"\xff\n", b"1" * 40 + b"\n"]
)
def test_any_other_size_answer_is_refused(data: bytes) -> None:
    """A decimal and LF, nothing else."""
    with pytest.raises(UploadError, match="size answer"):
        parse_size_answer(data)


def test_a_size_that_cannot_be_is_not_answered() -> None:
    """Below 0 or above 2^53-1."""
    for size in (-1, INT_MAX + 1):
        with pytest.raises(UploadError, match="size"):
            encode_size_answer(size)


# Commitments


@given(hashes, fields, st.binary(max_size=60))
def test_an_opening_opens_its_commitment_and_no_other(blind: bytes, field: str, value: bytes) -> None:
    """P7: value and blind together open the commitment; any other value, field or blind does not."""
    document = samples.document(3, "identity.checked", candidate=[committed(blind, field, value).to_json()])
    entry = parse_entry(build_entry(document))
    assert check_opening(Opening(3, field, blind, value), entry)
    assert not check_opening(Opening(3, field, blind, value + b"x"), entry)
    assert not check_opening(Opening(3, field + "x", blind, value), entry)
    assert not check_opening(Opening(3, field, bytes([blind[0] ^ 1]) + blind[1:], value), entry)
    assert Opening(3, field, blind, value).commitment == commit(blind, field, value)


def test_an_opening_does_not_print_its_value() -> None:
    """P7: no personal field in a log line or an error."""
    assert "4301" not in repr(Opening(1, "ticket", new_blind(), b"4301"))
    assert len(new_blind()) == 32


@pytest.mark.parametrize("field", ["", "a\x00b", "A", "é", "x" * 65, ".a", "a b"])
def test_a_field_name_cannot_run_into_its_value(field: str) -> None:
    """Rule: names of a-z 0-9 _ . - only; above all no NUL."""
    with pytest.raises(CommitmentError, match="field"):
        commit(BLIND, field, b"")


@pytest.mark.parametrize(
    ("index", "blind", "value", "says"),
    [
        (-1, BLIND, b"", "index -1"),
        (INT_MAX + 1, BLIND, b"", "index"),
        (0, bytes(31), b"", "a blind of 31 bytes"),
        (0, BLIND, bytes(OPENING_VALUE_BYTES_MAX + 1), "a value of 65536 bytes"),
    ],
)
def test_an_opening_outside_the_limits_is_refused(index: int, blind: bytes, value: bytes, says: str) -> None:
    """Index, blind and value have the widths of the upload."""
    with pytest.raises(CommitmentError, match=says):
        Opening(index, "a", blind, value)
    assert Opening(INT_MAX, "a", BLIND, bytes(OPENING_VALUE_BYTES_MAX)).index == INT_MAX
    with pytest.raises(CommitmentError, match="31 bytes"):
        commit(bytes(31), "a", b"")
