"""The strict fake of EntryStore keeps the same contract as the real form."""

from __future__ import annotations

import pytest
from entry_store_contract import EntryStoreContract, bundle_of
from fake_entry_store import FakeEntryStore
from sample_uploads import SampleLog

from server.errors import StoreFailed


@pytest.fixture
def store() -> FakeEntryStore:
    return FakeEntryStore()


class TestFakeContract(EntryStoreContract):
    """All laws of the contract."""


async def test_it_fails_when_told_and_stays_failed() -> None:
    """A failed write is final, as in the real form."""
    store = FakeEntryStore()
    store.fail_next = True
    log = SampleLog().grow(1)
    with pytest.raises(StoreFailed):
        await store.append(bundle_of(log, 0, 1))
    assert await store.log(log.origin) is None
    with pytest.raises(StoreFailed):
        await store.alarm("x", None, None, "y")
