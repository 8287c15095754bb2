"""The report of an acceptance: what is signed is what is read, on paper too; nobody changes a word unseen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.rig import limits
from gateway.rig.accept.report import OUTCOMES, TRIALS, Report, Trial, parse, plain, text_of
from gateway.rig.accept.signing import NAME, prove, sign
from scorelog.format.errors import FormatError
from scorelog.format.note import Ed25519Signer

SIGNER = Ed25519Signer(NAME, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Ed25519Signer(NAME, Ed25519PrivateKey.from_private_bytes(bytes(32)))
REPORT = Report(
    serial="LV-0001",
    firmware="2.1",
    profile="bench 1.0.0",
    sha256="97" * 32,
    guarantee="latched",
    place="192.168.1.50:502 unit 1",
    by="张工 <&> 验收",
    driven="人工 a person",
    began="2026-11-23T06:42:05.000000Z",
    ended="2026-11-23T07:42:05.000000Z",
    tool="kaofen-gateway 0.1.0",
    key="",
    trials=(Trial("profile", "passed", "bench", "bench"), Trial("kept", "passed", "保留 32 条", "32 kept | all")),
)


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (("passed", "absent"), "passed"),
        (("passed", "part"), "part"),
        (("part", "failed"), "failed"),
        (("passed", "not-done"), "failed"),
        ((), "failed"),
    ],
)
def test_the_verdict_is_the_worst_of_the_trials(outcomes: tuple[str, ...], verdict: str) -> None:
    """What was not done is not passed, and an empty report is none."""
    trials = tuple(Trial("kept", outcome, "", "") for outcome in outcomes)
    assert replace(REPORT, trials=trials).verdict == verdict


def test_a_signed_report_is_proven_as_text_and_as_a_page() -> None:
    """With the reader's key, or with the report's own, which proves less and is said to."""
    note, page = sign(REPORT, SIGNER)
    for data in (note, page.encode()):
        proven = prove(data, SIGNER.vkey)
        assert (proven.known, proven.report.serial, proven.report.verdict) == (True, "LV-0001", "passed")
        assert not prove(data).known
        with pytest.raises((FormatError, ConfigError)):
            prove(data, OTHER.vkey)
    assert "张工 &lt;&amp;&gt; 验收" in page
    assert "@page { size: A4" in page
    assert page.index("考分设备验收报告") < page.index("Kaofen rig acceptance report")


def test_no_word_of_a_report_can_be_changed() -> None:
    """Each line of the text and each visible word of the page: another verdict, name, time, number is refused."""
    note, page = sign(replace(REPORT, trials=(Trial("kept", "failed", "丢失 3 条", "3 lost"),)), SIGNER)
    lines = note.split(b"\n")
    for number, line in enumerate(lines[:-3]):
        changed = b"\n".join([*lines[:number], line.replace(b"a", b"b", 1) + b" ", *lines[number + 1 :]])
        with pytest.raises((FormatError, ConfigError)):
            prove(changed, SIGNER.vkey)
    for old, new in (
        ("不合格", "合格"),
        ("3 lost", "0 lost"),
        ("LV-0001</td>", "LV-0002</td>"),
        ("</table>", "</table><p>合格</p>"),
    ):
        assert old in page
        with pytest.raises((FormatError, ConfigError)):
            prove(page.replace(old, new, 1).encode(), SIGNER.vkey)


def test_a_report_that_another_key_signed_anew_names_that_key() -> None:
    """Who forges a verdict must sign it with a key of his own, and the reader's key does not prove it."""
    forged, _ = sign(replace(REPORT, serial="LV-0002"), OTHER)
    assert prove(forged).report.key == OTHER.vkey
    with pytest.raises(FormatError):
        prove(forged, SIGNER.vkey)


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"\xff", b"a\n\nb\n", b"x" * (limits.REPORT_BYTES_MAX + 1)])
def test_what_is_no_report_is_told(data: bytes) -> None:
    """In words, whatever it is."""
    with pytest.raises((FormatError, ConfigError)):
        prove(data)


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(list(TRIALS)), st.sampled_from(list(OUTCOMES)))
@settings(max_examples=60, deadline=None)
def test_whatever_is_written_is_read_back(by: str, evidence: str, trial: str, outcome: str) -> None:
    """No text of a person or rig breaks a line of the report out of its place."""
    report = replace(REPORT, by=plain(by), trials=(Trial(trial, outcome, plain(evidence), plain(evidence)),))
    assert parse(text_of(report)) == report
    note, page = sign(report, SIGNER)
    assert prove(note).report.trials == prove(page.encode()).report.trials == report.trials
