"""What an operator does with a running server: enrol, revoke, import, back up, restore, rebuild, check, stop."""

from __future__ import annotations

import http.client
import json
import socket
import sqlite3
import urllib.request

import pytest
from sample_uploads import DOMAIN, SampleLog
from server_pair import UPLOAD, deliver
from server_process import ServerProcess, post

from certs.contexts import people_client_context
from scorelog.format.cosignature import verify_cosignature
from scorelog.format.upload import FILE_SUFFIX

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]


def test_an_old_backup_is_refilled_by_the_gateways(server: ServerProcess) -> None:
    """S10: restoring yesterday's backup loses nothing that a gateway still holds; nothing is overwritten."""
    one, two = SampleLog("gw-01").grow(150, openings=True), SampleLog("gw-02").grow(10)
    for log in (one, two):
        server.enrol(log)
    server.start()
    for log in (one, two):
        deliver(server, log)
    backup = server.folder / "backup"
    assert "2 logs, 160 entries, 0 findings" in server.ok("backup", str(server.config), str(backup))
    one.grow(300, openings=True)
    deliver(server, one)
    code, said = server.command("restore", str(server.config), str(backup), "--force")
    assert code == 1, "a running server is not pulled away"
    assert server.stop() == 0

    code, said = server.command("restore", str(server.config), str(backup))
    assert code == 1
    assert "--force" in said
    said = server.ok("restore", str(server.config), str(backup), "--force")
    assert "restored 2 logs, 160 entries, 0 findings" in said
    assert len(list((server.config.parent / "data").glob("replaced-*/evidence.db"))) == 1

    server.start()
    deliver(server, one)
    deliver(server, two)
    assert server.stop() == 0
    assert "2 logs, 460 entries, 0 findings" in server.ok("fsck", str(server.config))
    assert "rebuilt from 460 entries" in server.ok("rebuild", str(server.config))


def test_a_damaged_backup_is_refused_and_named(server: ServerProcess) -> None:
    """A backup is compared with its manifest; a copy of changed evidence does not count as a backup."""
    log = SampleLog().grow(5)
    server.enrol(log)
    server.start()
    deliver(server, log)
    backup = server.folder / "backup"
    server.ok("backup", str(server.config), str(backup))
    assert server.command("backup", str(server.config), str(backup))[0] == 1
    with (backup / "evidence.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff")
    server.stop()
    code, said = server.command("restore", str(server.config), str(backup), "--force")
    assert code == 1
    assert "evidence.db" in said
    connection = sqlite3.connect(server.config.parent / "data" / "evidence.db")
    connection.execute("UPDATE bundles SET received_us = 1")
    connection.commit()
    connection.close()
    code, said = server.command("backup", str(server.config), str(server.folder / "second"))
    assert code == 1
    assert f"{log.origin} index 0" in said
    assert not (server.folder / "second").exists()


@pytest.mark.parametrize("running", [True, False])
def test_files_are_imported(server: ServerProcess, running: bool) -> None:
    """Without any uplink: bodies as files in, receipts as files out; twice is once; with a running server or not."""
    log = SampleLog().grow(9, openings=True)
    server.enrol(log)
    files = []
    for start, stop in ((0, 4), (4, 9)):
        path = server.folder / f"{start}{FILE_SUFFIX}"
        path.write_bytes(log.upload(start, stop))
        files.append(path)
    if running:
        server.start()
    for _ in range(2):
        said = server.ok("import", str(server.config), *map(str, files))
        for path, size in zip(files, (4, 9), strict=True):
            receipt = path.with_name(path.name + ".receipt").read_bytes()
            assert verify_cosignature(receipt, server.mirror)
            assert int(receipt.split(b"\n")[1]) >= size
        assert f"{log.origin} size 9" in said
    late = server.folder / f"late{FILE_SUFFIX}"
    late.write_bytes(log.grow(5).upload(12))
    code, said = server.command("import", str(server.config), str(late))
    assert code == 1
    assert "holds 9 entries" in said
    if running:
        assert server.stop() == 0
    assert "1 logs, 9 entries, 0 findings" in server.ok("fsck", str(server.config))


def test_a_gateway_is_revoked_while_it_is_connected(server: ServerProcess) -> None:
    """B19: `gateway revoke` counts at the next request on an open connection; only what is enrolled may upload."""
    log = SampleLog().grow(2)
    server.start()
    with server.connection() as connection:
        assert post(connection, UPLOAD, log.upload(0, 1))[0] == 404
        server.enrol(log)
        assert post(connection, UPLOAD, log.upload(0, 1))[0] == 200
        listed = server.ok("gateway", "list", str(server.config))
        assert log.signer.vkey in listed
        fingerprint = next(word for word in listed.split() if len(word) == 64)
        server.ok(
            "gateway", "revoke", str(server.config), "--id", "gw-01", "--reason", "stolen", "--fingerprint", fingerprint
        )
        status, body = post(connection, UPLOAD, log.upload(1, 2))
        assert status == 403
        assert "stolen" in json.loads(body)["detail"]
        server.ok("gateway", "revoke", str(server.config), "--id", "gw-01", "--reason", "sold")
        beat = {"v": 1, "origin": log.origin, "size": 2, "instance": "a"}
        status, body = post(connection, "/gateway/v1/heartbeat", json.dumps(beat).encode())
        assert (status, "sold" in json.loads(body)["revoked"]) == (200, True)
    assert server.command("gateway", "add", str(server.config), "--id", "gw-01", "--vkey", log.signer.vkey)[0] == 1
    other = SampleLog("gw-02").signer.vkey
    code, said = server.command("gateway", "add", str(server.config), "--id", "gw-03", "--vkey", other)
    assert code == 1
    assert f"expected {DOMAIN}/gw/gw-03" in said


def test_tampering_is_found_beside_a_running_server(server: ServerProcess) -> None:
    """P3: `audit --once` asks the running server, which alarms; `fsck` reads beside it; both name the entry."""
    log = SampleLog().grow(6)
    server.enrol(log)
    server.start()
    deliver(server, log)
    assert server.command("audit", str(server.config), "--once")[0] == 0
    connection = sqlite3.connect(server.config.parent / "data" / "evidence.db", timeout=10)
    connection.execute("UPDATE bundles SET entries = CAST(replace(entries, x'222c2273', x'222c2274') AS BLOB)")
    changed = connection.execute("SELECT entries FROM bundles").fetchone()[0]
    entry = bytearray(changed)
    entry[200] ^= 1
    connection.execute("UPDATE bundles SET entries = ?", (bytes(entry),))
    connection.commit()
    connection.close()
    for words in (("audit", str(server.config), "--once"), ("fsck", str(server.config))):
        code, said = server.command(*words)
        assert code == 1
        assert f"{log.origin} index 0" in said
    assert "another process has this evidence open" in server.command("run", str(server.config))[1]


def test_health_metrics_pages_and_an_orderly_stop(server: ServerProcess) -> None:
    """The local listener answers, the people's listener serves, an open stream does not hold the stop up."""
    log = SampleLog().grow(3)
    server.enrol(log)
    server.start()
    deliver(server, log)
    local = f"http://127.0.0.1:{server.ports['local']}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{local}/health") as answer:
        assert answer.read() == b"ok\n"
    with opener.open(f"{local}/metrics") as answer:
        assert b"kaofen_server_entries 3.0" in answer.read()
    token = server.ok("token", str(server.config)).strip()
    context = people_client_context(server.tls.server / "ca.pem")
    people = http.client.HTTPSConnection("localhost", server.ports["people"], context=context, timeout=20)
    people.request("GET", "/api/v1/gateways", headers={"authorization": f"Bearer {token}"})
    answer = people.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    people.request("GET", "/live/events", headers={"authorization": f"Bearer {token}"})
    stream = people.getresponse()
    idle = socket.create_connection(("127.0.0.1", server.ports["gateways"]))
    assert server.stop() == 0
    stream.close()
    people.close()
    idle.close()


def test_init_and_run_say_what_is_wrong(server: ServerProcess) -> None:
    """`init` never overwrites, `run` never creates; each is one line and exit code 1."""
    home = str(server.folder / "server")
    code, said = server.command("init", home, "--domain", DOMAIN)
    assert (code, said.count("\n")) == (1, 1)
    assert "already there" in said
    code, said = server.command("run", str(server.folder / "nowhere.toml"))
    assert code == 1
    assert "init" in said
    (server.config.parent / "data" / "evidence.db").unlink()
    code, said = server.command("run", str(server.config))
    assert code == 1
    assert "no evidence database" in said
    weak = server.folder / "weak"
    weak.write_text("short\n")
    other = server.folder / "other"
    words = ("init", str(other), "--domain", DOMAIN, "--operator", "op", "--password-file", str(weak))
    code, said = server.command(*words)
    assert code == 1
    assert "password" in said
    weak.write_text("long enough for the rules\n")
    assert server.command(*words)[0] == 0, "a failed init left nothing in the way"
