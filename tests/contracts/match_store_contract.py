"""What every form of MatchStore promises; the tests of both databases inherit it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from server.evidence.seal import Sealer
from server.matches.store import Match, MatchStore

SEALER = Sealer(b"matches")
STAGED, OTHER, PLANNED = "5a" * 16, "6b" * 16, "9f" * 16
MADE = Match(0, STAGED, PLANNED, "chief", "同一考生，准考证读取失败", 5)
Change = Callable[[str], Awaitable[None]]


class MatchStoreContract:
    """`store` and `other` are two processes' views of one database; `change` runs SQL behind their backs."""

    async def test_matches_come_in_their_order_and_stay(self, store: MatchStore, other: MatchStore) -> None:
        """S2: a match is a row of its own, undone by another; nothing is changed or taken away."""
        first = await store.add(MADE, None)
        undone = await other.add(replace(MADE, planned=None, account="second", why="看错了"), 1)
        again = await store.add(replace(MADE, staged=OTHER), None)
        assert first is not None
        assert undone is not None
        assert again is not None
        assert [one.number for one in (first, undone, again)] == [1, 2, 3]
        assert await other.after(0) == [first, undone, again]
        assert await other.after(2) == [again]
        assert (await store.current(STAGED), await store.current(PLANNED)) == (undone, None)
        assert await self.findings(store) == []

    async def test_of_two_who_match_at_once_one_is_told(self, store: MatchStore, other: MatchStore) -> None:
        """Nobody overwrites what somebody else decided in the meantime."""
        both = await asyncio.gather(store.add(MADE, None), other.add(replace(MADE, account="second"), None))
        assert sorted(one is None for one in both) == [False, True]
        assert len(await store.after(0)) == 1

    @pytest.mark.parametrize(
        ("statement", "finding", "left"),
        [
            ("UPDATE {matches} SET planned = 'ff' WHERE number = 2", "match 2 is not as the server kept it", [1, 3]),
            ("UPDATE {matches} SET why = '' WHERE number = 1", "match 1 is not as the server kept it", [2, 3]),
            ("UPDATE {matches} SET account = 'x' WHERE number = 3", "match 3 is not as the server kept it", [1, 2]),
            ("UPDATE {matches} SET at_us = 6 WHERE number = 3", "match 3 is not as the server kept it", [1, 2]),
            ("UPDATE {matches} SET number = 9 WHERE number = 3", "matches 3 to 8 are gone", [1, 2]),
            ("DELETE FROM {matches} WHERE number = 2", "matches 2 to 2 are gone", [1, 3]),
        ],
    )
    async def test_a_row_that_was_changed_counts_for_nothing(
        self, store: MatchStore, change: Change, statement: str, finding: str, left: list[int]
    ) -> None:
        """P3: whoever writes the database without the server's key changes no result unseen."""
        for staged in ("01" * 16, "02" * 16, "03" * 16):
            assert await store.add(replace(MADE, staged=staged), None)
        await change(statement)
        assert finding in await self.findings(store)
        assert [one.number for one in await store.after(0)] == left

    @staticmethod
    async def findings(store: MatchStore) -> list[str]:
        """What fsck and the audit say."""
        return [one.detail for one in await store.findings()]
