"""P4 for rigs that say single values: the entry that a gateway makes is judged equal from its raw areas alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import plain_bench
import pytest
import spark_bench

from device_adapters.contract import Observation, Position
from gateway.recording.documents import Subject, content_of, observed
from scorelog.format.entry import parse_entry
from scorelog.format.entry_parts import ReadTime
from server.projection.facts import Fact, Place
from server.projection.judge import judge
from server.projection.rubrics import Adopted, RubricBook

if TYPE_CHECKING:
    from collections.abc import Mapping

ORIGIN, READ = "exam.example/gw/gw-01/1", ReadTime("2026-11-23T06:42:05.000000Z", 1, "0" * 32, "synced")
WAYS = ("plain", "numbered", "sparkplug")


async def taken(way: str) -> tuple[Any, Observation]:
    """The profile and one observation."""
    if way == "sparkplug":
        spark = spark_bench.Bench(position=Position(3, 17))
        spark.be_born()
        await spark.adapter.connect()
        spark.finish(18)
        found = await spark.next()
        profile = spark.profile
    else:
        plain = plain_bench.Bench(plain_bench.by_number() if way == "numbered" else plain_bench.TEXT, Position(0, 17))
        plain.box.inbox.heard()
        plain.say_all(number="18" if way == "numbered" else "")
        if way == "plain":
            plain.say("count", "18")
        await plain.adapter.connect()
        found, profile = await plain.next(), plain.profile
    assert isinstance(found, Observation)
    return profile, found


def fact(profile: Any, found: Observation, *, openings: bool, **changed: Any) -> Fact:
    subject = Subject(found.rig, "st-1", profile.sha256, "sensor", "mqtt")
    draft = observed(replace(found, **changed), subject, READ, bytes, content=content_of(found, bytes(32)))
    entry = parse_entry(draft.build(None))
    opened: Mapping[str, bytes] = {field: value for field, _, value in draft.openings} if openings else {}
    fields = entry.document["fields"]
    assert isinstance(fields, dict)
    assert "S1" not in str(entry.document), "P7"
    return Fact(Place(ORIGIN, 9, 0, 0), entry, opened, fields, 0, (), "", entry.type, entry.rig, None, counts=True)


def adopted(profile: Any) -> Adopted:
    made = Adopted(RubricBook())
    made.add(ORIGIN, made.book.take(1, "profile", profile.sha256, profile.text.decode()))
    return made


@pytest.mark.parametrize("way", WAYS)
async def test_the_server_reads_the_same_with_and_without_the_person(way: str) -> None:
    """P4, P7: nothing differs; no rubric is adopted here, so the score itself is not judged."""
    profile, found = await taken(way)
    for openings in (True, False):
        verdict = judge(fact(profile, found, openings=openings), adopted(profile))
        assert verdict.differences == ()
        assert verdict.fields["score"] == 8750


@pytest.mark.parametrize("way", WAYS)
async def test_another_score_number_or_guarantee_than_in_the_raw_areas_is_told(way: str) -> None:
    """P4: an altered or outdated gateway."""
    profile, found = await taken(way)
    for changed, what in (
        ({"fields": {**found.fields, "score": 9999}}, "fields.score"),
        ({"seq": 19}, "seq"),
        ({"guarantee": "latched"}, "guarantee"),
    ):
        verdict = judge(fact(profile, found, openings=True, **changed), adopted(profile))
        assert what in {one.what for one in verdict.differences}
