"""Fuzz targets of what comes over HTTP push: the headers of a signature, a body of records, requests whole and proven.

The law besides: whatever is accepted as a signature has one spelling of its parts, and nothing that was not made with
the secret is ever admitted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fake_clock import FakeClock
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
KINDS = ("application/json", "application/x-ndjson", "application/json; charset=utf-8", "text/plain")
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


def _signed(data: bytes) -> Answer:
    """The first byte says which content type, in letters of which case; the rest is a body that its rig signed."""
    flags, body = data[0] if data else 0, data[1:]
    kind = KINDS[flags % len(KINDS)]
    answers = [asyncio.run(_pushed(one, body)) for one in (kind, kind.upper())]
    assert answers[0] == answers[1], "the letters of a content type changed the answer"
    if "records" in answers[0].document:
        rows = sum(bool(line.strip(b" \t\r")) for line in body.split(b"\n")) if kind == KINDS[1] else 1
        assert len(answers[0].document["records"]) == rows, "a record without its answer"
    assert answers[0].status != 200, "a record was acknowledged that nobody stored"
    return answers[0]


async def _pushed(kind: str, body: bytes) -> Answer:
    """To an open window behind which nobody stores."""
    desk = Desk(FakeClock())
    desk.set_up([Place(SERIAL, "pc", PUSHED, TEXT.encode(), signed=True, status_every_ms=1)])
    desk.listening("pc", yes=True)
    made = Secret(SERIAL, TEXT).headers("POST", PATH, body, created=int(desk.now_s) + 1, nonce="q1Zt4cJp0W3xYb7L")
    headers = {"content-type": kind, **{name.lower(): value for name, value in made.items()}}

    async def read() -> bytes:
        return body

    return await desk.take("pc", Request("POST", PATH, headers, len(body)), read)


def _bodies() -> list[bytes]:
    record = _record()
    return [b"\0" + record, b"\1" + record, b"\1" + record + b"\n" + record, b"\2" + record, b"\1\n\r\n"]


def _record() -> bytes:
    return (ROOT / "tests/vectors/rig-interface-v1/mqtt/deduction.txt").read_text().split("---\n")[1].encode()


def _requests() -> list[bytes]:
    proof = f"Authorization: Bearer {TEXT}"
    made = [f"POST {PATH}\n{proof}\nContent-Type: {kind}\n\n".encode() + _record() for kind in KINDS[:2]]
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
        name="pushed-body",
        parse=_signed,
        refusals=(),
        encode=None,
        seeds=_bodies,
        tokens=(b"\n", b"\r\n", b"{", b"[" * 2000, b'"seq":', b'"boot":', b"9" * 400, b"NaN", b"\xff", b"null"),
        slow=40,
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
