"""What a generation carries over when entries are junk, or texts were logged again in parts."""

from __future__ import annotations

from fake_clock import FakeClock
from log_entries import content_of

from scorelog.format.entry import build_entry, parse_entry
from scorelog.format.types import RELOGGED
from scorelog.journal.adoptions import Adoptions, plans_named
from scorelog.journal.relog import new_document, relogged


def test_what_is_no_entry_adopts_and_names_nothing() -> None:
    """Signed junk is carried, not read."""
    assert list(Adoptions(set()).take(b"\xff")) == []
    assert list(plans_named(b"\xff")) == []
    assert list(plans_named(build_entry(new_document(RELOGGED, FakeClock()) | {"entry": "/w=="}))) == []


def test_a_text_that_was_logged_again_in_parts_is_adopted() -> None:
    """P4: its parts come in the order of the log; one that is missing gives nothing."""
    text = "x" * 60_000
    digest = content_of(text)
    whole = build_entry(new_document("rubric.adopted", FakeClock()) | {"sha256": digest, "text": text})
    carriers = [one.entry for one in relogged("a/0", 7, whole, (), FakeClock())]
    assert len(carriers) > 1
    found = Adoptions(set())
    taken = [list(found.take(one)) for one in carriers]
    assert taken[:-1] == [[] for _ in carriers[:-1]]
    assert [(kind, fields["sha256"]) for kind, fields in taken[-1]] == [("rubric.adopted", digest)]
    assert list(found.take(carriers[-1])) == [], "the last part alone is nothing"
    other = Adoptions(set())
    assert [list(other.take(one)) for one in carriers[1:]] == [[] for _ in carriers[1:]]


def test_junk_is_carried_whole() -> None:
    """An entry that is none goes into the next generation byte for byte, without key or commitments."""
    (one,) = relogged("a/0", 7, b"\xff junk", (), FakeClock())
    assert (one.key, one.content) == (None, None)
    assert parse_entry(one.entry).document["entry"] == "/yBqdW5r"
