"""The gateways' routes: every status of docs/formats/upload.md, what is kept as evidence, and what a body may cost."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from sample_uploads import DOMAIN, SampleLog, sample_entry
from server_bench import MIRROR_VERIFIER, Bench, ask, bench
from tls_material import make_tls_material

from certs.ca import issue_gateway
from certs.identity import fingerprint
from scorelog.format.commitment import Opening
from scorelog.format.upload import Upload, encode_upload
from scorelog.format.witness import AddCheckpoint
from scorelog.journal.failpoints import armed
from server import limits
from server.evidence.committed import wrong_fields
from server.evidence.store import Gateway
from server.ingest.origins import origin_hash
from server.ingest.problems import PROBLEM_TYPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

UPLOAD = "/gateway/v1/upload"
BEAT = "/gateway/v1/heartbeat"


def der_of(folder: Path) -> bytes:
    return x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes()).public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def ders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Certificates of three gateways, one of them of another domain."""
    folder = tmp_path_factory.mktemp("tls")
    made = make_tls_material(folder, domain=DOMAIN)
    issue_gateway(made.authority, DOMAIN, "gw-02").write(folder / "gw-02")
    issue_gateway(made.authority, "other.example", "gw-01").write(folder / "other")
    return {
        "gw-01": der_of(made.gateway),
        "gw-02": der_of(folder / "gw-02"),
        "other": der_of(folder / "other"),
        "server": der_of(made.server),
    }


@pytest.fixture
async def at() -> AsyncIterator[Bench]:
    async with bench(FakeEntryStore()) as made:
        await made.store.add_gateway(Gateway("gw-01", SampleLog("gw-01").public_key))
        yield made


async def test_200_is_a_receipt(at: Bench, ders: dict[str, bytes]) -> None:
    """P2: the body of a 200 is the mirror's cosignature over exactly this checkpoint."""
    log = SampleLog().grow(3, openings=True)
    status, headers, body = await ask(at.app, "POST", UPLOAD, log.upload(0), der=ders["gw-01"], parts=3)
    assert status == 200
    assert log.receipt_time(3, body, MIRROR_VERIFIER) == at.clock.now_us() // 1_000_000
    assert headers[b"content-type"].startswith(b"text/plain")
    assert at.stored == [(log.origin, 3)]
    assert await at.kinds() == []


async def test_409_says_the_size(at: Bench, ders: dict[str, bytes]) -> None:
    """A lost answer: the retry learns the size, asks for its cosignature and has the same receipt."""
    log = SampleLog().grow(3)
    assert (await ask(at.app, "POST", UPLOAD, log.upload(0), der=ders["gw-01"]))[0] == 200
    status, headers, body = await ask(at.app, "POST", UPLOAD, log.upload(0), der=ders["gw-01"])
    assert (status, headers[b"content-type"], body) == (409, b"text/x.tlog.size", b"3\n")
    status, _, body = await ask(at.app, "POST", UPLOAD, log.upload(3), der=ders["gw-01"])
    assert status == 200
    assert log.receipt_time(3, body, MIRROR_VERIFIER)


@pytest.mark.parametrize("body", [b"", b"junk", b"kaofen.upload/v1\n\n", SampleLog().grow(2).upload(0)[:-1]])
async def test_400_is_framing(at: Bench, ders: dict[str, bytes], body: bytes) -> None:
    """A body that is no upload is refused with a problem document and no alarm."""
    status, headers, answer = await ask(at.app, "POST", UPLOAD, body, der=ders["gw-01"])
    assert (status, headers[b"content-type"]) == (400, PROBLEM_TYPE.encode())
    assert json.loads(answer)["status"] == 400
    assert await at.kinds() == []


async def test_403_is_a_strange_signature_or_origin(at: Bench, ders: dict[str, bytes]) -> None:
    """S6: forged signature and foreign origin are refused, kept raw, and alarmed."""
    forged = SampleLog("gw-01", key=SampleLog("gw-02").key).grow(1)
    foreign = SampleLog("gw-02").grow(1)
    for log in (forged, foreign):
        status, _, _ = await ask(at.app, "POST", UPLOAD, log.upload(0), der=ders["gw-01"])
        assert status == 403
    assert await at.kinds() == ["bad_signature", "wrong_origin"]
    assert [each.body for each in await at.store.refusals()] == [forged.upload(0), foreign.upload(0)]
    assert await at.store.logs() == []


async def test_404_is_a_gateway_that_nobody_enrolled(at: Bench, ders: dict[str, bytes]) -> None:
    """A good certificate alone is not enough; another domain's gateway of the same id is another gateway."""
    for who in ("gw-02", "other"):
        assert (await ask(at.app, "POST", UPLOAD, b"", der=ders[who]))[0] == 404
        assert (await ask(at.app, "POST", BEAT, b"{}", der=ders[who]))[0] == 404
    assert (await ask(at.app, "GET", "/elsewhere", der=ders["gw-01"]))[0] == 404
    assert (await ask(at.app, "GET", UPLOAD, der=ders["gw-01"]))[0] == 405


async def test_403_without_a_gateways_certificate(at: Bench, ders: dict[str, bytes]) -> None:
    """No certificate, or one that names no gateway, speaks for nobody."""
    assert (await ask(at.app, "POST", UPLOAD, b""))[0] == 403
    assert (await ask(at.app, "POST", UPLOAD, b"", der=ders["server"]))[0] == 403


async def test_403_is_revoked_at_the_next_request(at: Bench, ders: dict[str, bytes]) -> None:
    """B19: gateway or certificate, from the next request on; what it still sends is evidence; a heartbeat says why."""
    log = SampleLog().grow(2)
    assert (await ask(at.app, "POST", UPLOAD, log.upload(0, 1), der=ders["gw-01"]))[0] == 200
    await at.store.revoke_certificate("gw-01", fingerprint(ders["gw-01"]), "stolen")
    assert (await ask(at.app, "POST", UPLOAD, log.upload(1, 2), der=ders["gw-01"]))[0] == 403
    await at.store.set_gateway_status("gw-01", "revoked", "sold")
    status, _, body = await ask(at.app, "POST", BEAT, b"{}", der=ders["gw-01"])
    assert status == 200
    assert "sold" in json.loads(body)["revoked"]
    assert at.shown == []
    assert await at.kinds() == ["revoked"]
    assert [each.body for each in await at.store.refusals()] == [log.upload(1, 2)]


async def test_413_comes_before_the_body(at: Bench, ders: dict[str, bytes]) -> None:
    """I16: a stated length over the cap is refused unread, an unstated one as soon as it is over."""
    stated = ((b"content-length", str(limits.UPLOAD_BODY_MAX + 1).encode()),)
    status, headers, _ = await ask(at.app, "POST", UPLOAD, b"", der=ders["gw-01"], headers=stated)
    assert (status, headers[b"connection"]) == (413, b"close")
    long = b"x" * (limits.UPLOAD_BODY_MAX + 1)
    assert (await ask(at.app, "POST", UPLOAD, long, der=ders["gw-01"], parts=9))[0] == 413
    assert (await ask(at.app, "POST", UPLOAD, long[:-1], der=ders["gw-01"], parts=9))[0] == 400
    many = Upload(0, tuple(SampleLog().grow(256).entries), (), SampleLog().grow(256).checkpoint())
    head = encode_upload(many).replace(b"entries 256", b"entries 257", 1)
    assert (await ask(at.app, "POST", UPLOAD, head, der=ders["gw-01"]))[0] == 413


async def test_422_is_kept_and_alarmed(at: Bench, ders: dict[str, bytes]) -> None:
    """P3: another root of the same size, entries that do not fit: refused, kept raw, alarmed with the index."""
    log = SampleLog().grow(4)
    other = log.fork(2).grow(2, seed="other")
    assert (await ask(at.app, "POST", UPLOAD, log.upload(0, 3), der=ders["gw-01"]))[0] == 200
    for body in (other.upload(3, 3), other.upload(3, 4), other.upload(3, 3)):
        assert (await ask(at.app, "POST", UPLOAD, body, der=ders["gw-01"]))[0] == 422
    kept = await at.store.refusals(log.origin)
    assert [(each.body, each.times) for each in kept] == [(other.upload(3, 3), 2), (other.upload(3, 4), 1)]
    alarms = await at.store.alarms()
    assert {(alarm.kind, alarm.origin, alarm.index) for alarm in alarms} == {("forked", log.origin, 3)}
    assert (await ask(at.app, "POST", UPLOAD, log.upload(3, 4), der=ders["gw-01"]))[0] == 200, "the true log goes on"


async def test_a_new_generation_is_taken_with_an_alarm(at: Bench, ders: dict[str, bytes]) -> None:
    """Design section 6: recording goes on under a new origin; the old one is frozen from then on."""
    old, new = SampleLog().grow(3), SampleLog(generation=1).grow(1)
    assert (await ask(at.app, "POST", UPLOAD, old.upload(0, 2), der=ders["gw-01"]))[0] == 200
    assert (await ask(at.app, "POST", UPLOAD, new.upload(0), der=ders["gw-01"]))[0] == 200
    assert (await ask(at.app, "POST", UPLOAD, old.upload(2, 3), der=ders["gw-01"]))[0] == 403
    unknown = SampleLog(generation=0, gateway_id="gw-01")
    assert (await ask(at.app, "POST", UPLOAD, unknown.upload(0), der=ders["gw-01"]))[0] == 403
    assert await at.kinds() == ["new_generation", "frozen"]


async def test_content_never_blocks(at: Bench, ders: dict[str, bytes]) -> None:
    """S5: bytes that are no entry and openings that open nothing are stored, and flagged by an alarm without values."""
    log = SampleLog()
    log.add(b"\xff not json")
    entry, openings = sample_entry(1, openings=True)
    wrong = Opening(1, "name", b"\x01" * 32, "李四".encode())
    log.add(entry, (wrong, openings[1]))
    log.add(b"{}", (Opening(2, "name", b"\x01" * 32, b"x"),))
    assert (await ask(at.app, "POST", UPLOAD, log.upload(0), der=ders["gw-01"]))[0] == 200
    assert [each.data for each in await at.store.entries(log.origin, 0, 9)] == log.entries
    alarms = await at.store.alarms()
    assert [(alarm.kind, alarm.index) for alarm in alarms] == [("opening_mismatch", 1), ("opening_mismatch", 2)]
    assert all("李四" not in alarm.detail and not alarm.evidence for alarm in alarms)


async def test_a_checkpoint_without_room_for_its_receipt_is_refused(at: Bench, ders: dict[str, bytes]) -> None:
    """P8: stored, it would have ended the server at its cosignature, and every later start of it."""
    log = SampleLog().grow(2)
    line = "\N{EM DASH} o%d " + base64.b64encode(bytes(12)).decode() + "\n"
    for others, status in ((63, 400), (62, 200)):
        crowded = log.checkpoint() + "".join(line % number for number in range(others)).encode()
        body = encode_upload(Upload(0, tuple(log.entries), (), crowded))
        assert (await ask(at.app, "POST", UPLOAD, body, der=ders["gw-01"]))[0] == status
    assert (await ask(at.app, "POST", UPLOAD, log.grow(1).upload(2), der=ders["gw-01"]))[0] == 200
    asked = AddCheckpoint(0, (), log.checkpoint() + "".join(line % number for number in range(63)).encode())
    assert (await ask(at.app, "POST", "/add-checkpoint", asked.encode(), der=ders["gw-01"]))[0] == 400


def test_an_opening_opens_only_what_its_entry_commits_to() -> None:
    """P7: strict in the list of commitments, blind to the rest of the entry, never an error whatever the bytes are."""
    entry, openings = sample_entry(1, openings=True)
    name, ticket = openings
    assert wrong_fields(openings, entry) == []
    assert wrong_fields([name], entry.replace(b'"v":1', b'"v":7')) == []
    assert wrong_fields([replace(name, value=b"x"), ticket], entry) == ["name"]
    assert wrong_fields([replace(ticket, field="name")], entry) == ["name"]
    assert wrong_fields(openings, entry.replace(b'"field":"name"', b'"field":"nome"')) == ["name"]
    assert wrong_fields(openings, entry.replace(b'"sha256":"', b'"SHA256":"')) == ["name", "ticket"]
    inside = json.dumps({"note": entry.decode()}).encode()
    for other in (b"", b"\xff", b"{}", b"[]", b"null", entry[:-1], b'{"candidate":7}', b"[" * 99_999, inside):
        assert wrong_fields(openings, other) == ["name", "ticket"]


@pytest.mark.parametrize("point", ["server.parse", "server.verify", "server.cosign", "server.reply"])
async def test_a_failing_step_is_answered(at: Bench, ders: dict[str, bytes], point: str) -> None:
    """S1: an error anywhere is a 500 and no receipt; the retry gets it."""
    log = SampleLog().grow(2)
    with armed(f"{point}=error"):
        assert (await ask(at.app, "POST", UPLOAD, log.upload(0), der=ders["gw-01"]))[0] == 500
    state = await at.store.log(log.origin)
    start = state.size if state else 0
    assert start == (2 if point in {"server.cosign", "server.reply"} else 0)
    status, _, body = await ask(at.app, "POST", UPLOAD, log.upload(start), der=ders["gw-01"])
    assert status == 200
    assert log.receipt_time(2, body, MIRROR_VERIFIER)


@pytest.mark.parametrize("persisted", [False, True])
async def test_a_failed_write_is_never_a_receipt(ders: dict[str, bytes], persisted: bool) -> None:
    """P1: whether it was persisted or not, 503 and the process ends."""
    store = FakeEntryStore()
    async with bench(store) as made:
        await made.enrol(SampleLog())
        await store.certificate_seen("gw-01", fingerprint(ders["gw-01"]))
        store.fail_next, store.persist_before_failing = True, persisted
        status, headers, _ = await ask(made.app, "POST", UPLOAD, SampleLog().grow(1).upload(0), der=ders["gw-01"])
        assert status == 503
        assert b"retry-after" in headers
        assert len(made.fatal) == 1


async def test_overload_is_told_before_the_body_is_read(at: Bench, ders: dict[str, bytes]) -> None:
    """S4: no place left is 503, one greedy gateway 429, both with Retry-After."""
    async with AsyncExitStack() as stack:
        for _ in range(limits.UPLOADS_PER_GATEWAY_MAX):
            await stack.enter_async_context(at.ingest.admission.admitted("gw-01", 1))
        status, headers, _ = await ask(at.app, "POST", UPLOAD, b"", der=ders["gw-01"])
        assert (status, headers[b"retry-after"]) == (429, b"1")
        at.ingest.admission.pace.seconds = 0.0
        for number in range(limits.PLACES_MAX - limits.UPLOADS_PER_GATEWAY_MAX):
            await stack.enter_async_context(at.ingest.admission.admitted(f"gw-x{number}", 1))
        status, headers, _ = await ask(at.app, "POST", UPLOAD, b"", der=ders["gw-02"])
        assert (status, headers[b"retry-after"]) == (503, b"1")
    assert (await ask(at.app, "POST", UPLOAD, SampleLog().grow(1).upload(0), der=ders["gw-01"]))[0] == 200


async def test_the_read_side_serves_what_was_cosigned(ders: dict[str, bytes]) -> None:
    """C2SP paths: checkpoint with both lines, full and partial hash tiles; nothing of entries; 404 for the rest."""
    log = SampleLog().grow(300)
    async with bench(FakeEntryStore(), FakeClock()) as made:
        await made.enrol(log)
        for start in (0, 200):
            await made.send(log, start, min(300, start + 200))
        prefix = f"/{origin_hash(log.origin)}"

        async def get(path: str) -> tuple[int, bytes]:
            status, _, body = await ask(made.app, "GET", path, der=ders["gw-01"])
            return status, body

        async with asyncio.timeout(5):
            while (await get(f"{prefix}/checkpoint"))[1].count(b"\n300\n") == 0:
                await asyncio.sleep(0)
        note = (await get(f"{prefix}/checkpoint"))[1]
        assert note.startswith(log.checkpoint())
        assert note.count("— ".encode()) == 2
        assert (await get(f"{prefix}/tile/0/000"))[1] == b"".join(log.nodes(0, i) for i in range(256))
        assert (await get(f"{prefix}/tile/0/001.p/44"))[1] == b"".join(log.nodes(0, i) for i in range(256, 300))
        assert (await get(f"{prefix}/tile/1/000.p/1"))[1] == log.nodes(8, 0)
        for path in ("tile/0/001", "tile/0/001.p/45", "tile/entries/000", "tile/0/0", "else", "checkpoint/"):
            assert (await get(f"{prefix}/{path}"))[0] == 404
        assert (await get(f"/{'0' * 64}/checkpoint"))[0] == 404
