"""What can go wrong with one pushed request, over real HTTP: refused by its reason, never half taken (W1 to W9)."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
from mqtt_point import Followed
from push_point import PushRig, proven, push_point, secret_of
from tls_material import make_tls_material

from device_adapters.contract import Position
from device_adapters.limits import PUSH_BODY_MAX
from gateway import limits
from simulators.push.line import Line, LineBroken, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from push_point import PushPoint

SERIAL = "CP-0001"
RECORDS, STATUS, POSITION = (f"/push/v1/{SERIAL}/{what}" for what in ("records", "status", "position"))
TICKET = "20261123-0007"


class Bench:
    """A rig under the test's own hand, at a gateway without a log."""

    def __init__(self, point: PushPoint) -> None:
        self.point = point
        self.rig = PushRig(SERIAL, point.listener.port)
        self.followed = Followed(point.adapter(SERIAL, Position(3, 0)))

    async def ask(
        self, path: str, body: bytes, *, kind: str = "application/json", method: str = "POST", **more: str
    ) -> Reply:
        """On a connection of its own."""
        line = await self.point.line()
        try:
            headers = {"Content-Type": kind, **proven(SERIAL, path, body, method, created=time.time() + 1), **more}
            return await line.exchange(method, path, headers, body)
        finally:
            line.close()

    async def record(self, *, send: bool = True, **values: Any) -> tuple[Reply | None, bytes]:
        """The next record, counted by a status first."""
        self.rig.last_seq += 1
        payload = json.dumps({**self.rig.record(self.rig.last_seq, "item_finished"), **values}).encode()
        self.rig.records[self.rig.last_seq] = payload
        await self.ask(STATUS, self.rig._status())
        return (await self.ask(RECORDS, payload) if send else None), payload

    async def beat(self) -> None:
        while True:
            await self.ask(STATUS, self.rig._status())
            await asyncio.sleep(0.1)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with push_point([SERIAL, "CP-0002"]) as point:
        made = Bench(point)
        tasks = [asyncio.create_task(made.followed.until(lambda: False, 60)), asyncio.create_task(made.beat())]
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def said(reply: Reply | None) -> dict[str, Any]:
    assert reply is not None
    found: dict[str, Any] = json.loads(reply.body)
    return found


async def test_a_lost_answer_is_given_again(bench: Bench) -> None:
    """W1, I14: the connection breaks after the append; the repetition gets the same entry, stored once."""
    _, payload = await bench.record(send=False)
    line = await bench.point.line()
    headers = {"Content-Type": "application/json", **proven(SERIAL, RECORDS, payload, created=time.time() + 1)}
    await line.send("POST", RECORDS, headers, payload)
    async with asyncio.timeout(5):
        while not bench.followed.seen:
            await asyncio.sleep(0.01)
    line.close()
    first, again = await bench.ask(RECORDS, payload), await bench.ask(RECORDS, payload)
    assert (first.status, said(first)["records"]) == (200, said(again)["records"])
    assert said(first)["records"][0]["entry"] == bytes(32).hex()
    assert bench.followed.order == [("item.finished", 1)]


async def test_position_tells_where_to_resume(bench: Bench) -> None:
    """W9: what the log has, what may be forgotten, and whether an exam can be recorded."""
    await bench.record()
    found = said(await bench.ask(POSITION, b"", method="GET"))
    assert (found["serial"], found["newest"], found["ack"]["seq"]) == (SERIAL, {"boot": 3, "seq": 1}, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda payload: payload.replace(b'"seq": 1,', b'"seq": 1, "seq": 1,'), "duplicate_key"),
        (lambda payload: payload[: len(payload) // 2], "not_json"),
        (lambda payload: payload.replace(b'"score": 9200', b'"score": 92.5'), "not_integer"),
        (lambda payload: payload.replace(SERIAL.encode(), b"CP-0002"), "serial"),
        (lambda payload: payload + b" " * 16_384, "oversize"),
    ],
)
async def test_a_bad_record_is_refused_with_its_reason(
    bench: Bench, change: Callable[[bytes], bytes], reason: str
) -> None:
    """P5, P7: 422 after the refusal is recorded; the answer names no value."""
    _, payload = await bench.record(send=False)
    answer = said(reply := await bench.ask(RECORDS, change(payload)))
    assert (reply.status, answer["reason"], answer["records"][0]["outcome"]) == (422, reason, "refused")
    assert reason in [one.reason for one in bench.followed.refused]
    assert TICKET not in reply.body.decode()
    assert said(await bench.ask(RECORDS, payload))["records"][0]["seq"] == 1, "the good bytes are taken"


async def test_records_out_of_order_are_sent_back(bench: Bench) -> None:
    """W7: 409 with the number to begin at."""
    _, first = await bench.record(send=False)
    reply, second = await bench.record()
    assert reply is not None
    assert (reply.status, said(reply)["resend"]) == (409, 1)
    whole = await bench.ask(RECORDS, first + b"\n" + second + b"\n", kind="application/x-ndjson")
    assert (whole.status, [row["seq"] for row in said(whole)["records"]]) == (200, [1, 2])


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Signature": "rig=:" + "A" * 43 + "=:"}, 401, "signature"),
        ({"Content-Digest": "sha-256=:" + "A" * 43 + "=:"}, 401, "signature"),
        ({"Content-Type": "text/plain"}, 415, "content_type"),
        ({"Content-Encoding": "gzip"}, 415, "content_encoding"),
        ({"signature": "rig=:AAAA:"}, 400, "header"),
    ],
)
async def test_a_wrong_header_is_refused(bench: Bench, headers: dict[str, str], status: int, reason: str) -> None:
    """W4, W5: and nothing of the body is looked at."""
    _, payload = await bench.record(send=False)
    reply = await bench.ask(RECORDS, payload, **headers)
    assert (reply.status, said(reply)["reason"], bench.followed.seen) == (status, reason, [])


async def test_a_replay_and_a_wrong_clock_are_refused(bench: Bench) -> None:
    """W6: the same request twice; one of an hour ago, which is told what time it is here."""
    body = bench.rig._status()
    line = await bench.point.line()
    headers = {"Content-Type": "application/json", **proven(SERIAL, STATUS, body, created=time.time() + 1)}
    first = await line.exchange("POST", STATUS, headers, body)
    again = await line.exchange("POST", STATUS, headers, body)
    line.close()
    assert (first.status, again.status, said(again)["reason"]) == (200, 401, "replay")
    late = proven(SERIAL, STATUS, body, created=time.time() - 3600)
    answer = said(await bench.ask(STATUS, body, **late))
    assert answer["reason"] == "clock"
    assert abs(answer["gateway_time"] - time.time()) < 30


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b" 411 "),
        (f"POST {RECORDS}?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b" 404 "),
        (f"POST {RECORDS}%20 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b" 404 "),
        ("POST /push/v1/CP-0003/records HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b" 404 "),
        (f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b" 401 "),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", b" 400 "),
    ],
)
async def test_a_stranger_is_answered_without_its_body(bench: Bench, head: str, status: bytes) -> None:
    """P8: whoever proves nothing is told so by the head alone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.point.listener.port)
    writer.write(head.encode("latin-1"))
    async with asyncio.timeout(5):
        assert status in await reader.readline()
    writer.close()


async def test_a_huge_body_and_half_a_body_hold_nobody_up(bench: Bench) -> None:
    """P8: 413 before it is sent; a body that stops half way waits alone."""
    body = b"x" * (PUSH_BODY_MAX + 1)
    line = await bench.point.line()
    headers = {"Content-Type": "application/json", **proven(SERIAL, RECORDS, body, created=time.time() + 1)}
    whole = {**headers, "Expect": "100-continue"}
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.point.listener.port)
    head = "".join(f"{name}: {value}\r\n" for name, value in whole.items())
    writer.write(f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode())
    async with asyncio.timeout(5):
        assert b" 413 " in await reader.readline()
    writer.close()
    _, payload = await bench.record(send=False)
    half = {"Content-Type": "application/json", **proven(SERIAL, RECORDS, payload, created=time.time() + 1)}
    await line.send("POST", RECORDS, {**half, "X": "y"}, b"")  # says 0 bytes: the digest is another one
    async with asyncio.timeout(5):
        assert (await line._reply()).status == 401
    line.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.point.listener.port)
    proof = proven(SERIAL, RECORDS, payload, created=time.time() + 1)
    head = "".join(f"{name}: {value}\r\n" for name, value in {**half, **proof}.items())
    writer.write(f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(payload)}\r\n{head}\r\n".encode())
    writer.write(payload[:20])
    assert (await bench.ask(RECORDS, payload)).status == 200
    writer.close()


async def test_connections_of_one_address_have_an_edge(bench: Bench) -> None:
    """I10, B20: one more than the most is closed without a word; when one goes, there is room again."""
    bench.rig._status_s = 60
    most, port = limits.PUSH_CONNECTIONS_PER_ADDRESS_MAX + 2, bench.point.listener.port
    open_ = [await asyncio.open_connection("127.0.0.1", port) for _ in range(most)]
    async with asyncio.timeout(5):
        with pytest.raises((LineBroken, AssertionError)):
            await bench.ask(STATUS, bench.rig._status())
        for _, writer in open_:
            writer.close()
        while bench.point.listener.connections > 2:
            await asyncio.sleep(0.01)
    assert (await bench.ask(STATUS, bench.rig._status())).status == 200


async def test_nothing_of_a_request_is_in_the_log(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """P7: neither a ticket nor a secret, whatever was refused."""
    _, payload = await bench.record(send=False)
    await bench.ask(RECORDS, payload.replace(b'"mode": "exam"', b'"mode": "exan"'))
    await bench.ask(RECORDS, payload, Authorization=f"Bearer {secret_of(SERIAL)}", Signature="x")
    shown = "".join(capsys.readouterr())
    assert "push not admitted" in shown
    for word in (TICKET, secret_of(SERIAL)[:12]):
        assert word not in shown


async def test_over_tls_and_by_token(tmp_path: Path) -> None:
    """W4: the listener's certificate, and a rig that only shows its token."""
    tls = make_tls_material(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tls.server / "cert.pem", tls.server / "cert.key")
    async with push_point([SERIAL], tls=server, signed=False) as point:
        client = ssl.create_default_context(cafile=str(tls.server / "ca.pem"))
        line = await Line.open("localhost", point.listener.port, client)
        rig = PushRig(SERIAL, point.listener.port, signed=False)
        assert (await rig.ask(line, "status", rig._status())).status == 200
        line.close()
        plain = await point.line()
        with pytest.raises(LineBroken):
            await rig.ask(plain, "status", rig._status())
