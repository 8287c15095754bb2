"""kaofen-certs: make a CA, issue certificates for servers and gateways, show what a file holds.

The process edge of this package: turns its errors into one line and an exit code. Never prints a private key.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from certs.ca import create_authority, issue_gateway, issue_server
from certs.errors import CertsError
from certs.limits import GATEWAY_DAYS, SERVER_DAYS
from certs.show import describe_file

app = typer.Typer(
    help="Keys and certificates of Kaofen.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

Authority = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the CA.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR2", help="Folder for cert.pem, cert.key and ca.pem.")]


@app.callback(invoke_without_command=True)
def _alone(told: Annotated[bool, typer.Option("--version", help="Print name and version.")] = False) -> None:
    if told:
        print(f"kaofen-certs {version('kaofen')}")
        raise typer.Exit


@app.command()
def init(directory: Authority) -> None:
    """Make an offline root and an issuing CA."""
    create_authority(directory)
    print(f"CA made in {directory}: root.pem, issuing.pem, chain.pem")
    print(f"Now move {directory / 'root.key'} to a place without a network; issuing does not need it.")


@app.command()
def server(
    directory: Authority,
    host: Annotated[list[str], typer.Option("--host", help="Host name or IP address; may be repeated.")],
    out: Out,
    days: Annotated[int, typer.Option(help="Life of the certificate.")] = SERVER_DAYS,
) -> None:
    """Issue a server certificate."""
    issue_server(directory, host, days).write(out)
    _print_issued(out)


@app.command()
def gateway(
    directory: Authority,
    domain: Annotated[str, typer.Option("--domain", help="Domain of the authority, as in the log's origin.")],
    gateway_id: Annotated[str, typer.Option("--id", help="Gateway id, such as gw-01.")],
    out: Out,
    days: Annotated[int, typer.Option(help="Life of the certificate.")] = GATEWAY_DAYS,
) -> None:
    """Issue a client certificate for one gateway."""
    issue_gateway(directory, domain, gateway_id, days).write(out)
    _print_issued(out)


@app.command()
def show(file: Annotated[Path, typer.Argument(metavar="FILE", help="Certificate file in PEM.")]) -> None:
    """Print names, validity, fingerprint and pin of every certificate in a file."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from error
    print("\n".join(describe_file(data)))


def main() -> None:
    """Entry point of the console command."""
    try:
        app()
    except CertsError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _refuse(message: str) -> None:
    print(f"kaofen-certs: {message}", file=sys.stderr)
    raise SystemExit(1) from None


def _print_issued(out: Path) -> None:
    print("\n".join(describe_file((out / "cert.pem").read_bytes())[:7]))
    print(f"written: {out / 'cert.pem'}, {out / 'cert.key'} (private), {out / 'ca.pem'}")
