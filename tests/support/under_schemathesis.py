"""Running one operation of an OpenAPI document under Schemathesis, outside its own runner.

Its pytest integration makes tests while modules are imported; our applications exist only while a test runs. So the
builder beneath that integration is called directly (no documented API: the lock pins the version).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import schemathesis
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import checks as general
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.specs.openapi import checks as openapi

if TYPE_CHECKING:
    from collections.abc import Callable

# The rest are about logging in (asked in a test of our own), about deletion, and about time.
CHECKS = [
    general.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
    openapi.negative_data_rejection,
    openapi.positive_data_acceptance,
    openapi.missing_required_header,
    openapi.unsupported_method,
    openapi.allow_header_conformance,
]
SETTINGS = hypothesis.settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)


def operations(document: dict[str, Any]) -> dict[str, schemathesis.APIOperation]:
    """By label, `METHOD /path`."""
    loaded = schemathesis.openapi.from_dict(document)
    made = (one.ok() for one in loaded.get_all_operations())
    return {one.label: one for one in made}


def examine(operation: schemathesis.APIOperation, check: Callable[[schemathesis.Case], None], examples: int) -> None:
    """Boundary cases, then `examples` generated ones."""

    def one(case: schemathesis.Case) -> None:
        case.body = whole_numbers(case.body)
        check(case)

    modes = [HypothesisTestMode.EXAMPLES, HypothesisTestMode.COVERAGE, HypothesisTestMode.FUZZING]
    config = HypothesisTestConfig(
        project=SchemathesisConfig().projects.get_default(),
        modes=modes,
        settings=hypothesis.settings(SETTINGS, max_examples=examples),
        apply_ci_profile=False,
    )
    create_test(operation=operation, test_func=one, config=config)()


def walk(document: dict[str, Any], check: Callable[[schemathesis.Case, Any], None], walks: int, **call: Any) -> None:
    """Walks along the links of the document: an answer's values go into the next request."""

    class Walk(schemathesis.openapi.from_dict(document).as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            case.body = whole_numbers(case.body)
            return call

        def validate_response(self, response: Any, case: schemathesis.Case, **_: Any) -> None:
            check(case, response)

    run_state_machine_as_test(Walk, settings=hypothesis.settings(SETTINGS, max_examples=walks, stateful_step_count=10))


def whole_numbers(body: Any) -> Any:
    """JSON Schema calls 3.0 an integer; here an integer is spelled as one (P4: no floats)."""
    if isinstance(body, dict):
        return {name: whole_numbers(value) for name, value in body.items()}
    if isinstance(body, list):
        return [whole_numbers(value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body
