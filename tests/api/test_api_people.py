"""B10: the people's API under Schemathesis: the real application over a small site, every check that applies.

Each operation gets the boundary cases of its document and generated requests, such that fit it and such that do not:
never a 5xx, only documented statuses and media types, answers that fit their schema, wrong requests refused, right ones
taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from api_site import BASE, STAGED, ApiSite, open_api_site
from long_times import times
from planned_world import A
from schemathesis.specs.openapi import checks as kit
from under_schemathesis import CHECKS, examine, operations, walk

from server.people.problems import PROBLEM_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import schemathesis

EXAMPLES, LONG_EXAMPLES = 50, times(500)
OPERATIONS = (
    "GET /api/v1/alerts",
    "GET /api/v1/attempts",
    "GET /api/v1/attempts/{attempt_id}",
    "GET /api/v1/attempts/{attempt_id}/evidence",
    "GET /api/v1/entries/{origin_hash}/{index}",
    "GET /api/v1/entries/{origin_hash}/{index}/proof",
    "GET /api/v1/gateways",
    "GET /api/v1/items",
    "GET /api/v1/live",
    "GET /api/v1/plans",
    "GET /api/v1/policy",
    "GET /api/v1/rigs",
    "GET /api/v1/staged",
    "GET /api/v1/wall",
    "POST /api/v1/alerts/{alert_id}/acknowledge",
    "POST /api/v1/attempts/search",
    "POST /api/v1/candidates",
    "POST /api/v1/matches",
)
# Which attempts may be matched with which is not for a schema to say: the desk answers 422 with the reason.
# GET /api/v1/attempts/search is an attempt by the name of "search": 422, not 405.
LEFT_OUT = {
    "POST /api/v1/matches": [kit.positive_data_acceptance],
    "POST /api/v1/attempts/search": [kit.unsupported_method],
}

pytestmark = pytest.mark.xdist_group("api")  # one worker makes the site, once


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiSite]:
    with open_api_site(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture(scope="module")
def found(api: ApiSite) -> dict[str, schemathesis.APIOperation]:
    return operations(api.document)


def run(api: ApiSite, operation: schemathesis.APIOperation, examples: int) -> int:
    """All cases of one operation; how many requests that were."""
    before = len(api.adapter.answered)

    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(
            base_url=BASE,
            session=api.session,
            headers={"authorization": f"Bearer {api.token}"},
            checks=CHECKS,
            excluded_checks=LEFT_OUT.get(operation.label),
        )

    examine(operation, check, examples)
    return len(api.adapter.answered) - before


def test_every_operation_is_examined(found: dict[str, schemathesis.APIOperation]) -> None:
    """A new route is not left out."""
    assert tuple(sorted(found)) == OPERATIONS


@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_keeps_to_its_document(
    api: ApiSite, found: dict[str, schemathesis.APIOperation], label: str
) -> None:
    """B10: every boundary case and 50 examples."""
    assert run(api, found[label], EXAMPLES) >= EXAMPLES


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_keeps_to_its_document_for_long(
    api: ApiSite, found: dict[str, schemathesis.APIOperation], label: str
) -> None:
    """B10: 500 examples, or more, or as many different ones as an operation of few parameters has."""
    assert run(api, found[label], LONG_EXAMPLES) > 4 * EXAMPLES


def walks(api: ApiSite, count: int) -> set[str]:
    """Walk along links; the operations that answered 2xx with values that came from another answer."""
    reached: set[str] = set()

    def check(case: schemathesis.Case, response: Any) -> None:
        label = case.operation.label
        case.validate_response(response, checks=CHECKS, excluded_checks=LEFT_OUT.get(label))
        if "{" in label and response.status_code < 300:
            reached.add(label)

    authorization = {"authorization": f"Bearer {api.token}"}
    walk(api.document, check, count, base_url=BASE, session=api.session, headers=authorization)
    return reached


def test_walks_along_the_links_of_the_document(api: ApiSite) -> None:
    """B10, stateful: a list leads to its attempts, entries, proofs and alerts, and each answers as documented."""
    assert walks(api, 25) == {one for one in OPERATIONS if "{" in one}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_long_walks_along_the_links_of_the_document(api: ApiSite) -> None:
    """B10, stateful: 250 walks of ten steps, or more."""
    assert walks(api, times(250)) == {one for one in OPERATIONS if "{" in one}


@pytest.mark.parametrize("label", OPERATIONS)
@pytest.mark.parametrize("token", [None, "", "kaofen_wrong", "\xff"])
def test_no_operation_answers_a_stranger(api: ApiSite, label: str, token: str | None) -> None:
    """I11: without a token, and with one that nobody has, every operation says 401 and nothing else."""
    method, _, path = label.partition(" ")
    path = path.format(attempt_id=A, origin_hash="0" * 64, index=0, alert_id="e1-1")
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    bodies = {"acknowledge": {}, "search": {}, "candidates": {"attempts": [A]},
              "matches": {"staged": STAGED, "planned": A, "why": "x"}}  # fmt: skip
    body = bodies.get(path.rsplit("/", 1)[1]) if method == "POST" else None
    answer = api.nobody.request(method, f"{BASE}{path}", headers=headers, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM_TYPE)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "path", ["/api/v1/attempts/search", "/api/v1/candidates", "/api/v1/alerts/e1-1/acknowledge", "/api/v1/matches"]
)
@pytest.mark.parametrize("body", [b"\xff", b"{", b"[" * 100_000, b'{"limit":1e999}', b'{"attempts":[NaN]}'])
def test_a_body_that_is_no_json_is_refused(api: ApiSite, path: str, body: bytes) -> None:
    """Found by Schemathesis: the document says 400 too. Invalid UTF-8, cut text, a depth bomb, infinities."""
    answer = api.session.post(f"{BASE}{path}", data=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) in {(400, PROBLEM_TYPE), (422, PROBLEM_TYPE)}
