"""I10, I16: everything that grows with what comes in stops at its bound; docs/limits.md lists them all."""

from __future__ import annotations

import asyncio
import json
import random
import re
import resource
from functools import partial
from typing import TYPE_CHECKING

import pytest
from chaos_proxy_world import serving, way_tls
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from fake_log_store import FakeLogStore
from gateway_parts import RigScript, make_recorder, subject
from sample_uploads import DOMAIN, SampleLog
from server_bench import bench
from tree import ROOT
from wire import wire

import device_adapters.limits as adapter_limits
import gateway.limits as gateway_limits
from certs.contexts import gateway_client_context
from device_adapters.contract import Evidence
from device_adapters.language.shape import INTERFACE_V1
from device_adapters.messages.mailbox import Mailbox
from gateway.recording.attempts import Attempts, Fact
from gateway.recording.freeze import Freezer
from scorelog.format import types
from scorelog.format.entry import parse_entry
from server import limits
from server.evidence.store import Gateway
from server.ingest.protocol import IdentifiedProtocol, listener_protocol
from server.listeners import raise_descriptors
from server.live import limits as live_limits
from server.live.board import LiveBoard
from server.live.hub import Hub
from server.people import limits as people_limits
from server.people.throttle import LoginThrottle
from server.projection.rigfold import RigState
from server.projection.rubrics import RubricBook
from server.projection.scores import Result, Update
from simulators import limits as rig_limits
from simulators.faults.base import Exchange, Piece
from simulators.faults.spec import FaultSpec
from simulators.faults.wire import OneBehind, PreviousReply

if TYPE_CHECKING:
    from pathlib import Path


def evidence(asked: int | None) -> Evidence:
    return Evidence("LV-0001", "checksum", "a test", asked, 3, ())


async def test_refusals_of_a_rig_are_counted_not_kept(tmp_path: Path) -> None:
    """I10: a rig that yields rubbish of ever new kinds: the latest kinds are remembered, and each is one entry."""
    clock, log = FakeClock(), FakeLogStore()
    recorder = make_recorder(log, clock, tmp_path)
    most = gateway_limits.REFUSAL_KINDS_MAX
    for asked in range(most + 1):
        await recorder.refuse(subject(), evidence(asked))
    assert len(recorder._repeats) == most
    size = log.size
    for asked in range(most - 5, most + 1):
        await recorder.refuse(subject(), evidence(asked))
    assert log.size == size


def test_refused_messages_wait_up_to_a_bound() -> None:
    """I10, M9: a flood of refused messages: so many are kept to be told, the rest is settled with the broker."""
    box, settled = Mailbox("LV-0001", INTERFACE_V1), []
    most = adapter_limits.REFUSED_KEPT_MAX
    for number in range(most + 3):
        box.refuse(evidence(number), lambda _fate, number=number: settled.append(number))
    assert len(box.refused) == most
    assert settled == [most, most + 1, most + 2]


async def test_what_a_box_remembers_of_exams_is_bounded(tmp_path: Path) -> None:
    """I10: practice records of a rig and leaves of attempts; what is forgotten is still in the log."""
    clock, log = FakeClock(), FakeLogStore()
    recorder = make_recorder(log, clock, tmp_path)
    attempts = recorder._attempts
    for number in range(gateway_limits.PRACTICE_CONTENTS_PER_RIG + 10):
        attempts._remember_practice("LV-0001", (f"{number:064x}",))
    assert len(attempts._practised["LV-0001"]) == gateway_limits.PRACTICE_CONTENTS_PER_RIG
    for number in range(gateway_limits.ATTEMPTS_WITH_LEAVES + 10):
        attempts._remember_leaf(f"{number:032x}", bytes(32))
    assert len(attempts._leaves) == gateway_limits.ATTEMPTS_WITH_LEAVES
    for observation in RigScript().exam(b"44010020260001"):
        await recorder.observe(subject(), observation)
    assert parse_entry(log.entries(log.size - 1, log.size)[0]).type == "attempt.finished"


@pytest.mark.parametrize("rigs", [4, 40])
def test_what_a_box_remembers_of_exams_follows_its_rigs(rigs: int) -> None:
    """B16, I10: months of exams leave no more in memory than so many a rig, and an open exam keeps all its leaves."""
    attempts = Attempts()
    kept = max(gateway_limits.ATTEMPTS_REMEMBERED, gateway_limits.ATTEMPTS_REMEMBERED_PER_RIG * rigs)
    leaves = max(gateway_limits.ATTEMPTS_WITH_LEAVES, gateway_limits.ATTEMPTS_WITH_LEAVES_PER_RIG * rigs)
    for number in range(2 * kept):
        if number % rigs == 0:
            attempts.apply(exam_fact("open", f"{0:032x}", number, types.DEDUCTION))
        exam = partial(exam_fact, f"LV-{number % (rigs - 1):04d}", f"{number + 1:032x}", number)
        attempts.apply(exam(types.IDENTITY_CHECKED))
        attempts.apply(exam(types.ATTEMPT_FINISHED))
    assert len(attempts._by_number) == len(attempts._by_ticket) == len(attempts._latest) == kept
    assert len(attempts._leaves) == leaves
    assert len(attempts.leaves(f"{0:032x}")) == 2 * kept // rigs


def exam_fact(rig: str, attempt: str, number: int, kind: str) -> Fact:
    return Fact(
        kind, rig, 1, number, attempt, "rig", exam_no=number, ticket=attempt.encode(), leaf=number.to_bytes(32, "big")
    )


async def test_the_board_remembers_results_that_a_rig_shows() -> None:
    """B16, I10: however many attempts end, the newest and those of idle rigs stay, and no others."""
    clock = FakeClock()
    board = LiveBoard(clock, Hub(clock, "aa"), RubricBook())
    idle = RigState("gw-01", "idle", "kaofen.example/gw/gw-01/0", 0, 0, attempt="0")
    board.projected(Update(rigs=(idle,), results=(Result("0", 1, True, "", True),)))
    most = live_limits.RESULTS_KEPT + 1
    for number in range(1, 5 * most):
        board.projected(Update(results=(Result(str(number), number, True, "", True),)))
        assert len(board._results) <= 2 * most + 1
    assert board._results["0"].total_e6 == 1
    assert board.rig_rows()[0]["result"]["total_e6"] == 1


def test_kept_evidence_of_forks_is_bounded(tmp_path: Path) -> None:
    """I10: a server that contradicts everything for weeks fills no disk: the first proofs stay, later ones are told."""
    freezer = Freezer(tmp_path)
    names = [
        freezer.keep_evidence("422", bytes([number % 256, number // 256]), number * 10**6) for number in range(300)
    ]
    assert len(list((tmp_path / "evidence").iterdir())) == gateway_limits.EVIDENCE_FILES_MAX
    assert names[0] == freezer.keep_evidence("422", bytes([0, 0]), 10**12)
    assert names[-1] == ""


async def test_heartbeats_of_one_gateway_remember_so_much() -> None:
    """I10: ever new instances and generations in one gateway's heartbeats."""
    log = SampleLog()
    async with bench(FakeEntryStore()) as at:
        await at.enrol(log)
        for number in range(3 * limits.INSTANCES_WATCHED_MAX):
            beat = {"v": 1, "origin": f"{DOMAIN}/gw/gw-01/{number}", "size": 0, "instance": f"{number:032x}"}
            await at.heartbeats.beat("gw-01", json.dumps(beat).encode())
        seen = at.heartbeats._seen["gw-01"]
        assert len(seen.instances) <= limits.INSTANCES_WATCHED_MAX
        assert len(seen.told_size) <= limits.INSTANCES_WATCHED_MAX


def test_one_gateway_does_not_fill_the_live_board() -> None:
    """I10, P8: a gateway that makes up names of rigs takes its own places, not those of others."""
    clock = FakeClock()
    board = LiveBoard(clock, Hub(clock, "aa"), RubricBook())
    for number in range(live_limits.RIGS_MAX // 100 + 1):
        rigs = [{"rig": f"R-{number}-{at}", "state": "online"} for at in range(100)]
        board.heartbeat("gw-01", {"v": 1, "rigs": rigs}, clock.now_us())
    board.heartbeat("gw-02", {"v": 1, "rigs": [{"rig": "LV-0001", "state": "online"}]}, clock.now_us())
    assert len(board._rigs) == live_limits.RIGS_PER_GATEWAY_MAX + 1
    assert ("gw-02", "LV-0001") in board._rigs


async def test_keys_of_log_generations_are_kept_up_to_a_bound() -> None:
    """I10: the verifiers that the server keeps ready are forgotten and made again."""
    async with bench(FakeEntryStore()) as at:
        gateway = Gateway("gw-01", SampleLog().public_key)
        for number in range(limits.VERIFIERS_MAX + 1):
            at.ingest._verifier(f"{DOMAIN}/gw/gw-01/{number}", gateway)
        assert len(at.ingest._verifiers) <= limits.VERIFIERS_MAX


class Counting(FakeEntryStore):
    """How many bundles came in each transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    async def append_many(self, bundles, *rest):
        self.sizes.append(len(bundles))
        return await super().append_many(bundles, *rest)


async def test_a_commit_takes_so_many_uploads() -> None:
    """I10: however many wait, one transaction holds at most a batch; the others follow."""
    store = Counting()
    async with bench(store) as at:
        logs = [SampleLog(f"gw-{number:03d}").grow(1) for number in range(limits.BATCH_UPLOADS_MAX * 2 + 1)]
        for log in logs:
            await at.enrol(log)
        await asyncio.gather(*(at.send(log, 0) for log in logs))
    assert max(store.sizes) <= limits.BATCH_UPLOADS_MAX
    assert sum(store.sizes) == len(logs)


def test_login_guesses_of_ever_new_names_are_bounded() -> None:
    """I10: the throttle forgets the oldest names, not the newest."""
    throttle = LoginThrottle(FakeClock())
    for number in range(people_limits.LOGIN_KEYS_MAX + 50):
        throttle.wait_s(f"name-{number}", "192.0.2.1")
    assert len(throttle._buckets) <= people_limits.LOGIN_KEYS_MAX


async def test_a_listener_holds_so_many_connections(tmp_path: Path) -> None:
    """I10: beyond the cap of all addresses together a connection is cut off, and one that ends makes room."""
    tls = way_tls(tmp_path)
    own = tls.gateway
    context = gateway_client_context(own / "cert.pem", own / "cert.key", own / "ca.pem")
    protocol = listener_protocol(IdentifiedProtocol)
    async with bench(FakeEntryStore()) as at, serving(at, tls, protocol=protocol) as port:
        await at.enrol(SampleLog())
        protocol.peers["198.51.100.1"] = limits.CONNECTIONS_MAX
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            async with wire(port, context) as one:
                await one.request("GET", "/x")
        protocol.peers["198.51.100.1"] = limits.CONNECTIONS_MAX - 1
        async with wire(port, context) as one:
            assert (await one.request("GET", "/x"))[0] == 404


@pytest.mark.parametrize("fault", [OneBehind, PreviousReply])
def test_a_simulated_fault_forgets_old_connections(fault: type[OneBehind | PreviousReply]) -> None:
    """I10: a simulator that misbehaves for weeks, on ever new connections, does not grow."""
    made = fault(FaultSpec(fault.name), random.Random(1))
    for number in range(rig_limits.CONNECTIONS_REMEMBERED + 20):
        exchange = Exchange(number, "status", b"\x03" + bytes(4), bytes(12))
        made.waiting(exchange)
        made.pieces(exchange, [Piece(bytes(12))])
    kept = made._kept if isinstance(made, OneBehind) else made._last
    assert len(kept) == rig_limits.CONNECTIONS_REMEMBERED
    assert number in kept


def test_the_server_asks_for_descriptors_for_full_listeners() -> None:
    """I10: the caps on connections lie below what the process may open; a machine's own hard limit is kept."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = before[1]
    most = limits.DESCRIPTORS if hard == resource.RLIM_INFINITY else min(limits.DESCRIPTORS, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        assert raise_descriptors() == most
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
        assert raise_descriptors() == most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_every_bound_in_the_document_has_its_test() -> None:
    """I10: a line of docs/limits.md whose test is gone is a promise that nobody keeps."""
    sources = {path.name: path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    named = re.findall(r"`(\w+\.py)::(\w+)`", (ROOT / "docs" / "limits.md").read_text())
    assert len(named) > 25
    assert [f"{file}::{name}" for file, name in named if f"def {name}(" not in sources.get(file, "")] == []
