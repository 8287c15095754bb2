"""The gateways' listener as an OpenAPI document, for Schemathesis only: docs/formats/upload.md and tlog.md bind.

Bodies are what those pages say: an upload, a heartbeat, an add-checkpoint request, each made well and then changed at
random places by the mutations of the fuzz targets.
"""

from __future__ import annotations

import json
import random
from typing import Any

import schemathesis
from fuzz_mutation import mutate
from hypothesis import strategies as st
from sample_uploads import SampleLog, asking

from scorelog.format.witness import AddCheckpoint
from server.ingest.origins import origin_hash
from server.ingest.problems import PROBLEM_TYPE

UPLOAD_TYPE = "application/vnd.kaofen.upload"
WITNESS_TYPE = "application/vnd.kaofen.add-checkpoint"
BEAT_TYPE = "application/vnd.kaofen.heartbeat"
NOTE = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"
LOG = SampleLog().grow(6, openings=True)
HASH = origin_hash(LOG.origin)
FORK = LOG.fork(2).grow(4, seed="other")
UPLOADS = [LOG.upload(start, stop) for start in range(6) for stop in range(start, 7)] + [
    FORK.upload(0),
    FORK.upload(2),
] * 6
BAD_PROOF = AddCheckpoint(2, (bytes(32),), LOG.checkpoint(6)).encode()
ASKED = [asking(LOG, old, new) for old in range(6) for new in range(old, 7)] + [asking(FORK, 2, 6)] + [BAD_PROOF] * 6
BEATS = [
    {"v": 1, "origin": LOG.origin, "size": size, "instance": "a1", "unsent": 0, "rigs": [{"rig": "LV-0001"}]}
    for size in (0, 3, 6)
]
BEAT_BODIES = [json.dumps(one).encode() for one in BEATS]


def _changed(bodies: list[bytes]) -> st.SearchStrategy[bytes]:
    """Half of them as they are, half mutated."""

    def change(seed: int, body: bytes) -> bytes:
        rng = random.Random(seed)
        return body if rng.random() < 0.5 else mutate(rng, body, bodies, ())

    return st.builds(change, st.integers(0, 2**32 - 1), st.sampled_from(bodies))


def register() -> None:
    """Tell Schemathesis how such bodies look."""
    for media_type, bodies in ((UPLOAD_TYPE, UPLOADS), (WITNESS_TYPE, ASKED), (BEAT_TYPE, BEAT_BODIES)):
        schemathesis.openapi.media_type(media_type, _changed(bodies))


def _problems(*statuses: int) -> dict[str, Any]:
    body = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {str(status): {"description": "refused", "content": {PROBLEM_TYPE: body}} for status in statuses}


def _answers(media_type: str, *problems: int, size: bool = False) -> dict[str, Any]:
    found = {"200": {"description": "done", "content": {media_type: {}}}, **_problems(*problems)}
    if size:
        found["409"] = {"description": "the size", "content": {SIZE: {"schema": {"type": "string"}}}}
    return found


def _post(media_type: str, answers: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}
    return {"post": {"requestBody": body, "responses": answers}}


def _name(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def document() -> dict[str, Any]:
    """Six operations."""
    hashed = _name("hash", {"anyOf": [{"enum": [HASH]}, {"type": "string", "pattern": "^[0-9a-f]{64}$"}]})
    level = _name("level", {"type": "integer", "minimum": 0, "maximum": 63})
    index = _name("index", {"type": "string", "pattern": r"^(x[0-9]{3}/)?[0-9]{3}(\.p/[0-9]{1,3})?$"})
    tile = {"get": {"parameters": [hashed, level, index], "responses": _answers("application/octet-stream", 403, 404)}}
    wanted = ("type", "title", "status", "detail")
    problem = {"type": "object", "required": list(wanted), "properties": {"status": {"type": "integer"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "gateways", "version": "1"},
        "components": {"schemas": {"Problem": problem}},
        "paths": {
            "/gateway/v1/upload": _post(UPLOAD_TYPE, _answers(NOTE, 400, 403, 404, 405, 413, 422, size=True)),
            "/gateway/v1/heartbeat": _post(BEAT_TYPE, _answers("application/json", 400, 403, 404, 405, 413)),
            "/add-checkpoint": _post(WITNESS_TYPE, _answers(NOTE, 400, 403, 404, 405, 413, 422, size=True)),
            "/gateway/v1/plan": {"get": {"responses": _answers("application/json", 403, 404)}},
            "/{hash}/checkpoint": {"get": {"parameters": [hashed], "responses": _answers(NOTE, 403, 404)}},
            "/{hash}/tile/{level}/{index}": tile,
        },
    }
