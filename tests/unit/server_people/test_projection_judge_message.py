"""P4 for rigs over MQTT: the payload in the entry is decoded and scored again with the profile in the log."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from people_world import attempt_id

from server.projection import queries

if TYPE_CHECKING:
    from people_site import Site
    from people_world import Log

PROFILE = files("device_adapters").joinpath("profiles/cpr-manikin-v1.toml").read_bytes()
TICKET = b"S20261123-0044"
SAID: dict[str, Any] = {
    "v": 1,
    "serial": "CP-0002",
    "boot": 12,
    "seq": 7,
    "type": "item_finished",
    "time": "2026-11-23T06:45:10.250Z",
    "mode": "exam",
    "exam_no": 5,
    "ticket": TICKET.decode(),
    "item": "K42",
    "ordinal": 1,
    "started": "2026-11-23T06:42:36Z",
    "finished": "2026-11-23T06:45:10Z",
    "elapsed_s": 154,
    "limit_s": 300,
    "outcome": "finished",
    "score": 9000,
    "veto_lines": 0,
    "deductions": [{"line": 1, "points": 1000, "at_s": 31, "veto": False}],
}
OWN = ("item", "ordinal", "outcome", "score", "elapsed_s", "limit_s", "veto_lines", "started", "finished")


def write(log: Log, *, lie: dict[str, Any] | None = None, cut: list[list[int]] | None = None, **said: Any) -> int:
    """What an honest gateway writes of this record, but for the lie."""
    sha256 = hashlib.sha256(PROFILE).hexdigest()
    if not any(b'"profile.adopted"' in entry and sha256.encode() in entry for entry in log.entries):
        log.add("profile.adopted", sha256=sha256, text=PROFILE.decode())
    document = SAID | said
    payload = json.dumps(document).encode()
    place = [payload.index(TICKET), len(TICKET)]
    cuts = [place] if cut is None else cut
    shown, hidden = bytearray(payload), b""
    for at, size in cuts:
        hidden += payload[at : at + size]
        shown[at : at + size] = bytes(size)
    fields = {name: document[name] for name in (*OWN, "exam_no", "mode", "deductions")}
    return log.add(
        "item.finished",
        {"ticket": TICKET, "raw.message": hidden},
        rig="CP-0002",
        epoch=document["boot"],
        seq=document["seq"],
        ordinal=0,
        content="ab" * 32,
        station="B-01",
        attempt=attempt_id(1),
        binding="rig",
        source="sensor",
        guarantee="latched",
        profile=sha256,
        rig_time="2026-11-23T06:45:10.250Z",
        raw=[{"area": "message", "at": 0, "bytes": base64.b64encode(bytes(shown)).decode(), "cut": cuts}],
        fields=fields | (lie or {}),
    )


async def differences(site: Site) -> list[dict[str, Any]]:
    async with site.projections.reading() as db:
        alerts = [row for row in await queries.alerts(db, 100) if row["kind"] == "recompute_mismatch"]
    return [one for alert in alerts for one in alert["detail"]["differences"]]


async def test_an_honest_message_is_recomputed_equal(site: Site, log: Log) -> None:
    """P4: the score comes from the payload, its personal bytes put back."""
    write(log)
    await site.upload(log)
    async with site.projections.reading() as db:
        (score,) = await queries.newest_scores(db, 10)
    assert (score.item, score.score_claimed, score.score_recomputed, score.verdict) == ("K42", 9000, 9000, "equal")
    assert await differences(site) == []


async def test_a_wrong_wrapped_value_is_an_alarm(site: Site, log: Log) -> None:
    """P4: what the entry says beside another payload is named with both values."""
    write(log, lie={"score": 9900})
    await site.upload(log)
    assert await differences(site) == [{"what": "fields.score", "claimed": 9900, "recomputed": 9000}]


async def test_a_rig_that_claims_another_score_is_caught(site: Site, log: Log) -> None:
    """P4: the rubric decides over the deductions of the payload."""
    write(log, score=8500)
    await site.upload(log)
    assert await differences(site) == [{"what": "score", "claimed": 8500, "recomputed": 9000}]


async def test_a_payload_that_is_no_record_is_an_alarm(site: Site, log: Log) -> None:
    """P4: never judged by the entry's own words."""
    write(log, outcome="splendid")
    await site.upload(log)
    (found,) = await differences(site)
    assert (found["what"], found["recomputed"].split(":")[0]) == ("raw", "code")


async def test_hiding_more_than_is_personal_is_an_alarm(site: Site, log: Log) -> None:
    """P4, P7: the places that are cut follow from the payload; a gateway cannot hide a score for a later erasure."""
    payload = json.dumps(SAID).encode()
    at = payload.index(b"9000")
    write(log, cut=[[payload.index(TICKET), len(TICKET)], [at, 4]])
    await site.upload(log)
    assert [one["what"] for one in await differences(site)] == ["raw.cut"]


@pytest.mark.parametrize("lie", [{}, {"score": 9900}])
async def test_after_erasure_it_is_still_recomputed(site: Site, log: Log, lie: dict[str, Any]) -> None:
    """P7: the ticket is gone, the score stays provable; a lie stays a lie."""
    write(log, lie=lie)
    log.openings.clear()
    await site.upload(log)
    async with site.projections.reading() as db:
        (score,) = await queries.newest_scores(db, 10)
    assert (score.score_recomputed, score.notes, score.ticket) == (9000, [], None)
    assert bool(await differences(site)) == bool(lie)
