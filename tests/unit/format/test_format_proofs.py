"""Proofs, policies and witness requests: what is believed, and exactly when."""

from __future__ import annotations

import format_samples as samples
import pytest
from format_strategies import proofs, requests
from hypothesis import given
from hypothesis import strategies as st

from scorelog.format.cosignature import merge
from scorelog.format.errors import CheckpointError, FormatError, PolicyError, ProofError, SignatureInvalid
from scorelog.format.limits import POLICY_BYTES_MAX, POLICY_LINES_MAX, PROOF_BYTES_MAX, PROOF_EXTRA_BYTES_MAX
from scorelog.format.note import NoteSignature, add_signature_lines, parse_note
from scorelog.format.policy import parse_policy
from scorelog.format.proof import TlogProof, parse_proof, verify_proof
from scorelog.format.text import tobase64
from scorelog.format.tree import leaf_hash
from scorelog.format.witness import AddCheckpoint, parse_add_checkpoint

LOG = samples.sample_log()
POLICY = parse_policy(samples.policy_text())
LOG_LINE = f"log {samples.log_signer().vkey}\n"
MIRROR_LINE = f"witness mirror {samples.mirror_signer().vkey}\n"
WITNESS_LINE = f"witness audit {samples.witness_signer().vkey}\n"
HEAD = "c2sp.org/tlog-proof@v1\n"
HASH = "A" * 43 + "="


@given(proofs)
def test_a_proof_is_read_back(proof: TlogProof) -> None:
    """Every proof that can be written is read as itself, and its bytes are its only spelling."""
    assert parse_proof(proof.encode()) == proof
    assert parse_proof(proof.encode()).encode() == proof.encode()


@given(requests)
def test_a_witness_request_is_read_back(request: AddCheckpoint) -> None:
    """The same for add-checkpoint."""
    assert parse_add_checkpoint(request.encode()) == request


def test_every_entry_of_a_log_is_proven_by_its_receipt() -> None:
    """P3: proof, entry and policy together say origin, index, size and who stored it when."""
    for index, entry in enumerate(LOG.entries):
        proven = verify_proof(parse_proof(LOG.proof(index).encode()), entry, POLICY)
        assert (proven.origin, proven.index, proven.size) == (samples.ORIGIN, index, 8)
        assert proven.cosigned_by == ((samples.MIRROR, samples.COSIGNED_S),)
        assert LOG.proof(index).checkpoint.size == 8


@given(st.integers(0, 7), st.integers(0, 7), st.integers(0, 10_000))
def test_nothing_else_is_proven(index: int, other: int, at: int) -> None:
    """P3: one flipped bit of an entry, or the entry of another index, is not proven."""
    entry = LOG.entries[index]
    flipped = bytearray(entry)
    flipped[at % len(entry)] ^= 1
    with pytest.raises(ProofError, match="leads to root"):
        verify_proof(LOG.proof(index), bytes(flipped), POLICY)
    if other != index:
        with pytest.raises(ProofError):
            verify_proof(LOG.proof(index), LOG.entries[other], POLICY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c2sp.org/tlog-proof@v2\nindex 0\n\n", "proof line 1"),
        (HEAD + "\n\n", "line 2: no index"),
        (HEAD + "index 00\n\n", "line 2: '00'"),
        (HEAD + "index 1\nindex 1\n\n", "line 3"),
        (HEAD + "index -1\n\n", "line 2: '-1'"),
        (HEAD + "extra AA==\n\n", "line 3: no index"),
        (HEAD + "extra AA\nindex 0\n\n", "extra"),
        (HEAD + "extra " + tobase64(bytes(PROOF_EXTRA_BYTES_MAX + 1)) + "\nindex 0\n\n", "16385 bytes"),
        (HEAD + f"index 0\n{HASH}\nAAAA\n\n", "line 4: 3 bytes"),
        (HEAD + "index 0\n" + f"{HASH}\n" * 64 + "\n", "64 hashes"),
        (HEAD + "index 0\né\n\n", "not ASCII"),
        (HEAD + "index 0", "no empty line"),
        ("x" * (PROOF_BYTES_MAX + 1), "at most"),
    ],
)
def test_a_malformed_proof_is_refused_with_its_line(text: str, says: str) -> None:
    """Rules of docs/formats/proof.md."""
    with pytest.raises(ProofError, match=says):
        parse_proof(text.encode() + (LOG.receipt if text.endswith("\n\n") else b""))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("old 1", "no empty line"),
        ("new 1\n\n", "line 1: 'new 1'"),
        ("old 01\n\n", "line 1: '01'"),
        ("old 1\nAAAA\n\n", "line 2: 3 bytes"),
        ("old 1\n" + f"{HASH}\n" * 64 + "\n", "64 hashes"),
        ("old é\n\n", "not ASCII"),
        ("x" * (PROOF_BYTES_MAX + 1), "at most"),
    ],
)
def test_a_malformed_witness_request_is_refused(text: str, says: str) -> None:
    """What the server answers with 400."""
    with pytest.raises(ProofError, match=says):
        parse_add_checkpoint(text.encode() + (LOG.receipt if text.endswith("\n\n") else b""))


def test_the_checkpoint_inside_must_be_one() -> None:
    """A proof or request around something else is refused when it is read."""
    with pytest.raises(FormatError, match="note"):
        parse_proof((HEAD + "index 0\n\nhello\n").encode())
    with pytest.raises(CheckpointError):
        parse_add_checkpoint(b"old 0\n\n" + LOG.receipt.replace(b"\n8\n", b"\n08\n"))


# Policies


def test_a_policy_keeps_its_bytes() -> None:
    """Comments, blank lines, tabs and addresses are allowed, and the file stays as it was."""
    text = (
        f"# 考分\n\n\tlog {samples.log_signer().vkey}  https://log.example/ \n{MIRROR_LINE}{WITNESS_LINE}"
        "group both all mirror audit\nquorum both\n"
    )
    policy = parse_policy(text)
    assert policy.encode() == text.encode()
    assert list(policy.logs) == [samples.ORIGIN]
    assert policy.groups["both"].threshold == 2
    assert parse_policy(text.encode()) == policy


def test_a_policy_without_quorum_needs_the_logs_signature_only() -> None:
    """`quorum none`: the log's key, and nobody's cosignature."""
    result = parse_policy(f"{LOG_LINE}quorum none\n").check(LOG.checkpoint)
    assert (result.checkpoint.size, result.log.name, result.cosigned_by) == (8, samples.ORIGIN, ())


@pytest.mark.parametrize(
    ("quorum", "mirror", "audit", "holds"),
    [
        ("quorum mirror", True, False, True),
        ("quorum audit", True, False, False),
        ("group g any mirror audit\nquorum g", False, True, True),
        ("group g any mirror audit\nquorum g", False, False, False),
        ("group g all mirror audit\nquorum g", True, False, False),
        ("group g all mirror audit\nquorum g", True, True, True),
        ("group g 2 mirror audit\nquorum g", False, True, False),
        ("group a any mirror\ngroup g all a audit\nquorum g", True, True, True),
        ("group a any mirror\ngroup g all a audit\nquorum g", False, True, False),
    ],
)
def test_the_quorum_decides(quorum: str, *, mirror: bool, audit: bool, holds: bool) -> None:
    """P3: one authority alone is not enough where the policy asks for two."""
    policy = parse_policy(f"{LOG_LINE}{MIRROR_LINE}{WITNESS_LINE}{quorum}\n")
    note = LOG.checkpoint
    for present, signer in ((mirror, samples.mirror_signer()), (audit, samples.witness_signer())):
        if present:
            note = merge(note, signer.cosign(LOG.note.text, 5))
    if holds:
        names = {name for name, _ in policy.check(note).cosigned_by}
        assert len(names) == mirror + audit
        return
    with pytest.raises(PolicyError, match=r"is cosigned by .*; expected quorum"):
        policy.check(note)


def test_a_known_cosigner_that_fails_rejects_the_checkpoint() -> None:
    """Even if the quorum would hold without it."""
    audit = samples.witness_signer()
    policy = parse_policy(f"{LOG_LINE}{MIRROR_LINE}{WITNESS_LINE}quorum mirror\n")
    forged = add_signature_lines(parse_note(LOG.receipt), (NoteSignature(audit.name, audit.key_id, bytes(72)),))
    with pytest.raises(SignatureInvalid, match="audit"):
        policy.check(forged)


def test_a_log_that_the_policy_does_not_name_is_not_believed() -> None:
    """The origin decides whose key is asked."""
    with pytest.raises(PolicyError, match=r"origin exam\.example/gw/gw-01/0 is none"):
        parse_policy(samples.policy_text("exam.example/gw/gw-02/0")).check(LOG.receipt)


def test_generations_of_one_gateway_may_share_their_key() -> None:
    """Our one departure from C2SP: the same public key under two generations of one gateway, and only there."""
    policy = parse_policy(samples.policy_text(samples.ORIGIN, f"{samples.GATEWAY}/1"))
    assert len(policy.logs) == 2
    with pytest.raises(PolicyError, match="line 3: the key of"):
        parse_policy(samples.policy_text(samples.ORIGIN, "exam.example/gw/gw-02/0"))
    with pytest.raises(PolicyError, match="line 3: the key of"):
        parse_policy(samples.policy_text(samples.ORIGIN, samples.ORIGIN))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no quorum line"),
        ("quorum none", "no LF at the end"),
        ("quorum none\nquorum none\n", "line 2: a second quorum"),
        ("quorum mirror\n", "line 1: name 'mirror' is not defined above"),
        (f"quorum none\n{LOG_LINE[:-1]} a b\n", "line 2: .*expected a log, witness, group or quorum line"),
        ("log x\nquorum none\n", "line 1: key text 'x'"),
        (f"log {samples.mirror_signer().vkey}\n", "line 1: key type 0x04; expected a log key"),
        (f"witness a {samples.log_signer().vkey}\n", "line 1: key type 0x01; expected a cosigner key"),
        (f"{MIRROR_LINE}{MIRROR_LINE}", "line 2: name 'mirror' is taken"),
        (f"{MIRROR_LINE}{MIRROR_LINE.replace(' mirror ', ' twin ')}", "line 2: a witness key twice"),
        (f"witness none {samples.mirror_signer().vkey}\n", "name 'none' is taken"),
        ("group g all\n", "line 1: 'group g all'"),
        ("group g all none\n", "name 'none' is not defined"),
        (f"{MIRROR_LINE}group g 2 mirror\n", "line 2: '2'; expected all, any, or a number from 1 to 1"),
        (f"{MIRROR_LINE}group g 0 mirror\n", "line 2: '0'"),
        (f"{MIRROR_LINE}group g 01 mirror\n", "line 2: '01'"),
        (f"{MIRROR_LINE}group g any mirror mirror\n", "is a member already"),
        (f"{MIRROR_LINE}group g any mirror\ngroup h any mirror\n", "is a member already"),
        (MIRROR_LINE + "".join(
            f"group g{number} any {'mirror' if number == 0 else f'g{number - 1}'}\n" for number in range(9)
        ), "nested too deeply"),
        ("quorum\rnone\n", "control character"),
        ("quorum none\x7f\n", "control character"),
        ("quorum \ud800\n", "not UTF-8"),
        ("#" * POLICY_BYTES_MAX + "\n", "bytes"),
        ("\n" * (POLICY_LINES_MAX + 1), "10001 lines"),
    ],
)  # fmt: skip
def test_a_malformed_policy_is_refused_with_its_line(text: str, says: str) -> None:
    """Rules of docs/formats/policy.md."""
    with pytest.raises(PolicyError, match=says):
        parse_policy(text)


def test_two_keys_of_one_log_may_overlap() -> None:
    """During a key rotation both keys sign under the same origin, and either is enough."""
    new = samples.Ed25519Signer(samples.ORIGIN, samples.private_key(8))
    policy = parse_policy(f"{LOG_LINE}log {new.vkey}\nquorum none\n")
    for signer in (samples.log_signer(), new):
        note = samples.sign_checkpoint(samples.Checkpoint(samples.ORIGIN, 1, leaf_hash(b"x")), signer)
        assert policy.check(note).log.vkey == signer.vkey
