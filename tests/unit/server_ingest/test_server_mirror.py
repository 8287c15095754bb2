"""The mirror's decision as a table: every way in which an upload can meet what the server holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from entry_store_contract import bundle_of
from fake_entry_store import FakeEntryStore
from sample_uploads import SampleLog

from scorelog.format.keys import Ed25519Verifier
from scorelog.format.tree import leaf_hash
from scorelog.format.upload import Upload, parse_upload
from server.ingest import mirror

if TYPE_CHECKING:
    from server.evidence.store import LogState


async def state_of(log: SampleLog, size: int) -> LogState | None:
    store = FakeEntryStore()
    if not size:
        return None
    assert await store.append(bundle_of(log, 0, size))
    return await store.log(log.origin)


def held_by(log: SampleLog, size: int, upload: Upload) -> mirror.Held:
    """What the service looks up for an upload from further back."""
    leaves = tuple(leaf_hash(entry) for entry in log.entries[upload.start : min(size, upload.size)])
    return mirror.Held(log.root(upload.size) if upload.size <= size else None, leaves)


async def verdict_of(held: SampleLog, size: int, sent: SampleLog, start: int, stop: int) -> mirror.Verdict:
    upload = parse_upload(sent.upload(start, stop))
    found = mirror.read_checkpoint(upload)
    assert not isinstance(found, mirror.Refuse)
    return mirror.judge(await state_of(held, size), upload, found[0], held_by(held, size, upload))


TRUE = SampleLog().grow(12)
FORK = TRUE.fork(5).grow(7, seed="other")


@pytest.mark.parametrize(("size", "start", "stop"), [(0, 0, 1), (0, 0, 12), (5, 5, 6), (5, 5, 12), (11, 11, 12)])
async def test_what_continues_the_held_tree_is_accepted(size: int, start: int, stop: int) -> None:
    """Entries from the held size on whose root the log signed are accepted, whatever is in them."""
    verdict = await verdict_of(TRUE, size, TRUE, start, stop)
    assert isinstance(verdict, mirror.Accept)
    assert verdict.checkpoint.root == TRUE.root(stop)
    assert verdict.leaves == tuple(leaf_hash(entry) for entry in TRUE.entries[start:stop])


@pytest.mark.parametrize("size", [0, 1, 12])
async def test_the_same_tree_again_is_cosigned(size: int) -> None:
    """Size and root as held, no entries: a lost receipt is given again."""
    assert isinstance(await verdict_of(TRUE, size, TRUE, size, size), mirror.Cosign)


@pytest.mark.parametrize(
    ("size", "start", "stop"), [(5, 0, 3), (5, 0, 5), (5, 3, 5), (5, 3, 9), (5, 3, 3), (5, 7, 9), (0, 4, 4), (0, 1, 2)]
)
async def test_another_start_is_told_the_size(size: int, start: int, stop: int) -> None:
    """A start that is not the held size is 409 with that size, as long as nothing contradicts; no alarm."""
    verdict = await verdict_of(TRUE, size, TRUE, start, stop)
    assert isinstance(verdict, mirror.Refuse)
    assert (verdict.status, verdict.size, verdict.kind) == (409, size, None)


@pytest.mark.parametrize(
    ("size", "start", "stop", "kind", "index"),
    [
        (8, 8, 12, mirror.FORKED, 8),  # goes on from another tree
        (8, 8, 8, mirror.FORKED, 8),  # another root of the same size
        (8, 0, 8, mirror.FORKED, 5),  # the same, with its entries: the first one that differs is named
        (8, 6, 10, mirror.FORKED, 6),  # overlaps with other entries
        (8, 7, 7, mirror.ROLLED_BACK, 7),  # a smaller tree that never was
        (8, 5, 6, mirror.ROLLED_BACK, 5),
    ],
)
async def test_another_history_is_refused_and_named(size: int, start: int, stop: int, kind: str, index: int) -> None:
    """P3: fork, clone and roll-back are 422 with the index from which on the histories differ (tlog.md 4.5)."""
    verdict = await verdict_of(TRUE, size, FORK, start, stop)
    assert isinstance(verdict, mirror.Refuse)
    assert (verdict.status, verdict.kind, verdict.index) == (422, kind, index)


async def test_a_frozen_log_takes_nothing() -> None:
    """After a new generation the old one is closed."""
    store = FakeEntryStore()
    assert await store.append(bundle_of(TRUE, 0, 5))
    assert await store.append(bundle_of(SampleLog(generation=1).grow(1), 0, 1))
    upload = parse_upload(TRUE.upload(5))
    found = mirror.read_checkpoint(upload)
    assert not isinstance(found, mirror.Refuse)
    verdict = mirror.judge(await store.log(TRUE.origin), upload, found[0])
    assert isinstance(verdict, mirror.Refuse)
    assert (verdict.status, verdict.kind) == (403, mirror.FROZEN)


def test_the_checkpoint_is_of_the_size_that_start_and_entries_make() -> None:
    """Anything else is a framing error."""
    found = mirror.read_checkpoint(Upload(0, tuple(TRUE.entries[:2]), (), TRUE.checkpoint(3)))
    assert isinstance(found, mirror.Refuse)
    assert found.status == 400


def test_only_the_logs_own_signature_counts() -> None:
    """Another key under the same name is 403 and an alarm."""
    found = mirror.read_checkpoint(parse_upload(TRUE.upload(0, 2)))
    assert not isinstance(found, mirror.Refuse)
    other = Ed25519Verifier(TRUE.origin, SampleLog("gw-02").public_key)
    bad = mirror.check_signature(found[1], other)
    assert bad is not None
    assert (bad.status, bad.kind) == (403, mirror.BAD_SIGNATURE)
    assert mirror.check_signature(found[1], Ed25519Verifier(TRUE.origin, TRUE.public_key)) is None
