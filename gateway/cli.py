"""kaofen-gateway: make a log, run, look, check, prove, carry.

The process edge: errors become one line and an exit code.

0 ok · 1 failed, or not proven · 2 usage or configuration · 3 log missing or damaged
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

try:
    from certs.errors import CertsError
    from certs.keys import create_ed25519
    from device_adapters.errors import AdapterError
    from gateway import commands
    from gateway.doctor import examine
    from gateway.doctor.report import LANGUAGES, as_document, as_text, failed
    from gateway.errors import ConfigError, GatewayError
    from gateway.plan.show import as_document as as_plan_document
    from gateway.plan.show import as_text as as_plan_text
    from gateway.recording.contentkey import create_content_key
    from gateway.recording.opening import signer_of
    from gateway.rig.cli import rig
    from gateway.run import run as run_gateway
    from gateway.settings.config import effective
    from gateway.settings.config_file import load, read_file
    from scorelog.format.errors import FormatError
    from scorelog.journal.creation import create_log
    from scorelog.journal.errors import JournalError, LogMissing, LogNewer, LogUntrusted
    from scorelog.journal.fsck import fsck as check_log
    from scorelog.journal.identity import find_identity
except ModuleNotFoundError as missing:  # another part of Kaofen was installed here, and all share one wheel
    raise SystemExit(
        f"kaofen-gateway: {missing.name} is not installed; it comes with `pip install '.[gateway]'`"
    ) from None

FAILED, USAGE, LOG = 1, 2, 3
_RUN_WORDS = 2  # `run CONFIG`

app = typer.Typer(
    help="The box beside the rigs: reads scores, logs them durably, sends them with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(rig, name="rig")
File = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file, see docs/gateway.md.")]


@app.callback(invoke_without_command=True)
def _alone(told: Annotated[bool, typer.Option("--version", help="Print name and version.")] = False) -> None:
    if told:
        print(f"kaofen-gateway {version('kaofen')}")
        raise typer.Exit


@app.command()
def init(config_file: File) -> None:
    """Make the log key and the content key, if there are none, and an empty log. Once per box; `run` never does it."""
    config = load(config_file)
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not config.log_key.exists():
        create_ed25519(config.log_key)
        print(f"log key made: {config.log_key}")
    if not config.content_key.exists():
        create_content_key(config.content_key)
        print(f"content key made: {config.content_key}")
        if config.log_directory.exists():
            print("The log stays as it is. A record that a rig gives again is logged again, as a conflict.")
            return
    identity = create_log(config.log_directory, config.origin_base, signer_of(config))
    print(f"origin: {identity.origin}")
    print(f"vkey:   {identity.vkey}")
    print(f"On the server: kaofen-server gateway add SERVER_CONFIG --id {config.gateway_id} --vkey '{identity.vkey}'")


@app.command()
def run(config_file: File) -> None:
    """Read the rigs until SIGTERM or SIGINT."""
    raise SystemExit(run_gateway(config_file))


@app.command()
def reload(config_file: File) -> None:
    """Have the running gateway take up the changed file: rigs, buses, brokers, profiles, rubrics. Nothing is lost."""
    print(commands.reload(config_file))


@app.command()
def status(
    config_file: File, as_json: Annotated[bool, typer.Option("--json", help="The whole document.")] = False
) -> None:
    """What is live, unsent and confirmed: from the running process, or from the log if none runs."""
    document = commands.status_document(load(config_file))
    print(json.dumps(document, ensure_ascii=False, indent=2) if as_json else commands.status_text(document))
    if document.get("trouble"):
        raise SystemExit(FAILED)


@app.command()
def plan(
    config_file: File, as_json: Annotated[bool, typer.Option("--json", help="The whole document.")] = False
) -> None:
    """Show the exam plan on this box: sessions, stations and rigs; never a candidate's name or ticket."""
    settings = load(config_file)
    kept = commands.kept_plan(settings)
    if as_json:
        print(json.dumps(as_plan_document(kept, settings.gateway_id), ensure_ascii=False, indent=2))
    else:
        print(as_plan_text(kept, settings.gateway_id))


@app.command()
def doctor(
    config_file: File,
    lang: Annotated[str, typer.Option("--lang", help="zh or en; both without it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The steps as a document.")] = False,
) -> None:
    """Say in plain words why this box cannot reach its server or a rig. Changes nothing; works beside `run`."""
    if lang and lang not in LANGUAGES:
        raise ConfigError(f"--lang {lang!r}: zh or en")
    found = examine(load(config_file))
    if as_json:
        print(json.dumps(as_document(found), ensure_ascii=False, indent=2))
    else:
        print(as_text(found, (lang,) if lang else LANGUAGES))
    if failed(found):
        raise SystemExit(FAILED)


@app.command()
def fsck(config_file: File) -> None:
    """Verify the whole log against its signatures, running or not. Changes nothing."""
    config = load(config_file)
    if not config.log_directory.exists():
        raise LogMissing(f"there is no log in {config.log_directory}; `init` makes one, once, and nothing else does")
    origin = find_identity(config.log_directory).origin
    mirror = commands.mirror_of(config)
    report = check_log(config.log_directory, signer_of(config)(origin).vkey, config.state_file, (mirror,))
    for finding in report.findings:
        print(finding)
    print(f"{report.origin}: {report.size} entries, {'good' if report.ok else 'DAMAGED'}")
    if not report.ok:
        raise SystemExit(LOG)


@app.command()
def receipt(
    config_file: File,
    index: Annotated[int, typer.Argument(min=0, help="Index of the entry.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write INDEX.json and INDEX.tlog-proof.")
    ] = None,
) -> None:
    """Print the offline proof of one entry: that the server has stored it, and when at the latest."""
    entry, proof = commands.receipt_of(load(config_file), index)
    if out is None:
        sys.stdout.write(proof.decode())
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{index}.json").write_bytes(entry)
    (out / f"{index}.tlog-proof").write_bytes(proof)
    print(f"{out / f'{index}.json'}\n{out / f'{index}.tlog-proof'}")


@app.command()
def config(
    config_file: File,
    check: Annotated[bool, typer.Option("--check", help="Also read profiles, rubrics and keys.")] = False,
) -> None:
    """Print the effective settings and where each comes from. Asks no rig and no server."""
    settings = load(config_file)
    for key, value, source in effective(config_file.read_bytes()):
        print(f"{key:32} {json.dumps(value, ensure_ascii=False):44} {source}")
    if check:
        commands.check(settings)
        print(f"good: {len(settings.rigs)} rigs, origin {settings.origin_base}")


@app.command()
def export(
    config_file: File,
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    generation: Annotated[
        int | None,
        typer.Option(min=0, help="instead what this generation has receipts for: for a server that lost it"),
    ] = None,
    start: Annotated[int, typer.Option(min=0, help="with --generation: the first entry that the server lacks")] = 0,
) -> None:
    """Write what has no receipt yet as upload files. They hold personal data: carry them like the box itself."""
    made = commands.export(load(config_file), directory, generation, start)
    for path in made:
        print(path)
    if not made:
        print("nothing to export: " + ("every entry has its receipt" if generation is None else "no receipt above it"))


@app.command(name="import-receipt")
def import_receipt(config_file: File, file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Take in the server's answer to an exported upload. Works beside a running gateway."""
    size = commands.import_receipt(load(config_file), read_file(file))
    print(f"receipt kept: the server holds the first {size} entries")


def exit_code(error: Exception) -> int:
    """What a caller in a script has to tell apart."""
    if isinstance(error, (LogMissing, LogNewer, LogUntrusted)):
        return LOG
    if isinstance(error, (ConfigError, CertsError, AdapterError)):
        return USAGE
    return FAILED


def main(argv: list[str] | None = None) -> Any:
    """Entry point of the console command.

    The one command that stays in memory is not parsed by the library: that would load a validation library of 12 MB.
    """
    words = sys.argv[1:] if argv is None else argv
    try:
        if len(words) == _RUN_WORDS and words[0] == "run" and not words[1].startswith("-"):
            run(Path(words[1]))
        return app(argv)
    except (GatewayError, JournalError, CertsError, AdapterError, FormatError) as error:
        print(f"kaofen-gateway: {error}", file=sys.stderr)
        raise SystemExit(exit_code(error)) from None
    except MemoryError:
        print("kaofen-gateway: no memory is left", file=sys.stderr)
        raise SystemExit(FAILED) from None
    except OSError as error:
        print(
            f"kaofen-gateway: {error.filename}: {error.strerror}" if error.filename else f"kaofen-gateway: {error}",
            file=sys.stderr,
        )
        raise SystemExit(FAILED) from None
