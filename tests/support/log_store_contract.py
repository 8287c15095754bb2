"""What every form of the disk seam promises. A test file subclasses it and gives `make_log`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from log_entries import content_of, key_of, opening, plain, scored
from log_harness import cosigned

from scorelog.format.checkpoint import open_checkpoint, parse_checkpoint
from scorelog.format.errors import FormatError
from scorelog.format.note import parse_vkey
from scorelog.format.tree import (
    CompactRange,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_from,
    verify_consistency,
    verify_inclusion,
)
from scorelog.journal.errors import AppendRefused, LogClosed, LogRefused
from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scorelog.journal.store import Appended, LogStore


async def add(log: LogStore, request: AppendRequest) -> Appended:
    return await log.append(request.build, request.key, request.content, request.openings)


def root_of(entries: list[bytes]) -> bytes:
    compact = CompactRange()
    compact.extend(leaf_hash(entry) for entry in entries)
    return compact.root()


class LogStoreContract:
    """`log` is a fresh, empty log of origin exam.example/gw/gw-01/0."""

    @pytest.fixture
    def log(self) -> Iterator[LogStore]:
        raise NotImplementedError

    async def test_a_new_log_is_empty_and_signed(self, log: LogStore) -> None:
        """Size 0 has a checkpoint, so a server can learn of the log before its first entry."""
        checkpoint, _ = open_checkpoint(log.checkpoint(), parse_vkey(log.vkey))
        assert (checkpoint.origin, checkpoint.size) == ("exam.example/gw/gw-01/0", 0)
        assert (log.size, log.receipted_size, log.receipt(), log.failed) == (0, 0, None, None)

    async def test_append_gives_the_index_and_a_signed_root(self, log: LogStore) -> None:
        """P1: when append returns, the entry is readable and the checkpoint covers it."""
        answers = [await add(log, plain(f"entry {n}")) for n in range(5)]
        entries = log.entries(0, 5)
        assert [one.index for one in answers] == [0, 1, 2, 3, 4]
        assert [one.leaf for one in answers] == [leaf_hash(entry) for entry in entries]
        checkpoint, _ = open_checkpoint(log.checkpoint(), parse_vkey(log.vkey))
        assert (checkpoint.size, checkpoint.root) == (5, root_of(entries))

    async def test_same_key_and_content_is_the_same_entry(self, log: LogStore) -> None:
        """A record read again returns the old index, writes nothing, and does not even build an entry."""
        first = await add(log, scored(key_of(1)))

        def never(conflict_with: int | None) -> bytes:
            raise AssertionError("built")

        again = await log.append(never, key_of(1), content_of("first reading"))
        assert (again.index, again.leaf, again.existing) == (first.index, first.leaf, True)
        assert (first.existing, log.size) == (False, 1)

    async def test_same_key_other_content_is_kept_beside_it(self, log: LogStore) -> None:
        """Both readings stay, the later one names the first, and each is recognised from then on."""
        await add(log, scored(key_of(1), "one"))
        second = await add(log, scored(key_of(1), "two"))
        third = await add(log, scored(key_of(1), "three"))
        again = await add(log, scored(key_of(1), "two"))
        assert (second.index, second.conflict_with, third.conflict_with) == (1, 0, 0)
        assert (again.index, again.existing, again.conflict_with, log.find(key_of(1))) == (1, True, None, 0)

    async def test_repeats_within_one_transaction_are_recognised(self, log: LogStore) -> None:
        """Idempotency does not depend on what has been committed before."""
        requests = [scored(key_of(1)), scored(key_of(1)), scored(key_of(1), "other"), scored(key_of(2))]
        answers = await log.append_many(requests)
        assert [(one.index, one.existing, one.conflict_with) for one in answers] == [
            (0, False, None),
            (0, True, None),
            (1, False, 0),
            (2, False, None),
        ]

    async def test_many_waiting_appends_keep_their_order(self, log: LogStore) -> None:
        """Appends that wait together are stored in the order in which they were called."""
        requests = [plain(f"entry {n}") for n in range(600)]
        answers = await asyncio.gather(*(add(log, request) for request in requests))
        assert [one.index for one in answers] == list(range(600))
        assert log.entries(0, 600) == [request.build(None) for request in requests]

    async def test_append_many_is_all_or_nothing(self, log: LogStore) -> None:
        """One refused request takes the others of its call with it, and leaves no key behind."""
        bad = AppendRequest(scored(key_of(3)).build, key_of(4), content_of("first reading"))
        with pytest.raises(AppendRefused, match="key"):
            await log.append_many([scored(key_of(1)), bad, scored(key_of(2))])
        assert (log.size, log.find(key_of(1))) == (0, None)
        assert (await add(log, scored(key_of(1)))).existing is False

    async def test_a_failing_builder_hurts_only_its_caller(self, log: LogStore) -> None:
        """The builder's error reaches its caller; the log goes on."""

        def broken(conflict_with: int | None) -> bytes:
            raise ZeroDivisionError("builder")

        good, bad = await asyncio.gather(add(log, plain("good")), log.append(broken), return_exceptions=True)
        assert isinstance(bad, ZeroDivisionError)
        assert not isinstance(good, BaseException)
        assert (good.index, log.size, log.failed) == (0, 1, None)

    @pytest.mark.parametrize("entry", [b"", b"{}", b"x" * 65_536, b'{"v":2}'])
    async def test_what_is_no_entry_is_refused(self, log: LogStore, entry: bytes) -> None:
        """What could never be uploaded or judged is refused before it is signed."""
        with pytest.raises(AppendRefused):
            await log.append(lambda _: entry)
        assert log.size == 0

    async def test_cancelling_gives_up_the_answer_only(self, log: LogStore) -> None:
        """Cancelled appends are wholly there or not at all, and those beside them are untouched."""
        tasks = [asyncio.create_task(add(log, scored(key_of(n), note="x" * 200))) for n in range(100)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        kept = [one for one in answers if not isinstance(one, BaseException)]
        assert len(kept) >= 50
        for n, answer in enumerate(answers):
            if not isinstance(answer, BaseException):
                assert log.entries(answer.index, answer.index + 1) == [scored(key_of(n), note="x" * 200).build(None)]
        await add(log, plain("a later transaction, after which every cancelled append is decided"))
        stored = log.entries(0, log.size)
        assert len(set(stored)) == len(stored) == log.size
        assert parse_checkpoint(log.checkpoint())[0].root == root_of(stored)

    async def test_openings_are_kept_beside_the_entry(self, log: LogStore) -> None:
        """P7: openings come back by index and field and are no part of the entry."""
        await add(log, plain("first"))
        pair = (opening("ticket", "2026-000123"), opening("name", "王小明"))
        await add(log, scored(key_of(1), openings=pair))
        found = log.openings(0, 2)
        assert [(one.index, one.field, one.value.decode()) for one in found] == [
            (1, "name", "王小明"),
            (1, "ticket", "2026-000123"),
        ]
        assert "王小明".encode() not in log.entries(1, 2)[0]

    async def test_every_node_leads_to_the_signed_root(self, log: LogStore) -> None:
        """Inclusion and consistency proofs made from `node` verify, across tile borders."""
        await log.append_many([plain(f"entry {n}") for n in range(517)])
        leaves = [leaf_hash(entry) for entry in log.entries(0, 517)]
        checkpoint, _ = parse_checkpoint(log.checkpoint())
        for index in (0, 1, 255, 256, 300, 511, 512, 516):
            proof = inclusion_proof(index, 517, log.node)
            verify_inclusion(leaves[index], index, 517, proof, checkpoint.root)
        for old in (1, 255, 256, 257, 512, 516):
            proof = consistency_proof(old, 517, log.node)
            verify_consistency(old, 517, proof, root_from(old, log.node), checkpoint.root)
        with pytest.raises(IndexError):
            log.node(8, 2)

    async def test_pieces_cover_the_log_and_end_on_signed_sizes(self, log: LogStore) -> None:
        """Every piece carries a log signature over exactly its end, whatever the limits are."""
        await log.append_many([plain(f"entry {n}") for n in range(700)])
        for n in range(20):
            await add(log, plain(f"single {n}"))
        for most in (1, 7, 256):
            start, seen = 0, []
            while start < log.size:
                piece = await log.piece(start, most)
                assert 1 <= len(piece.entries) <= most
                checkpoint, _ = open_checkpoint(piece.checkpoint, parse_vkey(log.vkey))
                seen += piece.entries
                start = piece.stop
                assert (checkpoint.size, checkpoint.root) == (start, root_from(start, log.node))
            assert seen == log.entries(0, log.size)
        last = await log.piece(log.size)
        assert (last.entries, last.checkpoint) == ((), log.checkpoint())

    async def test_a_piece_keeps_the_byte_limit(self, log: LogStore) -> None:
        """A piece is cut by framed bytes too, but never below one entry."""
        await log.append_many([plain("x" * 40_000 + str(n)) for n in range(40)])
        piece = await log.piece(0, 256, 1 << 20)
        assert sum(len(entry) + 2 for entry in piece.entries) <= 1 << 20
        assert len((await log.piece(0, 256, 10)).entries) == 1

    async def test_receipts_are_kept_and_checked(self, log: LogStore) -> None:
        """P2: a receipt counts only if it is about this very tree."""
        await log.append_many([plain(f"entry {n}") for n in range(3)])
        early = cosigned(log.checkpoint(), 1_795_416_130)
        await log.save_receipt(early)
        await log.append_many([plain(f"more {n}") for n in range(3)])
        late = cosigned(log.checkpoint(), 1_795_416_140)
        await log.save_receipt(late)
        newest = log.receipt()
        assert newest is not None
        assert (newest.size, newest.note, log.receipted_size) == (6, late, 6)
        covering = [log.receipt_covering(index) for index in (2, 3, 6)]
        assert [one and one.size for one in covering] == [3, 6, None]

    async def test_a_foreign_receipt_is_refused(self, log: LogStore) -> None:
        """Another tree of that size, a size that is not there yet, or no note at all."""
        await add(log, plain("one"))
        note = cosigned(log.checkpoint())
        await add(log, plain("two"))
        for wrong in (note.replace(b"\n1\n", b"\n2\n", 1), note.replace(b"\n1\n", b"\n9\n", 1), b"nothing"):
            with pytest.raises((LogRefused, FormatError)):
                await log.save_receipt(wrong)
        assert log.receipt() is None

    async def test_waiting_for_growth(self, log: LogStore) -> None:
        """A waiter wakes by an append, and at once when the log has grown already."""
        waiter = asyncio.create_task(log.wait_grown(0))
        await asyncio.sleep(0)
        assert not waiter.done()
        await add(log, plain("one"))
        await asyncio.wait_for(waiter, 5)
        await asyncio.wait_for(log.wait_grown(0), 5)

    async def test_reads_beyond_the_end_are_refused(self, log: LogStore) -> None:
        """What is not released cannot be read."""
        await add(log, plain("one"))
        with pytest.raises(IndexError):
            log.entries(0, 2)
        with pytest.raises(IndexError):
            log.openings(0, 2)
        with pytest.raises(IndexError):
            await log.piece(2)

    async def test_close_finishes_what_waits(self, log: LogStore) -> None:
        """Appends that wait are stored; later ones are refused; closing twice is no error."""
        tasks = [asyncio.create_task(add(log, plain(f"entry {n}"))) for n in range(10)]
        await asyncio.sleep(0)
        waiter = asyncio.create_task(log.wait_grown(100))
        await asyncio.sleep(0)
        await log.close()
        assert [one.index for one in await asyncio.gather(*tasks)] == list(range(10))
        with pytest.raises(LogClosed):
            await asyncio.wait_for(waiter, 5)
        with pytest.raises(LogClosed):
            await add(log, plain("late"))
        await log.close()
