"""A composed attempt leaves the server as one bundle that proves it offline, whatever logs it stands in."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from planned_world import A, B, Point, point

from scorelog.format.entry import parse_entry
from scorelog.format.evidence import Evidence, build_evidence, parse_evidence
from scorelog.format.policy import parse_policy
from scorelog.verify.attempt import verify_attempt

if TYPE_CHECKING:
    from people_site import Site


async def bundle(site: Site, here: Point, attempt: str = A) -> Evidence:
    for log in here.logs.values():
        await site.upload(log)
    client = await site.client()
    answer = await client.get(f"/api/v1/attempts/{attempt}/evidence")
    assert answer.status_code == 200, answer.text
    return parse_evidence(answer.content)


async def test_the_logs_of_two_gateways_prove_one_attempt_offline(site: Site) -> None:
    """P3, P4: `kaofen-verify attempt` takes entries of several logs, with each one's plan, rubric and profile."""
    here = point(Random(3), max_bytes=900)
    here.whole(A)
    here.whole(B, ticket="T-2")
    evidence = await bundle(site, here)
    report = verify_attempt(evidence, parse_policy(evidence.policy))
    assert report.ok, [one.text for one in report.findings if not one.ok]
    kinds = {}
    for item in evidence.items:
        kinds.setdefault(item.origin, []).append(parse_entry(item.entry).type)
    assert len(kinds) == 2
    for found in kinds.values():
        assert found.count("plan.adopted") > 1
        assert found.count("rubric.adopted") == found.count("profile.adopted") == 1
        assert found.count("attempt.finished") == 2


async def test_a_log_that_is_left_out_half_is_missed(site: Site) -> None:
    """The closing entry of each gateway names its entries: taking one away is seen."""
    here = point(Random(3))
    here.whole(A)
    evidence = await bundle(site, here)
    deduction = next(item for item in evidence.items if parse_entry(item.entry).type == "deduction")
    rest = [item for item in evidence.items if item is not deduction]
    short = parse_evidence(build_evidence(A, rest, evidence.policy))
    assert not verify_attempt(short, parse_policy(short.policy)).ok
