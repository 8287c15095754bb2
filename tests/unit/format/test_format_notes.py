"""Signed notes, checkpoints and cosignatures follow C2SP to the byte, and refuse every second spelling."""

from __future__ import annotations

import format_samples as samples
import pytest
from format_strategies import checkpoints, notes, signatures, texts
from hypothesis import given
from hypothesis import strategies as st

from scorelog.format.checkpoint import (
    Checkpoint,
    open_checkpoint,
    parse_checkpoint,
    parse_checkpoint_body,
    sign_checkpoint,
)
from scorelog.format.cosignature import CosignatureSigner, merge, verify_cosignature
from scorelog.format.errors import CheckpointError, FormatError, NoteError, SignatureInvalid
from scorelog.format.keys import cosigned_message, encode_vkey
from scorelog.format.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX
from scorelog.format.note import (
    Ed25519Signer,
    Ed25519Verifier,
    Note,
    NoteSignature,
    add_signature_lines,
    open_note,
    parse_note,
    parse_signature_lines,
    parse_vkey,
    sign_note,
)
from scorelog.format.tree import EMPTY_ROOT

SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZX"
    "sYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
LINE = b"\xe2\x80\x94 a AAAAAAA=\n"  # key id 0, one signature byte
MANY = b"text\n\n" + b"".join(b"\xe2\x80\x94 a%d AAAAAAA=\n" % number for number in range(NOTE_SIGNATURES_MAX))


def test_the_example_of_the_specification_verifies() -> None:
    """The vkey and note printed in C2SP signed-note; and not one changed character of it."""
    verifier = parse_vkey(SPEC_VKEY)
    assert verifier.vkey == SPEC_VKEY
    assert open_note(SPEC_NOTE, [verifier]).text == "This is an example message.\n"
    with pytest.raises(SignatureInvalid, match=r"example.com/foo \(key id 530d903a\) does not verify"):
        open_note(SPEC_NOTE.replace(b"example message", b"exemple message"), [verifier])


@given(notes)
def test_a_note_is_read_back_and_encodes_identically(note: Note) -> None:
    """Every note that can be written is read as itself, the last empty line being the cut."""
    assert parse_note(note.encode()) == note
    assert parse_note(note.encode()).encode() == note.encode()


@given(texts, st.integers(1, 3))
def test_what_is_signed_verifies(text: str, signers: int) -> None:
    """A signed text opens with each of its keys, and with no other."""
    keys = [Ed25519Signer(f"key{number}", samples.private_key(number)) for number in range(1, signers + 1)]
    data = sign_note(text, keys)
    for key in keys:
        opened = open_note(data, [parse_vkey(key.vkey)])
        assert opened.text == text
        assert [one.verifier.name for one in opened.verified] == [key.name]
    with pytest.raises(SignatureInvalid, match=r"no signature of a known key \(signed by key1"):
        open_note(data, [Ed25519Verifier("key1", samples.private_key(9).public_key().public_bytes_raw())])


def test_unknown_lines_are_kept_and_ignored() -> None:
    """C2SP: unknown (name, id) pairs do not matter, even with a known name."""
    log = samples.sample_log()
    foreign = add_signature_lines(
        parse_note(log.checkpoint), LINE + LINE.replace(b" a ", samples.ORIGIN.join("  ").encode())
    )
    assert len(foreign.signatures) == 3
    checkpoint, kept = open_checkpoint(foreign.encode(), parse_vkey(samples.log_signer().vkey))
    assert (checkpoint.size, len(kept.signatures)) == (8, 3)


def test_a_known_key_that_fails_rejects_the_note_beside_one_that_verifies() -> None:
    """C2SP: a known pair that fails rejects the whole note."""
    log, mirror = samples.sample_log(), parse_vkey(samples.mirror_signer().vkey)
    bad = NoteSignature(mirror.name, mirror.key_id, bytes(72))
    note = add_signature_lines(log.note, (bad,))
    with pytest.raises(SignatureInvalid, match=r"exam\.example/mirror"):
        open_note(note, [parse_vkey(samples.log_signer().vkey), mirror])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"text\n" + LINE, "no empty line"),
        (b"text\n\n", "no LF at the end"),
        (b"text\n\n" + LINE[:-1], "no LF at the end"),
        (b"text\n\n" + LINE + LINE, "two signature lines of the same name and key id"),
        (b"te\rxt\n\n" + LINE, "control character '\\\\r'"),
        (b"te\txt\n\n" + LINE, "control character"),
        (b"te\x00xt\n\n" + LINE, "control character"),
        (b"te\xffxt\n\n" + LINE, "not UTF-8"),
        (b"text\n\n- a AAAAAAA=\n", "line 3: '- a AAAAAAA='"),
        (b"text\n\n\xe2\x80\x94 a b AAAAAAA=\n", "line 3"),
        (b"text\n\n\xe2\x80\x94  AAAAAAA=\n", "line 3: ''"),
        (b"text\n\n\xe2\x80\x94 a+b AAAAAAA=\n", "no '\\+'"),
        ("text\n\n— a\u2009b AAAAAAA=\n".encode(), "no space"),
        ("text\n\n— a\u0085b AAAAAAA=\n".encode(), "no space"),
        (b"text\n\n\xe2\x80\x94 a AAAAAAB=\n", "second spelling"),
        (b"text\n\n\xe2\x80\x94 a AAAAAAA\n", "base64"),
        (b"text\n\n\xe2\x80\x94 a AAAA\xc3\xa9AA=\n", "base64"),
        (b"text\n\n\xe2\x80\x94 a AAAAAA==\n", "a signature of 4 bytes"),
        (MANY + b"\xe2\x80\x94 b AAAAAAA=\n", "65 signature"),
        (b"x" * (NOTE_BYTES_MAX + 1), "131073 bytes"),
    ],
)  # fmt: skip
def test_a_malformed_note_is_refused_with_the_place(data: bytes, says: str) -> None:
    """Rules of docs/formats/note.md: each refusal says what and where."""
    with pytest.raises(NoteError, match=says):
        parse_note(data)


def test_up_to_64_lines_are_read() -> None:
    """C2SP asks for 16; the limit is 64."""
    assert len(parse_note(MANY).signatures) == NOTE_SIGNATURES_MAX
    with pytest.raises(NoteError, match="65 signature lines"):
        add_signature_lines(parse_note(MANY), LINE)


@given(signatures)
def test_signature_lines_alone_are_read_back(lines: tuple[NoteSignature, ...]) -> None:
    """What a witness answers is read as it was written."""
    assert parse_signature_lines("".join(one.line for one in lines).encode()) == lines


@pytest.mark.parametrize("text", ["", "no end", "tab\t\n", "\ud800\n"])
def test_a_text_that_cannot_be_a_note_is_not_signed(text: str) -> None:
    """What would not be read is not written."""
    with pytest.raises(NoteError, match="ends in LF"):
        sign_note(text, [samples.log_signer()])


def test_a_note_needs_a_signer() -> None:
    """A note without lines is none."""
    with pytest.raises(NoteError, match="no signer"):
        sign_note("text\n", [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a+b", "key text"),
        ("a+00000000", "key text"),
        ("a" * 600 + "+00000000+AA==", "key text"),
        ("a b+00000000+AA==", "name in key text"),
        ("a+0000000+AA==", "8 lower-case hex"),
        ("a+0000000G+AA==", "8 lower-case hex"),
        ("a+530D903A+AA==", "8 lower-case hex"),
        ("a+00000000+", "key type 0x;"),
        ("a+00000000+A", "base64"),
        ("a+00000000+Ag==", "key type 0x02"),
        ("a+00000000+AQ==", "a key of 0 bytes"),
        (SPEC_VKEY.replace("530d903a", "530d903b"), "expected 530d903a for this name and key"),
        (SPEC_VKEY.replace("example.com/foo", "example.com/fop"), "for this name and key"),
    ],
)
def test_a_malformed_key_text_is_refused(text: str, says: str) -> None:
    """Key texts: three parts, known type, and an id that fits name and key."""
    with pytest.raises(NoteError, match=says):
        parse_vkey(text)


def test_keys_are_values() -> None:
    """Two verifiers of one key text are equal; a signer is no verifier; a name must be a name."""
    verifier = parse_vkey(SPEC_VKEY)
    assert verifier == parse_vkey(SPEC_VKEY)
    assert len({verifier, parse_vkey(SPEC_VKEY)}) == 1
    assert verifier != parse_vkey(samples.mirror_signer().vkey)
    assert SPEC_VKEY in repr(verifier)
    assert samples.mirror_signer().vkey in repr(samples.mirror_signer())
    assert encode_vkey(verifier.name, verifier.suite, verifier.public_key) == SPEC_VKEY
    with pytest.raises(NoteError, match="expected an Ed25519 key of 32 bytes"):
        Ed25519Verifier("a", bytes(31))
    with pytest.raises(NoteError, match="no space"):
        CosignatureSigner("a b", samples.private_key(1))


# Checkpoints


@given(checkpoints)
def test_a_checkpoint_is_read_back(checkpoint: Checkpoint) -> None:
    """Body and note of every checkpoint are read as that checkpoint."""
    assert parse_checkpoint_body(checkpoint.body()) == checkpoint
    signer = Ed25519Signer(checkpoint.origin, samples.private_key(4))
    data = sign_checkpoint(checkpoint, signer)
    assert open_checkpoint(data, parse_vkey(signer.vkey))[0] == checkpoint
    assert parse_checkpoint(data)[1].encode() == data


ROOT = "A" * 43 + "="


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (f"a\n1\n{ROOT}", "2 lines"),
        (f"a\n1\n{ROOT}\nextension\n", "4 lines; expected origin, size, root hash; no more"),
        (f"\n1\n{ROOT}\n", "origin"),
        (f"a b\n1\n{ROOT}\n", "origin"),
        (f"a+b\n1\n{ROOT}\n", "origin"),
        (f"a\n01\n{ROOT}\n", "without leading zero"),
        (f"a\n+1\n{ROOT}\n", "decimal"),
        (f"a\n\n{ROOT}\n", "decimal"),
        (f"a\n١\n{ROOT}\n", "decimal"),
        (f"a\n9007199254740992\n{ROOT}\n", "line 2"),
        ("a\n1\nAAAA\n", "3 bytes; expected 32"),
        (f"a\n1\n{ROOT[:-2]}B=\n", "second spelling"),
        (f"a\n0\n{ROOT}\n", "at size 0; expected SHA-256 of nothing"),
    ],
)
def test_a_malformed_checkpoint_is_refused(body: str, says: str) -> None:
    """Rules of docs/formats/checkpoint.md, extension lines above all."""
    with pytest.raises(CheckpointError, match=says):
        parse_checkpoint_body(body)


def test_a_checkpoint_belongs_to_its_origin() -> None:
    """Only the key of the origin signs it, and only that key opens it."""
    log = samples.sample_log()
    stranger = Ed25519Signer("exam.example/gw/gw-02/0", samples.private_key(1))
    with pytest.raises(CheckpointError, match="expected the key of origin"):
        sign_checkpoint(parse_checkpoint(log.checkpoint)[0], stranger)
    with pytest.raises(CheckpointError, match=r"expected origin exam\.example/gw/gw-02/0"):
        open_checkpoint(log.checkpoint, parse_vkey(stranger.vkey))
    other = Ed25519Verifier(samples.ORIGIN, samples.private_key(7).public_key().public_bytes_raw())
    with pytest.raises(SignatureInvalid):
        open_checkpoint(log.checkpoint, other)


def test_values_that_no_checkpoint_has() -> None:
    """Size and root are checked when a checkpoint is made."""
    for size, root, says in ((-1, bytes(32), "size -1"), (1, bytes(31), "31 bytes")):
        with pytest.raises(CheckpointError, match=says):
            Checkpoint("a", size, root)
    assert Checkpoint("a", 0, EMPTY_ROOT).size == 0


# Cosignatures


@given(st.integers(1, 2**63 - 1))
def test_a_cosignature_states_its_time(time_s: int) -> None:
    """cosignature/v1 verifies with the time it carries, and with no other."""
    log, signer = samples.sample_log(), samples.mirror_signer()
    verifier = parse_vkey(signer.vkey)
    receipt = merge(log.checkpoint, signer.cosign(log.note.text, time_s), verifier)
    assert verify_cosignature(receipt, verifier) == time_s
    line = parse_note(receipt).by(verifier)
    assert line is not None
    moved = (time_s % (2**63 - 1) + 1).to_bytes(8, "big") + line.signature[8:]
    forged = add_signature_lines(parse_note(receipt), (NoteSignature(line.name, line.key_id, moved),))
    with pytest.raises(SignatureInvalid):
        verify_cosignature(forged, verifier)


def test_the_signed_message_of_a_cosignature_is_that_of_the_specification() -> None:
    """Two header lines, then the whole note body."""
    assert cosigned_message(b"o\n1\nr\n", 1679315147) == b"cosignature/v1\ntime 1679315147\no\n1\nr\n"


def test_a_cosignature_time_above_63_bits_does_not_verify() -> None:
    """C2SP: the time must not exceed 2^63 - 1, whatever is signed."""
    log, key, verifier = samples.sample_log(), samples.private_key(2), parse_vkey(samples.mirror_signer().vkey)
    late = 2**63
    signature = late.to_bytes(8, "big") + key.sign(cosigned_message(log.note.text.encode(), late))
    assert not verifier.verify(log.note.text.encode(), signature)
    assert not verifier.verify(log.note.text.encode(), signature[:-1])


def test_a_new_cosignature_of_the_same_key_replaces_the_old_one() -> None:
    """A retry gives a fresh line; a receipt never holds two of one key."""
    log, signer = samples.sample_log(), samples.mirror_signer()
    again = merge(log.receipt, signer.cosign(log.note.text, samples.COSIGNED_S + 9))
    assert len(parse_note(again).signatures) == 2
    assert verify_cosignature(again, parse_vkey(signer.vkey)) == samples.COSIGNED_S + 9


def test_an_answer_without_the_mirrors_line_is_no_receipt() -> None:
    """P2: only the verified cosignature of this server counts, also when an older line is still there."""
    log = samples.sample_log()
    mirror = parse_vkey(samples.mirror_signer().vkey)
    other = samples.witness_signer().cosign(log.note.text, 5)
    with pytest.raises(SignatureInvalid, match=r"no cosignature of exam\.example/mirror in the answer"):
        merge(log.receipt, other, mirror)
    with pytest.raises(SignatureInvalid, match="no signature of a known key"):
        verify_cosignature(log.checkpoint, mirror)


@pytest.mark.parametrize("time_s", [0, -1, 2**63])
def test_a_cosigner_states_a_possible_time(time_s: int) -> None:
    """Time 0 says "no time" elsewhere and is not written."""
    with pytest.raises(NoteError, match="POSIX seconds above 0"):
        samples.mirror_signer().cosign(samples.sample_log().note.text, time_s)


def test_a_cosigner_signs_checkpoints_only() -> None:
    """A text that is no checkpoint, or has extension lines, is not cosigned."""
    for text in ("hello\n", samples.sample_log().note.text + "extension\n"):
        with pytest.raises(FormatError, match="expected origin, size, root hash"):
            samples.mirror_signer().cosign(text, 5)
