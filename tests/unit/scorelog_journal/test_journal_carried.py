"""What a generation carries over when entries are junk, or texts were logged again in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from forged_log import small_log, write_entry
from log_entries import READ, content_of, salt_of

from scorelog.format.entry import build_entry, parse_entry
from scorelog.format.types import RELOGGED
from scorelog.journal.adoptions import Adoptions, plans_named
from scorelog.journal.fsck import fsck
from scorelog.journal.relog import new_document, relogged

if TYPE_CHECKING:
    from pathlib import Path

NO_KEYS = {"count": 0, "sha256": content_of("")}


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


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({}, None),
        ({"previous": {}}, None),
        ({"previous": {"keys": NO_KEYS}}, None),
        ({"previous": {"keys": {**NO_KEYS, "count": 1}}}, "1"),
        ({"previous": {"keys": {"count": 0}}}, "0"),
        *(({"previous": odd}, "None") for odd in (None, [], 7, "x", {"keys": None}, {"keys": 7}, {"keys": {}})),
    ],
    ids=str,
)
async def test_an_entry_0_of_whatever_was_signed_is_held_against_the_keys(
    tmp_path: Path, stated: dict[str, object], told: str | None
) -> None:
    """P3: it says how many keys came from before; one that says it otherwise is a finding, never a traceback."""
    path = await small_log(tmp_path)
    document = {"v": 1, "type": "generation.opened", "salt": salt_of("0"), "read": READ, **stated}
    write_entry(path, 0, build_entry(document))
    found = [one.detail for one in fsck(path).findings if one.kind == "carried"]
    assert found == ([] if told is None else [f"0 keys of earlier generations are not the {told} of entry 0"])
