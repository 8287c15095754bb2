"""Hypothesis strategies for the values of the log's format."""

from __future__ import annotations

from typing import Any

import format_samples as samples
import plan_samples
from hypothesis import strategies as st

from scorelog.format.checkpoint import Checkpoint
from scorelog.format.commitment import Opening
from scorelog.format.limits import INT_MAX
from scorelog.format.note import Note, NoteSignature
from scorelog.format.proof import TlogProof
from scorelog.format.tree import EMPTY_ROOT
from scorelog.format.upload import Upload
from scorelog.format.witness import AddCheckpoint

counts = st.integers(0, INT_MAX)
hashes = st.binary(min_size=32, max_size=32)
names = st.from_regex(r"[a-z0-9./\-考]{1,40}", fullmatch=True)
words = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = st.none() | st.booleans() | st.integers(-INT_MAX, INT_MAX) | words
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4))
objects = st.dictionaries(words, values, max_size=5)

lines = st.builds(NoteSignature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
signatures = st.lists(lines, min_size=1, max_size=5, unique_by=lambda one: (one.name, one.key_id)).map(tuple)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.just("\n"), max_size=60).map(
    lambda text: text + "\n"
)
notes = st.builds(Note, texts, signatures)
checkpoints = st.builds(
    lambda origin, size, root: Checkpoint(origin, size, root if size else EMPTY_ROOT), names, counts, hashes
)
checkpoint_notes = st.builds(lambda stated, signed: Note(stated.body(), signed).encode(), checkpoints, signatures)
proofs = st.builds(
    TlogProof, counts, st.lists(hashes, max_size=8).map(tuple), checkpoint_notes, st.none() | st.binary(max_size=40)
)
requests = st.builds(AddCheckpoint, counts, st.lists(hashes, max_size=8).map(tuple), checkpoint_notes)
fields = st.from_regex(r"[a-z0-9][a-z0-9_.\-]{0,20}", fullmatch=True)


@st.composite
def uploads(draw: st.DrawFn) -> Upload:
    """Any upload within the limits, its openings in order."""
    entries = tuple(draw(st.lists(st.binary(min_size=1, max_size=40), max_size=6)))
    start = draw(st.integers(0, INT_MAX - len(entries)))
    places = draw(st.sets(st.tuples(st.integers(0, len(entries) - 1), fields), max_size=4)) if entries else set()
    openings = tuple(
        Opening(start + at, field, draw(hashes), draw(st.binary(max_size=30))) for at, field in sorted(places)
    )
    return Upload(start, entries, openings, draw(st.binary(max_size=60)))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """An entry's document with unknown fields; the common ones are right."""
    made = samples.document(draw(st.integers(0, 99)), draw(st.sampled_from(["anchor", "item.finished", "later.type"])))
    rig = samples.rig_document(draw(st.integers(0, 50)), made["type"], draw(objects)) if draw(st.booleans()) else {}
    unknown = {f"x_{key}": value for key, value in draw(objects).items()}
    return {**made, **rig, **unknown}


@st.composite
def plan_documents(draw: st.DrawFn) -> dict[str, Any]:
    """Any plan that holds: rigs that examine what is sat, sessions with windows, candidates with commitments."""
    made = plan_samples.plan_document()
    codes = draw(st.lists(st.from_regex(r"[A-Z][A-Z0-9]{0,3}", fullmatch=True), min_size=1, max_size=5, unique=True))
    serials = draw(st.lists(st.from_regex(r"[\x21-\x7e]{1,32}", fullmatch=True), min_size=1, max_size=4, unique=True))
    rig = {
        "gateway": "gw-01",
        "items": codes,
        "purpose": "exam_only",
        "wire": draw(st.sampled_from(["modbus", "mqtt"])),
    }
    stations = [{"id": f"A-{at}", "rigs": [{**rig, "serial": serial}]} for at, serial in enumerate(serials)]
    made["rooms"][0].update(name={"en": draw(words.filter(bool)), "zh": draw(words.filter(bool))}, stations=stations)
    attempts = iter(draw(st.lists(st.binary(min_size=16, max_size=16), min_size=6, max_size=6, unique=True)))
    session = made["sessions"][0]
    made["sessions"] = [{**session, "id": f"S{at}", "candidates": []} for at in range(draw(st.integers(0, 3)))]
    for one in made["sessions"]:
        for attempt in (next(attempts).hex(), next(attempts).hex()):
            items = draw(st.lists(st.sampled_from(codes), min_size=1, unique=True))
            places = draw(st.just([]) | st.just([draw(st.sampled_from(stations))["id"] for _ in items]))
            commitments = [{"field": "ticket", "sha256": draw(hashes).hex()}]
            stated = {"attempt": attempt, "commitments": commitments, "items": items, "places": places}
            one["candidates"].append({**stated, "try": draw(st.integers(1, 65_535))})
    return {**made, "version": draw(st.integers(1, INT_MAX))}
