"""kaofen-server plan, kaofen-server candidates: check, publish, list and show the plans of exam points.

The process edge of this room: arguments in, one line per result out, findings one line each and exit code 1. Prints
personal values only where `--personal` asks for them.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.config import read_config
from server.errors import ListError
from server.logs import configure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scorelog.format.plan import PlannedCandidate, Session
    from server.plan.publish import Prepared

plans = typer.Typer(help="What exam points are going to do.", no_args_is_help=True)
candidates = typer.Typer(help="Candidate lists.", no_args_is_help=True)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="The server.toml that init wrote.")]
Source = Annotated[Path, typer.Argument(metavar="PLAN.toml", help="The plan; its lists and rubrics lie beside it.")]


@plans.command(name="check")
def plan_check(config_file: Config, plan_file: Source) -> None:
    """Say everything that is wrong with a plan, or that it holds. Stores nothing."""
    from server.plan import commands  # noqa: PLC0415  # other commands need not pay for it

    with _findings():
        prepared = asyncio.run(commands.check(read_config(config_file), plan_file))
    _warn(prepared)
    if prepared.publication is None:
        print(f"{prepared.point}: holds; version {prepared.version} says the same already")
    else:
        print(f"{prepared.point}: holds; publishing it makes version {prepared.version}: {_figures(prepared)}")


@plans.command(name="publish")
def plan_publish(config_file: Config, plan_file: Source) -> None:
    """Check a plan and store it as the next version; beside a running server too."""
    from server.plan import commands  # noqa: PLC0415

    configure()
    with _findings():
        prepared = asyncio.run(commands.publish(read_config(config_file), plan_file))
    _warn(prepared)
    if prepared.publication is None:
        print(f"unchanged: {prepared.point} version {prepared.version} says the same; nothing was stored")
    else:
        print(f"published: {prepared.point} version {prepared.version}: {_figures(prepared)}")
        print(f"sha256: {prepared.plan.sha256}")


@plans.command(name="list")
def plan_list(config_file: Config) -> None:
    """The current plan of each point."""
    from server.plan import commands  # noqa: PLC0415

    for each in asyncio.run(commands.stored(read_config(config_file))):
        print(f"{each.point}  version {each.version}  {each.plan.published}  {each.sha256}")
        for session in each.plan.sessions:
            print(f"    {_session(session)}")


@plans.command(name="show")
def plan_show(
    config_file: Config,
    point: Annotated[str, typer.Argument(metavar="POINT", help="Id of the point.")],
    version: Annotated[int | None, typer.Option(help="Another version than the newest.")] = None,
    personal: Annotated[bool, typer.Option("--personal", help="Tickets, names and masked ids too.")] = False,
    text: Annotated[bool, typer.Option("--text", help="The public text itself.")] = False,
) -> None:
    """Rooms, stations, rigs, sessions and who sits what."""
    from server.plan import commands  # noqa: PLC0415

    found, opened = asyncio.run(commands.show(read_config(config_file), point, version, personal=personal))
    if text:
        print(found.text.decode())
        return
    plan = found.plan
    print(f"{plan.point}  {plan.name.zh} / {plan.name.en}  region {plan.region}")
    print(f"version {plan.version}  {plan.published}  {plan.sha256}")
    for room in plan.rooms:
        print(f"room {room.id}  {room.name.zh} / {room.name.en}")
        for station in room.stations:
            print(f"    station {station.id}")
            for rig in station.rigs:
                print(f"        rig {rig.serial}  {rig.gateway}  {rig.purpose}  {rig.wire}  {' '.join(rig.items)}")
    for session in plan.sessions:
        print(f"session {_session(session)}")
        for one in session.candidates:
            print(f"    {_candidate(one, opened.get(one.attempt))}")


@candidates.command(name="check")
def candidates_check(
    list_file: Annotated[Path, typer.Argument(metavar="LIST", help="CSV or XLSX.")],
    rubric: Annotated[str, typer.Option(help="Id of a rubric of the server, or a path beside the list.")],
) -> None:
    """Say everything that is wrong with a candidate list, or that it holds. Needs no server."""
    from server.plan import commands  # noqa: PLC0415

    with _findings():
        found = commands.check_list(list_file, rubric)
    open_ = sum(not one.items for one in found)
    print(f"{list_file.name}: holds; {len(found)} candidates, for {open_} of them the server draws")


@contextmanager
def _findings() -> Iterator[None]:
    try:
        yield
    except ListError as error:
        for each in error.findings:
            print(each, file=sys.stderr)
        print(f"kaofen-server: {len(error.findings)} findings; nothing was stored", file=sys.stderr)
        raise typer.Exit(1) from None


def _warn(prepared: Prepared) -> None:
    for each in prepared.warnings:
        print(f"warning: {each}", file=sys.stderr)


def _figures(prepared: Prepared) -> str:
    return (
        f"{len(prepared.plan.sessions)} sessions, {prepared.candidates} candidates "
        f"({prepared.drawn} drawn now), {len(prepared.plan.rigs)} rigs"
    )


def _session(session: Session) -> str:
    return (
        f"{session.id}  {session.occupation}  {session.opens} to {session.closes}  {len(session.candidates)} candidates"
    )


def _candidate(one: PlannedCandidate, values: dict[str, str] | None) -> str:
    items = [f"{item}@{one.places[at]}" if one.places else item for at, item in enumerate(one.items)]
    person = "".join(f"  {value}" for _, value in sorted((values or {}).items(), reverse=True))
    return f"{one.attempt}  try {one.try_no}  {' '.join(items)}{person}"
