"""P7: what an entry says of the erased ticket is nothing; and the life of the key that sees to it."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from fake_clock import FakeClock
from fake_log_store import FakeLogStore
from gateway_parts import CONTENT_KEY, RigScript, counted_bytes, make_recorder, subject
from gateway_world import World
from rig_profiles import v1

from certs.errors import KeyFileError
from device_adapters.contract import Observation
from device_adapters.decoding.decode import decode_record
from device_adapters.observation import RawArea
from gateway.recording.contentkey import create_content_key, load_content_key
from gateway.recording.freeze import Freezer
from gateway.recording.opening import open_gateway_log
from gateway.recording.rebuild import rebuild
from scorelog.format.commitment import commit
from scorelog.format.entry import content_mac, parse_entry
from scorelog.journal.clock import SystemClock
from simulators.device.crc import crc16

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PROFILE = v1()
GOLDEN = tomllib.loads(files("device_adapters").joinpath("profiles/kaofen-v1-low-voltage.golden.toml").read_text())
FRAMES: dict[str, dict[str, Any]] = {frame["name"]: frame for frame in GOLDEN["frame"]}
FINISHED = next(name for name, frame in FRAMES.items() if frame["expect"]["type"] == "item.finished")
TICKETS = [f"44010020{number:04d}".encode() for number in range(10_000)]
RIGHT = TICKETS[7351]
AT, SIZE = 28, 32  # where a record of interface v1 has its ticket


def with_ticket(data: bytes, ticket: bytes) -> bytes:
    """A record with this ticket, and the checksum that a rig writes over it."""
    body = data[:AT] + ticket.ljust(SIZE, b"\0") + data[AT + SIZE : -2]
    return body + crc16(body).to_bytes(2, "big")


def observed(name: str, ticket: bytes) -> Observation:
    """The golden record, of another candidate, as its adapter yields it."""
    areas = []
    for area in FRAMES[name]["area"]:
        words = bytes.fromhex("".join(line.partition("#")[0] for line in area["words"].splitlines()))
        areas.append(RawArea(area["area"], area["at"], with_ticket(words, ticket)))
    found = decode_record(PROFILE, areas)
    return Observation(
        found.type, found.rig, found.epoch, found.seq, 0, found.fields, "latched", "sensor",
        found.personal, found.areas, found.rig_time, found.mode,
    )  # fmt: skip


async def entry_of(name: str, ticket: bytes, folder: Path) -> dict[str, Any]:
    """The document of the entry that the gateway makes of it; all its random bytes are the same every time."""
    log = FakeLogStore()
    await make_recorder(log, FakeClock(), folder, random=counted_bytes()).observe(subject(), observed(name, ticket))
    document: dict[str, Any] = json.loads(log.entries(0, log.size)[-1])
    return document


def suspects(document: dict[str, Any], tickets: Iterable[bytes]) -> list[bytes]:
    """Who it may have been, to one who has the entry, the profile, every program and no secret."""
    raw = [(area, base64.b64decode(area["bytes"])) for area in document["raw"]]
    text = json.dumps(document)
    possible, certain = [], []
    for ticket in tickets:
        whole = [with_ticket(data, ticket) for _, data in raw]
        fits = all(_agree(area, data, tried) for (area, data), tried in zip(raw, whole, strict=True))
        if fits:
            possible.append(ticket)
        if any(mark in text for mark in marks(document, whole, ticket)):
            certain.append(ticket)
    return certain or possible


def _agree(area: dict[str, Any], shown: bytes, tried: bytes) -> bool:
    left = bytearray(tried)
    for at, size in area["cut"]:
        left[at : at + size] = bytes(size)
    return bytes(left) == shown


def marks(document: dict[str, Any], whole: list[bytes], ticket: bytes) -> list[str]:
    """Everything that can be made of a ticket without a secret, as it would stand in the entry."""
    blinds = (b"", bytes(32), bytes.fromhex(document["salt"]), bytes.fromhex(document["salt"]) * 2)
    padded = ticket.ljust(SIZE, b"\0")
    plain = [ticket, padded, b"".join(whole), *whole]
    found = [hashlib.sha256(data).hexdigest() for data in plain]
    found += [content_mac(bytes(32), whole), ticket.decode(), ticket.hex()]
    found += [commit(blind, "ticket", ticket).hex() for blind in blinds if len(blind) == 32]
    found += [hashlib.sha256(blind + data).hexdigest() for blind in blinds for data in plain]
    return found


async def test_a_ticket_cannot_be_guessed_from_an_entry(tmp_path: Path) -> None:
    """P7: with the opening erased, all 10^4 tickets fit an `item.finished` equally well."""
    document = await entry_of(FINISHED, RIGHT, tmp_path)
    assert suspects(document, TICKETS) == TICKETS


async def test_the_guesser_of_these_tests_can_guess(tmp_path: Path) -> None:
    """What it would find: a plain hash tells the ticket, and so does a checksum that stays."""
    document = await entry_of(FINISHED, RIGHT, tmp_path)
    whole = [area.data for area in observed(FINISHED, RIGHT).raw]
    plain = {**document, "content": hashlib.sha256(b"".join(whole)).hexdigest()}
    assert suspects(plain, TICKETS) == [RIGHT]
    kept = []
    for area, data in zip(document["raw"], whole, strict=True):
        shown = base64.b64decode(area["bytes"])[:-2] + data[-2:]
        kept.append({**area, "bytes": base64.b64encode(shown).decode(), "cut": [[AT, SIZE]]})
    few = suspects({**document, "raw": kept}, TICKETS)
    assert RIGHT in few
    assert len(few) < 5


@pytest.mark.parametrize("name", [name for name, frame in FRAMES.items() if "ticket" in frame["expect"]["personal"]])
async def test_entries_of_two_candidates_differ_only_where_a_secret_went_in(name: str, tmp_path: Path) -> None:
    """P7: for every record type, all but the keyed hash and the blinded commitments is the same for any ticket."""
    one, other = [await entry_of(name, ticket, tmp_path) for ticket in (RIGHT, TICKETS[0])]
    assert {field for field in one if one[field] != other[field]} <= {"content", "candidate"}
    assert one["content"] != other["content"]


async def test_a_practice_summary_tells_no_ticket(tmp_path: Path) -> None:
    """P7: the contents that a summary lists are keyed, and so is the content over them."""
    log, script = FakeLogStore(), RigScript(mode="practice")
    recorder = make_recorder(log, FakeClock(), tmp_path)
    for observation in script.exam(RIGHT):
        await recorder.observe(subject(), observation)
    (entry,) = [parse_entry(data) for data in log.entries(0, log.size)]
    keyed = [content_mac(CONTENT_KEY, [area.data for area in made.raw]) for made in script.made]
    assert entry.fields["records"] == keyed
    assert entry.content == content_mac(CONTENT_KEY, [bytes.fromhex(one) for one in keyed])
    text = json.dumps(entry.document)
    for made in script.made:
        data = b"".join(area.data for area in made.raw)
        assert hashlib.sha256(data).hexdigest() not in text


async def test_a_restart_keeps_the_key(tmp_path: Path) -> None:
    """P1, idempotency: the record that was not acknowledged is known again after a restart, and stored once."""
    world, script = World(tmp_path), RigScript()
    key = world.config.content_key.read_bytes()
    observations = script.exam(b"T1")
    for _ in range(2):
        world.rigs["LV-0001"].position = None
        async with world.gateway():
            for observation in observations:
                world.rigs["LV-0001"].happen(observation)
            await world.rigs["LV-0001"].until_acked(script.seq)
            world.rigs["LV-0001"].acked.clear()
    records = [entry for entry in world.entries() if entry.key]
    assert [entry.seq for entry in records] == list(range(1, script.seq + 1))
    assert [entry.conflict_with for entry in records] == [None] * script.seq
    assert world.config.content_key.read_bytes() == key


async def test_the_key_survives_a_generation(tmp_path: Path) -> None:
    """P1, idempotency: a record of the generation before is known by its content in the next one."""
    world, script = World(tmp_path), RigScript()
    observations = script.exam(b"T1")
    async with world.gateway():
        for observation in observations:
            world.rigs["LV-0001"].happen(observation)
        await world.rigs["LV-0001"].until_acked(script.seq)
    key = load_content_key(world.config.content_key)
    world.config.state_file.unlink()
    database = world.config.log_directory / "log.db"
    database.write_bytes(database.read_bytes().replace(b'"seq":%d' % script.seq, b'"seq":0'))
    world.rigs["LV-0001"].position = None
    world.rigs["LV-0001"].acked.clear()
    async with world.gateway():
        for observation in observations[:3]:
            world.rigs["LV-0001"].happen(observation)
        await world.rigs["LV-0001"].until_acked(observations[2].seq)
    assert world.opened is not None
    assert (world.opened.log.generation, world.opened.content_key) == (1, key)
    assert world.entries()[0].type == "generation.opened"
    assert [entry for entry in world.entries() if entry.key] == [], "no second entry, and so no conflict"


async def test_with_another_key_a_repeated_record_is_a_conflict_and_nothing_is_lost(tmp_path: Path) -> None:
    """P5: a lost content key costs conflicts, never an entry: the old ones stand, the new ones name them."""
    log, observations = FakeLogStore(), RigScript().exam(b"T1")
    for key in (CONTENT_KEY, bytes(32)):
        recorder = make_recorder(log, FakeClock(), tmp_path, attempts=rebuild(log).attempts, content_key=key)
        for observation in observations:
            await recorder.observe(subject(), observation)
    entries = [parse_entry(entry) for entry in log.entries(0, log.size)]
    count = len(observations)
    assert [entry.conflict_with for entry in entries] == [None] * count + list(range(count))
    assert [entry.fields for entry in entries[count:]] == [entry.fields for entry in entries[:count]]


def test_the_key_file(tmp_path: Path) -> None:
    """One line of hex, for the owner only, never overwritten, never read when others could."""
    path = tmp_path / "content.key"
    create_content_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == load_content_key(path).hex() + "\n"
    with pytest.raises(KeyFileError, match="never overwritten"):
        create_content_key(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_content_key(path)


@pytest.mark.parametrize("data", [b"", b"00" * 31, b"00" * 33, b"G0" * 32, b"\xff" * 64, b"00" * 4096])
def test_what_is_no_key_is_refused(data: bytes, tmp_path: Path) -> None:
    """A damaged key is told before anything is recorded under it; the message does not show it."""
    path = tmp_path / "content.key"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=r"content\.key: not a content key; expected one line of 64"):
        load_content_key(path)


def test_no_start_makes_a_key(tmp_path: Path) -> None:
    """`run` refuses, says what to do and what is lost, and writes nothing."""
    world = World(tmp_path)
    world.config.content_key.unlink()
    with pytest.raises(KeyFileError, match=r"backup.*`kaofen-gateway init`.*as a conflict"):
        open_gateway_log(world.config, Freezer(world.config.data), SystemClock())
    assert not world.config.content_key.exists()
