"""The PostgreSQL form of EntryStore keeps the same contract; what it must not hold evidence in is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from entry_store_contract import EntryStoreContract
from server_bench import postgres_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.evidence.sql import SqlEntryStore


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[SqlEntryStore]:
    with postgres_store(postgres_url) as made:
        yield made
        await made.close()


class TestPostgresContract(EntryStoreContract):
    """All laws of the contract."""
