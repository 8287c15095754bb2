"""kaofen-gateway rig: the commands of the integrator. Printing and exit codes only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import ConfigError
from gateway.rig.draft import draft_of
from gateway.rig.linting import lint_file
from gateway.rig.sheet import read_sheet
from gateway.rig.writing import as_toml, counted

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


@rig.command(name="import")
def import_table(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A register table: .csv (UTF-8, GBK) or .xlsx.")],
    sheet: Annotated[str | None, typer.Option("--sheet", help="Of several sheets this one; else the first.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the draft here; never over.")] = None,
) -> None:
    """Draft a profile from a maker's register table. Doubts go to standard error, one a line, each with its cell."""
    try:
        draft = draft_of(read_sheet(table.read_bytes(), sheet))
    except OSError as error:
        raise ConfigError(f"{table}: {error.strerror}") from None
    except ConfigError as error:
        raise ConfigError(f"{table}: {error}") from None
    text = as_toml(draft, table.name)
    if out is None:
        sys.stdout.write(text)
    else:
        try:
            with out.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise ConfigError(f"{out}: {error.strerror}") from None
    for doubt in draft.doubts:
        print(doubt, file=sys.stderr)
    print(f"{len(draft.entries)} fields, {counted(draft.doubts)}", file=sys.stderr)
