"""A server put back from a backup that is older than a generation: what it receipted comes back, nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_entry_store import FakeEntryStore
from sample_uploads import DOMAIN, SampleLog
from server_bench import MIRROR, Bench, bench

from scorelog.format.canonical import encode
from scorelog.format.cosignature import CosignatureSigner, merge
from scorelog.format.upload import Upload, encode_upload
from server.errors import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TIME_S = 1_790_000_000


@pytest.fixture
async def at() -> AsyncIterator[Bench]:
    async with bench(FakeEntryStore()) as made:
        yield made


def receipted(log: SampleLog, start: int, stop: int, mirror: CosignatureSigner = MIRROR) -> bytes:
    """The upload body as `kaofen-gateway export --generation` writes it: the receipt is its checkpoint."""
    note = log.checkpoint(stop)
    line = mirror.cosign(note.decode().rsplit("\n\n", 1)[0] + "\n", _TIME_S)
    return encode_upload(Upload(start, tuple(log.entries[start:stop]), (), merge(note, line)))


def next_generation(old: SampleLog, stop: int) -> SampleLog:
    """Its entry 0 names the last receipt of the one before."""
    new = SampleLog(generation=1)
    note = old.checkpoint(stop)
    line = MIRROR.cosign(note.decode().rsplit("\n\n", 1)[0] + "\n", _TIME_S)
    read = {"boot": "6d" * 16, "mono_us": 1, "sync": "synced", "utc": "2026-11-23T06:42:05.000000Z"}
    previous = {"checkpoint": merge(note, line).decode(), "keys": None, "origin": old.origin, "size": old.size}
    entry = {"v": 1, "type": "generation.opened", "salt": "00" * 16, "read": read, "previous": previous, "reason": "x"}
    new.add(encode(entry))
    return new


@pytest.mark.parametrize("held", [0, 2])
async def test_receipted_entries_of_a_frozen_generation_come_back(at: Bench, held: int) -> None:
    """P2: the loss is told with what to do; the files fill it, twice is once, and the old log stays frozen."""
    old = SampleLog().grow(5)
    gateway = await at.enrol(old)
    if held:
        await at.send(old, 0, held)
    new = next_generation(old, 4)
    await at.send(new, 0)
    alarms = {alarm.kind: alarm for alarm in await at.store.alarms()}
    assert (alarms["generation_lost"].origin, alarms["generation_lost"].index) == (old.origin, held)
    assert "export CONFIG DIR --generation 0" in alarms["generation_lost"].detail
    for start, stop in ((held, 3), (3, 4)):
        await at.ingest.upload(gateway, receipted(old, start, stop))
        refilled = [alarm for alarm in await at.store.alarms() if alarm.kind == "refilled"][-1]
        assert (refilled.origin, refilled.index) == (old.origin, start)
    state = await at.store.log(old.origin)
    assert state is not None
    assert (state.size, state.root, bool(state.frozen)) == (4, old.root(4), True)
    with pytest.raises(Refused, match="frozen"):
        await at.ingest.upload(gateway, old.upload(4, 5))
    await at.send(new.grow(1), 1)


async def test_nothing_else_gets_into_a_frozen_generation(at: Bench) -> None:
    """P3: no receipt, a receipt by another key, or another history under an own receipt: refused, nothing stored."""
    old = SampleLog().grow(5)
    gateway = await at.enrol(old)
    await at.send(old, 0, 2)
    await at.send(next_generation(old, 2), 0)
    assert "generation_lost" not in await at.kinds(), "what the new generation names is all here"
    stranger = CosignatureSigner(MIRROR.name, Ed25519PrivateKey.generate())
    for body, reason in (
        (old.upload(2, 4), "frozen"),
        (receipted(old, 2, 4, stranger), "frozen"),
        (receipted(old.fork(1).grow(4, seed="other"), 2, 4), "do not lead"),
        (receipted(old.fork(1).grow(4, seed="other"), 1, 4), "another entry 1"),
    ):
        with pytest.raises(Refused, match=reason):
            await at.ingest.upload(gateway, body)
    state = await at.store.log(old.origin)
    assert state is not None
    assert state.size == 2


async def test_a_forged_word_of_receipts_raises_nothing(at: Bench) -> None:
    """Only this server's own line in the new generation's first entry says that something was lost."""
    old = SampleLog().grow(3)
    await at.enrol(old)
    new = SampleLog(generation=1)
    document = {"v": 1, "type": "generation.opened", "salt": "00" * 16, "reason": "x"}
    read = {"boot": "6d" * 16, "mono_us": 1, "sync": "synced", "utc": "2026-11-23T06:42:05.000000Z"}
    previous = {"checkpoint": old.checkpoint(3).decode(), "keys": None, "origin": f"{DOMAIN}/gw/gw-01/0", "size": 3}
    new.add(encode({**document, "read": read, "previous": previous}))
    await at.send(new, 0)
    assert await at.kinds() == ["new_generation"]
