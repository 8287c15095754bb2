"""kaofen-verify: says in one line what is proven, or what is wrong and where.

Exit codes: 0 everything is proven, 1 something is not, 2 the command cannot be carried out (usage, policy, file).
Imports of the format stand inside the commands: `--help` answers at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from scorelog.format.policy import Policy
    from scorelog.verify.report import Finding

NOT_PROVEN = 1
UNUSABLE = 2

app = typer.Typer(
    name="kaofen-verify",
    help="Verify Kaofen receipts and evidence offline: no server, no network, only the files and a policy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

PolicyFile = Annotated[
    Path,
    typer.Option("--policy", "-p", metavar="P", help="Policy file (C2SP tlog-policy): which logs and cosigners count."),
]


@app.callback(invoke_without_command=True)
def _alone(told: Annotated[bool, typer.Option("--version", help="Print name and version.")] = False) -> None:
    if told:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"kaofen-verify {version('kaofen')}")
        raise typer.Exit


@app.command()
def proof(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Proofs (.tlog-proof).", show_default=False)],
    policy: PolicyFile,
    entry: Annotated[
        Path | None,
        typer.Option("--entry", "-e", metavar="E", help="The entry; default: beside FILE, with the suffix .json."),
    ] = None,
) -> None:
    """Check that entries are in their log: one line a FILE.

    Exit 0: all are proven. Exit 1: at least one is not. Exit 2: the policy or a file cannot be used.
    """
    from scorelog.verify.receipt import verify_receipt  # noqa: PLC0415

    if entry is not None and len(files) > 1:
        _unusable("--entry goes with exactly one FILE")
    rules = _policy(policy)
    failed = False
    for file in files:
        finding = verify_receipt(_read(entry or file.with_suffix(".json")), _read(file), rules)
        _print(finding, f"{file}: " if not finding.ok else "")
        failed = failed or not finding.ok
    raise typer.Exit(NOT_PROVEN if failed else 0)


@app.command()
def attempt(
    bundles: Annotated[
        list[Path], typer.Argument(metavar="BUNDLE.zip...", help="Evidence, one attempt a file.", show_default=False)
    ],
    policy: PolicyFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a bundle instead of lines.")] = False,
) -> None:
    """Check the evidence of attempts: every entry, every opening, and that nothing is missing.

    Exit 0: all is proven. Exit 1: something is not. Exit 2: the policy or a file cannot be used.
    """
    rules = _policy(policy)
    proven = [_attempt(bundle, rules, as_json=as_json) for bundle in bundles]
    raise typer.Exit(0 if all(proven) else NOT_PROVEN)


def _attempt(bundle: Path, rules: Policy, *, as_json: bool) -> bool:
    """Print what one bundle proves; whether it is everything."""
    from scorelog.format.errors import FormatError  # noqa: PLC0415
    from scorelog.format.evidence import parse_evidence  # noqa: PLC0415
    from scorelog.verify.attempt import verify_attempt  # noqa: PLC0415
    from scorelog.verify.report import Finding  # noqa: PLC0415

    data = _read(bundle)
    try:
        report = verify_attempt(parse_evidence(data), rules)
    except FormatError as error:
        finding = Finding(False, "bundle", f"{bundle}: {error}")
        if as_json:
            typer.echo(json.dumps({"attempt": None, "findings": [finding.to_json()], "proven": False, "v": 1}))
        else:
            _print(finding)
        return False
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=1, sort_keys=True))
    else:
        for finding in (*report.findings, report.summary):
            _print(finding)
    return report.ok


def main() -> None:
    """The console command."""
    app()


def _print(finding: Finding, prefix: str = "") -> None:
    """One line, whatever the files contained: no control character reaches the terminal."""
    text = finding.line if not prefix else finding.line.replace("not proven: ", f"not proven: {prefix}", 1)
    typer.echo("".join(one if one.isprintable() else repr(one)[1:-1] for one in text))


def _policy(path: Path) -> Policy:
    from scorelog.format.errors import PolicyError  # noqa: PLC0415
    from scorelog.format.policy import parse_policy  # noqa: PLC0415

    try:
        return parse_policy(_read(path))
    except PolicyError as error:
        _unusable(f"{path}: {error}")


def _read(path: Path) -> bytes:
    from scorelog.format.limits import EVIDENCE_BYTES_MAX  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            data = file.read(EVIDENCE_BYTES_MAX + 1)
    except OSError as error:
        _unusable(f"{path}: {error.strerror or error}")
    if len(data) > EVIDENCE_BYTES_MAX:
        _unusable(f"{path}: larger than {EVIDENCE_BYTES_MAX} bytes")
    return data


def _unusable(message: str) -> NoReturn:
    typer.echo(f"kaofen-verify: {message}", err=True)
    raise typer.Exit(UNUSABLE)
