"""kaofen-simulate: fleets of rigs for demos and tests, one rig for a person, the list of faults.

Exit codes: 0 everything done and acknowledged (or stopped while staying), 1 --timeout came first, 2 wrong input,
128 + n stopped by signal n before it was done.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulators.control import Control
from simulators.errors import InputError
from simulators.faults import CATALOGUE, parse_fault
from simulators.fleet import Fleet, FleetSettings
from simulators.limits import CONNECTIONS_MAX
from simulators.rubric import find_rubric, load_rubric
from simulators.summary import summary
from simulators.truth import TruthFile, truth_line

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from simulators.rig import Latched

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Simulated practical-exam rigs of Kaofen rig interface v1.",
)

_TIMEOUT_EXIT = 1
_INPUT_EXIT = 2
_SIGNAL_EXIT = 128
_SHOWN_MAX = 20

RubricOption = Annotated[Path | None, typer.Option(help="Rubric file (TOML); default: the low-voltage electrician's.")]
FaultOption = Annotated[
    list[str] | None,
    typer.Option("--fault", help="[RIG=]NAME[:PROBABILITY][@FROM-TO], seconds from the start; may be repeated."),
]
AddressOption = Annotated[str, typer.Option("--host", help="Address to listen on.")]


@app.command()
def fleet(  # noqa: PLR0917 - options, each by its name
    rigs: Annotated[int, typer.Option(help="How many rigs, each on its own port.")] = 12,
    exams: Annotated[int, typer.Option(help="First tries; resits come on top.")] = 28,
    seed: Annotated[int, typer.Option(help="The same seed gives the same truth.")] = 7,
    speed: Annotated[float, typer.Option(help="Exam time runs so many times as fast.")] = 60.0,
    address: AddressOption = "127.0.0.1",
    port_base: Annotated[int, typer.Option(help="First port; 0 = free ports, see --ready.")] = 0,
    truth: Annotated[Path | None, typer.Option(help="Write every latched record here, one JSON line each.")] = None,
    ready: Annotated[Path | None, typer.Option(help="Write addresses here once all rigs listen.")] = None,
    rubric: RubricOption = None,
    fault: FaultOption = None,
    reboots: Annotated[int, typer.Option(help="Exams during which the rig loses power in mid-item.")] = 1,
    practice: Annotated[int, typer.Option(help="Practice runs between the exams.")] = 1,
    session: Annotated[str, typer.Option(help="Beginning of every admission ticket.")] = "S20261123",
    control_port: Annotated[int, typer.Option(help="Port of the control socket; 0 = a free one, see --ready.")] = 0,
    timeout: Annotated[float | None, typer.Option(help="Give up after so many real seconds, exit 1.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Go on serving when everything is done.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No summary.")] = False,
) -> None:
    """Run many rigs with seeded candidates until all exams are done and all records acknowledged."""
    settings = _checked(
        lambda: FleetSettings(
            rigs=rigs,
            exams=exams,
            seed=seed,
            speed=speed,
            address=address,
            port_base=port_base,
            reboots=reboots,
            practice=practice,
            session=session,
            faults=tuple(parse_fault(text) for text in fault or ()),
        )
    )
    wishes = _Wishes(rubric, truth, ready, control_port, timeout, stay=stay, quiet=quiet)
    raise typer.Exit(_run(_fleet(settings, wishes)))


@app.command()
def rig(  # noqa: PLR0917 - options, each by its name
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 1502,
    serial: Annotated[str, typer.Option(help="Beginning of the serial number.")] = "LV",
    exams: Annotated[int, typer.Option(help="Candidates; 0 = none, use the control socket.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same candidates.")] = 7,
    speed: Annotated[float, typer.Option(help="Exam time runs so many times as fast.")] = 10.0,
    address: AddressOption = "127.0.0.1",
    unit: Annotated[int, typer.Option(help="Modbus unit id.")] = 1,
    rubric: RubricOption = None,
    fault: FaultOption = None,
    control_port: Annotated[int, typer.Option(help="Port of the control socket; 0 = a free one.")] = 0,
) -> None:
    """Run one rig and tell what happens on it, for a person with a Modbus tool. Ctrl-C ends it."""
    settings = _checked(
        lambda: FleetSettings(
            rigs=1,
            exams=exams,
            seed=seed,
            speed=speed,
            address=address,
            port_base=port,
            unit=unit,
            prefix=serial,
            practice=0,
            faults=tuple(parse_fault(text) for text in fault or ()),
        )
    )
    raise typer.Exit(_run(_fleet(settings, _Wishes(rubric, control_port=control_port, stay=True, talk=True))))


@app.command()
def faults() -> None:
    """List the faults that a rig can be given."""
    typer.echo(f"{'fault':<18} {'id':<4} {'usual':>6}  what the rig does wrong")
    for name, kind in sorted(CATALOGUE.items(), key=lambda entry: (entry[1].catalogue, entry[0])):
        text = (kind.__doc__ or "").removeprefix(f"{kind.catalogue}: ")
        typer.echo(f"{name:<18} {kind.catalogue:<4} {kind.usual:>6.0%}  {text}")
    typer.echo(
        "\n--fault [RIG=]NAME[:PROBABILITY][@FROM-TO]; without a probability the usual one holds. busy = exception-6."
    )


def main() -> None:
    """Entry point."""
    app()


def _checked(make: Any) -> Any:
    try:
        return make()
    except InputError as error:
        typer.echo(f"kaofen-simulate: {error}", err=True)
        raise typer.Exit(_INPUT_EXIT) from None


def _run(work: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop where it is installed: a request then costs a third."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - optional

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return _told(runner, work)
    with asyncio.Runner() as runner:
        return _told(runner, work)


def _told(runner: asyncio.Runner, work: Coroutine[Any, Any, int]) -> int:
    try:
        return runner.run(work)
    except InputError as error:
        typer.echo(f"kaofen-simulate: {error}", err=True)
        return _INPUT_EXIT


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What the command line asks beside the fleet itself."""

    rubric: Path | None
    truth: Path | None = None
    ready: Path | None = None
    control_port: int = 0
    deadline_s: float | None = None
    stay: bool = False
    talk: bool = False
    quiet: bool = False


async def _fleet(settings: FleetSettings, wishes: _Wishes) -> int:
    _raise_file_limit(settings.rigs)
    rules = load_rubric(find_rubric(wishes.rubric))
    try:
        truth = TruthFile(wishes.truth)
    except OSError as error:
        raise InputError(f"--truth {wishes.truth}: {error.strerror}") from error
    told = {"on_latch": _tell, "say": _say} if wishes.talk else {}
    the_fleet = Fleet(settings, rules, truth, **told)  # type: ignore[arg-type]  # two callables by their names
    control = Control(the_fleet)
    try:
        async with the_fleet:
            document = the_fleet.ready_document(await control.start(wishes.control_port))
            _announce(document, the_fleet)
            if wishes.ready is not None:
                _write_whole(wishes.ready, document)
            code = await _until_done(the_fleet, control, wishes)
            if not wishes.quiet:
                typer.echo(summary(the_fleet))
            return code
    finally:
        await control.close()
        truth.close()


async def _until_done(the_fleet: Fleet, control: Control, wishes: _Wishes) -> int:
    """Done, timed out or stopped, whichever is first; the exit code."""
    caught = _catch_signals(control.stopped)
    done = asyncio.create_task(the_fleet.finished(), name="finished")
    stopped = asyncio.create_task(control.stopped.wait(), name="stopped")
    await asyncio.wait({done, stopped}, timeout=wishes.deadline_s, return_when=asyncio.FIRST_COMPLETED)
    if done.done():
        done.result()
        if the_fleet.scenario.runs:
            typer.echo("all exams are done and all records acknowledged")
            sys.stdout.flush()
        if wishes.stay:
            await stopped
    done.cancel()
    was_stopped = control.stopped.is_set()
    stopped.cancel()
    left = the_fleet.waiting()
    if not left or (was_stopped and (wishes.stay or not caught)):
        return 0
    if was_stopped:
        return _SIGNAL_EXIT + caught[0]
    _complain(left, wishes.deadline_s)
    return _TIMEOUT_EXIT


def _catch_signals(stopped: asyncio.Event) -> list[int]:
    """Both signals stop the fleet in order; which one came."""
    caught: list[int] = []

    def stop(number: int) -> None:
        caught.append(number)
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return caught


def _complain(left: list[str], deadline_s: float | None) -> None:
    typer.echo(f"kaofen-simulate: not done after {deadline_s} s; {len(left)} rigs still wait:", err=True)
    for line in left[:_SHOWN_MAX]:
        typer.echo(f"  {line}", err=True)
    if len(left) > _SHOWN_MAX:
        typer.echo(f"  and {len(left) - _SHOWN_MAX} more", err=True)


def _announce(document: dict[str, Any], the_fleet: Fleet) -> None:
    ports = [entry["port"] for entry in document["rigs"]]
    counts = the_fleet.scenario.counts()
    what = f"{len(ports)} rigs listen" if len(ports) > 1 else "1 rig listens"
    typer.echo(f"{what} on {document['rigs'][0]['host']}, ports {min(ports)} to {max(ports)}")
    typer.echo(
        f"{counts['exams']} exams with {counts['resits']} resits; control at 127.0.0.1:{document['control']['port']}"
    )
    sys.stdout.flush()


def _write_whole(path: Path, document: dict[str, Any]) -> None:
    """Whoever sees the file sees all of it."""
    half = path.with_name(path.name + ".part")
    try:
        half.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        half.replace(path)
    except OSError as error:
        raise InputError(f"--ready {path}: {error.strerror}") from error


def _raise_file_limit(rigs: int) -> None:
    """A listening port and some connections for every rig."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = rigs * (1 + CONNECTIONS_MAX) + 256
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
            )


def _tell(latched: Latched) -> None:
    line = truth_line(latched)
    shown = " ".join(f"{key}={value}" for key, value in line["fields"].items() if key not in {"deductions", "exam_no"})
    clock = (line["rig_time"] or "no clock")[11:19]
    typer.echo(
        f"{clock}  {line['serial']}  seq {line['seq']:>4}  {line['type']:<23} exam {line['exam_no']:>3}  {shown}"
    )


def _say(serial: str, text: str) -> None:
    typer.echo(f"--------  {serial}  {text}")
