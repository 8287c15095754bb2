"""GET /gateway/v1/plan and the plan's word in a heartbeat's answer: rules 6 and 7 of docs/formats/plan.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fake_clock import START_US, FakeClock
from plan_samples import plan_openings
from plan_store_contract import CLOSES, OPENS, RUBRIC, publication
from sample_uploads import DOMAIN, SampleLog
from server_bench import Bench, ask, bench, make_sqlite_store
from sqlalchemy import text
from tls_material import make_tls_material

from certs.ca import issue_gateway
from scorelog.format.plan import check_openings, parse_openings, parse_plan
from server.evidence.database import open_registry
from server.evidence.store import Gateway
from server.ingest.problems import PROBLEM_TYPE
from server.ingest.readside import ReadSide
from server.ingest.routes import GatewayApp
from server.plan.desk import PlanDesk
from server.plan.store import PlanStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.database.seam import Database

PLAN = "/gateway/v1/plan"
BEAT = "/gateway/v1/heartbeat"
GATEWAYS = ("gw-01", "gw-03")


@pytest.fixture(scope="module")
def ders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Certificates of two gateways; gw-03 stands in no plan."""
    folder = tmp_path_factory.mktemp("tls")
    made = make_tls_material(folder, domain=DOMAIN)
    issue_gateway(made.authority, DOMAIN, "gw-03").write(folder / "gw-03")
    places = (made.gateway, folder / "gw-03")
    found = (x509.load_pem_x509_certificate((place / "cert.pem").read_bytes()) for place in places)
    return {name: each.public_bytes(Encoding.DER) for name, each in zip(GATEWAYS, found, strict=True)}


class Desk:
    """The listener's application over a real registry, and the certificate of a caller."""

    def __init__(self, made: Bench, registry: Database, ders: dict[str, bytes]) -> None:
        self.registry = registry
        self.plans = PlanStore(registry)
        self.made = made
        desk = PlanDesk(self.plans, made.clock)
        self.app = GatewayApp(made.ingest, made.heartbeats, made.witness, ReadSide(made.store), print, plans=desk)
        self._ders = ders

    async def get(
        self, etag: str = "", method: str = "GET", gateway: str = "gw-01"
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        headers = ((b"if-none-match", etag.encode()),) if etag else ()
        return await ask(self.app, method, PLAN, der=self._ders[gateway], headers=headers)

    async def beat(self, gateway: str = "gw-01") -> dict[str, Any]:
        body = {"v": 1, "origin": SampleLog(gateway).origin, "size": 0, "instance": "a", "unsent": 0, "rigs": []}
        status, _, answer = await ask(self.app, "POST", BEAT, json.dumps(body).encode(), der=self._ders[gateway])
        assert status == 200
        return dict(json.loads(answer))


@pytest.fixture
async def desk(tmp_path: Path, ders: dict[str, bytes]) -> AsyncIterator[Desk]:
    async with bench(make_sqlite_store(tmp_path), FakeClock()) as made:
        for gateway in GATEWAYS:
            await made.store.add_gateway(Gateway(gateway, SampleLog(gateway).public_key))
        registry = open_registry(tmp_path)
        yield Desk(made, registry, ders)
        await registry.close()


async def test_a_named_gateway_gets_text_openings_and_rubrics(desk: Desk) -> None:
    """The answer as the page has it: the text by its hash, openings that open it, the rubrics that it names."""
    made = publication()
    await desk.plans.publish(made)
    status, headers, body = await desk.get()
    document = json.loads(body)
    plan = parse_plan(document["plan"].encode())
    assert (status, headers[b"etag"], headers[b"content-type"]) == (
        200,
        f'"{plan.sha256}"'.encode(),
        b"application/json",
    )
    assert (document["v"], document["version"], document["sha256"]) == (1, 1, plan.sha256)
    assert plan.text == made.plan.text
    openings = parse_openings(document["openings"])
    assert check_openings(plan, openings) == []
    assert sorted(each.value for each in openings) == sorted(each.value for each in plan_openings())
    assert document["rubrics"] == [RUBRIC.decode()]


async def test_who_has_it_gets_304_and_a_new_version_is_told_apart(desk: Desk) -> None:
    """Rule 6: the ETag is the plan's name, in any spelling that HTTP allows."""
    await desk.plans.publish(publication())
    etag = (await desk.get())[1][b"etag"].decode()
    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        status, headers, body = await desk.get(known)
        assert (status, headers[b"etag"].decode(), body) == (304, etag, b"")
        assert b"content-type" not in headers
    await desk.plans.publish(publication(2))
    status, headers, body = await desk.get(etag)
    assert (status, json.loads(body)["version"]) == (200, 2)
    assert headers[b"etag"].decode() != etag


async def test_a_gateway_of_no_point_gets_a_problem(desk: Desk) -> None:
    """Rule 6: 404 before there is a plan, and for a gateway that no rig names; nobody else's plan comes."""
    for gateway in GATEWAYS:
        status, headers, body = await desk.get(gateway=gateway)
        assert (status, headers[b"content-type"].decode()) == (404, PROBLEM_TYPE)
        assert gateway in json.loads(body)["detail"]
    await desk.plans.publish(publication())
    assert (await desk.get(gateway="gw-03"))[0] == 404
    assert (await desk.get(method="POST"))[0] != 200
    status, _, body = await desk.get(method="HEAD")
    assert (status, body) == (200, b"")


async def test_a_revoked_gateway_gets_no_plan(desk: Desk) -> None:
    """A box that is not trusted any more is told no name and no ticket."""
    await desk.plans.publish(publication())
    await desk.made.store.set_gateway_status("gw-01", "revoked", "stolen")
    status, _, body = await desk.get()
    assert status == 403
    assert not any(each.value.encode() in body for each in plan_openings())


async def test_the_heartbeat_tells_version_and_nonces_of_open_sessions(desk: Desk) -> None:
    """Rule 7: null without a plan, no nonce before the window, one inside it for everybody, none behind it."""
    assert (await desk.beat())["plan_version"] is None
    await desk.plans.publish(publication())
    desk.made.clock.step_wall((OPENS - 1 - START_US) / 1e6)
    told = await desk.beat()
    assert (told["plan_version"], told["sessions"]) == (1, [])
    desk.made.clock.step_wall(1e-6)
    told = await desk.beat()
    assert [each["id"] for each in told["sessions"]] == ["S20261123-1"]
    assert len(bytes.fromhex(told["sessions"][0]["nonce"])) == 16
    assert (await desk.beat())["sessions"] == told["sessions"]
    assert (await desk.beat("gw-03"))["sessions"] == []
    desk.made.clock.step_wall((CLOSES - OPENS) / 1e6)
    assert (await desk.beat())["sessions"] == []


async def test_a_changed_plan_stops_neither_heartbeat_nor_server(desk: Desk) -> None:
    """P3, P8: what is not what was published is never served; the beat is answered, without a plan."""
    await desk.plans.publish(publication())
    await desk.registry.write(lambda connection: connection.execute(text("UPDATE plans SET text = x'7b7d'")))
    assert (await desk.get())[0] == 503
    told = await desk.beat()
    assert (told["plan_version"], told["sessions"], told["size"]) == (None, [], 0)
