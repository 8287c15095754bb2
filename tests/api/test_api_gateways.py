"""B10: the gateways' listener under Schemathesis, and its answers to bodies that are not what they say they are.

The real ASGI application with a certificate in its scope, over the strict fake of the store. Bodies are well made ones
and mutations of them: never a 5xx, only the statuses of docs/formats/upload.md, problems that are problem documents.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import gateway_document
import pytest
from asgi_session import AsgiAdapter, LoopThread, asgi_session
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fake_entry_store import FakeEntryStore
from long_times import times
from sample_uploads import DOMAIN, asking
from schemathesis import checks as general
from schemathesis.specs.openapi import checks as openapi
from server_bench import bench
from tls_material import make_tls_material
from under_schemathesis import examine, operations

from server.ingest.routes import STATE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

BASE = "https://server.test"
EXAMPLES, LONG_EXAMPLES = 50, times(500)
# Methods: everything but the listed ones is 404 or 405 with a problem document, asked below.
CHECKS = [
    general.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
]
OPERATIONS = {
    "POST /gateway/v1/upload": {200, 400, 409, 422},
    "POST /gateway/v1/heartbeat": {200, 400},
    "POST /add-checkpoint": {200, 400, 409},
    "GET /gateway/v1/plan": {404},
    "GET /{hash}/checkpoint": {200, 404},
    "GET /{hash}/tile/{level}/{index}": {404},
}

pytestmark = pytest.mark.xdist_group("api")


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    gateway_document.register()
    return operations(gateway_document.document())


@contextlib.contextmanager
def listener(folder: Any) -> Iterator[tuple[requests.Session, AsgiAdapter]]:
    """A fresh server that knows the gateway and half of its log."""
    thread = LoopThread()
    try:
        with thread.within(bench(FakeEntryStore())) as made:
            thread.run(made.enrol(gateway_document.LOG))
            thread.run(made.send(gateway_document.LOG, 0, 3))
            thread.run(made.witness.add_checkpoint(asking(gateway_document.LOG, 0, 2)))
            pem = (make_tls_material(folder, domain=DOMAIN).gateway / "cert.pem").read_bytes()
            der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
            adapter = AsgiAdapter(made.app, thread, {STATE_KEY: der})
            yield asgi_session(adapter), adapter
    finally:
        thread.stop()


def run(folder: Any, operation: Any, examples: int) -> set[int]:
    """The statuses that came."""
    with listener(folder) as (session, adapter):
        examine(operation, lambda case: case.call_and_validate(base_url=BASE, session=session, checks=CHECKS), examples)
        return {status for _, status in adapter.answered}


@pytest.mark.parametrize("label", OPERATIONS)
def test_the_listener_keeps_to_its_table(tmp_path: Any, found: dict[str, Any], label: str) -> None:
    """B10: 50 examples for each operation, and the ordinary answers are among them."""
    assert run(tmp_path, found[label], EXAMPLES) >= OPERATIONS[label]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("label", OPERATIONS)
def test_the_listener_keeps_to_its_table_for_long(tmp_path: Any, found: dict[str, Any], label: str) -> None:
    """B10: 500 examples, or more."""
    assert run(tmp_path, found[label], LONG_EXAMPLES) >= OPERATIONS[label]


def test_other_methods_and_paths_are_problems(tmp_path: Any) -> None:
    """405 for another method of a known path, 404 for what is not there: never a 5xx, never a page."""
    with listener(tmp_path) as (session, _):
        for path in ("/gateway/v1/upload", "/gateway/v1/heartbeat", "/add-checkpoint"):
            for method in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "BREW"):
                answer = session.request(method, BASE + path)
                assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
        for path in ("/", "/%00", "/..%2f..%2fetc/passwd", "/%ff/checkpoint", f"/{'0' * 64}/tile/9/9", "/a" * 4_000):
            for method in ("GET", "POST", "DELETE", "HEAD"):
                answer = session.request(method, BASE + path)
                assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
