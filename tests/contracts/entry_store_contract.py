"""What every EntryStore must do (server/evidence/store.py): subclass, give a `store` fixture, all of this is run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sample_uploads import SampleLog

from scorelog.format.tree import CompactRange, leaf_hash
from server import limits
from server.errors import AlreadyThere, Missing
from server.evidence.store import Bundle, Cosigned, Gateway, Refusal, Witnessed

if TYPE_CHECKING:
    from server.evidence.store import EntryStore


def bundle_of(log: SampleLog, start: int, stop: int, *, received_us: int = 1_000_000, cosigned_s: int = 1) -> Bundle:
    """The bundle that the ingest would make of an upload of `[start, stop)`."""
    tree = CompactRange()
    leaves = [leaf_hash(entry) for entry in log.entries[:stop]]
    tree.extend(leaves)
    return Bundle(
        origin=log.origin,
        gateway_id=log.gateway_id,
        generation=log.generation,
        old_size=start,
        new_size=stop,
        entries=tuple(log.entries[start:stop]),
        leaves=tuple(leaves[start:]),
        openings=tuple(sorted((o for o in log.openings if start <= o.index < stop), key=lambda o: (o.index, o.field))),
        checkpoint=log.checkpoint(stop),
        root=tree.root(),
        range_hashes=tree.hashes,
        received_us=received_us,
        cosigned_s=cosigned_s,
    )


class EntryStoreContract:
    """Run over the SQLite form and over the strict fake."""

    async def test_an_append_is_all_there(self, store: EntryStore) -> None:
        """A stored bundle comes back byte for byte, with its openings, and the log's state follows it (P1)."""
        log = SampleLog().grow(5, openings=True)
        assert await store.log(log.origin) is None
        assert await store.append(bundle_of(log, 0, 3))
        assert await store.append(bundle_of(log, 3, 5, received_us=2_000_000, cosigned_s=7))
        state = await store.log(log.origin)
        assert state is not None
        assert (state.size, state.root, state.checkpoint) == (5, log.root(5), log.checkpoint())
        assert (state.cosigned_s, state.cosigned, state.cosigned_size) == (7, None, 0)
        found = await store.entries(log.origin, 0, 5)
        assert [each.data for each in found] == log.entries
        assert [each.index for each in found] == [0, 1, 2, 3, 4]
        assert {o for each in found for o in each.openings} == set(log.openings)
        assert [each.received_us for each in found] == [1_000_000] * 3 + [2_000_000] * 2
        assert [each.data for each in await store.entries(log.origin, 2, 4)] == log.entries[2:4]
        assert await store.entries(log.origin, 5, 9) == []

    async def test_the_old_size_decides(self, store: EntryStore) -> None:
        """A bundle for another size than the stored one changes nothing (S7)."""
        log = SampleLog().grow(6)
        assert await store.append(bundle_of(log, 0, 3))
        assert not await store.append(bundle_of(log, 0, 3))
        assert not await store.append(bundle_of(log, 4, 6))
        assert not await store.append(bundle_of(log, 2, 6))
        state = await store.log(log.origin)
        assert state is not None
        assert state.size == 3
        assert [each.data for each in await store.entries(log.origin, 0, 9)] == log.entries[:3]

    async def test_one_transaction_has_a_verdict_for_each(self, store: EntryStore) -> None:
        """Bundles of several logs, and of one log in sequence, go in one transaction, each judged by itself."""
        one, two = SampleLog("gw-01").grow(4), SampleLog("gw-02").grow(2)
        verdicts = await store.append_many(
            [bundle_of(one, 0, 2), bundle_of(two, 1, 2), bundle_of(one, 2, 4), bundle_of(two, 0, 2)]
        )
        assert verdicts == [True, False, True, True]
        assert [(state.origin, state.size) for state in await store.logs()] == [(one.origin, 4), (two.origin, 2)]

    async def test_a_group_is_stored_but_for_the_log_that_has_moved(self, store: EntryStore) -> None:
        """Uploads of logs that go on share a transaction; the one that comes too late takes no other with it (P8)."""
        group = [SampleLog(f"gw-{number:02}").grow(300, openings=True) for number in range(4)]
        for log in group:
            assert await store.append(bundle_of(log, 0, 10))
        late, frozen = group[1], group[2]
        assert await store.append(bundle_of(late, 10, 11))
        assert await store.append(bundle_of(SampleLog(frozen.gateway_id, generation=1).grow(1), 0, 1))
        assert await store.append_many([bundle_of(log, 10, 300) for log in group]) == [True, False, False, True]
        assert [(await store.log(log.origin)).size for log in group] == [300, 11, 10, 300]  # type: ignore[union-attr]
        for log in (group[0], group[3]):
            assert [each.data for each in await store.entries(log.origin, 0, 400)] == log.entries
            assert sorted(await store.openings(log.origin, 0, 400), key=lambda o: (o.index, o.field)) == log.openings
            assert await store.node(log.origin, 8, 0) == log.nodes(8, 0)
            assert [tile.n for tile in await store.stored_tiles(log.origin, 0, 0, 9)] == [0]
        assert await store.append_many([bundle_of(late, 11, 300), bundle_of(group[0].grow(1), 300, 301)]) == [True] * 2

    async def test_a_tile_is_filled_by_single_entries(self, store: EntryStore) -> None:
        """The leaves of a full tile come from as many bundles as there are, in order."""
        log = SampleLog().grow(256)
        assert all(await store.append_many([bundle_of(log, index, index + 1) for index in range(255)]))
        assert await store.append(bundle_of(log, 255, 256))
        assert await store.hashes(log.origin, 1, 0, 1) == [log.nodes(8, 0)]

    async def test_several_notes_are_kept_at_once(self, store: EntryStore) -> None:
        """Each log keeps its newest note and latest time, whatever the order in which notes come."""
        one, two = SampleLog("gw-01").grow(3), SampleLog("gw-02").grow(3)
        assert await store.append_many([bundle_of(log, 0, 3, cosigned_s=5) for log in (one, two)]) == [True, True]
        notes = [
            Cosigned(one.origin, 3, b"new", 9),
            Cosigned(two.origin, 2, b"older", 7),
            Cosigned(one.origin, 2, b"old", 8),
        ]
        assert await store.append_many((), notes) == []
        assert await store.append_many((), [Cosigned(one.origin, 2, b"late", 10)]) == []
        states = {state.origin: (state.cosigned, state.cosigned_size, state.cosigned_s) for state in await store.logs()}
        assert states == {one.origin: (b"new", 3, 10), two.origin: (b"older", 2, 7)}

    async def test_bundles_are_numbered_in_order_of_arrival(self, store: EntryStore) -> None:
        """`bundles_after` never skips and never repeats: it is the projector's cursor."""
        one, two = SampleLog("gw-01").grow(4), SampleLog("gw-02").grow(2)
        for bundle in (bundle_of(one, 0, 1), bundle_of(two, 0, 2), bundle_of(one, 1, 4)):
            assert await store.append(bundle)
        refs = await store.bundles_after(0, 10)
        assert [(ref.origin, ref.start, ref.stop) for ref in refs] == [
            (one.origin, 0, 1),
            (two.origin, 0, 2),
            (one.origin, 1, 4),
        ]
        assert [ref.seq for ref in refs] == sorted({ref.seq for ref in refs})
        assert await store.bundles_after(refs[0].seq, 1) == refs[1:2]
        assert await store.bundles_after(refs[2].seq, 10) == []

    async def test_what_arrived_is_read_by_number(self, store: EntryStore) -> None:
        """`arrived` is what `entries` says of each bundle, openings and times included, and of no other bundle."""
        one, two = SampleLog("gw-01").grow(6, openings=True), SampleLog("gw-02").grow(3, openings=True)
        cuts = [(one, 0, 1), (two, 0, 2), (one, 1, 4), (two, 2, 3), (one, 4, 6)]
        for number, (log, start, stop) in enumerate(cuts):
            assert await store.append(bundle_of(log, start, stop, received_us=number))
        refs = await store.bundles_after(0, 10)
        for first, last in ((0, 4), (1, 3), (2, 2)):
            whole = [await store.entries(each.origin, each.start, each.stop) for each in refs[first : last + 1]]
            found = await store.arrived(refs[first].seq, refs[last].seq)
            assert found == [entry for each in whole for entry in each]
            assert all(each.openings for each in found)
        assert await store.arrived(refs[-1].seq + 1, refs[-1].seq + 9) == []

    async def test_a_new_generation_freezes_the_older_ones(self, store: EntryStore) -> None:
        """The first bundle of a generation freezes the lower ones; neither they nor unknown lower ones take more."""
        first, second = SampleLog(generation=0).grow(3), SampleLog(generation=2).grow(2)
        middle = SampleLog(generation=1).grow(1)
        assert await store.append(bundle_of(first, 0, 2))
        assert await store.append(bundle_of(second, 0, 2))
        old = await store.log(first.origin)
        assert old is not None
        assert old.frozen
        assert not await store.append(bundle_of(first, 2, 3))
        assert not await store.append(bundle_of(middle, 0, 1))
        assert await store.append(bundle_of(SampleLog("gw-02").grow(1), 0, 1)), "another gateway is not touched"

    async def test_a_frozen_log_takes_what_was_receipted_before(self, store: EntryStore) -> None:
        """A server put back from a backup: regained entries go into lower generations, which stay frozen."""
        first, second = SampleLog(generation=0).grow(3), SampleLog(generation=2).grow(2)
        middle = SampleLog(generation=1).grow(2)
        assert await store.append(bundle_of(first, 0, 2))
        assert await store.append(bundle_of(second, 0, 2))
        for log, start, stop in ((first, 2, 3), (middle, 0, 1), (middle, 1, 2)):
            regained = replace(bundle_of(log, start, stop), regained=True)
            assert await store.append(regained)
            assert not await store.append(regained), "the old size still decides"
            state = await store.log(log.origin)
            assert state is not None
            assert (state.size, bool(state.frozen)) == (stop, True)
        assert not await store.append(bundle_of(middle.grow(1), 2, 3))
        assert await store.append(bundle_of(second.grow(1), 2, 3)), "the newest one goes on"

    async def test_nodes_and_hashes_are_those_of_the_tree(self, store: EntryStore) -> None:
        """Every complete subtree is there, across bundle and tile borders, and none that is not complete."""
        log = SampleLog().grow(600)
        for start, stop in ((0, 1), (1, 200), (200, 255), (255, 257), (257, 511), (511, 600)):
            assert await store.append(bundle_of(log, start, stop))
        for level in range(10):
            for index in {0, 1, (600 >> level) - 1} & set(range(600 >> level)):
                assert await store.node(log.origin, level, index) == log.nodes(level, index)
        assert await store.hashes(log.origin, 0, 250, 600) == [leaf_hash(entry) for entry in log.entries[250:]]
        assert await store.hashes(log.origin, 1, 0, 2) == [log.nodes(8, 0), log.nodes(8, 1)]
        with pytest.raises(Missing):
            await store.node(log.origin, 0, 600)
        with pytest.raises(Missing):
            await store.node(log.origin, 9, 1)
        with pytest.raises(Missing):
            await store.hashes("exam.example/gw/none/0", 0, 0, 1)
        tiles = await store.stored_tiles(log.origin, 0, 1, 5)
        assert [(tile.n, tile.root) for tile in tiles] == [(1, log.nodes(8, 1))]

    async def test_the_newest_cosigned_note_is_kept(self, store: EntryStore) -> None:
        """A note of an older size never replaces a newer one, and the cosignature time never goes back."""
        log = SampleLog().grow(3)
        assert await store.append(bundle_of(log, 0, 2, cosigned_s=10))
        await store.save_cosigned(log.origin, 2, b"two", 10)
        assert await store.append_many([bundle_of(log, 2, 3, cosigned_s=11)], [Cosigned(log.origin, 2, b"again", 12)])
        state = await store.log(log.origin)
        assert state is not None
        assert (state.cosigned, state.cosigned_size, state.cosigned_s) == (b"again", 2, 12)
        await store.save_cosigned(log.origin, 3, b"three", 12)
        await store.save_cosigned(log.origin, 2, b"late", 9)
        state = await store.log(log.origin)
        assert state is not None
        assert (state.cosigned, state.cosigned_size, state.cosigned_s) == (b"three", 3, 12)

    async def test_raw_bundles_come_from_an_index_on(self, store: EntryStore) -> None:
        """The auditor reads whole rows: entries framed, leaves joined, the checkpoint as it came."""
        log = SampleLog().grow(4)
        assert await store.append(bundle_of(log, 0, 1))
        assert await store.append(bundle_of(log, 1, 4))
        bundles = await store.stored_bundles(log.origin, 0, 9)
        assert [(each.ref.start, each.ref.stop) for each in bundles] == [(0, 1), (1, 4)]
        assert bundles[1].checkpoint == log.checkpoint(4)
        assert bundles[1].leaves == b"".join(leaf_hash(entry) for entry in log.entries[1:])
        assert all(each.sealed for each in bundles)
        assert [each.ref.start for each in await store.stored_bundles(log.origin, 1, 9)] == [1]

    async def test_openings_come_apart(self, store: EntryStore) -> None:
        """Openings are found by index without reading entries (P7)."""
        log = SampleLog().grow(3, openings=True)
        assert await store.append(bundle_of(log, 0, 3))
        assert {o.index for o in await store.openings(log.origin, 1, 3)} == {1, 2}

    async def test_gateways_are_enrolled_and_revoked(self, store: EntryStore) -> None:
        """A gateway is added once; gateways and single certificates can be revoked, also before they were seen."""
        with pytest.raises(Missing):
            await store.set_gateway_status("gw-01", "revoked", "lost")
        with pytest.raises(Missing):
            await store.certificate_seen("gw-01", "aa")
        await store.add_gateway(Gateway("gw-01", b"k" * 32))
        with pytest.raises(AlreadyThere):
            await store.add_gateway(Gateway("gw-01", b"l" * 32))
        assert (await store.certificate_seen("gw-01", "aa")).status == "active"
        await store.revoke_certificate("gw-01", "bb", "stolen")
        assert (await store.certificate_seen("gw-01", "bb")).status == "revoked"
        await store.set_gateway_status("gw-01", "revoked", "lost")
        gateway = await store.gateway("gw-01")
        assert gateway is not None
        assert (gateway.status, gateway.reason, gateway.fingerprints) == ("revoked", "lost", ("aa",))
        assert [each.id for each in await store.gateways()] == ["gw-01"]
        assert await store.gateway("gw-02") is None

    async def test_refusals_are_kept_once_and_bounded(self, store: EntryStore) -> None:
        """The same refused body counts up; an origin keeps at most so many different ones (I16)."""
        first = Refusal("o", "gw-01", 422, "why", b"body", 5)
        for _ in range(3):
            await store.refuse(first)
        assert await store.refusals() == [replace(first, times=3)]
        for number in range(limits.REFUSALS_PER_ORIGIN_MAX + 2):
            await store.refuse(replace(first, body=b"%d" % number))
        assert len(await store.refusals("o")) == limits.REFUSALS_PER_ORIGIN_MAX
        await store.refuse(replace(first, origin="p"))
        assert len(await store.refusals("p")) == 1

    async def test_alarms_count_up(self, store: EntryStore) -> None:
        """The same alarm is raised once and counted; another index or detail is another one; the number is bounded."""
        one = await store.alarm("forked", "o", 3, "why", b"evidence")
        assert await store.alarm("forked", "o", 3, "why") == one
        two = await store.alarm("forked", "o", None, "why")
        three = await store.alarm("silent", None, None, "why")
        found = await store.alarms()
        assert [(each.id, each.times, each.kind) for each in found] == [
            (one, 2, "forked"),
            (two, 1, "forked"),
            (three, 1, "silent"),
        ]
        assert found[0].evidence == b"evidence"
        assert [each.id for each in await store.alarms(after=one, limit=1)] == [two]
        for number in range(limits.ALARMS_PER_KIND_MAX + 5):
            await store.alarm("many", "o", number, "x" * (limits.DETAIL_MAX + 9))
        many = [each for each in await store.alarms() if each.kind == "many"]
        assert len(many) == limits.ALARMS_PER_KIND_MAX
        assert all(len(each.detail) <= limits.DETAIL_MAX for each in many)

    async def test_the_witness_compares_and_stores(self, store: EntryStore) -> None:
        """Only from what was last: two racing requests cannot both win (B17)."""
        one, two = (Witnessed("o", size, bytes([size]) * 32, b"note", 10 + size) for size in (1, 2))
        assert await store.witnessed("o") is None
        assert not await store.witness(two, one)
        assert await store.witness(None, one)
        assert not await store.witness(None, two)
        assert await store.witness(one, two)
        assert not await store.witness(one, two)
        assert await store.witnessed("o") == two

    async def test_nothing_is_found_where_nothing_was_changed(self, store: EntryStore) -> None:
        """Rows that the store itself wrote have no findings."""
        log = SampleLog().grow(3, openings=True)
        assert await store.append(bundle_of(log, 0, 3))
        await store.alarm("forked", log.origin, 3, "why")
        await store.refuse(Refusal(log.origin, "gw-01", 422, "why", b"body", 5))
        assert await store.row_findings() == []

    async def test_an_earlier_cosignature_is_not_stored(self, store: EntryStore) -> None:
        """The mirror's time of a log never goes back, whichever process with whatever clock writes (S7)."""
        log = SampleLog().grow(3)
        assert await store.append(bundle_of(log, 0, 1, cosigned_s=10))
        assert not await store.append(bundle_of(log, 1, 2, cosigned_s=9))
        assert await store.append(bundle_of(log, 1, 2, cosigned_s=10))

    async def test_only_the_newest_size_is_cosigned_again(self, store: EntryStore) -> None:
        """No line of a smaller size after one of a larger size, nor an earlier one: the log's row decides (S7)."""
        log = SampleLog().grow(3)
        empty = Cosigned(log.origin, 0, b"nothing", 5)
        assert await store.append_many((), (), [empty]) == [True]
        assert await store.append_many([bundle_of(log, 0, 2, cosigned_s=10)], (), []) == [True]
        asked = [Cosigned(log.origin, size, b"n%d" % size, at) for size, at in ((2, 9), (1, 12), (3, 12), (2, 12))]
        assert await store.append_many((), (), [*asked, empty]) == [False, False, False, True, False]
        state = await store.log(log.origin)
        assert state is not None
        assert (state.cosigned, state.cosigned_size, state.cosigned_s) == (b"n2", 2, 12)
        assert await store.append_many([bundle_of(log, 2, 3, cosigned_s=12)], (), [asked[3]]) == [True, False]
