"""What every database gives a PlanStore: versions, openings apart, one nonce. Run over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from fake_clock import START_US
from plan_samples import ATTEMPTS, PERSONS, plan_document, plan_openings

from scorelog.format.plan import PlanOpening, encode_plan, parse_plan
from scorelog.format.text import utc_us
from server.errors import Busy, ConfigError, Damaged
from server.plan.publication import AttemptOpening, Publication

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.plan.store import PlanStore

RUBRIC = b"rubric = 1\n# only its hash counts here\n"
OPENS = utc_us("2026-11-23T00:30:00Z")
CLOSES = utc_us("2026-11-23T04:00:00Z")


def publication(version: int = 1, **changes: Any) -> Publication:
    """The sample plan as a version of its point, or with other values of `point`, `sessions` or `openings`."""
    document = plan_document() | {"version": version}
    document["point"] = document["point"] | changes.get("point", {})
    openings = changes.get("openings", plan_openings())
    for session in document["sessions"]:
        session["rubric"] = hashlib.sha256(RUBRIC).hexdigest()
        session["id"] = changes.get("session", session["id"])
        for one in session["candidates"]:
            mine = [each for each in openings if each.attempt == one["attempt"]]
            one["commitments"] = [{"field": each.field, "sha256": each.sha256} for each in mine]
    parsed = parse_plan(encode_plan(document))
    kept = tuple(AttemptOpening(each, parsed.sessions[0].id, 1 + ATTEMPTS.index(each.attempt)) for each in openings)
    persons = {ATTEMPTS[0]: "ab" * 32}
    return Publication(parsed, START_US + version, {hashlib.sha256(RUBRIC).hexdigest(): RUBRIC}, kept, persons)


class PlanStoreContract:
    """Inherit, and give the fixtures `plans`, `other` (another process on the same database) and `change` (SQL)."""

    async def test_an_empty_store_knows_nothing(self, plans: PlanStore) -> None:
        """Nothing published: no point, no plan, no nonce, and no error."""
        assert await plans.points() == []
        assert await plans.current("hn-cs-01") is None
        assert await plans.for_gateway("gw-01") is None
        assert await plans.openings(ATTEMPTS) == {}
        assert await plans.nonce("S20261123-1", OPENS) is None

    async def test_a_published_version_is_there_whole(self, plans: PlanStore, other: PlanStore) -> None:
        """Rule 1: text byte for byte, its name, the rubrics that it names; also for another process."""
        made = publication()
        await plans.publish(made)
        for store in (plans, other):
            found = await store.current("hn-cs-01")
            assert found is not None
            assert (found.text, found.sha256, found.version) == (made.plan.text, made.plan.sha256, 1)
            assert (found.rubrics, found.published_us) == ((RUBRIC,), START_US + 1)
            assert found == await store.by_sha256(made.plan.sha256) == await store.version("hn-cs-01", 1)
            assert await store.points() == ["hn-cs-01"]

    async def test_versions_rise_by_one_and_stay(self, plans: PlanStore, other: PlanStore) -> None:
        """Rule 1: the newest counts, an old one is never changed, a number is taken once."""
        first, second = publication(1), publication(2)
        await plans.publish(first)
        await other.publish(second)
        with pytest.raises(Busy, match="in between"):
            await plans.publish(publication(2, point={"region": "430101"}))
        with pytest.raises(Busy):
            await plans.publish(publication(4))
        old, new = await plans.version("hn-cs-01", 1), await plans.current("hn-cs-01")
        assert old is not None
        assert new is not None
        assert (old.text, new.text) == (first.plan.text, second.plan.text)
        assert [head.version for head in await plans.heads("hn-cs-01")] == [1, 2]

    async def test_two_processes_publish_one_version_once(self, plans: PlanStore, other: PlanStore) -> None:
        """Of two who publish at the same time one is told to run it again, and nothing of his is stored."""
        made = publication(), publication(point={"region": "430101"})
        results = await asyncio.gather(plans.publish(made[0]), other.publish(made[1]), return_exceptions=True)
        assert [type(each) for each in results if each is not None] == [Busy]
        winner = await plans.current("hn-cs-01")
        assert winner is not None
        assert winner.text == made[1 if isinstance(results[0], Busy) else 0].plan.text

    async def test_a_gateway_gets_the_plan_that_names_it(self, plans: PlanStore) -> None:
        """Rule 6: by the rigs of the newest version; a gateway of no point gets none, and serves one point only."""
        await plans.publish(publication())
        for gateway_id in ("gw-01", "gw-02"):
            found = await plans.for_gateway(gateway_id)
            assert found is not None
            assert found.point == "hn-cs-01"
        assert await plans.for_gateway("gw-03") is None
        with pytest.raises(ConfigError, match="gw-01 serves point hn-cs-01"):
            await plans.publish(publication(point={"id": "hn-cs-02"}, session="S2"))
        assert await plans.points() == ["hn-cs-01"]

    async def test_openings_lie_apart_and_are_found(self, plans: PlanStore) -> None:
        """P7, rule 3: values by attempt, an attempt by its ticket, and what opens exactly this plan."""
        made = publication()
        await plans.publish(made)
        assert await plans.openings(ATTEMPTS) == dict(zip(ATTEMPTS, PERSONS, strict=True))
        assert await plans.find_ticket(PERSONS[0]["ticket"]) == [ATTEMPTS[0]]
        assert await plans.find_ticket("S20261123-9999") == []
        assert {each.sha256 for each in await plans.openings_of(made.plan)} == {each.sha256 for each in plan_openings()}
        assert await plans.minted(["S20261123-1"]) == {
            ("S20261123-1", PERSONS[at]["ticket"], at + 1): attempt for at, attempt in enumerate(ATTEMPTS)
        }
        assert await plans.keyed(ATTEMPTS) == {ATTEMPTS[0]: "ab" * 32}
        for person in PERSONS:
            assert all(value.encode() not in made.plan.text for value in person.values())

    async def test_a_corrected_name_opens_the_new_version_only(self, plans: PlanStore) -> None:
        """Rule 1: the old version keeps its own opening, and pages show the new one."""
        first = publication()
        corrected = PlanOpening(ATTEMPTS[0], "name", bytes(32), "欧阳明月")
        rest = tuple(each for each in plan_openings() if (each.attempt, each.field) != (ATTEMPTS[0], "name"))
        second = publication(2, openings=(*rest, corrected))
        await plans.publish(first)
        await plans.publish(second)
        assert (await plans.openings(ATTEMPTS))[ATTEMPTS[0]]["name"] == "欧阳明月"
        assert {each.value for each in await plans.openings_of(first.plan) if each.field == "name"} == {"欧阳明日"}
        assert {each.value for each in await plans.openings_of(second.plan) if each.field == "name"} == {"欧阳明月"}

    async def test_the_nonce_is_made_once_and_only_inside_the_window(self, plans: PlanStore, other: PlanStore) -> None:
        """Rule 7: none before `opens` and from `closes` on; two processes that ask at once tell the same one."""
        await plans.publish(publication())
        for outside in (OPENS - 1, CLOSES, CLOSES + 1):
            assert await plans.nonce("S20261123-1", outside) is None
        asked: list[Awaitable[str | None]] = [each.nonce("S20261123-1", OPENS) for each in (plans, other, plans, other)]
        told = set(await asyncio.gather(*asked))
        assert len(told) == 1
        nonce = told.pop()
        assert nonce is not None
        assert bytes.fromhex(nonce)
        assert await other.nonce("S20261123-1", CLOSES - 1) == nonce
        stored = await plans.for_gateway("gw-01")
        assert stored is not None
        assert await plans.nonces(stored, OPENS) == [("S20261123-1", nonce)]
        assert await plans.nonces(stored, CLOSES) == []

    async def test_a_session_id_belongs_to_one_point(self, plans: PlanStore) -> None:
        """Two points cannot share a session id, since they would share its nonce; nothing is stored then."""
        await plans.publish(publication())
        document = publication(point={"id": "hn-cs-02", "gateways": ["gw-01", "gw-02", "gw-03"]})
        text = document.plan.text.replace(b'"gateway":"gw-01"', b'"gateway":"gw-03"')
        text = text.replace(b'"gateway":"gw-02"', b'"gateway":"gw-03"')
        other = Publication(parse_plan(text), 1, document.rubrics, document.openings, {})
        with pytest.raises(ConfigError, match="session S20261123-1 belongs to another point"):
            await plans.publish(other)
        assert await plans.points() == ["hn-cs-01"]

    async def test_a_changed_row_is_never_served(
        self, plans: PlanStore, other: PlanStore, change: Callable[[str], Awaitable[None]]
    ) -> None:
        """P3: a text that is not the one of its name is Damaged, whoever asks."""
        await plans.publish(publication())
        await change("UPDATE {plans} SET text = x'7b7d'")
        for ask in (other.current("hn-cs-01"), other.for_gateway("gw-01")):
            with pytest.raises(Damaged, match="plan 1 of hn-cs-01"):
                await ask
