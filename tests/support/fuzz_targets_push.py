"""Fuzz targets of what comes over HTTP push: the three headers of a signature, a body of records, a whole request.

The law besides: whatever is accepted as a signature has one spelling of its parts, and nothing that was not made with
the secret is ever admitted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fuzz_targets import Target
from tree import ROOT

from device_adapters.errors import NotProven
from device_adapters.http.answers import records_of
from device_adapters.http.guard import Guard
from device_adapters.http.signing import read_signature
from device_adapters.language.shape import PUSHED
from gateway.push.desk import Desk, Place, Request
from scorelog.journal.clock import SystemClock
from simulators.errors import InputError
from simulators.push.desk import parse_desk
from simulators.push.signing import Secret

if TYPE_CHECKING:
    from device_adapters.http.answers import Answer
    from device_adapters.http.signing import Signature
    from simulators.push.desk import Desk as SimulatedDesk

SERIAL, TEXT, PATH, NOW = "CP-0001", "0123456789abcdef0123456789abcdef", "/push/v1/CP-0001/records", 1_795_000_000
NAMES = ("Signature-Input", "Signature", "Content-Digest")


def _good() -> list[str]:
    made = Secret(SERIAL, TEXT).headers("POST", PATH, b'{"v":1}', created=NOW, nonce="q1Zt4cJp0W3xYb7L")
    return [made[name] for name in NAMES]


def _headers(data: bytes) -> list[str]:
    parts = data.decode("latin-1").split("\n")
    return [*parts, "", "", ""][:3]


def _signature(data: bytes) -> Signature:
    """One line a header, in the order of NAMES."""
    said, value, digest = _headers(data)
    found = read_signature("POST", PATH, said, value, digest)
    good = _good()
    guard = Guard(SERIAL, TEXT.encode(), signed=True, since_s=0)
    headers = dict(zip(("signature-input", "signature", "content-digest"), (said, value, digest), strict=True))
    try:
        guard.admit("POST", PATH, headers, NOW)
    except NotProven:
        return found
    same = [one.partition("=")[2] for one in (said, value)] == [one.partition("=")[2] for one in good[:2]]
    assert same, "admitted without the secret"
    assert digest == good[2], "admitted another body"
    return found


def _request(data: bytes) -> Answer:
    """The first line is method and path, the following ones headers up to an empty one, the rest is the body."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    method, _, path = first.partition(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    async def take() -> Answer:
        desk = Desk(SystemClock())
        desk.set_up([Place(SERIAL, "pc", PUSHED, TEXT.encode(), signed=False, status_every_ms=1)])

        async def read() -> bytes:
            return body

        return await desk.take("pc", Request(method, path, headers, len(body)), read)

    answer = asyncio.run(take())
    assert answer.status != 200 or path != PATH, "a record was acknowledged that nobody stored"
    assert TEXT not in str(answer.document)
    return answer


def _requests() -> list[bytes]:
    proof = f"Authorization: Bearer {TEXT}"
    record = (ROOT / "tests/vectors/rig-interface-v1/mqtt/deduction.txt").read_text().split("---\n")[1].encode()
    kinds = ("application/json", "application/x-ndjson")
    made = [f"POST {PATH}\n{proof}\nContent-Type: {kind}\n\n".encode() + record for kind in kinds]
    status = f"POST /push/v1/{SERIAL}/status\n{proof}\nContent-Type: application/json\n\n".encode()
    will = f'{{"v":1,"serial":"{SERIAL}","boot":3,"online":false}}'.encode()
    return [*made, status + will, f"GET /push/v1/{SERIAL}/position\n{proof}\n\n".encode()]


def _desk(data: bytes) -> SimulatedDesk:
    return parse_desk(data.decode("latin-1"), ROOT / "secrets")


TARGETS = [
    Target(
        name="push-signature",
        parse=_signature,
        refusals=(NotProven,),
        encode=None,
        seeds=lambda: ["\n".join(_good()).encode()],
        tokens=(b";created=", b';nonce="', b';keyid="', b';alg="hmac-sha256"', b'"@path"', b"sha-256=:", b"=:", b"A=:"),
    ),
    Target(
        name="push-batch",
        parse=records_of,
        refusals=(ValueError,),
        encode=None,
        seeds=lambda: [b'{"v":1}', b'{"v":1}\n{"v":2}\r\n\n', b"\n" * 40],
        tokens=(b"\n", b"\r\n", b" ", b"{}", b"\0"),
    ),
    Target(
        name="push-request",
        parse=_request,
        refusals=(),
        encode=None,
        seeds=_requests,
        tokens=(b"/push/v1/", b"/status", b"/records", b"Content-Type: ", b"%2e", b"?", b"\n\n", b"Bearer "),
        slow=20,
    ),
    Target(
        name="simulator-desk",
        parse=_desk,
        refusals=(InputError,),
        encode=None,
        seeds=lambda: [b"http://127.0.0.1:8441", b"https://[::1]:8441/", b"ftp://x:1"],
        tokens=(b"://", b":99999", b"[", b"]", b"@"),
    ),
]
