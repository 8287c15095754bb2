"""The disk seam's contract, over its real form and its strict fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio
from fake_log_store import FakeLogStore
from log_harness import new_log, opened
from log_store_contract import LogStoreContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from scorelog.journal.store import LogStore


class TestSqliteLog(LogStoreContract):
    @pytest_asyncio.fixture
    async def log(self, tmp_path: Path) -> AsyncIterator[LogStore]:
        async with opened(new_log(tmp_path), tmp_path / "state") as log:
            yield log


class TestFakeLogStore(LogStoreContract):
    @pytest_asyncio.fixture
    async def log(self) -> AsyncIterator[LogStore]:
        yield FakeLogStore()
