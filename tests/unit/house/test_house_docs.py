"""The documentation says what is there, and what is there is documented."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from typing import TYPE_CHECKING

import failpoint_page
import pytest
import typer
from tree import ROOT, tree_files

if TYPE_CHECKING:
    from pathlib import Path

    import click

PAGES = [path for path in tree_files() if path.suffix == ".md"]
FORMATS = [path for path in PAGES if path.parts[:2] == ("docs", "formats")]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^ *```[a-z]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ *(?:\$ |# )?(?P<line>(?:\S*/)?(?:script/|kaofen-)[a-z]+(?= |$).*)$")


def _read(path: Path) -> str:
    return (ROOT / path).read_text()


@pytest.mark.parametrize("page", FORMATS, ids=lambda page: page.stem)
def test_a_format_page_shows_an_example_before_its_numbered_rules(page: Path) -> None:
    """A reader sees the thing first, then the law."""
    text = _read(page)
    assert "\n## Example" in text
    assert "\n## Rules" in text
    assert text.index("\n## Example") < text.index("\n## Rules")
    assert re.search(r"^1\. ", text[text.index("\n## Rules") :], re.MULTILINE), "rules are numbered"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link inside the tree names a file of the tree."""
    dead = [link for link in LINK.findall(_read(page)) if not (ROOT / page).parent.joinpath(link).exists()]
    assert dead == []


def test_the_index_names_every_page() -> None:
    """docs/README.md leads to every page under docs/."""
    linked = {(ROOT / "docs" / link).resolve() for link in LINK.findall(_read(ROOT / "docs" / "README.md"))}
    pages = {(ROOT / path).resolve() for path in PAGES if path.parts[0] == "docs"}
    assert {str(page.relative_to(ROOT)) for page in pages - linked} == {"docs/README.md"}


def _command_lines() -> list[tuple[str, list[str]]]:
    found = []
    for page in PAGES:
        for block in FENCE.findall(_read(page)):
            for line in block.replace("\\\n", " ").splitlines():
                match = COMMAND.match(line)
                if match is not None:
                    found.append((str(page), _words(match["line"])))
    return found


def _words(line: str) -> list[str]:
    words = shlex.split(line, comments=True)
    for stop in ("|", ">", "&&", "&", ";"):
        if stop in words:
            words = words[: words.index(stop)]
    return words


COMMAND_LINES = _command_lines()


@cache
def _command_of(program: str) -> click.Command:
    scripts = tomllib.loads(_read(ROOT / "pyproject.toml"))["project"]["scripts"]
    module = importlib.import_module(scripts[program].split(":")[0])
    return typer.main.get_command(module.app)


@pytest.mark.parametrize(("page", "words"), COMMAND_LINES, ids=[f"{p}-{' '.join(w[:2])}" for p, w in COMMAND_LINES])
def test_every_command_in_the_docs_exists(page: str, words: list[str]) -> None:
    """What a reader types is there: the script, the subcommand and each option."""
    program = words[0].rsplit("/", 1)[-1] if "kaofen-" in words[0] else words[0]
    if program.startswith("script/"):
        assert os.access(ROOT / program, os.X_OK), f"{page}: {program}"
        return
    command, rest = _command_of(program), words[1:]
    while (subcommands := getattr(command, "commands", None)) and rest and not rest[0].startswith("-"):
        assert rest[0] in subcommands, f"{page}: {program} has no command {rest[0]}"
        command, rest = subcommands[rest[0]], rest[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    options = {word.split("=")[0] for word in rest if word.startswith("-")}
    assert options <= known, f"{page}: {program} {options - known}"


def test_the_readme_shows_both_commands_on_its_first_screen() -> None:
    """What it is and the two commands come before anything else."""
    first_screen = "\n".join(_read(ROOT / "README.md").splitlines()[:40])
    assert "script/demo" in first_screen
    assert "script/test" in first_screen


def test_every_failpoint_is_documented() -> None:
    """The page of failpoints says what the code registers (tests/support/failpoint_page.py writes it)."""
    # In a process of its own: other tests register names for themselves.
    writer = [sys.executable, failpoint_page.__file__]
    said = subprocess.run(writer, cwd=ROOT, check=True, capture_output=True, text=True)
    assert failpoint_page.PAGE.read_text() == said.stdout


def test_every_adr_is_one_page_of_one_shape() -> None:
    """Number, title, status, context, decision, consequences; at most 60 lines."""
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text()
        assert text.startswith(f"# {int(record.name[:4])}. "), record.name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], record.name
        assert re.search(r"^Status: (accepted|superseded by \d{4})", text, re.MULTILINE), record.name
        assert len(text.splitlines()) <= 60, record.name


MODULE = re.compile(r"`((?:scorelog|device_adapters|gateway|server|simulators|certs|tests|script)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_path_in_the_docs_exists(page: Path) -> None:
    """A page that names a module or a folder names one that is there."""
    assert [name for name in MODULE.findall(_read(page)) if not (ROOT / name).exists()] == []
