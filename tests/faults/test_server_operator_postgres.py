"""What an operator does with a server over PostgreSQL: every command, the way from SQLite and from older versions."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from parts import find_postgres
from sample_uploads import SampleLog
from server_pair import UPLOAD, Pages, deliver
from server_process import ServerProcess, Zygotes, post, served

from scorelog.format.upload import FILE_SUFFIX
from server.database import revisions
from server.database.names import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real_postgres import RealPostgres

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]


@pytest.fixture
def server(tmp_path: Path, zygotes: Zygotes, postgres_url: str) -> Iterator[ServerProcess]:
    """Over PostgreSQL."""
    with served(tmp_path, zygotes, postgres_url) as made:
        yield made


@pytest.fixture
def old(tmp_path: Path, zygotes: Zygotes) -> Iterator[ServerProcess]:
    """Over SQLite."""
    with served(tmp_path, zygotes) as made:
        yield made


def use(server: ServerProcess, url: str) -> None:
    """As `move` tells the operator."""
    lines = server.config.read_text("utf-8").splitlines()
    at = lines.index("[database]")
    kept = [line for line in lines if not line.startswith("url = ")]
    server.config.write_text("\n".join([*kept[: at + 1], f'url = "{url}"', *kept[at + 1 :]]) + "\n", "utf-8")


def test_every_command(server: ServerProcess, postgres_url: str) -> None:
    """P1, P3: each does what it does over SQLite, or says what to use instead."""
    config, log = str(server.config), SampleLog().grow(12, openings=True)
    server.enrol(log)
    assert log.signer.vkey in server.ok("gateway", "list", config)
    first, second = (server.folder / f"{name}{FILE_SUFFIX}" for name in ("a", "b"))
    first.write_bytes(log.upload(0, 4))
    second.write_bytes(log.upload(4, 8))
    assert f"{log.origin} size 4" in server.ok("import", config, str(first))

    server.start()
    assert f"{log.origin} size 8" in server.ok("import", config, str(second))
    deliver(server, log)
    assert "0 findings" in server.ok("audit", config, "--once")
    assert "1 logs, 12 entries, 0 findings" in server.ok("fsck", config)
    assert server.ok("token", config)
    for words in (("rebuild", config), ("migrate", config)):
        code, said = server.command(*words)
        assert (code, "server runs" in said) == (1, True), said
    assert "another server process uses this folder" in server.command("run", config)[1]
    server.ok("gateway", "revoke", config, "--id", log.gateway_id, "--reason", "sold")
    with server.connection(log.gateway_id) as connection:
        status, body = post(connection, UPLOAD, log.upload(12, 12))
        assert (status, "sold" in json.loads(body)["detail"]) == (403, True)
    assert server.stop() == 0

    assert "rebuilt from 12 entries" in server.ok("rebuild", config)
    for name, program in (("backup", "pg_dump"), ("restore", "pg_restore")):
        code, said = server.command(name, config, str(server.folder / "copy"))
        assert (code, said.count("\n")) == (1, 1)
        assert program in said
    assert (
        "schema kaofen_evidence already"
        in server.command("init", str(server.folder / "b"), "--domain", "exam.example", "--database", postgres_url)[1]
    )
    with psycopg.connect(postgres_url) as admin:
        admin.execute("UPDATE kaofen_evidence.bundles SET entries = set_byte(entries, 200, 1) WHERE start = 4")
    for words in (("fsck", config), ("audit", config, "--once")):
        code, said = server.command(*words)
        assert (code, f"{log.origin} index 4" in said) == (1, True), said


def test_an_init_that_cannot_be_leaves_nothing(postgres: RealPostgres, postgres_url: str, old: ServerProcess) -> None:
    """No server there, a role without rights, an encoding that cannot hold a name: one line each, then it works."""
    home, password = old.folder / "new", old.folder / "password"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS weak")
        admin.execute("CREATE ROLE weak LOGIN")
    words = ("init", str(home), "--domain", "exam.example", "--operator", "op", "--password-file", str(password))
    weak = postgres_url.replace("kaofen@", "weak@")
    for url, why in (
        (postgres.url("none"), "does not exist"),
        (weak, "permission denied"),
        ("mysql://a/b", "expected"),
    ):
        code, said = old.command(*words, "--database", url)
        assert (code, said.count("\n"), why in said) == (1, 1, True), said
    short = old.folder / "short"
    short.write_text("short\n")
    assert old.command(*words[:-1], str(short), "--database", postgres_url)[0] == 1
    assert "server made" in old.ok(*words, "--database", postgres_url)


@pytest.mark.long
def test_a_dump_is_put_back_into_another_database(
    server: ServerProcess, postgres: RealPostgres, postgres_url: str
) -> None:
    """S10: what pg_dump copied of three schemas is the whole evidence; gateways send again what came later."""
    log = SampleLog().grow(5, openings=True)
    server.enrol(log)
    server.start()
    deliver(server, log)
    copy, programs = server.folder / "copy.dump", find_postgres()
    assert programs is not None
    schemas = [word for name in SCHEMAS.values() for word in ("-n", name)]
    subprocess.run(
        [str(programs / "pg_dump"), "-Fc", *schemas, "-f", str(copy), "-d", postgres_url], check=True, timeout=60
    )
    deliver(server, log.grow(4, openings=True))
    assert server.stop() == 0
    url = postgres.fresh()
    try:
        subprocess.run([str(programs / "pg_restore"), "-d", url, str(copy)], check=True, timeout=60)
        use(server, url)
        assert "1 logs, 5 entries, 0 findings" in server.ok("fsck", str(server.config))
        server.start()
        deliver(server, log)
        assert server.stop() == 0
        assert "1 logs, 9 entries, 0 findings" in server.ok("fsck", str(server.config))
    finally:
        server.kill()
        postgres.drop(url)


def test_the_way_from_sqlite(old: ServerProcess, postgres_url: str) -> None:
    """P1, P3: all of it or nothing, into an empty database, with no server running; the old files do not go on."""
    config, log = str(old.config), SampleLog().grow(600, openings=True)
    old.enrol(log)
    old.start()
    deliver(old, log)
    with old.connection(log.gateway_id) as connection:
        fork = log.fork(598).grow(3, seed="other")
        assert post(connection, UPLOAD, fork.upload(598))[0] == 422
    words = ("move", config, "--to", postgres_url)
    code, said = old.command(*words)
    assert (code, "stop it first" in said) == (1, True), said
    token = old.ok("token", config).strip()
    assert old.stop() == 0

    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA kaofen_people")
        assert "kaofen_people already" in old.command(*words)[1]
        admin.execute("DROP SCHEMA kaofen_people")
    said = old.ok(*words)
    assert "1 logs, 600 entries, the same roots and rows" in said
    assert "openings: 1200 rows" in said
    assert "refusals: 1 rows" in said
    for again in (("run", config), words, ("gateway", "list", config)):
        code, said = old.command(*again)
        assert (code, "was moved" in said) == (1, True), said

    use(old, postgres_url)
    assert "1 logs, 600 entries, 0 findings" in old.ok("fsck", config)
    assert log.signer.vkey in old.ok("gateway", "list", config)
    old.start()
    deliver(old, log.grow(9))
    pages = Pages(old.tls.server / "ca.pem", token)
    assert pages.api(old, "/api/v1/gateways")["gateways"][0]["logs"][0]["size"] == 609
    assert [one["kind"] for one in pages.api(old, "/api/v1/alerts")["alerts"]] == ["forked"]
    assert old.stop() == 0
    assert "1 logs, 609 entries, 0 findings" in old.ok("fsck", config)


@pytest.mark.parametrize("form", ["server", pytest.param("old", marks=pytest.mark.long)])
def test_an_older_database_is_brought_up(form: str, request: pytest.FixtureRequest) -> None:
    """`run` says what to do and changes nothing; `migrate` does it once; a later program's database is left alone."""
    server: ServerProcess = request.getfixturevalue(form)
    config, log = str(server.config), SampleLog().grow(2)
    server.enrol(log)
    _set_back(server, None if form == "old" else request.getfixturevalue("postgres_url"), "0001")
    code, said = server.command("run", config)
    assert (code, "kaofen-server migrate" in said) == (1, True), said
    done = server.ok("migrate", config).splitlines()
    assert len(done) == len(revisions.known("registry")), done
    assert done[-1] == "the tables are of this version"
    assert server.ok("migrate", config).splitlines() == ["the tables are of this version"]
    server.start()
    deliver(server, log)
    assert server.stop() == 0
    assert "0 findings" in server.ok("fsck", config)
    _set_back(server, None if form == "old" else request.getfixturevalue("postgres_url"), "9999")
    for words in (("run", config), ("migrate", config)):
        code, said = server.command(*words)
        assert (code, "later program" in said) == (1, True), said


def _set_back(server: ServerProcess, url: str | None, revision: str) -> None:
    """Make the registry one of another version: only its number, or without the tables that came later."""
    path = server.config.parent / "data" / "registry.db"
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg") if url else f"sqlite:///{path}")
    schema = SCHEMAS["registry"] if url else None
    with engine.begin() as connection:
        if revision == revisions.FIRST:
            metadata = sa.MetaData(schema=schema)
            metadata.reflect(connection)
            for table in reversed(metadata.sorted_tables):
                if table.name not in {"gateways", "certificates", revisions.TABLE}:
                    table.drop(connection)
        version = sa.table(revisions.TABLE, sa.column("version_num"), schema=schema)
        connection.execute(sa.update(version).values(version_num=revision))
    engine.dispose()
