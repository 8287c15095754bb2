"""A fleet from its settings to its exit code: the event loop, signals, files for others, and what is said aloud."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from simulators.control import Control
from simulators.device.rubric import find_rubric, load_rubric
from simulators.device.truth import TruthFile, truth_line
from simulators.errors import InputError
from simulators.fleet import Fleet, FleetSettings
from simulators.limits import CONNECTIONS_MAX
from simulators.summary import summary
from simulators.view import watch

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from simulators.device.rig import Latched
    from simulators.exam.lineup import LineUp

TIMEOUT_EXIT = 1
INPUT_EXIT = 2
_SIGNAL_EXIT = 128
_SHOWN_MAX = 20


def run(work: Coroutine[Any, Any, int]) -> int:
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
        return INPUT_EXIT


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks beside the fleet itself."""

    rubric: Path | None
    truth: Path | None = None
    ready: Path | None = None
    control_port: int = 0
    deadline_s: float | None = None
    stay: bool = False
    talk: bool = False
    quiet: bool = False
    line_up: LineUp | None = None  # of a plan
    view: bool = False


async def run_fleet(settings: FleetSettings, wishes: Wishes) -> int:
    """Until it is done, timed out or stopped; the exit code."""
    line_up = wishes.line_up
    _raise_file_limit(len(line_up.rigs) if line_up else settings.rigs)
    rules = line_up.rubric if line_up else load_rubric(find_rubric(wishes.rubric))
    try:
        truth = TruthFile(wishes.truth)
    except OSError as error:
        raise InputError(f"--truth {wishes.truth}: {error.strerror}") from error
    told = {"on_latch": _tell, "say": _say} if wishes.talk else {}
    the_fleet = Fleet(settings, rules, truth, line_up=line_up, **told)  # type: ignore[arg-type]  # two callables by their names
    control = Control(the_fleet)
    try:
        async with the_fleet:
            document = the_fleet.ready_document(await control.start(wishes.control_port))
            _announce(document, the_fleet)
            if wishes.ready is not None:
                write_whole(wishes.ready, document)
            code = await _until_done(the_fleet, control, wishes)
            if not wishes.quiet:
                typer.echo(summary(the_fleet))
            return code
    finally:
        await control.close()
        truth.close()


async def _until_done(the_fleet: Fleet, control: Control, wishes: Wishes) -> int:
    """Done, timed out or stopped, whichever is first; the exit code."""
    caught = catch_signals(control.stopped)
    done = asyncio.create_task(the_fleet.finished(), name="finished")
    drawing = asyncio.create_task(watch(the_fleet), name="view") if wishes.view else None
    stopped = asyncio.create_task(control.stopped.wait(), name="stopped")
    await asyncio.wait({done, stopped}, timeout=wishes.deadline_s, return_when=asyncio.FIRST_COMPLETED)
    if done.done():
        done.result()
        if the_fleet.scenario.runs:
            typer.echo("all exams are done and all records acknowledged")
            sys.stdout.flush()
        if wishes.stay:
            await stopped
    if drawing is not None:
        drawing.cancel()
    done.cancel()
    was_stopped = control.stopped.is_set()
    stopped.cancel()
    left = the_fleet.waiting()
    if not left or (was_stopped and (wishes.stay or not caught)):
        return 0
    if was_stopped:
        return _SIGNAL_EXIT + caught[0]
    _complain(left, wishes.deadline_s)
    return TIMEOUT_EXIT


def catch_signals(stopped: asyncio.Event) -> list[int]:
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
    ports = [entry["port"] for entry in document["rigs"] if "port" in entry]
    brokers = [entry["broker"] for entry in document["rigs"] if "broker" in entry]
    counts = the_fleet.scenario.counts()
    if ports:
        what = f"{len(ports)} rigs listen" if len(ports) > 1 else "1 rig listens"
        typer.echo(f"{what} on {the_fleet.settings.address}, ports {min(ports)} to {max(ports)}")
    for line in dict.fromkeys(
        str(entry.get("device") or entry.get("calls")) for entry in document["rigs"] if "bus" in entry
    ):
        if line != "None":
            typer.echo(f"a bus at {line}")
    pushes = [entry["push"] for entry in document["rigs"] if "push" in entry]
    if pushes:
        what = f"{len(pushes)} rigs push" if len(pushes) > 1 else "1 rig pushes"
        typer.echo(f"{what} to {pushes[0]}")
    if brokers:
        what = f"{len(brokers)} rigs connect" if len(brokers) > 1 else "1 rig connects"
        typer.echo(f"{what} to the broker at {brokers[0]}")
    typer.echo(
        f"{counts['exams']} exams with {counts['resits']} resits; control at 127.0.0.1:{document['control']['port']}"
    )
    sys.stdout.flush()


def write_whole(path: Path, document: dict[str, Any]) -> None:
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
