"""Two real server processes on one real PostgreSQL: racing uploads, what the other one saw, and deaths of all three."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from people_world import Log, Rig, attempt_id
from real_postgres import RealPostgres
from server_pair import GONE, UPLOAD, Client, Pair, Told, deliver, eventually
from server_process import post

from server.ingest.origins import origin_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sample_uploads import SampleLog
    from server_process import ServerProcess

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]

Fault = Callable[[Pair, RealPostgres, str, threading.Event], None]
FORKED = {403, 422}
TAKEOVER_S_MAX = 15.0


@pytest.fixture(scope="module")
def made(postgres: RealPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, str]]:
    url = postgres.fresh()
    pair = Pair(tmp_path_factory.mktemp("pair"), url)
    try:
        yield pair, url
    finally:
        pair.close()
        postgres.drop(url)


@pytest.fixture
def pair(made: tuple[Pair, str]) -> Pair:
    """Both processes run."""
    return made[0].run()


def sound(pair: Pair) -> None:
    """What is stored is what was signed and sealed."""
    assert " 0 findings" in pair.one.ok("fsck", str(pair.one.config))


# -- races ---------------------------------------------------------------------------------------------------------


class Race:
    """Rounds of two uploads of one log at the same moment, one to each process."""

    def __init__(self, log: SampleLog, told: Told, clients: list[Client], chance: Random) -> None:
        self.log, self.told, self.chance = log, told, chance
        self._clients = clients
        self._threads = ThreadPoolExecutor(2)
        self._barrier = threading.Barrier(2)

    def at_once(self, *uploads: tuple[SampleLog, int, int]) -> list[int]:
        """The statuses; who asks which process is drawn."""
        clients = self.chance.sample(self._clients, 2)

        def one(client: Client, upload: tuple[SampleLog, int, int]) -> int:
            self._barrier.wait(20)
            return client.upload(*upload)

        return list(self._threads.map(one, clients, uploads))

    def round(self) -> None:
        """One of the ways in which two processes can meet."""
        start = self.log.size
        self.chance.choice((self.same, self.other_end, self.retry, self.fork))(start)

    def same(self, start: int) -> None:
        """A gateway that lost the answer asks the other process."""
        self.log.grow(self.chance.randint(1, 3))
        found = self.at_once(*[(self.log, start, self.log.size)] * 2)
        assert set(found) <= {200, 409, 503}
        self.settle()

    def other_end(self, start: int) -> None:
        """The retry holds more than the first one."""
        self.log.grow(2)
        found = self.at_once((self.log, start, start + 1), (self.log, start, start + 2))
        assert set(found) <= {200, 409, 503}
        self.settle()

    def retry(self, start: int) -> None:
        """One asks again for a receipt while the log grows elsewhere."""
        self.log.grow(1)
        found = self.at_once((self.log, start, start + 1), (self.log, start, start))
        assert set(found) <= {200, 409, 503}
        self.settle()

    def fork(self, start: int) -> None:
        """Two boxes with one key: one history wins, on both processes."""
        other = self.log.fork(start)
        self.log.grow(1)
        other.grow(1, seed=f"other {start}")
        found = self.at_once((self.log, start, start + 1), (other, start, start + 1))
        assert found.count(200) == 1, found
        assert set(found) <= FORKED | {200}
        if found[1] == 200:
            self.log = other

    def settle(self) -> None:
        """Whatever the race left out is sent, by the one and only history."""
        while (size := self.told.now("size")) < self.log.size:
            self.chance.choice(self._clients).upload(self.log, size, self.log.size)

    def close(self) -> None:
        self._threads.shutdown()


@pytest.mark.parametrize("rounds", [40, pytest.param(500, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_racing_uploads_of_one_log(pair: Pair, rounds: int) -> None:
    """P1, P3: never a smaller size after a larger, never two roots of a size, whichever process is asked."""
    log = pair.enrolled(f"gw-race-{rounds}")
    told, stop = Told(), threading.Event()
    with ExitStack() as stack:
        clients = [Client(stack.enter_context(s.connection(log.gateway_id)), s, told) for s in pair.both]
        watchers = [Client(stack.enter_context(s.connection(log.gateway_id)), s, told) for s in pair.both]
        race = Race(log, told, clients, Random(20261123))
        stack.callback(race.close)

        def watch() -> int:
            looks = 0
            while not stop.is_set():
                watchers[looks % 2].checkpoint(race.log)
                watchers[looks % 2].beat(race.log)
                looks += 1
            return looks

        with ThreadPoolExecutor(1) as watching:
            looks = watching.submit(watch)
            try:
                for _ in range(rounds):
                    race.round()
            finally:
                stop.set()
            assert looks.result() > rounds // 2
    log = race.log
    for size in range(1, log.size + 1):
        assert told.known(size) in {None, log.root(size)}
    listed = [one for each in pair.both for one in pair.pages.api(each, "/api/v1/gateways")["gateways"]]
    assert [one["logs"][0]["size"] for one in listed if one["id"] == log.gateway_id] == [log.size] * 2
    sound(pair)


# -- the other one's pages -----------------------------------------------------------------------------------------


def an_exam(pair: Pair, gateway_id: str) -> SampleLog:
    """A log with one whole exam of one rig."""
    log, world = pair.enrolled(gateway_id), Log(gateway_id, Random(gateway_id)).adopt()
    Rig("LV-0001", "A-01", world).whole_exam(f"T-{gateway_id}", attempt_id(len(gateway_id)))
    for index, entry in enumerate(world.entries):
        log.add(entry, tuple(one for one in world.openings if one.index == index))
    return log


@pytest.mark.parametrize("leading", [True, False])
def test_a_page_sees_what_the_other_process_ingested(pair: Pair, leading: bool) -> None:
    """P6: scores, sizes and heartbeats that came to one process are on the pages of both, on open ones too."""
    log = an_exam(pair, f"gw-seen-{leading}".lower())
    leader, follower = pair.leader()
    here, there = (leader, follower) if leading else (follower, leader)
    told = Told()
    with pair.pages.events(there, pair.pages.cookie(here)) as row, here.connection(log.gateway_id) as connection:
        deliver(here, log)
        Client(connection, here, told).beat(log)
        wanted = {f"gateway/{log.gateway_id}", f"rig/{log.gateway_id}/LV-0001", "K11", "K21", "K31", "K42"}
        while wanted:
            found = row()
            wanted.discard(found["key"])
            if found["row"].get("gateway") == log.gateway_id and found["row"].get("item"):
                wanted.discard(found["row"]["item"]["code"])
    for server in pair.both:
        eventually("receipted and shown", partial(shown, pair, server, log), 10)
        items = [one["item"] for one in items_of(pair, server) if is_of(one, log)]
        assert items == ["K11", "K21", "K31", "K42"]


def is_of(row: dict[str, Any], log: SampleLog) -> bool:
    return bool(row["gateway"] == log.gateway_id)


def shown(pair: Pair, server: ServerProcess, log: SampleLog) -> bool:
    """The board of this process has everything of this log, with its receipt and the gateway's own word."""
    mine = [one for one in pair.pages.api(server, "/api/v1/live")["gateways"] if is_of(one, log)]
    return any(one["stored"] == one["cosigned"] == log.size and one["software"] == "the-test" for one in mine)


def test_every_page_and_document_comes_from_postgres(pair: Pair) -> None:
    """What the pages ask of the projections, the registry and the accounts, PostgreSQL answers as SQLite does."""
    log = an_exam(pair, "gw-pages")
    deliver(pair.one, log)
    eventually("shown", lambda: any(is_of(one, log) for one in items_of(pair, pair.two)), 10)
    attempt, hashed = attempt_id(len(log.gateway_id)), origin_hash(log.origin)
    pages = ("", "attempts", "attempts?state=passed", f"attempts/{attempt}", "gateways", f"gateways/{log.gateway_id}")
    paths = [f"/{name}" for name in (*pages, "alerts", "staged", "plan")]
    documents = ("live", "rigs", "gateways", "items", "alerts", "policy", "staged", f"attempts/{attempt}")
    searched = ("attempts?state=passed&limit=1", f"attempts?search={attempt}", f"attempts/{attempt}/evidence")
    proofs = (f"entries/{hashed}/3", f"entries/{hashed}/3/proof")
    paths += [f"/api/v1/{name}" for name in (*documents, *searched, *proofs)]
    for server in pair.both:
        cookie = pair.pages.cookie(server)
        found = {path: pair.pages.get(server, path, cookie) for path in paths}
        assert {path: status for path, (status, _) in found.items() if status != 200} == {}
        assert f"T-{log.gateway_id}".encode() in found[f"/attempts/{attempt}"][1]
        assert attempt.encode() in found["/api/v1/attempts?state=passed&limit=1"][1]


def items_of(pair: Pair, server: ServerProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pair.pages.api(server, "/api/v1/items?limit=200")["items"]
    return found


# -- deaths --------------------------------------------------------------------------------------------------------


def test_the_other_process_takes_over_from_a_killed_leader(pair: Pair) -> None:
    """P6, P8: uploads go on at once, the lead changes within seconds, pages go on, the old one comes back second."""
    log = an_exam(pair, "gw-takeover")
    leader, other = pair.leader()
    told = Told()
    with other.connection(log.gateway_id) as connection, pair.pages.events(other, pair.pages.cookie(other)) as row:
        leader.kill()
        deliver(other, log)
        assert eventually("the other one leads", lambda: pair.leads(other)) < TAKEOVER_S_MAX
        Client(connection, other, told).beat(log)
        while not row()["key"].startswith("score/"):
            pass
        eventually("receipted and shown", partial(shown, pair, other, log), 10)
    leader.start()
    assert pair.leads(other)
    assert not pair.leads(leader)
    eventually("the old one shows it too", partial(shown, pair, leader, log), 10)
    other.stop()
    assert eventually("after an orderly stop at once", lambda: pair.leads(leader)) < TAKEOVER_S_MAX
    sound(pair)


def keep_sending(pair: Pair, log: SampleLog, told: Told, chance: Random) -> None:
    """As a gateway does through every failure: ask again, by turns at either process, until all is receipted."""
    while (size := told.now("size")) < log.size:
        server = chance.choice(pair.both)
        try:
            with server.connection(log.gateway_id) as connection:
                client = Client(connection, server, told)
                for _ in range(5):
                    assert client.upload(log, size, min(size + 1, log.size)) in {200, 409, 503}
                    size = told.now("size")
        except GONE:
            continue


def backends_die(_pair: Pair, postgres: RealPostgres, url: str, stop: threading.Event) -> None:
    """Connections of both processes are cut, at whatever they are doing."""
    chance = Random(7)
    while not stop.is_set():
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
            for pid in chance.sample(found := postgres.backends(url), min(3, len(found))):
                admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
        stop.wait(0.1)


def the_database_dies(pair: Pair, postgres: RealPostgres, _url: str, stop: threading.Event) -> None:
    """Every process of it; pages say so, and it recovers from its log."""
    stop.wait(0.5)
    postgres.crash()
    assert pair.pages.ask(pair.one, "/api/v1/gateways")[0] == 503
    assert pair.pages.ask(pair.two, "/api/v1/items")[0] == 503
    postgres.start()


@pytest.mark.parametrize("fault", [pytest.param(backends_die, marks=pytest.mark.long), the_database_dies])
def test_the_database_fails_under_uploads(made: tuple[Pair, str], postgres: RealPostgres, fault: Fault) -> None:
    """P1, P2: nothing receipted is lost or smaller afterwards; neither process ends, and both go on by themselves."""
    pair, url = made[0].run(), made[1]
    log = pair.enrolled(f"gw-{fault.__name__}".replace("_", "-")).grow(80, openings=True)
    told, stop, pids = Told(), threading.Event(), [each.pid for each in pair.both]
    with ThreadPoolExecutor(3) as threads:
        faults = threads.submit(fault, pair, postgres, url, stop)
        senders = [threads.submit(keep_sending, pair, log, told, Random(number)) for number in range(2)]
        try:
            if fault is the_database_dies:
                faults.result()
                log.grow(20, openings=True)
            for each in senders:
                each.result()
        finally:
            stop.set()
        faults.result()
    keep_sending(pair, log, told, Random(3))
    for pid in pids:
        os.kill(pid, 0)
    for server in pair.both:
        with server.connection(log.gateway_id) as connection:
            assert post(connection, UPLOAD, log.upload(log.size, log.size))[0] == 200
            client = Client(connection, server, told)
            eventually(
                "both show it", lambda client=client, server=server: client.beat(log) and shown(pair, server, log)
            )
    # Whose connection was cut says that it leads until it looks again; what it has under way meanwhile is refused.
    eventually("exactly one leads", lambda: sum(pair.leads(each) for each in pair.both) == 1)
    sound(pair)
