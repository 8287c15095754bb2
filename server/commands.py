"""What the commands do, apart from reading arguments and printing (cli.py does)."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scorelog.format.errors import NoteError
from scorelog.format.keys import SUITE_ED25519, parse_vkey
from scorelog.journal.clock import SystemClock
from scorelog.journal.files import rename_synced, sync_file
from server import backup as backups
from server.audit import Auditor
from server.config import parse_config, render, resolved
from server.control import ask
from server.database import kept
from server.database import move as moves
from server.database.location import shown
from server.database.names import SCHEMAS
from server.database.postgres import connect
from server.database.schemas import refuse_taken
from server.errors import AlreadyThere, ConfigError, Damaged, Refused, ServerError, Unsafe
from server.evidence.check import Finding
from server.evidence.database import EVIDENCE_FILE, PEOPLE_FILE, create, create_people, lock
from server.evidence.database import migrate as migrate_files
from server.evidence.store import Gateway
from server.fsck import Report
from server.fsck import fsck as check
from server.importer import import_body, named, read_body_file, write_receipt
from server.ingest.committer import Committer
from server.ingest.origins import parse_origin
from server.ingest.refill import tell_restored
from server.ingest.service import Ingest
from server.keys import COOKIES, MIRROR, WITNESS, Keys, create_keys, load_keys
from server.opened import opened, opened_accounts, opened_registry
from server.people.accounts import AccountStore
from server.unreadable import UNOPENED, page_findings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import URL

    from server.config import Config
    from server.database.postgres import Postgres
    from server.evidence.sql import SqlEntryStore
    from server.live.fanout import Fanout
    from server.opened import Opened

CONFIG_NAME = "server.toml"
LEAD_WAIT_S = 3.0


# -- init ----------------------------------------------------------------------------------------------------------


def init(
    directory: Path, settings: Mapping[tuple[str, str], str | int], account: tuple[str, str] | None
) -> tuple[Config, Keys]:
    """Settings, first account, keys, empty databases; nothing that is there is touched."""
    config_file = directory / CONFIG_NAME
    config = resolved(parse_config(render(settings), directory.absolute()))
    for path in (config_file, config.data / PEOPLE_FILE, config.data / EVIDENCE_FILE, config.keys / MIRROR):
        if path.exists():
            raise AlreadyThere(f"{path}: already there; this server was made before")
    config.data.mkdir(0o700, parents=True, exist_ok=True)
    if config.database is None:
        if account is not None:
            asyncio.run(_first_account(config, *account))
        create_keys(config.keys)
        create(config.data)
    else:
        _init_postgres(config, config.database, account)
    # Last, and at once: a folder with this file is a whole server.
    fresh = config_file.with_name(CONFIG_NAME + ".new")
    fresh.write_text(render(settings), "utf-8")
    sync_file(fresh)
    rename_synced(fresh, config_file)
    return config, load_keys(config)


async def _first_account(config: Config, name: str, password: str) -> None:
    create_people(config.data)
    accounts = await AccountStore.open(config.data / PEOPLE_FILE, SystemClock())
    try:
        await accounts.create(name, password, "operator")
    except ConfigError:
        await accounts.close()
        for leftover in config.data.glob(f"{PEOPLE_FILE}*"):  # nobody else runs in this loop
            leftover.unlink()
        raise
    await accounts.close()


def _init_postgres(config: Config, url: URL, account: tuple[str, str] | None) -> None:
    """Tables and account in a database that has none of ours; all of it or nothing."""
    postgres = connect(url)
    try:
        with postgres.writer.connect() as connection:
            refuse_taken(connection, shown(url))
        create_keys(config.keys)
        try:
            kept.create(postgres, load_keys(config).mirror.vkey)
            if account is not None:
                asyncio.run(_first_operator(config, *account))
        except BaseException:
            with suppress(ServerError):
                kept.drop(postgres)
            for name in (MIRROR, WITNESS, COOKIES):
                (config.keys / name).unlink()
            raise
    finally:
        postgres.dispose()


async def _first_operator(config: Config, name: str, password: str) -> None:
    async with opened_accounts(config) as accounts:
        await accounts.create(name, password, "operator")


def need_tls_files(folder: Path) -> None:
    """What `kaofen-certs server` writes must be there: told now, and not at the first `run`."""
    for name in ("cert.pem", "cert.key", "ca.pem"):
        if not (folder / name).is_file():
            raise ConfigError(
                f"--tls: {folder / name}: not there; make it with: kaofen-certs server CA --host NAME --out {folder}"
            )


def read_password(path: Path) -> str:
    """The first line of the file."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not text in UTF-8") from error
    if not lines or not lines[0]:
        raise ConfigError(f"{path}: no password in the first line")
    return lines[0]


# -- gateways ------------------------------------------------------------------------------------------------------


def gateway_of(config: Config, gateway_id: str, vkey: str) -> Gateway:
    """The gateway that a printed vkey describes, of whatever generation."""
    try:
        key = parse_vkey(vkey)
    except NoteError as error:
        raise ConfigError(f"--vkey: {error}") from error
    origin = parse_origin(key.name)
    if key.suite != SUITE_ED25519 or origin is None:
        raise ConfigError(f"--vkey: {key.name} is not the key of a gateway's log")
    if (origin.domain, origin.gateway_id) != (config.domain, gateway_id):
        raise ConfigError(f"--vkey is of {origin.text}, expected {config.domain}/gw/{gateway_id}/…")
    return Gateway(gateway_id, key.public_key)


async def add_gateway(config: Config, gateway_id: str, vkey: str) -> None:
    """Enrol."""
    async with opened_registry(config) as store:
        await store.add_gateway(gateway_of(config, gateway_id, vkey))


async def list_gateways(config: Config) -> list[Gateway]:
    """All of them."""
    async with opened_registry(config) as store:
        return await store.gateways()


async def revoke(config: Config, gateway_id: str, reason: str, fingerprint: str | None) -> None:
    """A whole gateway, or one of its certificates."""
    async with opened_registry(config) as store:
        if fingerprint is None:
            await store.set_gateway_status(gateway_id, "revoked", reason)
        else:
            await store.revoke_certificate(gateway_id, fingerprint.lower().replace(":", ""), reason)


async def token(config: Config, label: str) -> str:
    """An API token, made by the running server where one runs."""
    answer = ask(config.data, "POST", "/token", label.encode())
    if answer is not None:
        return str(_ok(answer)["token"])
    async with opened_accounts(config) as accounts:
        return await accounts.create_token(label)


async def operator(config: Config, name: str, password: str) -> str:
    """An operator's account, or a new password for it, by the running server where one runs; "made" or "changed"."""
    answer = ask(config.data, "POST", "/operator", f"{name}\n{password}".encode())
    if answer is not None:
        return str(_ok(answer)["done"])
    async with opened_accounts(config) as accounts:
        return await accounts.operator(name, password)


def migrate(config: Config) -> list[str]:
    """Bring the tables of an older version to this one; no server may run."""
    if config.database is None:
        held = lock(config.data)
        try:
            return migrate_files(config.data)
        finally:
            held.release()
    postgres = connect(config.database)
    try:
        return kept.migrate(postgres)
    finally:
        postgres.dispose()


async def move(config: Config, url: URL) -> tuple[dict[str, int], Report]:
    """From the files into an empty PostgreSQL database, checked there; no server may run. The files stay."""
    if config.database is not None:
        raise ConfigError(f"database.url is set already ({shown(config.database)}): there are no files to move")
    held = lock(config.data)
    try:
        before = await fsck(config)
        postgres = await asyncio.to_thread(connect, url)
        try:
            moved = await asyncio.to_thread(moves.move, config.data, postgres, load_keys(config).mirror.vkey)
            after = await _arrived(config, postgres, before)
        finally:
            postgres.dispose()
    finally:
        held.release()
    return moved, after


async def _arrived(config: Config, postgres: Postgres, before: Report) -> Report:
    """What fsck says of the database must be what it says of the files; else the files are the evidence again."""
    try:
        after = await fsck(replace(config, database=postgres.url))
        _same(before, after, shown(postgres.url))
    except BaseException:
        moves.unmark(config.data)
        with suppress(ServerError):
            await asyncio.to_thread(kept.drop, postgres)
        raise
    return after


def _same(before: Report, after: Report, where: str) -> None:
    if after != before:
        found = "\n".join(str(one) for one in after.findings if one not in before.findings)
        raise Damaged(f"{where}: not what lies in the files, and taken away again\n{found}")


# -- evidence ------------------------------------------------------------------------------------------------------


async def fsck(config: Config) -> Report:
    """Check the evidence; beside a running server too. Of files, also what SQLite says of their pages."""
    pages = [] if config.database is not None else await asyncio.to_thread(page_findings, config.data)
    try:
        async with opened(config, write=False) as open_:
            report = await _checked(open_.store, open_.keys)
    except UNOPENED as error:
        return Report(0, 0, (*pages, Finding(None, None, f"the evidence cannot be opened ({type(error).__name__})")))
    return replace(report, findings=(*pages, *report.findings))


async def _checked(store: SqlEntryStore, keys: Keys) -> Report:
    return await check(store, keys.mirror_verifier, keys.witness_verifier)


async def audit_once(config: Config) -> list[str]:
    """One pass with alarms, by the running server where one runs."""
    answer = ask(config.data, "POST", "/audit")
    if answer is not None:
        return list(_ok(answer)["findings"])
    async with opened(config, write=True) as open_:
        auditor = Auditor(
            open_.store,
            open_.keys.verifiers,
            open_.clock,
            pause_s=config.audit_pause_s,
            bytes_per_s=config.audit_bytes_per_s,
        )
        return [str(each) for each in await auditor.once()]


async def rebuild(config: Config) -> int:
    """Throw the projections away and make them again; how many entries they rest on."""
    from server.app import open_views  # noqa: PLC0415  # pages and projections: half the start-up of every command

    async with opened(config, write=True) as open_:
        views = await open_views(open_)
        try:
            await _lead_alone(open_, views.fanout)
            await views.projections.prepare()
            return await views.projector.rebuild()
        finally:
            await views.close()


async def _lead_alone(open_: Opened, fanout: Fanout) -> None:
    """With PostgreSQL another process may be projecting right now."""
    try:
        async with asyncio.timeout(LEAD_WAIT_S):
            await fanout.gain()
    except TimeoutError:
        raise Unsafe(
            f"{shown(open_.postgres.url) if open_.postgres else ''}: a server runs; stop every one first"
        ) from None


async def import_files(config: Config, files: Sequence[Path]) -> AsyncIterator[tuple[Path, str]]:
    """Import in the given order; yields each file's receipt and what it covers. The first refusal ends it."""
    if ask(config.data, "GET", "/ping") is not None:
        for file in files:
            try:
                done = _ok(ask(config.data, "POST", "/import", read_body_file(file)))
            except Refused as error:
                raise named(file, error) from None
            receipt = write_receipt(file, done["receipt"].encode())
            yield receipt, f"{done['origin']} size {done['size']}"
        return
    async with opened(config, write=True) as open_:
        committer = Committer(open_.store, open_.keys.mirror, open_.clock)
        await committer.recover()
        ingest = Ingest(open_.store, committer, open_.clock, config.domain)
        for file in files:
            try:
                imported = await committer.while_running(import_body(ingest, open_.store, read_body_file(file)))
            except Refused as error:
                raise named(file, error) from None
            receipt = write_receipt(file, imported.receipt)
            yield receipt, f"{imported.origin} size {imported.size}"


async def backup(config: Config, config_file: Path, target: Path) -> tuple[backups.Backup, Report]:
    """Copy beside a running server, then check the copy; a copy with findings stays, marked as `.damaged`."""
    _refuse_postgres(config, "pg_dump")
    made = await asyncio.to_thread(backups.make, config.data, config_file, target, SystemClock().now_us())
    report = await fsck(replace(config, data=target))
    await asyncio.to_thread(backups.tidy, target, damaged=not report.ok)
    return made, report


async def restore(config: Config, source: Path, *, force: bool) -> tuple[backups.Backup, Path | None, Report]:
    """Put a backup in place of the data; the server must not run."""
    _refuse_postgres(config, "pg_restore")
    found = backups.read(source)
    config.data.mkdir(0o700, parents=True, exist_ok=True)
    aside = f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}"
    held = lock(config.data, empty=True)
    try:
        old = backups.restore(found, config.data, aside, force=force)
    finally:
        held.release()
    report = await fsck(config)
    if report.ok:
        async with opened(config, write=True) as open_:
            await tell_restored(open_.store, f"{datetime.fromtimestamp(found.made_us / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}")
    return found, old, report


def _refuse_postgres(config: Config, program: str) -> None:
    """Copies of a PostgreSQL database are its own programs' business: they know its whole state and can do it live."""
    if config.database is not None:
        raise ConfigError(
            f"{shown(config.database)}: a copy of PostgreSQL is made by pg_dump and put back by pg_restore; "
            f"use {program} with the schemas {', '.join(SCHEMAS.values())} (docs/server.md, PostgreSQL)"
        )


def _ok(answer: tuple[int, dict[str, Any]] | None) -> dict[str, Any]:
    if answer is None:
        raise ConfigError("the server has stopped in between; run the command again")
    status, document = answer
    if status != 200:  # noqa: PLR2004  # what the socket answers when it did it
        raise Refused(status, str(document.get("detail", document)))
    return document
