"""The commands as a user meets them: words, exit codes, files; beside a running gateway and without one."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from fake_server_client import FAKE_TIME_S, FakeServer
from gateway_command import command
from gateway_parts import RigScript, fill, make_recorder
from gateway_world import World, config_text
from tls_material import make_tls_material
from tree import ROOT

from gateway.errors import ReceiptRefused
from gateway.notify import Notifier
from gateway.recording.freeze import Freezer
from gateway.recording.opening import signer_of
from gateway.run import run_file
from scorelog.format.note import parse_note
from scorelog.format.policy import parse_policy
from scorelog.format.proof import parse_proof, verify_proof
from scorelog.format.upload import parse_upload
from scorelog.journal.clock import SystemClock
from scorelog.journal.sqlite import open_log

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A configured box without a log: its settings file."""
    make_tls_material(tmp_path / "made")
    (tmp_path / "made" / "gateway").rename(tmp_path / "tls")
    path = tmp_path / "gateway.toml"
    path.write_text(config_text(["LV-0001"], FakeServer()))
    return path


def fill_log(box: Path, count: int, *, receipts: bool = True) -> FakeServer:
    """Entries in the box's log, uploaded to a server of its own if `receipts`."""
    from gateway.sending.uploader import merge  # noqa: PLC0415
    from gateway.settings.config import parse_config  # noqa: PLC0415

    config = parse_config(box.read_bytes(), box.parent)
    server = FakeServer()

    async def work() -> None:
        log = open_log(config.log_directory, signer_of(config), SystemClock(), config.state_file)
        await fill(make_recorder(log, FakeClock(), box.parent), count)
        if receipts:
            line = server.mirror.cosign(parse_note(log.checkpoint()).text, FAKE_TIME_S)
            await log.save_receipt(merge(log.checkpoint(), line, server.verifier))
        await log.close()

    asyncio.run(work())
    return server


def test_init_run_and_the_missing_log(box: Path) -> None:
    """`init` makes keys and log once; `run` without a log is exit 3 and says what to do."""
    code, said = command("run", box)
    assert (code, "init" in said) == (3, True)
    code, said = command("init", box)
    assert code == 0
    assert "origin: kaofen.example/gw/gw-01/0" in said
    assert "vkey:   kaofen.example/gw/gw-01/0+" in said
    for name in ("log.key", "content.key"):
        assert f"key made: {box.parent / 'data' / name}" in said
        assert stat.S_IMODE((box.parent / "data" / name).stat().st_mode) == 0o600
    code, said = command("init", box)
    assert (code, "exists already" in said) == (1, True)


def test_a_missing_content_key_is_refused_until_init_makes_another(box: Path) -> None:
    """P7, P5: `run` and `config --check` say what to do and what it costs; `init` touches neither log nor log key."""
    command("init", box)
    key, log_key = (box.parent / "data" / name for name in ("content.key", "log.key"))
    old, signer = key.read_bytes(), log_key.read_bytes()
    key.unlink()
    for words in (("run", box), ("config", box, "--check")):
        code, said = command(*words)
        assert (code, "as a conflict" in said, "`kaofen-gateway init`" in said) == (2, True, True), said
    code, said = command("init", box)
    assert (code, "content key made" in said, "The log stays as it is" in said) == (0, True, True)
    assert key.read_bytes() != old
    assert log_key.read_bytes() == signer
    assert command("config", box, "--check")[0] == 0
    assert command("fsck", box)[0] == 0


def test_config_check(box: Path) -> None:
    """Good settings are 0; a wrong one is 2 with its place; nothing is asked of a rig or a server."""
    code, said = command("config", box, "--check")
    assert code == 0, said
    assert "good: 1 rigs, origin kaofen.example/gw/gw-01" in said
    good = box.read_text()
    for old, new, words in (
        ("gw-01", "gw-02", "speaks for kaofen.example/gw/gw-01"),
        ("kaofen-v1-low-voltage", "no-such-model", "no such profile; shipped: "),
        ('mirror_vkey = "', 'mirror_vkey = "x', "mirror_vkey"),
        ("tls/ca.pem", "tls/none.pem", "no such CA file"),
        ("[limits]", "[limitz]", "unknown key or table 'limitz'"),
    ):
        box.write_text(good.replace(old, new))
        code, said = command("config", box, "--check")
        assert (code, words in said) == (2, True), said
    assert command("config", box.parent / "none.toml")[0] == 2


def test_profile_findings_are_shown_with_lines(box: Path) -> None:
    """A profile that the linter refuses is exit 2, each finding with its line."""
    (box.parent / "mine.toml").write_text("profile = 1\ncolour = 3\n")
    box.write_text(box.read_text().replace("kaofen-v1-low-voltage", "mine.toml"))
    code, said = command("config", box, "--check")
    assert code == 2
    assert "mine.toml: line " in said


def test_status_and_fsck_without_a_process(box: Path) -> None:
    """From the log itself, changing nothing; damage is exit 3 with the index."""
    assert command("status", box)[0] == 3
    command("init", box)
    fill_log(box, 5)
    code, said = command("status", box)
    assert (code, "NOT RUNNING" in said, "entries 5, confirmed 5, unsent 0" in said) == (0, True, True)
    assert json.loads(command("status", box, "--json")[1])["running"] is False
    assert command("fsck", box) == (0, "kaofen.example/gw/gw-01/0: 5 entries, good\n")
    database = box.parent / "data" / "log" / "log.db"
    number = b'"instance":"0000000000000000000000000000000%d"'
    database.write_bytes(database.read_bytes().replace(number % 3, number % 9))
    code, said = command("fsck", box)
    assert code == 3
    assert "entry 3" in said


def test_status_after_a_kill_comes_from_the_log(box: Path) -> None:
    """The run file of a killed process, or of one before a reboot, hides nothing: its pid, and its boot, are gone."""
    command("init", box)
    fill_log(box, 2)
    boot, here = SystemClock().boot_id(), os.getpid()
    with subprocess.Popen(["true"]) as gone:
        pass
    for document in ({"pid": gone.pid, "boot": boot}, {"pid": here, "boot": "0" * 32}, {}):
        run_file(box.parent / "data").write_text(json.dumps({"port": 1, **document}))
        code, said = command("status", box)
        assert (code, "NOT RUNNING" in said) == (0, True), document
    run_file(box.parent / "data").write_text(json.dumps({"port": 1, "pid": here, "boot": boot}))
    code, said = command("status", box)
    assert (code, "does not answer" in said) == (1, True)


def test_a_path_that_cannot_be_is_one_line(box: Path) -> None:
    """A file where a folder belongs, a log that is not there, a file that is none: what and where, no traceback."""
    wall = box.parent / "wall"
    wall.write_text("a file\n")
    nowhere = box.with_name("nowhere.toml")
    assert command("config", nowhere) == (2, f"kaofen-gateway: {nowhere}: No such file or directory\n")
    code, said = command("fsck", box)
    assert (code, said.count("\n"), "there is no log in" in said) == (3, 1, True)
    walled = box.with_name("walled.toml")
    walled.write_text(box.read_text().replace('data = "data"', 'data = "wall/data"'))
    assert command("init", walled) == (1, f"kaofen-gateway: {wall / 'data'}: Not a directory\n")
    command("init", box)
    fill_log(box, 2)
    for words in (("receipt", box, 1, "--out", wall), ("export", box, wall)):
        assert command(*words) == (1, f"kaofen-gateway: {wall}: File exists\n")


PROFILES = ROOT / "device_adapters" / "profiles"


def test_a_wrong_profile_name_lists_profiles_and_not_their_test_frames(box: Path) -> None:
    """Every name that the message offers can be written into the settings."""
    box.write_text(box.read_text().replace('profile = "kaofen-v1-low-voltage"', 'profile = "nope"'))
    code, said = command("config", box, "--check")
    names = sorted(file.name.partition(".")[0] for file in PROFILES.glob("*.toml") if ".golden" not in file.name)
    assert (code, f"shipped: {', '.join(names)};" in said) == (2, True), said
    assert "kaofen-v1-low-voltage" in names


def test_receipt_is_an_offline_proof(box: Path) -> None:
    """P3: the proof verifies against a policy that names only this log and the server; no receipt is exit 1."""
    command("init", box)
    server = fill_log(box, 5)
    fill_log(box, 1, receipts=False)
    code, said = command("receipt", box, 3, "--out", box.parent / "proof")
    assert code == 0, said
    entry = (box.parent / "proof" / "3.json").read_bytes()
    proof = parse_proof((box.parent / "proof" / "3.tlog-proof").read_bytes())
    vkey = signer_vkey(box)
    policy = parse_policy(f"log {vkey}\nwitness mirror {server.mirror.vkey}\nquorum mirror\n")
    proven = verify_proof(proof, entry, policy)
    assert (proven.index, proven.size) == (3, 5)
    code, said = command("receipt", box, 5)
    assert (code, "not yet confirmed" in said) == (1, True)
    code, said = command("receipt", box, 99)
    assert (code, "has 6 entries" in said) == (1, True)


def signer_vkey(box: Path) -> str:
    """The box's own public key."""
    from gateway.settings.config import parse_config  # noqa: PLC0415

    config = parse_config(box.read_bytes(), box.parent)
    return signer_of(config)(f"{config.origin_base}/0").vkey


def test_export_and_import_without_a_network(box: Path) -> None:
    """Bodies and answers as files: exported, stored, the receipts taken in again; a foreign one is refused."""
    command("init", box)
    server = fill_log(box, 300, receipts=False)
    code, said = command("export", box, box.parent / "stick")
    assert code == 0
    files = [box.parent / line for line in said.split()]
    assert len(files) > 1
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    answers = [server.store(file.read_bytes()) for file in files]
    assert {answer.status for answer in answers} == {200}
    assert sum(len(parse_upload(file.read_bytes()).entries) for file in files) == 300
    stranger = FakeServer()
    stranger.mirror = type(stranger.mirror)("mirror.example", make_key())
    for number, answer in enumerate(answers):
        (box.parent / f"{number}.answer").write_bytes(answer.body)
        (box.parent / "foreign").write_bytes(stranger.store(files[0].read_bytes()).body or b"x")
        assert command("import-receipt", box, box.parent / "foreign")[0] == 1
        code, said = command("import-receipt", box, box.parent / f"{number}.answer")
        assert code == 0, said
    assert "the first 300 entries" in said
    assert command("export", box, box.parent / "stick")[1].startswith("nothing to export")


def make_key():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    return Ed25519PrivateKey.generate()


async def test_import_beside_a_running_gateway(tmp_path: Path) -> None:
    """A box without an uplink: the running process takes the receipt in, verified; rubbish does nothing."""
    world = World(tmp_path)
    world.server.down = True
    rig, script = world.rigs["LV-0001"], RigScript()
    async with world.gateway() as app:
        for observation in script.exam(b"T1"):
            rig.happen(observation)
        await rig.until_acked(script.seq)
        with pytest.raises(ReceiptRefused):
            await app._uploader.take_receipt(b"rubbish\n")
        log = world.opened.log
        line = world.server.mirror.cosign(parse_note(log.checkpoint()).text, FAKE_TIME_S)
        size = await app._uploader.take_receipt(line)
        assert size == log.receipted_size
        assert size >= script.seq


async def test_clock_step_is_recorded(tmp_path: Path) -> None:
    """Design section 10: a wall clock that moved is an entry with its size, once, and nothing is corrected."""
    from fake_log_store import FakeLogStore  # noqa: PLC0415

    from scorelog.format.entry import parse_entry  # noqa: PLC0415

    log, clock = FakeLogStore(), FakeClock()
    recorder = make_recorder(log, clock, tmp_path)
    clock.step_wall(1.9)
    await recorder.check_clock()
    assert log.size == 0
    clock.step_wall(-3600)
    await recorder.check_clock()
    await recorder.check_clock()
    await clock.advance(5)
    await fill(recorder, 1)
    stepped, other = [parse_entry(entry) for entry in log.entries(0, log.size)]
    assert stepped.type == "clock.stepped"
    assert stepped.document["delta_us"] == -3_598_100_000
    assert other.type == "gateway.started"


def test_notifier_is_silent_without_a_manager(tmp_path: Path) -> None:
    """No socket, a dead socket, a plain one: it never raises."""
    Notifier({}).tell(READY=1)
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY=1)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "here"))
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "here")}).tell(READY=1, STATUS="2 rigs")
    assert listener.recv(100) == b"READY=1\nSTATUS=2 rigs"
    listener.close()
    assert Notifier({"WATCHDOG_USEC": "15000000"}).watchdog_s == 15
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog_s is None


def test_evidence_is_private_and_kept_once(tmp_path: Path) -> None:
    """P7: what the server refused may hold openings: mode 0600, and the same body is one file."""
    freezer = Freezer(tmp_path)
    name = freezer.keep_evidence("422", b"body", 1)
    assert freezer.keep_evidence("422", b"body", 2_000_000) == name
    assert stat.S_IMODE((tmp_path / "evidence" / name).stat().st_mode) == 0o600
    (tmp_path / "frozen.json").write_text("{")
    frozen = freezer.frozen()
    assert frozen is not None
    assert "unreadable" in frozen.reason
