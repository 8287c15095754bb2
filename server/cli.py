"""kaofen-server: make, run, check, save and repair the server.

The process edge of this package: arguments in, one line per result out, errors as one line and an exit code
(0 done, 1 refused or found something, 2 usage). Never prints a secret except the API token, once.
"""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

try:
    from certs.errors import CertsError
    from scorelog.format.keys import SUITE_ED25519, encode_vkey
    from server import commands
    from server.config import Config, read_config
    from server.database.location import parse_url, shown, with_password
    from server.errors import Fatal, ServerError
    from server.keys import load_keys
    from server.logs import configure
    from server.plan.cli import candidates, plans
except ModuleNotFoundError as missing:  # another part of Kaofen was installed here, and all share one wheel
    raise SystemExit(
        f"kaofen-server: {missing.name} is not installed; it comes with `pip install '.[server]'`"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

app = typer.Typer(
    help="The server of Kaofen: stores, receipts and shows the scores of practical exams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
gateways = typer.Typer(help="Which gateways may upload.", no_args_is_help=True)
app.add_typer(gateways, name="gateway")
app.add_typer(plans, name="plan")
app.add_typer(candidates, name="candidates")

File = Annotated[Path, typer.Argument(metavar="CONFIG", help="The server.toml that init wrote.")]


@app.callback(invoke_without_command=True)
def _alone(told: Annotated[bool, typer.Option("--version", help="Print name and version.")] = False) -> None:
    if told:
        print(f"kaofen-server {version('kaofen')}")
        raise typer.Exit


@app.command()
def init(  # noqa: PLR0917  # one per option of the command
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for settings, keys and data.")],
    domain: Annotated[str, typer.Option(help="The authority's domain; every origin and key name begins with it.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104  # a server serves
    gateway_port: Annotated[int, typer.Option(help="Port for gateways (mTLS).")] = 9443,
    people_port: Annotated[int, typer.Option(help="Port for people (HTTPS).")] = 8443,
    local: Annotated[str, typer.Option(help="Loopback address of /health and /metrics; empty for none.")] = "",
    tls: Annotated[Path | None, typer.Option(help="Folder with cert.pem, cert.key, ca.pem of kaofen-certs.")] = None,
    title: Annotated[str, typer.Option(help="Name of the place, on every page.")] = "",
    database: Annotated[str, typer.Option(help="PostgreSQL: postgresql://user@host:port/name; empty for SQLite.")] = "",
    database_password_file: Annotated[
        Path | None, typer.Option(help="File with the database's password in its first line.")
    ] = None,
    operator: Annotated[str | None, typer.Option(help="Name of the first account.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with its password in the first line.")] = None,
) -> None:
    """Make keys, settings and empty databases, once."""
    if (operator is None) != (password_file is None):
        raise typer.BadParameter("--operator and --password-file go together")
    account = (operator, commands.read_password(password_file)) if operator and password_file else None
    if tls:
        commands.need_tls_files(tls)
    folder = str(tls.absolute()) if tls else "tls"
    where = f"[{host}]" if ":" in host else host
    settings: dict[tuple[str, str], str | int] = {
        ("server", "domain"): domain,
        ("server", "title"): title,
        ("gateways", "listen"): f"{where}:{gateway_port}",
        ("gateways", "cert"): f"{folder}/cert.pem",
        ("gateways", "key"): f"{folder}/cert.key",
        ("gateways", "client_ca"): f"{folder}/ca.pem",
        ("people", "listen"): f"{where}:{people_port}",
        ("people", "cert"): f"{folder}/cert.pem",
        ("people", "key"): f"{folder}/cert.key",
        ("local", "listen"): local,
        ("database", "url"): database,
        ("database", "password_file"): str(database_password_file.absolute()) if database_password_file else "",
    }
    _, keys = commands.init(directory, settings, account)
    print(f"server made: {directory / commands.CONFIG_NAME}")
    print(f"mirror key: {keys.mirror.vkey}")
    print(f"witness key: {keys.witness.vkey}")
    print("for a policy file, below one line `log VKEY` for each gateway's log:")
    print(f"witness mirror {keys.mirror.vkey}")
    print("quorum mirror")


@app.command()
def run(config_file: File) -> None:
    """Serve gateways and people until SIGTERM."""
    from server import app as application  # noqa: PLC0415  # half the start-up of every other command

    configure()
    config = read_config(config_file)
    _with_uvloop(application.serve(config, _ready))


def _ready(ports: dict[str, int]) -> None:
    print("ready " + " ".join(f"{name}={port}" for name, port in ports.items() if port), flush=True)


@app.command()
def migrate(config_file: File) -> None:
    """Bring the tables of an older version to this one; no server may run. Make a backup before."""
    for done in commands.migrate(read_config(config_file)):
        print(f"migrated: {done}")
    print("the tables are of this version")


@app.command()
def move(
    config_file: File,
    to: Annotated[str, typer.Option(help="The empty database: postgresql://user@host:port/name.")],
    password_file: Annotated[Path | None, typer.Option(help="File with its password in the first line.")] = None,
) -> None:
    """Move everything from the SQLite files into PostgreSQL and compare; no server may run. The files stay."""
    url = parse_url(to, "--to", secret=False)
    if url is None:
        raise typer.BadParameter("--to names no database")
    config = read_config(config_file)
    moved, report = asyncio.run(commands.move(config, with_password(url, password_file)))
    for table, rows in moved.items():
        print(f"{table}: {rows} rows")
    for finding in report.findings:
        print(f"as before: {finding}")
    print(f"moved to {shown(url)}: {report.logs} logs, {report.entries} entries, the same roots and rows")
    print(f'now write into {config_file}, below [database]: url = "{shown(url)}"')


@app.command()
def vkey(config_file: File) -> None:
    """Print the mirror's public key, which every gateway and verifier needs."""
    print(load_keys(read_config(config_file)).mirror.vkey)


@app.command()
def token(config_file: File, label: Annotated[str, typer.Option(help="What it is for.")] = "api") -> None:
    """Make a Bearer token for the JSON API; shown once. The same label again replaces the older one."""
    print(asyncio.run(commands.token(read_config(config_file), label)))


@app.command()
def operator(
    config_file: File,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    password_file: Annotated[Path, typer.Option(help="File with the password in its first line.")],
) -> None:
    """Make an operator's account, or give it a new password and end its sessions; beside a running server too."""
    password = commands.read_password(password_file)
    done = asyncio.run(commands.operator(read_config(config_file), name, password))
    print(f"account {name} {done}")


@app.command()
def fsck(config_file: File) -> None:
    """Re-derive every log from its bytes and name what was changed; beside a running server too."""
    report = asyncio.run(commands.fsck(read_config(config_file)))
    for finding in report.findings:
        print(finding)
    print(f"{report.logs} logs, {report.entries} entries, {len(report.findings)} findings")
    _exit_if(not report.ok)


@app.command()
def audit(config_file: File, once: Annotated[bool, typer.Option("--once", help="One pass, now.")] = False) -> None:
    """One audit pass with alarms; `run` does it all the time."""
    if not once:
        raise typer.BadParameter("a running server audits all the time; use --once")
    findings = asyncio.run(commands.audit_once(read_config(config_file)))
    for finding in findings:
        print(finding)
    print(f"audit: {len(findings)} findings")
    _exit_if(bool(findings))


@app.command()
def rebuild(config_file: File) -> None:
    """Throw the projections away and make them again from the evidence; the server must not run."""
    entries = asyncio.run(commands.rebuild(read_config(config_file)))
    print(f"projections rebuilt from {entries} entries")


@app.command(name="import")
def import_(config_file: File, files: Annotated[list[Path], typer.Argument(metavar="FILE...")]) -> None:
    """Take upload bodies that came as files; writes FILE.receipt beside each."""

    async def work() -> None:
        async for receipt, what in commands.import_files(read_config(config_file), files):
            print(f"{receipt}: {what}")

    asyncio.run(work())


@app.command()
def backup(config_file: File, directory: Annotated[Path, typer.Argument(metavar="DIR")]) -> None:
    """Copy the databases into a new folder, beside a running server, and check the copy. Keys are not copied."""
    made, report = asyncio.run(commands.backup(read_config(config_file), config_file, directory))
    for finding in report.findings:
        print(finding)
    print(f"backup {directory}: {len(made.logs)} logs, {made.entries} entries, {len(report.findings)} findings")
    _exit_if(not report.ok)


@app.command()
def restore(
    config_file: File,
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    force: Annotated[bool, typer.Option("--force", help="Move what is there aside.")] = False,
) -> None:
    """Put a backup in place; gateways send again what it lacks. The server must not run."""
    found, old, report = asyncio.run(commands.restore(read_config(config_file), directory, force=force))
    if old is not None:
        print(f"what was there is in {old}")
    for finding in report.findings:
        print(finding)
    print(f"restored {len(found.logs)} logs, {found.entries} entries, {len(report.findings)} findings")
    _exit_if(not report.ok)


@gateways.command(name="add")
def gateway_add(
    config_file: File,
    gateway_id: Annotated[str, typer.Option("--id", help="Gateway id, as in its certificate.")],
    vkey_text: Annotated[str, typer.Option("--vkey", help="What kaofen-gateway init printed.")],
) -> None:
    """Enrol a gateway; a running server takes it at once."""
    config = read_config(config_file)
    asyncio.run(commands.add_gateway(config, gateway_id, vkey_text))
    print(f"enrolled: {config.domain}/gw/{gateway_id}")


@gateways.command(name="list")
def gateway_list(config_file: File) -> None:
    """Show gateways, their log keys and certificates."""
    config = read_config(config_file)
    found = asyncio.run(commands.list_gateways(config))
    if not found:
        print(f"no gateway is enrolled; `kaofen-server gateway add {config_file} --id … --vkey …` enrols one")
    for each in found:
        print(f"{each.id}  {each.status}{_because(each.reason)}  {_key_of(config, each.id, each.log_key)}")
        for seen in each.certificates:
            print(f"    {seen.status}  {seen.fingerprint}{_because(seen.reason)}")


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


@gateways.command(name="revoke")
def gateway_revoke(
    config_file: File,
    gateway_id: Annotated[str, typer.Option("--id", help="Gateway id.")],
    reason: Annotated[str, typer.Option(help="Shown to the gateway.")],
    fingerprint: Annotated[str | None, typer.Option(help="Only this certificate (SHA-256, hex).")] = None,
) -> None:
    """Refuse a gateway, or one of its certificates, from the next request on."""
    asyncio.run(commands.revoke(read_config(config_file), gateway_id, reason, fingerprint))
    print(f"revoked: {gateway_id}{f' certificate {fingerprint}' if fingerprint else ''}")


def main() -> None:
    """Entry point of the console command."""
    try:
        app()
    except Fatal as error:
        _say(f"stopped: {error}")
    except (ServerError, CertsError) as error:
        _say(str(error))
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _say(message: str) -> None:
    print(f"kaofen-server: {message}", file=sys.stderr)
    sys.exit(1)


def _key_of(config: Config, gateway_id: str, key: bytes) -> str:
    return encode_vkey(f"{config.domain}/gw/{gateway_id}/0", SUITE_ED25519, key)


def _exit_if(found: bool) -> None:
    if found:
        raise typer.Exit(1)


def _with_uvloop(work: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where it is installed: TLS costs half."""
    try:
        import uvloop  # noqa: PLC0415  # not on every platform
    except ImportError:  # pragma: no cover
        asyncio.run(work)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
