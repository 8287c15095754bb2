"""S6, B17, B18: replay and forgery by the status table, and uploads of one log that race.

Each row says what is sent, what is answered, whether it is kept as evidence, and which alarm it raises. Whatever is
refused changes nothing: log, root, checkpoint and receipts stay as they were, and the true gateway goes on.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from fake_entry_store import FakeEntryStore
from long_times import TIMES, times
from sample_uploads import DOMAIN, SampleLog, asking
from server_bench import MIRROR_VERIFIER, WITNESS_VERIFIER, Bench, bench

from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.keys import Ed25519Signer
from scorelog.format.note import sign_note
from scorelog.format.text import tobase64
from scorelog.format.upload import Upload, encode_upload
from scorelog.format.witness import AddCheckpoint
from server.errors import Behind, Busy, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

HELD = 4
LOG = SampleLog().grow(8)
FORK = LOG.fork(2).grow(6, seed="other")
NEIGHBOUR = SampleLog("gw-02").grow(8)
THIEF = SampleLog("gw-01", key=SampleLog("gw-02").key).grow(8)
ABROAD = SampleLog("gw-01").grow(8)


def note_of(log: SampleLog, size: int, root: bytes | None = None, origin: str | None = None) -> bytes:
    """A checkpoint by the log's key, whatever it says."""
    origin = origin or log.origin
    return sign_checkpoint(
        Checkpoint(origin, size, log.root(size) if root is None else root), Ed25519Signer(origin, log.key)
    )


def body(start: int, entries: list[bytes], checkpoint: bytes) -> bytes:
    return encode_upload(Upload(start, tuple(entries), (), checkpoint))


def note_text(size: int, root: bytes, *lines: str) -> bytes:
    """Any text as a note signed by the log; C2SP allows lines behind the root, and this log never writes any."""
    text = f"{LOG.origin}\n{size}\n{tobase64(root)}\n" + "".join(f"{line}\n" for line in lines)
    return sign_note(text, (LOG.signer,))


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def unsigned(note: bytes) -> bytes:
    return note[: note.index(b"\n\n") + 2]


GOOD = LOG.upload(HELD, 8)
NOTE = LOG.checkpoint(8)
SIGNATURE_AT = len(NOTE) - 10


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    body: Callable[[], bytes]
    status: int
    alarm: str | None = None

    def __str__(self) -> str:
        return self.name


UPLOADS = [
    Row("the next entries", lambda: GOOD, 200),
    Row("nothing new, the held tree", lambda: LOG.upload(HELD, HELD), 200),
    Row("replay of the last upload", lambda: LOG.upload(0, HELD), 409),
    Row("replay of an older upload", lambda: LOG.upload(0, 2), 409),
    Row("replay of an older checkpoint alone", lambda: LOG.upload(2, 2), 409),
    Row("old size 0, everything again", lambda: LOG.upload(0, 8), 409),
    Row("from beyond what is held", lambda: LOG.upload(6, 8), 409),
    Row("old size 0, another history", lambda: FORK.upload(0, 8), 422, "forked"),
    Row("equal size, other root", lambda: FORK.upload(HELD, HELD), 422, "forked"),
    Row("equal size, other root, with the entries", lambda: FORK.upload(0, HELD), 422, "forked"),
    Row("a smaller size, other root", lambda: FORK.upload(3, 3), 422, "rolled_back"),
    Row("a smaller size, other entries", lambda: FORK.upload(2, 3), 422, "rolled_back"),
    Row("the next entries of another branch", lambda: FORK.upload(HELD, 8), 422, "forked"),
    Row("entries dropped on the way", lambda: body(HELD, LOG.entries[5:8] + LOG.entries[4:5], NOTE), 422, "forked"),
    Row("an entry altered on the way", lambda: body(HELD, [b"{}", *LOG.entries[5:8]], NOTE), 422, "forked"),
    Row("another gateway's upload", lambda: NEIGHBOUR.upload(0, 8), 403, "wrong_origin"),
    Row(
        "another domain",
        lambda: body(HELD, LOG.entries[4:8], note_of(LOG, 8, origin="else.example/gw/gw-01/0")),
        403,
        "wrong_origin",
    ),
    Row(
        "no origin of a gateway",
        lambda: body(HELD, LOG.entries[4:8], note_of(LOG, 8, origin=f"{DOMAIN}/office/0")),
        403,
        "wrong_origin",
    ),
    Row(
        "a number of a generation with zeros",
        lambda: body(HELD, LOG.entries[4:8], note_of(LOG, 8, origin=f"{DOMAIN}/gw/gw-01/00")),
        403,
        "wrong_origin",
    ),
    Row("an unknown key", lambda: THIEF.upload(HELD, 8), 403, "bad_signature"),
    Row("a forged signature", lambda: body(HELD, LOG.entries[4:8], flipped(NOTE, SIGNATURE_AT)), 403, "bad_signature"),
    Row(
        "the signature of another size",
        lambda: body(HELD, LOG.entries[4:8], unsigned(NOTE) + LOG.checkpoint(7).split(b"\n\n")[1]),
        403,
        "bad_signature",
    ),
    Row("no signature at all", lambda: body(HELD, LOG.entries[4:8], unsigned(NOTE)), 400),
    Row("a signature line twice", lambda: body(HELD, LOG.entries[4:8], NOTE + NOTE.split(b"\n\n")[1]), 400),
    Row("extension lines", lambda: body(HELD, LOG.entries[4:8], note_text(8, LOG.root(8), "extension")), 400),
    Row("a checkpoint of another size", lambda: body(HELD, LOG.entries[4:8], LOG.checkpoint(7)), 400),
    Row("a checkpoint that is none", lambda: body(HELD, LOG.entries[4:8], b"junk"), 400),
    Row("an empty checkpoint", lambda: body(HELD, LOG.entries[4:8], b""), 400),
    Row("truncated by a byte", lambda: GOOD[:-1], 400),
    Row("truncated in the head", lambda: GOOD[:20], 400),
    Row("truncated in the entries", lambda: GOOD[:200], 400),
    Row("extended by a byte", lambda: GOOD + b"\n", 400),
    Row("two bodies", lambda: GOOD + GOOD, 400),
    Row("a start above 2^53", lambda: GOOD.replace(b"start 4", b"start 9007199254740992"), 400),
    Row("a start of 2^64", lambda: GOOD.replace(b"start 4", b"start 18446744073709551616"), 400),
    Row("a start below 0", lambda: GOOD.replace(b"start 4", b"start -4"), 400),
    Row("a start with a zero before it", lambda: GOOD.replace(b"start 4", b"start 04"), 400),
    Row("more entries than there are", lambda: GOOD.replace(b"entries 4", b"entries 5"), 400),
    Row("more entries than are taken", lambda: GOOD.replace(b"entries 4", b"entries 257"), 413),
    Row("a size beyond 2^53", lambda: GOOD.replace(b"start 4", b"start 9007199254740991"), 400),
    Row("nothing", lambda: b"", 400),
]


async def state_of(made: Bench) -> Any:
    """All that a refusal must leave as it was."""
    logs = await made.store.logs()
    held = [(log.origin, await made.store.entries(log.origin, 0, log.size)) for log in logs]
    return logs, held, await made.store.witnessed(LOG.origin)


@pytest.fixture
async def at() -> Any:
    async with bench(FakeEntryStore()) as made:
        await made.enrol(LOG)
        await made.enrol(NEIGHBOUR)
        await made.send(LOG, 0, HELD)
        await made.witness.add_checkpoint(asking(LOG, 0, HELD))
        async with asyncio.timeout(5):
            while (state := await made.store.log(LOG.origin)) is None or state.cosigned is None:
                await asyncio.sleep(0)
        yield made


@pytest.mark.parametrize("row", UPLOADS, ids=str)
async def test_every_row_of_the_upload_s_table(at: Bench, row: Row) -> None:
    """S6: exact status, evidence, alarm; a 409 says the size; nothing that is refused changes anything."""
    before, sent = await state_of(at), row.body()
    gateway = await at.gateway("gw-01")
    if row.status == 200:
        line = await at.ingest.upload(gateway, sent)
        assert line.startswith("— exam.example/mirror ".encode())
    else:
        with pytest.raises(Refused) as refused:
            await at.ingest.upload(gateway, sent)
        assert refused.value.status == row.status, refused.value.reason
        assert isinstance(refused.value, Behind) is (row.status == 409)
        assert not isinstance(refused.value, Behind) or refused.value.size == HELD
        assert await state_of(at) == before
    assert await at.kinds() == ([row.alarm] if row.alarm else [])
    kept = await at.store.refusals()
    assert [each.body for each in kept] == ([sent] if row.status in {403, 422} else [])
    line = await at.ingest.upload(gateway, LOG.upload((await at.store.log(LOG.origin)).size))
    assert LOG.receipt_time(8, line, MIRROR_VERIFIER), "the true log goes on"


def proof_of(old: int, new: int, hashes: list[bytes] | None = None, note: bytes | None = None) -> bytes:
    checkpoint = note or LOG.checkpoint(new)
    if hashes is None:
        return asking(LOG, old, new)
    return AddCheckpoint(old, tuple(hashes), checkpoint).encode()


def raw_proof(head: bytes, note: bytes = NOTE) -> bytes:
    return head + b"\n" + note


HASH = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
WITNESS = [
    Row("a growing log", lambda: proof_of(HELD, 8), 200),
    Row("the same size again", lambda: proof_of(HELD, HELD), 200),
    Row("old size 0 though one is known", lambda: proof_of(0, 8), 409),
    Row("an old size that was passed", lambda: proof_of(2, 8), 409),
    Row("an old size not reached yet", lambda: proof_of(6, 8), 409),
    Row("replay of the first request", lambda: proof_of(0, HELD), 409),
    Row("an older checkpoint", lambda: proof_of(2, 3), 409),
    Row("an empty proof", lambda: proof_of(HELD, 8, []), 422, "forked"),
    Row("a proof of zeros", lambda: proof_of(HELD, 8, [bytes(32)]), 422, "forked"),
    Row("a proof too long", lambda: proof_of(HELD, 8, [bytes(32)] * 63), 422, "forked"),
    Row("a giant proof", lambda: raw_proof(b"old 4\n" + HASH * 64), 400),
    Row("a proof for the same size", lambda: proof_of(HELD, HELD, [bytes(32)]), 422, "forked"),
    Row("equal size, other root", lambda: proof_of(HELD, HELD, [], FORK.checkpoint(HELD)), 422, "forked"),
    Row("another branch with its own proof", lambda: asking(FORK, HELD, 8), 422, "forked"),
    Row("old above the checkpoint", lambda: raw_proof(b"old 9\n"), 400),
    Row("an unknown origin", lambda: asking(SampleLog("gw-09").grow(8), HELD, 8), 404),
    Row("another domain", lambda: raw_proof(b"old 4\n", note_of(LOG, 8, origin="else.example/gw/gw-01/0")), 404),
    Row("an unknown key", lambda: asking(THIEF, HELD, 8), 403),
    Row("a forged signature", lambda: proof_of(HELD, 8, [], flipped(NOTE, SIGNATURE_AT)), 403),
    Row("no signature", lambda: raw_proof(b"old 4\n", unsigned(NOTE)), 400),
    Row(
        "a forged signature and an impossible old size", lambda: raw_proof(b"old 9\n", flipped(NOTE, SIGNATURE_AT)), 403
    ),
    Row("an old size with a zero before it", lambda: raw_proof(b"old 04\n"), 400),
    Row("an old size of 2^53", lambda: raw_proof(b"old 9007199254740992\n"), 400),
    Row("an old size below 0", lambda: raw_proof(b"old -4\n"), 400),
    Row("a hash too short", lambda: raw_proof(b"old 4\nAAAA\n"), 400),
    Row("a hash that is no base64", lambda: raw_proof(b"old 4\n" + HASH.replace(b"A", b"*")), 400),
    Row("truncated", lambda: proof_of(HELD, 8)[:-1], 400),
    Row("extended", lambda: proof_of(HELD, 8) + b"\n", 400),
    Row("nothing", lambda: b"", 400),
]


@pytest.mark.parametrize("row", WITNESS, ids=str)
async def test_every_row_of_the_witness_s_table(at: Bench, row: Row) -> None:
    """S6, C2SP tlog-witness: exact status; a 422 is kept and alarmed; nothing that is refused changes anything."""
    before, sent = await state_of(at), row.body()
    if row.status == 200:
        assert await at.witness.add_checkpoint(sent)
    else:
        with pytest.raises(Refused) as refused:
            await at.witness.add_checkpoint(sent)
        assert refused.value.status == row.status, refused.value.reason
        assert not isinstance(refused.value, Behind) or refused.value.size == HELD
        assert await state_of(at) == before
    assert await at.kinds() == ([row.alarm] if row.alarm else [])
    assert [each.body for each in await at.store.refusals()] == ([sent] if row.status == 422 else [])
    size = (await at.store.witnessed(LOG.origin)).size
    line = await at.witness.add_checkpoint(asking(LOG, size, 8))
    assert LOG.receipt_time(8, line, WITNESS_VERIFIER), "the true log goes on"


async def test_an_empty_log_s_checkpoint_is_of_the_empty_tree() -> None:
    """P3: before the first entry there is one tree only; a signed size 0 with another root gets no cosignature."""
    async with bench(FakeEntryStore()) as made:
        await made.enrol(LOG)
        gateway = await made.gateway("gw-01")
        with pytest.raises(Refused) as refused:
            await made.ingest.upload(gateway, body(0, [], note_text(0, bytes(32))))
        assert refused.value.status in {400, 422}
        with pytest.raises(Refused):
            await made.witness.add_checkpoint(raw_proof(b"old 0\n", note_text(0, bytes(32))))
        assert await made.ingest.upload(gateway, LOG.upload(0, 0))
        assert await made.ingest.upload(gateway, LOG.upload(0, 4))


# --- racing uploads of one log


async def race(rounds: int, tasks: int, seed: int) -> dict[str, int]:
    """Two branches of a log race from every size; returns how often each answer came."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # a line for each refusal
    rng = random.Random(seed)
    log, seen = SampleLog(), {"stored": 0, "again": 0, "behind": 0, "fork": 0, "busy": 0, "else": 0}
    roots: dict[int, bytes] = {0: log.root(0)}
    async with bench(FakeEntryStore()) as made:
        gateway = await made.enrol(log)
        largest = 0

        async def send(branch: SampleLog, start: int, stop: int, bodies: dict[Any, bytes]) -> None:
            nonlocal largest
            sent = bodies.setdefault((id(branch), start, stop), b"") or branch.upload(start, stop)
            bodies[id(branch), start, stop] = sent
            try:
                line = await made.ingest.upload(gateway, sent)
            except Behind:
                seen["behind"] += 1
            except Refused as refused:
                seen["fork" if refused.status == 422 else "else"] += 1
            except Busy:
                seen["busy"] += 1
            else:
                root = branch.root(stop)
                assert roots.setdefault(stop, root) == root, f"two roots of size {stop} were cosigned"
                assert stop >= largest, f"size {stop} was cosigned after {largest}"
                largest = max(largest, stop)
                assert line
                seen["stored" if stop > start else "again"] += 1

        for number in range(rounds):
            size = log.size
            branches = [log.fork(size).grow(3, seed=f"{number} {side}") for side in "ab"]
            bodies: dict[Any, bytes] = {}
            wanted = [(rng.choice(branches), size, size + rng.randint(0, 3)) for _ in range(tasks)]
            await asyncio.gather(*(send(branch, start, stop, bodies) for branch, start, stop in wanted))
            state = await made.store.log(log.origin)
            held = state.size if state else 0
            log = next((one for one in branches if state and one.root(held) == state.root), log).fork(held)
            if held > 10:  # another log: the law is about racing, not about length
                log, largest = SampleLog(generation=log.generation + 1), 0
                roots = {0: log.root(0)}
    return seen


@pytest.mark.timeout(120)
async def test_racing_uploads_of_one_log_never_split_or_roll_back() -> None:
    """S7, B17: 64 uploads race in each of 150 rounds: one tree, cosigned sizes only grow."""
    seen = await race(150, 64, seed=64)
    assert sum(seen.values()) == 150 * 64
    assert min(seen[kind] for kind in ("stored", "again", "behind", "fork")) > 0
    assert seen["else"] == 0


@pytest.mark.long
@pytest.mark.timeout(1800 * TIMES)
async def test_many_racing_uploads_of_one_log_never_split_or_roll_back() -> None:
    """S7, B17: 2,000 rounds, or more."""
    assert (await race(times(2_000), 64, seed=10))["else"] == 0
