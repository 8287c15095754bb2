"""Every fault of a pushed request: of its line, its bytes, its proof, its payload, and of the gateway meanwhile.

    await FAULTS[name](rig, ask) ─> what the rig was told at last, None: nothing

Each stands in place of one transaction of a rig (push_rig.py), at whatever request it is put.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from push_rig import Rig, plain, stranger

from device_adapters.limits import PUSH_BODY_MAX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from push_rig import Ask, Told

    from device_adapters.contract import Observation

Fault: TypeAlias = "Callable[[Rig, Ask], Awaitable[Told | None]]"


def cut(steps: Callable[[Ask], list[bytes | float]]) -> Fault:
    """So much is sent, and the line is reset."""

    async def act(rig: Rig, ask: Ask) -> Told | None:
        with suppress(OSError):
            await rig.send(*steps(ask), 0.0)
        rig.cut()
        return None

    return act


def sent(steps: Callable[[Ask], list[bytes | float]]) -> Fault:
    """Other bytes instead; the answer is read."""

    async def act(rig: Rig, ask: Ask) -> Told | None:
        with suppress(OSError):
            await rig.send(*steps(ask))
            return await rig.reply()
        return None

    return act


def head(old: str, new: str) -> Fault:
    """Something else in the head."""
    return sent(lambda ask: [ask.head.replace(old.encode(), new.encode(), 1) + ask.body])


def body(change: Callable[[bytes], bytes], more: str = "") -> Fault:
    """Another payload, signed as it should be; of records the last one is spoilt. A question has none."""

    async def act(rig: Rig, ask: Ask) -> Told | None:
        if ask.what == "position":
            return await plain(rig, ask)
        rest, line, last = ask.body.rpartition(b"\n")
        changed = rig.again(ask, body=rest + line + change(last))
        return await plain(rig, replace(changed, headers=changed.headers | ({"X": more} if more else {})))

    return act


def lines(change: Callable[[Rig, Ask], list[bytes]]) -> Fault:
    """Other records in the request, signed as it should be."""

    async def act(rig: Rig, ask: Ask) -> Told | None:
        if ask.what != "records":
            return await plain(rig, ask)
        return await plain(rig, rig.again(ask, body=b"\n".join(change(rig, ask)), kind="application/x-ndjson"))

    return act


def signed(**changes: object) -> Fault:
    """Signed with something else than what is true."""

    async def act(rig: Rig, ask: Ask) -> Told | None:
        return await plain(rig, rig.again(ask, **changes))

    return act


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 0x04,)) + data[at + 1 :]


def _drops(data: bytes, pause_s: float) -> list[bytes | float]:
    pieces = [data[at : at + 50] for at in range(0, len(data), 50)]
    return [step for piece in pieces for step in (pause_s, piece)]


async def wrong_clock(rig: Rig, ask: Ask) -> Told | None:
    rig.offset_s = -3600.0
    return await plain(rig, rig.again(ask))


async def dead_battery(rig: Rig, ask: Ask) -> Told | None:
    rig.offset_s = 3600.0 - rig.gateway.clock.now_us() / 1e6
    return await plain(rig, rig.again(ask))


async def by_token(rig: Rig, ask: Ask) -> Told | None:
    return await plain(rig, replace(ask, headers={"Authorization": f"Bearer {rig.secret}"}))


async def answer_lost(rig: Rig, ask: Ask) -> Told | None:
    await plain(rig, ask)
    rig.cut()
    return None


async def impatient(rig: Rig, ask: Ask) -> Told | None:
    """It goes while its record is being stored."""
    with suppress(OSError):
        await rig.send(ask.whole, rig.gateway.store_s / 2)
    rig.cut()
    return None


async def slow_disk(rig: Rig, ask: Ask) -> Told | None:
    """The log takes longer than anybody waits."""
    known, rig.gateway.store_s = rig.gateway.store_s, 6.0
    told = await plain(rig, ask)
    rig.gateway.store_s = known
    return told


async def twice(rig: Rig, ask: Ask) -> Told | None:
    """The same bytes again on the same line: the second is a replay."""
    told = await plain(rig, ask)
    if told is not None and (again := await plain(rig, ask)) is not None:
        assert (again.status, again.document["reason"]) == (401, "replay")
    return told


async def twice_at_once(rig: Rig, ask: Ask) -> Told | None:
    """On two lines, each signed: the answers are the same."""
    other = stranger(rig)
    told, again = await asyncio.gather(plain(rig, ask), plain(other, rig.again(ask)))
    other.cut()
    if told is not None and again is not None:
        stored = [row for row in told.document.get("records", ()) if row["outcome"] == "stored"]
        for row in (row for row in again.document.get("records", ()) if row["outcome"] == "stored" and stored):
            assert row in stored, "two answers for one record"
    return told


async def replayed(rig: Rig, ask: Ask) -> Told | None:
    """A listener on the line says the same bytes again, later."""
    told = await plain(rig, ask)
    await asyncio.sleep(3)
    await _stolen(rig, ask, "replay")
    return told


async def replayed_to_the_next(rig: Rig, ask: Ask) -> Told | None:
    """The same after the gateway was started again: it has no memory of nonces, and needs none."""
    told = await plain(rig, ask)
    await rig.gateway.live_again()
    await asyncio.sleep(1)
    await _stolen(rig, ask, "clock")
    return told


async def _stolen(rig: Rig, ask: Ask, reason: str) -> None:
    other = stranger(rig)
    before = len(rig.gateway.log[rig.serial])
    again = await plain(other, ask)
    other.cut()
    assert again is not None
    assert (again.status, again.document["reason"]) == (401, reason)
    assert len(rig.gateway.log[rig.serial]) == before


async def in_one_piece(rig: Rig, ask: Ask) -> Told | None:
    """With the next request behind it: both are answered, in order."""
    with suppress(OSError):
        await rig.send(ask.whole + rig.made("status", rig.status()).whole)
        told = await rig.reply()
        if told is not None and told.status not in (400, 408) and rig.line is not None:
            await rig.reply()
        return told
    return None


async def withheld(_rig: Rig, _ask: Ask) -> Told | None:
    """The rig thinks that it said it."""
    await asyncio.sleep(0.01)
    return None


async def killed(rig: Rig, ask: Ask) -> Told | None:
    """The gateway, while the request is on its way."""
    kill = asyncio.create_task(rig.gateway.live_again())
    told = await plain(rig, ask)
    await kill
    return told


def killed_at(name: str) -> Fault:
    """The gateway, `before` or `behind` the append of its next record."""

    async def act(rig: Rig, ask: Ask) -> Told | None:
        gateway, kills = rig.gateway, set[asyncio.Task[None]]()

        async def kill(_observation: Observation) -> None:
            if not kills:
                kills.add(asyncio.create_task(gateway.live_again()))
            await asyncio.sleep(1e6)

        known = getattr(gateway, name)
        setattr(gateway, name, kill)
        told = await plain(rig, ask)
        setattr(gateway, name, known)
        await asyncio.gather(*kills)
        return told

    return act


async def deaf(rig: Rig, ask: Ask) -> Told | None:
    """The listener is gone for two seconds."""
    await rig.gateway.go_deaf()
    told = await plain(rig, ask)
    await asyncio.sleep(2)
    rig.gateway.listen()
    return told


async def key_changed_here(rig: Rig, ask: Ask) -> Told | None:
    """The gateway has the new secret, the rig gets it a second later."""
    new = rig.secret[::-1]
    rig.gateway.secrets[rig.serial] = new
    rig.gateway.set_up()
    told = await plain(rig, ask)
    await asyncio.sleep(1)
    rig.secret = new
    return told


async def key_changed_there(rig: Rig, ask: Ask) -> Told | None:
    """The other way round."""
    rig.secret = rig.secret[::-1]
    told = await plain(rig, rig.again(ask))
    await asyncio.sleep(1)
    rig.gateway.secrets[rig.serial] = rig.secret
    rig.gateway.set_up()
    return told


async def too_large(rig: Rig, ask: Ask) -> Told | None:
    if ask.method == "GET":
        return await plain(rig, ask)
    whole = rig.again(ask, body=ask.body.ljust(PUSH_BODY_MAX + 1))
    with suppress(OSError):
        await rig.send(whole.head)
        return await rig.reply()
    return None


LINE = {
    "nothing, and gone": cut(lambda _: []),
    "gone in the head": cut(lambda ask: [ask.head[: len(ask.head) // 2], 0.01]),
    "silence in the head": sent(lambda ask: [ask.head[: len(ask.head) // 2]]),
    "gone behind the head": cut(lambda ask: [ask.head, 0.01]),
    "gone in the body": cut(lambda ask: [ask.head + ask.body[: len(ask.body) // 2], 0.01]),
    "silence in the body": sent(lambda ask: [ask.head + ask.body[: len(ask.body) // 2]]),
    "dripping, in time": sent(lambda ask: _drops(ask.whole, 0.02)),
    "dripping, too late": sent(lambda ask: [ask.head, *_drops(ask.body, 3.0)]),
    "gone before the answer": cut(lambda ask: [ask.whole]),
    "gone while it is stored": impatient,
    "answer lost": answer_lost,
    "never said": withheld,
    "twice": twice,
    "twice at once, on two lines": twice_at_once,
    "the next one behind it": in_one_piece,
    "noise before it": sent(lambda ask: [b"\xde\xad\xbe\xef" + ask.whole]),
    "noise instead": sent(lambda _: [b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n"]),
    "HTTP/2": sent(lambda _: [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]),
    "a bit of the path": head("/push/v1", "/pusx/v1"),
    "a bit of the body": sent(lambda ask: [ask.head + (ask.body and _flipped(ask.body, len(ask.body) // 2))]),
    "longer than it says": sent(lambda ask: [_counted(ask, -3)]),
    "shorter than it says": sent(lambda ask: [_counted(ask, 3)]),
    "no length": sent(lambda ask: [ask.head.replace(b"Content-Length", b"X-Length")]),
    "in chunks": sent(
        lambda ask: [ask.head.replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX: ") + b"0\r\n\r\n"]
    ),
    "too large": too_large,
}


def _counted(ask: Ask, change: int) -> bytes:
    length = len(ask.body)
    if not length:
        return ask.whole
    return ask.whole.replace(b"Content-Length: %d" % length, b"Content-Length: %d" % (length + change), 1)


PROOF = {
    "no proof": head("Signature: ", "X-Signature: "),
    "a token, where it signs": by_token,
    "a bit of the signature": head("Signature: rig=:", "Signature: rig=:A"),
    "another secret": signed(secret="z" * 40),
    "another rig's place": signed(path="/push/v1/CP-0002/status"),
    "no such rig": signed(path="/push/v1/CP-0009/status"),
    "another method": signed(method="PUT"),
    "another type": signed(kind="text/plain"),
    "packed": head("Content-Type:", "Content-Encoding: gzip\r\nContent-Type:"),
    "a header twice": head("Signature: ", "Signature: rig=:AAAA:\r\nSignature: "),
    "an hour behind": wrong_clock,
    "1970": dead_battery,
    "said again by another": replayed,
    "said again to the next gateway": replayed_to_the_next,
    "a new secret, here first": key_changed_here,
    "a new secret, there first": key_changed_there,
}
PAYLOAD = {
    "cut off": body(lambda one: one[: len(one) // 2]),
    "empty": body(lambda _: b""),
    "not UTF-8": body(lambda one: one[:-1] + b"\xff}"),
    "not JSON": body(lambda one: one + b"}"),
    "a list": body(lambda one: b"[" + one + b"]"),
    "a key twice": body(lambda one: b'{"v":1,' + one[1:]),
    "a fraction": body(lambda one: one.replace(b'"v": 1', b'"v": 1.0')),
    "oversize": body(lambda one: one[:-1] + b', "x": "' + b"a" * 16_384 + b'"}'),
    "another rig's": body(lambda one: one.replace(b"CP-0001", b"CP-0009")),
    "without its number": body(lambda one: one.replace(b'seq"', b'sqe"')),
    "a text for a number": body(lambda one: one.replace(b'"boot": 3', b'"boot": "3"')),
    "no record": lines(lambda _rig, _ask: []),
    "33 records": lines(lambda rig, ask: [rig.records[ask.seqs[0]]] * 33),
    "backwards": lines(lambda rig, ask: [rig.records[seq] for seq in reversed(ask.seqs)]),
    "a later one in its place": lines(lambda rig, ask: [rig.records[min(ask.seqs[-1] + 1, rig.count)]]),
    "half of them known": lines(lambda rig, ask: [rig.records[seq] for seq in rig.numbers if seq <= ask.seqs[-1]]),
}
GATEWAY = {
    "a slow disk": slow_disk,
    "killed on its way": killed,
    "killed before it is stored": killed_at("before"),
    "killed when it is stored": killed_at("behind"),
    "the listener gone": deaf,
}
FAULTS = LINE | PROOF | PAYLOAD | GATEWAY
KILLS = frozenset(name for name in FAULTS if "killed" in name or "next gateway" in name)  # no fault that stays
