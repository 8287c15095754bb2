"""A plan is checked whole before anybody is bound by it, and tells nobody's name (P7, docs/formats/plan.md)."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import format_strategies as strategies
import pytest
from fuzz_mutation import mutate
from hypothesis import given
from hypothesis import strategies as st
from plan_samples import ATTEMPTS, PERSONS, plan_document, plan_openings

from scorelog.format import canonical
from scorelog.format.entry_parts import ReadTime
from scorelog.format.errors import FormatError, PlanError
from scorelog.format.limits import ENTRY_BYTES_MAX, PLAN_BYTES_MAX
from scorelog.format.plan import (
    OpeningFinding,
    Plan,
    PlanOpening,
    check_openings,
    encode_plan,
    join,
    parse_openings,
    parse_plan,
    parts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
TEXT = encode_plan(plan_document())
PLAN = parse_plan(TEXT)


def window(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["sessions"][0]
    return found


def candidate(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["sessions"][0]["candidates"][0]
    return found


def rig(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["rooms"][0]["stations"][0]["rigs"][0]
    return found


def shuffled(value: Any, rng: random.Random) -> Any:
    """The same value with its keys in another order."""
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(one, rng) for one in value] if isinstance(value, list) else value


def test_a_plan_is_read_whole() -> None:
    """Rule 1: the text is kept, its SHA-256 is its name, and everything in it can be looked up."""
    assert PLAN.encode() == TEXT
    assert PLAN.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert (PLAN.version, PLAN.point, PLAN.region, PLAN.gateways) == (7, "hn-cs-01", "430100", ("gw-01", "gw-02"))
    assert [station.id for station in PLAN.stations] == ["A-01", "A-02"]
    found = PLAN.rig("LV-0003")
    assert found is not None
    assert (found.gateway, found.station, found.room, found.items) == ("gw-02", "A-02", "A", ("K12",))
    session = PLAN.session("S20261123-1")
    assert session is not None
    assert session.closes_us - session.opens_us == 3.5 * 3600 * 10**6
    assert [(one.attempt, one.try_no, one.places) for one in session.candidates] == [
        (ATTEMPTS[0], 1, ("A-02", "A-01")), (ATTEMPTS[1], 2, ()),
    ]  # fmt: skip
    assert PLAN.rig("LV-9999") is None
    assert PLAN.session("S0") is None


def test_the_frozen_plan_is_read_as_ever() -> None:
    """Version 1: the text, its name and what its openings open never change."""
    frozen = json.loads((VECTORS / "plan" / "plan.json").read_text(encoding="utf-8"))
    plan = parse_plan(frozen["text"].encode())
    assert (plan.encode(), plan.sha256) == (frozen["text"].encode(), frozen["sha256"])
    assert encode_plan(json.loads(frozen["text"])) == plan.encode()
    openings = parse_openings(frozen["openings"])
    assert [one.sha256 for one in openings] == [one["commitment"] for one in frozen["openings"]]
    assert check_openings(plan, openings) == []


def test_a_rig_for_training_examines_nothing() -> None:
    """Rule 4: a station examines what a rig of it has, if that is not for training only."""
    first, second = PLAN.stations
    assert (first.examines("K21"), first.examines("K11"), second.examines("K21")) == (True, False, False)


# Each change breaks one rule; the error says where and what.
BROKEN: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("plan: v = 2; expected an integer from 1 to 1", lambda d: d.update(v=2)),
    ("plan: v = True", lambda d: d.update(v=True)),
    ("plan: no version", lambda d: d.pop("version")),
    ("plan: version = 0", lambda d: d.update(version=0)),
    ("plan: published: '2026-11-22'", lambda d: d.update(published="2026-11-22")),
    ("plan: point = []; expected an object", lambda d: d.update(point=[])),
    ("plan, point: id = 'HN'", lambda d: d["point"].update(id="HN")),
    ("plan, point: region = '43'", lambda d: d["point"].update(region="43")),
    ("plan, point, name: an empty text", lambda d: d["point"]["name"].update(zh="")),
    ("plan, point, name: no en", lambda d: d["point"]["name"].pop("en")),
    ("plan, point: gateways 'gw-01' twice", lambda d: d["point"].update(gateways=["gw-01", "gw-01"])),
    ("plan, point: gateways[1] = 5", lambda d: d["point"].update(gateways=["gw-01", 5])),
    ("plan: rooms = {}", lambda d: d.update(rooms={})),
    ("plan, room 1: a int; expected an object", lambda d: d.update(rooms=[1])),
    ("plan, room 2: room 'A' twice", lambda d: d["rooms"].append(copy.deepcopy(d["rooms"][0]))),
    ("plan, room 1 A, station 2: station 'A-01' twice", lambda d: d["rooms"][0]["stations"][1].update(id="A-01")),
    ("station 1: id = 'A 01'", lambda d: d["rooms"][0]["stations"][0].update(id="A 01")),
    ("station 1 A-01, rig 1: serial = ''", lambda d: rig(d).update(serial="")),
    ("rig 2: rig 'LV-0002' twice", lambda d: rig(d).update(serial="LV-0002")),
    ("rig 1 LV-0001: gateway = 'gw-03'; expected one of the point's", lambda d: rig(d).update(gateway="gw-03")),
    ("rig 1 LV-0001: purpose = 'fun'; expected exam_only or", lambda d: rig(d).update(purpose="fun")),
    ("rig 1 LV-0001: wire = 'can'; expected modbus or mqtt", lambda d: rig(d).update(wire="can")),
    ("rig 1 LV-0001: items[0] = 'k21'", lambda d: rig(d).update(items=["k21"])),
    ("rig 1 LV-0001: items 'K21' twice", lambda d: rig(d).update(items=["K21", "K21"])),
    ("session 2: session 'S20261123-1' twice", lambda d: d["sessions"].append(copy.deepcopy(d["sessions"][0]))),
    ("session 1 S20261123-1: no rubric; expected 32 bytes in hex", lambda d: d["sessions"][0].update(rubric="x")),
    ("session 1 S20261123-1: occupation = 'X'", lambda d: d["sessions"][0].update(occupation="X")),
    ("closes = '2026-11-23T00:30:00Z'; expected a time after", lambda d: window(d).update(closes=window(d)["opens"])),
    ("S20261123-1, candidate 1: no attempt; expected 16 bytes in hex", lambda d: candidate(d).update(attempt="00")),
    ("candidate 2: attempt '0a0b", lambda d: candidate(d).update(attempt=ATTEMPTS[1])),
    ("candidate 1: try = 0", lambda d: candidate(d).update({"try": 0})),
    ("commitments = []; expected each field once, and ticket", lambda d: candidate(d).update(commitments=[])),
    ("each field once", lambda d: candidate(d).update(commitments=[candidate(d)["commitments"][2]] * 2)),
    ("candidate 1, commitment 1: field = 'phone'", lambda d: candidate(d)["commitments"][0].update(field="phone")),
    ("candidate 1, commitment 1: no sha256; exp", lambda d: candidate(d)["commitments"][0].update(sha256="S2026")),
    ("candidate 1: items = []", lambda d: candidate(d).update(items=[], places=[])),
    ("candidate 1: items 'K21' twice", lambda d: candidate(d).update(items=["K21", "K21"])),
    ("candidate 1: 1 places for 2 items", lambda d: candidate(d).update(places=["A-01"])),
    ("candidate 1: places = 'B-01'; expected a station", lambda d: candidate(d).update(places=["B-01", "A-01"])),
    ("candidate 1: item K12 at A-01", lambda d: candidate(d).update(places=["A-01", "A-01"])),
    ("candidate 1: item K11; expected an item that a rig", lambda d: candidate(d).update(items=["K11"], places=[])),
]  # fmt: skip


@pytest.mark.parametrize(("says", "change"), BROKEN, ids=[says for says, _ in BROKEN])
def test_a_broken_plan_is_refused_by_name(says: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Rules 1, 2, 4 and 5: what is wrong, in which room, rig, session or candidate; read and written alike."""
    document = plan_document()
    change(document)
    with pytest.raises(PlanError) as read:
        parse_plan(canonical.encode(document))
    assert says in str(read.value)
    with pytest.raises(PlanError) as written:
        encode_plan(document)
    assert str(written.value) == str(read.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"\xff", "plan byte 0: not UTF-8"),
        (b"[]", "expected an object"),
        (TEXT + b"\n", "plan byte"),
        (TEXT.replace(b'"v":1', b'"v":1.0'), "number '1.0'"),
        (b"{" + b" " * PLAN_BYTES_MAX, "plan: 1048577 bytes; expected at most 1048576"),
    ],
)
def test_what_is_no_canonical_text_is_refused(text: bytes, says: str) -> None:
    """Rule 1: one spelling, at most 1 MiB."""
    with pytest.raises(PlanError, match=says):
        parse_plan(text)


def test_a_document_that_json_cannot_hold_is_refused() -> None:
    """Rule 1: a float never becomes text."""
    with pytest.raises(PlanError, match=r"plan \$.version: a float"):
        encode_plan({**plan_document(), "version": 7.0})


@pytest.mark.parametrize(
    "pick",
    [
        lambda d: d,
        lambda d: d["point"],
        lambda d: d["point"]["name"],
        lambda d: d["rooms"][0],
        lambda d: d["rooms"][0]["stations"][0],
        rig,
        lambda d: d["sessions"][0],
        candidate,
        lambda d: candidate(d)["commitments"][0],
    ],
)
def test_unknown_keys_are_kept_on_reading_and_never_written(pick: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Rule 1 and P7: a later version's text stays whole; ours has no place where a personal value could hide."""
    document = plan_document()
    pick(document)["ticket"] = "later"
    text = canonical.encode(document)
    assert parse_plan(text).encode() == text
    with pytest.raises(PlanError, match="unknown key 'ticket'"):
        encode_plan(document)


@given(st.integers(0, 2**32))
def test_the_order_of_keys_in_the_writer_does_not_matter(seed: int) -> None:
    """Rule 1: one plan has one text and one name."""
    assert encode_plan(shuffled(plan_document(), random.Random(seed))) == TEXT


@given(strategies.plan_documents())
def test_every_plan_comes_back(document: dict[str, Any]) -> None:
    """Rule 1: what is written is read with the same meaning, and nothing gets lost."""
    plan = parse_plan(encode_plan(document))
    assert json.loads(plan.encode()) == document
    assert [one.id for one in plan.sessions] == [one["id"] for one in document["sessions"]]
    stated = [one for station in document["rooms"][0]["stations"] for one in station["rigs"]]
    assert [one.serial for one in plan.rigs] == [one["serial"] for one in stated]
    assert all(plan.rig(one["serial"]) == found for one, found in zip(stated, plan.rigs, strict=True))


@given(st.integers(0, 2**32))
def test_any_change_is_refused_or_another_plan(seed: int) -> None:
    """Rule 1: no bytes are read as a plan under another plan's name, and nothing but PlanError comes out."""
    changed = mutate(random.Random(seed), TEXT, [TEXT], (b'"items":[]', b"K21", b"{}", b","))
    try:
        plan = parse_plan(changed)
    except PlanError:
        return
    assert plan.encode() == changed
    assert (plan.sha256 == PLAN.sha256) == (changed == TEXT)


# Openings


def test_openings_open_every_commitment() -> None:
    """Rule 3: with all openings there is no finding, in whatever order they come."""
    openings = parse_openings([one.to_json() for one in plan_openings()])
    assert openings == plan_openings()
    assert check_openings(PLAN, openings) == []
    assert check_openings(PLAN, reversed(openings)) == []


def test_openings_that_do_not_fit_are_found() -> None:
    """Rule 3: missing, wrong, unknown and double ones, each with its attempt and field."""
    masked, name, ticket, other = plan_openings()
    wrong = PlanOpening(name.attempt, "name", name.blind, "欧阳明月")
    stranger = PlanOpening("ff" * 16, "ticket", name.blind, "S1")
    assert check_openings(PLAN, [stranger, other, wrong, ticket, ticket]) == [
        OpeningFinding(masked.attempt, "masked_id", "missing"),
        OpeningFinding(name.attempt, "name", "wrong"),
        OpeningFinding(ticket.attempt, "ticket", "twice"),
        OpeningFinding("ff" * 16, "ticket", "unknown"),
    ]
    assert {one.kind for one in check_openings(PLAN, [])} == {"missing"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"attempt": "x"}, "plan opening 1: no attempt"),
        ({"attempt": None}, "no attempt"),
        ({"field": "phone"}, "another field; expected masked_id or name or ticket"),
        ({"blind": "00"}, "no blind; expected 32 bytes in hex"),
        ({"blind": 5}, "no blind"),
        ({"value": 5}, "no value"),
        ({"value": "\ud800"}, "no value"),
        ({"value": "x" * 65_536}, "no value; expected a text of at most 65535 bytes"),
    ],
)
def test_openings_of_another_shape_are_refused(change: dict[str, Any], says: str) -> None:
    """Rule 3: what is wrong and where."""
    with pytest.raises(PlanError, match=says):
        parse_openings([{**plan_openings()[0].to_json(), **change}])


@pytest.mark.parametrize("value", [{}, [1], None])
def test_what_is_no_list_of_openings_is_refused(value: Any) -> None:
    """Rule 3: a list of objects."""
    with pytest.raises(PlanError, match="expected a"):
        parse_openings(value)


def test_no_personal_value_is_in_a_repr_a_finding_or_an_error() -> None:
    """P7: names and tickets are in the openings' values only."""
    openings = plan_openings()
    said = [TEXT.decode(), repr(PLAN), repr(openings), repr(check_openings(PLAN, openings[1:] * 2))]
    for broken in ({"attempt": 1}, {"field": "x"}, {"blind": ""}, {"value": PERSONS[0]["name"] + "\ud800"}):
        with pytest.raises(PlanError) as refused:
            parse_openings([{**openings[1].to_json(), **broken}])
        said.append(str(refused.value))
    for word in [value for person in PERSONS for value in person.values()]:
        assert not any(word in one for one in said)


# Parts


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.integers(4, 50))
def test_parts_make_the_text_again(text: str, most: int) -> None:
    """Entry rule 14: cut between characters, none too long, none empty but of an empty text."""
    pieces = parts(text, most)
    assert "".join(pieces) == text
    assert all(len(one.encode()) <= most for one in pieces)
    assert all(pieces) or not text
    assert join(pieces, hashlib.sha256(text.encode()).hexdigest()) == text.encode()


@pytest.mark.parametrize("character", ["x", '"', "\x00", "考", "😀"])
def test_a_part_fits_into_an_entry(character: str) -> None:
    """Entry rule 14: JSON's escapes make a part shorter, so that its entry is not too long."""
    text = character * 100_000
    pieces = parts(text)
    assert "".join(pieces) == text
    read = ReadTime.at(0, 0, "6d" * 16, "synced").to_json()
    frame = {"of": 2**53 - 1, "part": 1, "read": read, "salt": "00" * 16, "sha256": "00" * 32, "type": "plan.adopted"}
    assert max(len(canonical.encode({**frame, "text": one})) for one in pieces) <= ENTRY_BYTES_MAX
    assert len(pieces) <= 1 + len(text.encode()) // 9_000


@pytest.mark.parametrize(("character", "count"), [("x", 40_000), ("考", 13_333), ("😀", 10_000), ('"', 29_999)])
def test_a_part_is_as_long_as_it_may_be(character: str, count: int) -> None:
    """Entry rule 14: 40,000 bytes of any script are one part, one character more are two; escapes count as written."""
    assert parts(character * count) == [character * count]
    assert [len(one) for one in parts(character * (count + 1))] == [count, 1]


def test_parts_that_cannot_be_are_refused() -> None:
    """Entry rule 14: no part too small for a character, no text that is not Unicode, no other text's hash."""
    with pytest.raises(ValueError, match="parts of 3 bytes"):
        parts("x", 3)
    with pytest.raises(PlanError, match="text character 1: a lone surrogate"):
        parts("x\ud800")
    with pytest.raises(FormatError, match="the parts make a text of SHA-256"):
        join([TEXT.decode(), " "], PLAN.sha256)


def test_plans_are_values() -> None:
    """A plan cannot be changed after it was checked."""
    assert isinstance(PLAN, Plan)
    assert parse_plan(TEXT) == PLAN
    with pytest.raises(AttributeError):
        PLAN.version = 8  # type: ignore[misc]
