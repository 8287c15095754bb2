"""Publishing: what a person writes becomes the next version, or every error at once and nothing is stored."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from fake_clock import FakeClock
from plan_files import IDS, RIGS, PlanFolder, line, person
from tree import ROOT

from scorelog.format.plan import check_openings
from server.errors import ListError
from server.evidence.database import create, open_registry
from server.evidence.store import Gateway
from server.plan.publish import Publisher
from server.plan.store import PlanStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from scorelog.format.plan import PlannedCandidate

GATEWAYS = (Gateway("gw-01", bytes(32)), Gateway("gw-02", bytes(32), "revoked"))


@pytest.fixture
async def publisher(tmp_path: Path) -> AsyncIterator[Publisher]:
    create(tmp_path)
    database = open_registry(tmp_path)
    yield Publisher(PlanStore(database), GATEWAYS, b"k" * 32, random.Random(7), FakeClock())  # a seed
    await database.close()


@pytest.fixture
def folder(tmp_path: Path) -> PlanFolder:
    return PlanFolder(tmp_path / "files")


async def wrong(publisher: Publisher, path: Path) -> list[str]:
    with pytest.raises(ListError) as caught:
        await publisher.publish(path)
    assert await publisher.plans.points() == []
    return [str(each) for each in caught.value.findings]


async def candidates(publisher: Publisher, session: int = 0) -> tuple[PlannedCandidate, ...]:
    stored = await publisher.plans.current("hn-cs-01")
    assert stored is not None
    return stored.plan.sessions[session].candidates


async def test_a_written_plan_becomes_version_one(publisher: Publisher, folder: PlanFolder) -> None:
    """Rules 1 to 5: the text holds commitments that the stored openings open, the lists' words and times in UTC."""
    places = "A-01 A-02 A-03 A-03"
    made = await publisher.publish(folder.write(person(0, "K12 K21 K31 K42", places), person(1)))
    stored = await publisher.plans.current("hn-cs-01")
    assert stored is not None
    assert (made.version, stored.version, stored.plan.gateways) == (1, 1, ("gw-01", "gw-02"))
    session = stored.plan.sessions[0]
    assert (session.opens, session.closes) == ("2026-11-23T00:30:00Z", "2026-11-23T04:00:00Z")
    first, second = session.candidates
    assert (first.items, first.places) == (("K12", "K21", "K31", "K42"), tuple(places.split()))
    assert second.places == ()
    assert check_openings(stored.plan, await publisher.plans.openings_of(stored.plan)) == []
    assert (await publisher.plans.openings([first.attempt]))[first.attempt] == {
        "masked_id": "110***********002X",
        "name": "考生0",
        "ticket": "T-0000",
    }
    assert stored.rubrics == ((ROOT / "server/rubrics/low-voltage-electrician.toml").read_bytes(),)


async def test_nobody_draws_what_the_point_cannot_examine(publisher: Publisher, folder: PlanFolder) -> None:
    """Rule 4: one item per draw of each subject, each at some rig that is not for training only (K23 is at one)."""
    await publisher.publish(folder.write(*(person(n) for n in range(3))))
    examined = {item for rig in RIGS if rig[3] != "training_only" for item in rig[4].split()}
    for one in await candidates(publisher):
        assert [item[:2] for item in one.items] == ["K1", "K2", "K3", "K4"]
        assert set(one.items) <= examined


async def test_nothing_new_stores_nothing(publisher: Publisher, folder: PlanFolder) -> None:
    """The same files again are the same version: attempts, blinds and draws are kept, not made anew."""
    path = folder.write(person(0), person(1))
    first = await publisher.publish(path)
    again = await publisher.publish(path)
    assert first.publication is not None
    assert (again.publication, again.version, again.drawn) == (None, 1, 0)
    assert len(await publisher.plans.heads()) == 1


async def test_a_candidate_keeps_attempt_and_draw_over_versions(publisher: Publisher, folder: PlanFolder) -> None:
    """Rule 2: by (session, ticket, try), also when he was taken out for a version; a correction changes one blind."""
    await publisher.publish(folder.write(person(0), person(1)))
    first, second = await candidates(publisher)
    await publisher.publish(folder.write(person(1)))
    await publisher.publish(folder.write(person(1, name="改名"), person(0), person(2)))
    changed, back, _ = await candidates(publisher)
    assert (back.attempt, back.items, back.commitments) == (first.attempt, first.items, first.commitments)
    assert (changed.attempt, changed.items) == (second.attempt, second.items)
    before = {each.field: each.sha256 for each in second.commitments}
    after = {each.field: each.sha256 for each in changed.commitments}
    assert {field for field in before if before[field] != after[field]} == {"name"}
    assert len(await publisher.plans.heads("hn-cs-01")) == 3


async def test_an_item_that_no_rig_examines_any_more_is_drawn_again(publisher: Publisher, folder: PlanFolder) -> None:
    """Rule 4 goes before the draw, and the warning says how many."""
    await publisher.publish(folder.write(person(0)))
    drawn = (await candidates(publisher))[0].items
    left = tuple((*rig[:4], " ".join(item for item in rig[4].split() if item != drawn[0])) for rig in RIGS)
    made = await publisher.publish(folder.write(person(0), rigs=left))
    now = (await candidates(publisher))[0].items
    assert drawn[0] not in now
    assert any("1 candidates were drawn again" in each for each in made.warnings)


async def test_all_errors_come_at_once_with_file_and_place(publisher: Publisher, folder: PlanFolder) -> None:
    """One round mends plan and list: file, line or row, column, what to do; and never what stood there."""
    name, ticket = "龘爨鱻麤", "ZQX7KVJ9W"
    path = folder.write(
        person(0, "K12 K21 K31 K42", "A-01 A-04 A-03 A-03", ticket=ticket, name=name),
        f"{ticket},{name},{IDS[1]},1,K99,",
        f"{name},{ticket},{IDS[2]}9,1,,",
        more=folder.shift(ticket, "now", name, f"{ticket}.csv", name) + f'colour = "{name}"\n',
    )
    path.write_text(path.read_text("utf-8").replace('"exam_only"', f'"{name}"', 1), "utf-8")
    found = await wrong(publisher, path)
    assert all(each.startswith(("plan.toml: line ", "candidates.csv: row ")) for each in found), found
    for place in ("rig.purpose", "session.opens", "session.closes", "session.colour", "session.rubric"):
        assert any(place in each for each in found), place
    for row in ("row 3, 题目", "row 3, 准考证号", "row 4, 证件号"):
        assert any(row in each for each in found), row
    whole = "\n".join(found)
    assert not any(value in whole for value in (name, ticket, *IDS))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            person(0, "K12 K21 K31 K42", "A-01 A-04 A-03 A-03"),
            "row 2, 工位: place 2 of 4 has no rig that examines item",
        ),
        (person(0, "K12 K23 K31 K42"), "row 2, 题目: item 2 of 4 is examined by no rig of the plan"),
        (person(0, "K12 K21 K31 K42", "A-01 A-09 A-03 A-03"), "place 2 of 4 is no station of the plan"),
    ],
)
async def test_a_place_must_be_able_to_examine(publisher: Publisher, folder: PlanFolder, row: str, said: str) -> None:
    """Rule 4: a rig for training only examines nothing."""
    found = await wrong(publisher, folder.write(row))
    assert len(found) == 1
    assert said in found[0]


async def test_a_subject_that_no_rig_covers_is_named(publisher: Publisher, folder: PlanFolder) -> None:
    """The rubric's every subject needs as many items at rigs as it draws."""
    found = await wrong(publisher, folder.write(person(0), rigs=RIGS[:2]))
    at = line(folder.plan, "rubric = ")
    assert [each.partition(": ")[2].partition(",")[0] for each in found] == [f"line {at}"] * 2
    assert "subject K3 draws 1, and the rigs of the plan examine 0" in found[0]


async def test_nobody_sits_in_two_sessions_at_once(publisher: Publisher, folder: PlanFolder) -> None:
    """Rule 5: by ticket, and by the id number under another ticket; windows that touch do not overlap."""
    morning = ("2026-11-23T08:30:00+08:00", "2026-11-23T12:00:00+08:00")
    folder.path.mkdir()
    folder.rows("second.csv", person(0), person(1, ticket="OTHER"), person(2))
    overlapping = folder.shift("S-2", "2026-11-23T11:59:59+08:00", "2026-11-23T15:00:00+08:00", "second.csv")
    path = folder.write(person(0), person(1), opens=morning[0], closes=morning[1], more=overlapping)
    found = await wrong(publisher, path)
    assert found == [
        f"second.csv: row {row}, {column}: the same person sits in session S20261123-1 at an overlapping time; "
        "take one of them out, or move a session"
        for row, column in ((2, "准考证号"), (3, "证件号"))
    ]
    apart = overlapping.replace("11:59:59", "12:00:00")
    await publisher.publish(folder.write(person(0), person(1), opens=morning[0], closes=morning[1], more=apart))


async def test_nobody_sits_at_two_points_at_once(publisher: Publisher, folder: PlanFolder, tmp_path: Path) -> None:
    """Rule 5 over points; a session id and a gateway belong to one point."""
    await publisher.publish(folder.write(person(0)))
    other = PlanFolder(tmp_path / "other", "hn-cs-02")
    rigs = tuple((*rig[:2], "gw-09", *rig[3:]) for rig in RIGS)
    with pytest.raises(ListError, match="row 2, 准考证号: the same person sits in session S20261123-1"):
        await publisher.publish(other.write(person(0), rigs=rigs, session="S-9"))
    with pytest.raises(ListError, match=r"session\.id: is a session of point hn-cs-01"):
        await publisher.publish(other.write(person(1), rigs=rigs))
    with pytest.raises(ListError, match="gateway gw-01 serves point hn-cs-01"):
        await publisher.publish(other.write(person(1), session="S-9"))
    assert (await publisher.publish(other.write(person(1), rigs=rigs, session="S-9"))).version == 1


async def test_a_gateway_that_cannot_fetch_is_a_warning(publisher: Publisher, folder: PlanFolder) -> None:
    """A plan may be published before its boxes are enrolled."""
    made = await publisher.prepare(folder.write(person(0), rigs=(*RIGS, ("A-05", "X", "gw-03", "exam_only", ""))))
    assert [each.partition(":")[0] for each in made.warnings] == [
        "gateway gw-02 is revoked",
        "gateway gw-03 is not enrolled yet",
    ]


async def test_an_item_that_no_rubric_has_is_a_warning(publisher: Publisher, folder: PlanFolder) -> None:
    """A slip in a rig's list of items would otherwise only show as a rig to which nobody is ever sent."""
    made = await publisher.prepare(folder.write(person(0), rigs=(*RIGS, ("A-05", "X", "gw-01", "exam_only", "K99"))))
    assert "rig X: K99: no session's rubric has it" in made.warnings


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rubric": "nobody"}, "rubric: no rubric of this id"),
        ({"rubric": "../missing.toml"}, "rubric: missing.toml: No such file"),
        ({"closes": "2026-11-23T08:30:00+08:00"}, "closes: not after opens"),
        ({"opens": "2026-11-23T08:30:00"}, "opens: a time without its offset"),
    ],
)
async def test_each_key_says_its_line(
    publisher: Publisher, folder: PlanFolder, change: dict[str, Any], said: str
) -> None:
    """What, where, what to do."""
    found = await wrong(publisher, folder.write(person(0), **change))
    at = line(folder.plan, f"{said.partition(':')[0]} = ")
    assert any(each.startswith(f"plan.toml: line {at}, session.{said}") for each in found), found


@pytest.mark.parametrize("text", [b"plan = ", b"\xff", b"a = 1\na = 2", b"", b"plan = 2", b"[[room]]", b"room = 3"])
async def test_any_bytes_give_findings(publisher: Publisher, folder: PlanFolder, text: bytes) -> None:
    """No TOML, half a TOML, another version: named with its line where there is one."""
    folder.path.mkdir()
    folder.plan.write_bytes(text)
    assert all(each.startswith("plan.toml: ") for each in await wrong(publisher, folder.plan))
