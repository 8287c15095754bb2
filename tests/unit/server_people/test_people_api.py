"""The JSON API: shapes, cursors, proofs that verify offline, problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from people_world import Log, Rig, attempt_id

from scorelog.format.evidence import parse_evidence
from scorelog.format.policy import parse_policy
from scorelog.format.proof import parse_proof, verify_proof
from scorelog.verify.attempt import verify_attempt
from server.people import limits
from server.people.problems import PROBLEM_TYPE

if TYPE_CHECKING:
    import httpx2
    from people_site import Site


@pytest.fixture
async def api(site: Site, log: Log, rig: Rig) -> httpx2.AsyncClient:
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log)
    token = await site.accounts.create_token("demo", "operator")
    return await site.client(login=False, headers={"authorization": f"Bearer {token}"})


async def test_items_give_claim_recomputation_and_receipt(api: httpx2.AsyncClient, log: Log) -> None:
    """What an oracle needs to compare with the simulators: everything of each finished item."""
    body = (await api.get("/api/v1/items")).json()
    assert body["next"] is None
    assert [
        (i["item"], i["ordinal"], i["outcome"], i["score_claimed"], i["score_recomputed"]) for i in body["items"]
    ] == [
        ("K11", 1, "finished", 9500, 9500),
        ("K21", 2, "finished", 8500, 8500),
        ("K31", 3, "finished", 10000, 10000),
        ("K42", 4, "finished", 9000, 9000),
    ]
    first = body["items"][0]
    assert (first["origin"], first["rig"], first["ticket"], first["receipted"]) == (log.origin, "LV-0001", "T-1", True)
    assert first["deductions"] == [{"line": 2, "points": 500, "at_s": 10, "veto": False}]
    assert first["cosigned_at"] is not None


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
async def test_the_cursor_neither_repeats_nor_skips(
    site: Site, api: httpx2.AsyncClient, log: Log, rig: Rig, size: int
) -> None:
    """Paging by key: complete and in order while new items arrive between the pages."""
    seen: list[tuple[str, int]] = []
    after, added = "", False
    while True:
        body = (await api.get("/api/v1/items", params={"after": after, "limit": size})).json()
        seen += [(one["origin"], one["index"]) for one in body["items"]]
        if not added:
            added = True
            rig.whole_exam("T-2", attempt_id(2))
            await site.upload(log)
        if body["next"] is None:
            break
        after = body["next"]
    if size > 4:
        body = (await api.get("/api/v1/items", params={"after": "1-" + str(seen[-1][1])})).json()
        seen += [(one["origin"], one["index"]) for one in body["items"]]
    assert len(seen) == len(set(seen)) == 8
    assert seen == sorted(seen)


async def test_a_proof_verifies_offline_with_the_policy(api: httpx2.AsyncClient) -> None:
    """P3: entry bytes, tlog-proof and policy fit together for every item, checked with the auditor's code."""
    policy = parse_policy((await api.get("/api/v1/policy")).content)
    for item in (await api.get("/api/v1/items")).json()["items"]:
        base = f"/api/v1/entries/{item['origin_hash']}/{item['index']}"
        entry = (await api.get(base)).content
        proven = verify_proof(parse_proof((await api.get(f"{base}/proof")).content), entry, policy)
        assert (proven.origin, proven.index) == (item["origin"], item["index"])
        assert proven.cosigned_by[0][0] == "exam.example/mirror"


async def test_an_evidence_bundle_proves_its_attempt_offline(api: httpx2.AsyncClient) -> None:
    """Every entry of the attempt with its proof, the adopted profile and rubric, and openings on request."""
    policy = parse_policy((await api.get("/api/v1/policy")).content)
    for openings in (False, True):
        url = f"/api/v1/attempts/{attempt_id(1)}/evidence"
        evidence = parse_evidence((await api.get(url, params={"openings": openings})).content)
        assert any(item.openings for item in evidence.items) is openings
        types = [item.entry for item in evidence.items]
        assert sum(b'"type":"rubric.adopted"' in one for one in types) == 1
        assert sum(b'"type":"profile.adopted"' in one for one in types) == 1
        report = verify_attempt(evidence, policy)
        assert [one for one in report.findings if not one.ok] == []


async def test_what_is_not_cosigned_yet_says_so(site: Site, api: httpx2.AsyncClient, log: Log, rig: Rig) -> None:
    """409 with Retry-After while the receipt is on its way; the item says receipted false."""
    rig.whole_exam("T-2", attempt_id(2))
    await site.upload(log, cosign=False)
    newest = (await api.get("/api/v1/items", params={"after": "1-999"})).json()["items"][-1]
    assert (newest["receipted"], newest["cosigned_at"]) == (False, None)
    answer = await api.get(f"/api/v1/entries/{newest['origin_hash']}/{newest['index']}/proof")
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/api/v1/attempts/{'0' * 32}", 404),
        (f"/api/v1/attempts/{'0' * 32}/evidence", 404),
        ("/api/v1/attempts/xyz", 422),
        (f"/api/v1/entries/{'0' * 64}/0", 404),
        (f"/api/v1/entries/{'0' * 64}/-1", 422),
        ("/api/v1/items?after=nonsense", 422),
        ("/api/v1/items?limit=0", 422),
        (f"/api/v1/items?limit={limits.PAGE_MAX + 1}", 422),
        ("/api/v1/attempts?state=whatever", 422),
        ("/api/v1/nowhere", 404),
    ],
)
async def test_problems_are_problem_json(api: httpx2.AsyncClient, path: str, status: int) -> None:
    """RFC 9457 for everything that is refused."""
    answer = await api.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM_TYPE)
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


async def test_attempts_are_found_and_paged(site: Site, api: httpx2.AsyncClient, log: Log) -> None:
    """Search by ticket, rig, station and id, with the wildcards of SQL taken literally; keyset paging, newest first."""
    other = Rig("LV-0002", "B-07", log)
    for number in range(2, 7):
        other.whole_exam(f"X%{number}", attempt_id(number))
    await site.upload(log)

    async def found(**params: Any) -> list[str]:
        body = (await api.get("/api/v1/attempts", params=params)).json()
        return [one["ticket"] for one in body["attempts"]]

    async def named(search: str) -> list[str]:
        body = (await api.post("/api/v1/attempts/search", json={"search": search})).json()
        return [one["ticket"] for one in body["attempts"]]

    assert await found(search="B-07") == await found(search="LV-0002") == await named("X%") == await named("B-07")
    assert await named("%") == await named("X%")
    assert await named("T_1") == await found(search="X%") == []
    assert await found(search=attempt_id(1)) == await named("T-1") == ["T-1"]
    assert len(await found(state="passed")) == 6
    assert await found(state="mismatch") == []
    seen: list[str] = []
    before = ""
    while before is not None:
        body = (await api.get("/api/v1/attempts", params={"before": before, "limit": 2})).json()
        seen += [one["attempt"] for one in body["attempts"]]
        before = body["next"]
    assert len(seen) == len(set(seen)) == 6


async def test_an_attempt_in_detail(api: httpx2.AsyncClient) -> None:
    """Items and entries of one attempt, with the exact total."""
    body = (await api.get(f"/api/v1/attempts/{attempt_id(1)}")).json()
    assert (body["attempt"]["total_e6"], body["attempt"]["total"], body["attempt"]["passed"]) == (
        91_000_000,
        "91.00",
        True,
    )
    assert len(body["items"]) == 4
    kinds = [one["type"] for one in body["entries"]]
    assert (kinds[0], kinds[-1]) == ("identity.checked", "candidate.acknowledged")


async def test_alerts_are_listed_and_acknowledged_once(site: Site, api: httpx2.AsyncClient, log: Log, rig: Rig) -> None:
    """Both sources in one list; who has seen it stays through a rebuild; viewers may only look."""
    rig.open_exam("T-2", attempt_id(2))
    rig.start("K21")
    rig.finish(score=100)
    await site.upload(log)
    await site.store.alarm("forked", log.origin, 5, "another root of size 5")
    body = (await api.get("/api/v1/alerts", params={"only_open": True})).json()
    assert {one["kind"] for one in body["alerts"]} == {"recompute_mismatch", "forked"}
    for one in body["alerts"]:
        assert (await api.post(f"/api/v1/alerts/{one['id']}/acknowledge", json={"note": "seen"})).status_code == 204
    await site.projector.rebuild()
    assert (await api.get("/api/v1/alerts", params={"only_open": True})).json()["alerts"] == []
    seen = (await api.get("/api/v1/alerts")).json()["alerts"]
    assert {one["acknowledged_by"] for one in seen} == {"token:demo"}
    assert (await api.post("/api/v1/alerts/p0/acknowledge", json={})).status_code == 404
    assert (await api.post(f"/api/v1/alerts/{seen[0]['id']}/acknowledge", json={"nota": ""})).status_code == 422
    viewer = await site.client(
        login=False, headers={"authorization": f"Bearer {await site.accounts.create_token('v')}"}
    )
    assert (await viewer.post(f"/api/v1/alerts/{seen[0]['id']}/acknowledge", json={})).status_code == 403


async def test_a_session_needs_its_word_for_the_api(site: Site, log: Log) -> None:
    """CSRF: a cookie alone changes nothing through the API."""
    await site.store.alarm("forked", log.origin, 5, "another root")
    client = await site.client()
    assert (await client.post("/api/v1/alerts/e1-1/acknowledge", json={})).status_code == 403


async def test_gateways_and_rigs(site: Site, api: httpx2.AsyncClient, log: Log) -> None:
    """A gateway with its logs, and what it says of itself marked by null until it speaks."""
    (gateway,) = (await api.get("/api/v1/gateways")).json()["gateways"]
    assert gateway["logs"][0]["size"] == gateway["logs"][0]["cosigned_size"] == len(log.entries)
    (rig,) = (await api.get("/api/v1/rigs")).json()["rows"]
    assert (rig["rig"], rig["closed"], rig["result"]["passed"]) == ("LV-0001", "finished", True)


async def test_the_document_describes_every_route(api: httpx2.AsyncClient) -> None:
    """OpenAPI: each route with a summary, typed answers, and the ways to log in."""
    document = (await api.get("/api/openapi.json")).json()
    wanted = {"live", "rigs", "gateways", "items", "attempts", "alerts", "policy"}
    assert wanted <= {path.split("/")[3] for path in document["paths"]}
    assert "/api/v1/entries/{origin_hash}/{index}/proof" in document["paths"]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["description"]
    assert set(document["components"]["securitySchemes"]) == {"bearer", "session"}
