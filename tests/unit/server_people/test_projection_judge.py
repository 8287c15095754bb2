"""P4: the server decodes and scores again; whatever differs is an alert with both values."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from people_world import attempt_id

from scorelog.format.canonical import encode
from server.projection import queries

if TYPE_CHECKING:
    from people_site import Site
    from people_world import Log, Rig


async def alerts(site: Site) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    async with site.projections.reading() as db:
        for row in await queries.alerts(db, 1000):
            found.setdefault(row["kind"], []).append(row)
    return found


async def scores(site: Site) -> list[Any]:
    async with site.projections.reading() as db:
        return await queries.newest_scores(db, 1000)


def change(log: Log, index: int, **fields: Any) -> None:
    """What a gateway might have written instead."""
    document = json.loads(log.entries[index])
    document.update(fields)
    log.entries[index] = encode(document)


async def test_an_honest_exam_is_recomputed_equal(site: Site, log: Log, rig: Rig) -> None:
    """P4: every claim of an honest rig is confirmed from the raw words, and nothing alarms."""
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log)
    assert [(s.item, s.score_claimed, s.score_recomputed, s.verdict, s.notes) for s in await scores(site)] == [
        ("K11", 9500, 9500, "equal", []),
        ("K21", 8500, 8500, "equal", []),
        ("K31", 10000, 10000, "equal", []),
        ("K42", 9000, 9000, "equal", []),
    ]
    assert await alerts(site) == {}


async def test_a_gateway_that_writes_another_score_is_caught(site: Site, log: Log, rig: Rig) -> None:
    """P4: decoded fields count, not the entry's; the alert names both values."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    rig.deduct(2, 2500)
    index = rig.finish(lie={"score": 9900})
    await site.upload(log)
    (alert,) = (await alerts(site))["recompute_mismatch"]
    assert (alert["origin"], alert["index"]) == (log.origin, index)
    assert alert["detail"]["differences"] == [{"what": "fields.score", "claimed": 9900, "recomputed": 7500}]
    (score,) = await scores(site)
    assert (score.score_claimed, score.score_recomputed, score.verdict) == (7500, 7500, "mismatch")


async def test_a_rig_that_claims_another_score_is_caught(site: Site, log: Log, rig: Rig) -> None:
    """P4: the rubric in the log is applied to the decoded deductions."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    rig.deduct(2, 2000)
    rig.finish(score=7000)
    await site.upload(log)
    (alert,) = (await alerts(site))["recompute_mismatch"]
    assert alert["detail"]["differences"] == [{"what": "score", "claimed": 7000, "recomputed": 8000}]


async def test_a_wrong_total_is_caught(site: Site, log: Log, rig: Rig) -> None:
    """P4: the rig's closing total is compared with the exact sum over its items."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    rig.deduct(2, 2000)
    rig.finish()
    index = rig.close(9000)
    await site.upload(log)
    (alert,) = (await alerts(site))["recompute_mismatch"]
    assert alert["index"] == index
    assert alert["detail"]["differences"] == [{"what": "fields.claimed_total", "claimed": 9000, "recomputed": 3200}]


async def test_veto_effects_are_kept_apart(site: Site, log: Log, rig: Rig) -> None:
    """A veto zeroes its item; whether the whole exam fails is the rubric's word for that item."""
    rig.open_exam("T-1", attempt_id(1))
    for item, line in (("K11", 1), ("K21", 7)):
        rig.start(item)
        rig.deduct(line, 500, veto=True)
        rig.finish("veto")
    await site.upload(log)
    assert [(s.score_recomputed, s.veto_effect) for s in await scores(site)] == [(0, "item_zeroed"), (0, "exam_failed")]
    async with site.projections.reading() as db:
        row = await queries.attempt(db, attempt_id(1))
    assert row is not None
    assert (row["failed_by_veto"], row["passed"]) == (True, False)


async def test_after_erasure_a_score_stays_recomputable(site: Site, log: Log, rig: Rig) -> None:
    """P7: without openings the rest is decoded and scored again, and the page says what cannot be checked."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    rig.deduct(2, 2500)
    rig.finish()
    log.openings.clear()
    await site.upload(log)
    (score,) = await scores(site)
    assert (score.score_recomputed, score.verdict, score.notes) == (7500, "equal", ["checksum_not_checkable"])
    assert score.ticket is None
    assert await alerts(site) == {}


async def test_an_opening_that_opens_nothing_is_flagged_and_not_used(site: Site, log: Log, rig: Rig) -> None:
    """Content never blocks: a wrong opening counts as missing and raises a warning."""
    rig.open_exam("T-1", attempt_id(1))
    log.openings = [type(o)(o.index, o.field, bytes(32), b"X" * len(o.value)) for o in log.openings]
    await site.upload(log)
    assert "wrong_opening" in await alerts(site)
    async with site.projections.reading() as db:
        row = await queries.attempt(db, attempt_id(1))
    assert row is not None
    assert row["ticket"] is None


async def test_changed_raw_words_do_not_pass(site: Site, log: Log, rig: Rig) -> None:
    """P5: raw words whose checksum does not fit are no value at all."""
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K21")
    index = rig.finish()
    document = json.loads(log.entries[index])
    data = bytearray(base64.b64decode(document["raw"][1]["bytes"]))
    data[2 * 42 + 1] ^= 1
    document["raw"][1]["bytes"] = base64.b64encode(bytes(data)).decode()
    log.entries[index] = encode(document)
    await site.upload(log)
    (alert,) = (await alerts(site))["recompute_mismatch"]
    assert "crc" in alert["detail"]["differences"][0]["recomputed"]


@pytest.mark.parametrize(
    ("change_to", "what"),
    [({"guarantee": "latched", "seq": 77}, "seq"), ({"epoch": 9}, "epoch"), ({"rig_time": None}, "rig_time")],
)
async def test_every_copied_field_is_compared(
    site: Site, log: Log, rig: Rig, change_to: dict[str, Any], what: str
) -> None:
    """P4: not only the score, but everything that the entry repeats from the record."""
    index = rig.open_exam("T-1", attempt_id(1))
    change(log, index, **change_to)
    await site.upload(log)
    (alert,) = (await alerts(site))["recompute_mismatch"]
    assert [one["what"] for one in alert["detail"]["differences"]] == [what]


async def test_without_the_adopted_profile_nothing_is_believed(site: Site, rig: Rig, log: Log) -> None:
    """P4: only what this log adopted before the entry may judge it; the alert says what is missing."""
    log.entries.clear()
    rig.open_exam("T-1", attempt_id(1))
    rig.start("K11")
    rig.finish()
    await site.upload(log)
    kinds = await alerts(site)
    assert set(kinds) == {"not_recomputable"}
    assert {tuple(row["detail"]["notes"]) for row in kinds["not_recomputable"]} == {("profile_not_adopted",)}
    (score,) = await scores(site)
    assert (score.score_claimed, score.score_recomputed, score.verdict) == (10000, None, "impossible")


async def test_an_adopted_text_with_another_hash_is_not_used(site: Site, log: Log, rig: Rig) -> None:
    """P4: a profile counts under the hash of its own text."""
    change(log, 0, sha256="00" * 32)
    rig.open_exam("T-1", attempt_id(1))
    await site.upload(log)
    kinds = await alerts(site)
    assert set(kinds) == {"adoption_unusable", "not_recomputable"}


async def test_unknown_types_and_fields_pass_and_are_flagged(site: Site, log: Log) -> None:
    """Entry rule 12: a later schema is kept and flagged, never refused."""
    log.add("weather.observed", temperature=21)
    log.add("anchor", receipt="no note", humidity=40)
    await site.upload(log)
    assert set(await alerts(site)) == {"unknown_type"}
    async with site.projections.reading() as db:
        row = await queries.entry(db, log.origin, 3)
    assert row is not None
    assert row["flags"] == ["unknown_fields"]


async def test_what_cannot_be_read_is_quarantined_and_blocks_nothing(site: Site, log: Log, rig: Rig) -> None:
    """Design section 9: quarantine with the reason and an alert; the next entries are projected."""
    log.entries += [b"not json", b'{"v":1}', b'{"fields":[],"read":{},"salt":"00","type":"deduction","v":1}']
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log)
    async with site.projections.reading() as db:
        kept = await queries.quarantined(db, 10)
    assert [row["index"] for row in kept] == [2, 3, 4]
    assert all(row["reason"] for row in kept)
    assert len((await alerts(site))["quarantined"]) == 3
    assert len(await scores(site)) == 4


async def test_gaps_refusals_reboots_and_two_owners_are_alerts(site: Site, log: Log, rig: Rig) -> None:
    """R21 and design section 8: what a gateway could not see, or two gateways both claim, is shown to a person."""
    common = {"rig": rig.serial, "station": rig.station}
    log.add("sequence.gap", **common, epoch=3, **{"from": 7, "to": 9})
    log.add("reading.refused", **common, reason="crc", detail="does not fit", asked=4, raw=[])
    log.add("rig.rebooted", **common, epoch=4, previous_epoch=3)
    log.add("rig.rebooted", **common, epoch=3, previous_epoch=None)
    await site.upload(log)
    other = type(log)("gw-02", log.rng)
    other.add("rig.online", **common, reason="connected", last_seq=3)
    await site.upload(other)
    kinds = await alerts(site)
    assert set(kinds) == {"sequence_gap", "reading_refused", "rig_rebooted", "rig_two_gateways"}
    assert kinds["sequence_gap"][0]["detail"] == {"from": 7, "to": 9, "epoch": 3}
    assert len(kinds["rig_rebooted"]) == 1
    assert kinds["rig_two_gateways"][0]["detail"] == {"gateways": ["gw-01", "gw-02"]}
