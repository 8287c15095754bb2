"""kaofen-gateway rig: the commands of the integrator. Printing and exit codes only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.rig.linting import lint_file

FAILED = 1
rig = typer.Typer(help="Profiles of rigs: check them, draft them. Needs no server.", no_args_is_help=True)
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Profiles, see docs/formats/profile.md.")]


@rig.callback()
def _group() -> None:
    """A group, however many commands it has."""


@rig.command()
def lint(
    files: Files,
    flat: Annotated[bool, typer.Option("--flat", help="Print the flat form of good ones: what is hashed.")] = False,
) -> None:
    """Name file, line and reason of everything that is wrong with a profile. Exit code 1 if there is anything."""
    wrong = False
    for path in files:
        found = lint_file(path)
        wrong = wrong or found.profile is None
        if flat and found.profile is not None:
            sys.stdout.write(found.profile.text.decode())
            continue
        for line in found.lines():
            print(line)
    if wrong:
        raise typer.Exit(FAILED)
