"""What the format pages print is what the code makes: no example is older than the format."""

from __future__ import annotations

import re
from pathlib import Path

import format_samples as samples

from scorelog.format.cosignature import merge
from scorelog.format.keys import cosigned_message
from scorelog.format.note import open_note, parse_note, parse_vkey
from scorelog.format.policy import parse_policy
from scorelog.format.rubric import parse_rubric

PAGES = Path(__file__).resolve().parents[3] / "docs" / "formats"
LOG = samples.sample_log()


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def example(name: str, fence: str = "") -> str:
    """The first fenced block of a page."""
    found = re.search(rf"^```{fence}\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_examples_are_those_of_the_sample_log() -> None:
    """Proof, checkpoint, cosignature and commitment, character for character."""
    assert example("proof") == LOG.proof(5).encode().decode()
    assert example("checkpoint") == LOG.checkpoint.decode()
    assert merge(LOG.checkpoint, example("cosignature").encode()) == LOG.receipt
    assert cosigned_message(LOG.note.text.encode(), samples.COSIGNED_S).decode() in page("cosignature")
    opening = samples.openings_of(5)[1]
    assert opening.commitment.hex() in page("commitment")
    assert opening.blind.hex() in page("commitment")


def test_the_examples_can_be_read() -> None:
    """Note, policy and rubric are valid as printed."""
    vkey = re.search(r"`(example\.com/foo\+\S+)`", page("note"))
    assert vkey is not None
    assert (
        open_note(parse_note(example("note").encode()), [parse_vkey(vkey[1])]).text == "This is an example message.\n"
    )
    assert parse_policy(example("policy")).check(LOG.receipt).checkpoint.size == 8
    assert parse_rubric(example("rubric", "toml")).item("K11").limit_s == 600
