"""kaofen-gateway rig: the commands of the integrator. Printing and exit codes only."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.doctor.report import LANGUAGES, as_document, as_text, failed
from gateway.errors import ConfigError
from gateway.recording.texts import profile_named, shipped_profiles
from gateway.rig import capturing, probing, scanning
from gateway.rig.accept.cli import accept
from gateway.rig.checking import check as check_recording
from gateway.rig.checking import check_live
from gateway.rig.draft import draft_of
from gateway.rig.heard import cli as heard
from gateway.rig.heard import options
from gateway.rig.heard.capturing import Plan as HeardPlan
from gateway.rig.heard.line import Line
from gateway.rig.heard.probing import Wanted as HeardWanted
from gateway.rig.heard.pushed import Door
from gateway.rig.heard.recording import is_message_capture
from gateway.rig.limits import PORT_MAX, SCAN_UNIT_MAX
from gateway.rig.line_options import Baud, Parity, Rtu, StopBits  # noqa: TC001  (read at run time)
from gateway.rig.linting import lint_file
from gateway.rig.place import MODBUS_PORT, place_of
from gateway.rig.recording import read_recording
from gateway.rig.replaying import Replay
from gateway.rig.sheet import read_sheet
from gateway.rig.unfinished import readable
from gateway.rig.writing import as_toml, counted
from scorelog.journal.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from device_adapters.language.profile import Profile

FAILED, INTERRUPTED = 1, 130
_CLEAR = "\x1b[H\x1b[J"
_T = TypeVar("_T")
rig = typer.Typer(
    help="Tools for a new rig: profiles, and what a live rig says. None needs a server.", no_args_is_help=True
)
Where = Annotated[
    str, typer.Argument(metavar="WHERE", help="HOST, HOST:PORT, a serial port; with --broker the serial number.")
]
Unit = Annotated[int | None, typer.Option("--unit", help="Modbus unit; else the profile's, else 1.")]
ProfileName = Annotated[str | None, typer.Option("--profile", help="A shipped profile's name, or a path to a .toml.")]
WithPersonal = Annotated[bool, typer.Option("--with-personal", help="Show names and tickets, too.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Profiles, see docs/formats/profile.md.")]


rig.command()(accept)


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
    """Draft a profile from a maker's register table. Guesses and doubts go to standard error, each with its cell."""
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
    for doubt in (*draft.guesses, *draft.open):
        print("猜 guess" if doubt.guess else "疑 DOUBT", doubt, file=sys.stderr)
    print(
        f"{len(draft.entries)} fields; {len(draft.guesses)} guesses to look at, {counted(draft.open)} to decide",
        file=sys.stderr,
    )


@rig.command()
def probe(
    where: Where,
    *,
    profile: ProfileName = None,
    unit: Unit = None,
    at: Annotated[int | None, typer.Option("--at", help="An address, from 0: all orders side by side.")] = None,
    words: Annotated[int, typer.Option("--words", help="How many words from there.")] = 4,
    of_input: Annotated[bool, typer.Option("--input", help="--at is of input registers: function 4.")] = False,
    every: Annotated[float, typer.Option("--every", help="Seconds between two looks.")] = 1.0,
    looks: Annotated[int, typer.Option("--looks", min=0, help="So many looks; 0: until Ctrl-C.")] = 0,
    once: Annotated[bool, typer.Option("--once", help="One look; exit code 1 if it was not good.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One document a line and look.")] = False,
    with_personal: WithPersonal = False,
    rtu: Rtu = False,
    baud: Baud = 9600,
    parity: Parity = "none",
    stop_bits: StopBits = 1,
    broker: options.Broker = "",
    protocol: options.Protocol = "5",
    ca: options.Ca = "",
    certificate: options.Certificate = "",
    key_file: options.Key = "",
    username: options.Username = "",
    password_file: options.PasswordFile = "",
    client_id: options.ClientId = "",
    topic: options.Topics = None,
    rebirth: options.Rebirth = False,
    listen: options.Listen = "",
    secret_file: options.SecretFile = None,
    token: options.Token = False,
    network: options.Networks = None,
) -> None:
    """Show what a live rig says: raw words beside their meaning. Never writes to it."""
    known = None if profile is None else readable(profile, Path())
    model = None if known is None else known.profile
    line = Line(broker, protocol, ca, certificate, key_file, username, password_file, client_id)
    door = Door(listen, where, model, secret_file, token, certificate, key_file, tuple(network or ()))
    if (source := heard.source_of(line, door)) is not None:
        asked = HeardWanted(every, 1 if once else looks, rebirth=rebirth)
        work = heard.show_probe(
            source,
            where,
            model,
            asked,
            topics=tuple(topic or ()),
            with_personal=with_personal,
            as_json=as_json,
        )
        if not _finished(work):
            raise typer.Exit(FAILED)
        return
    place = place_of(where, rtu=rtu, baud=baud, parity=parity, stop_bits=stop_bits)
    wanted = probing.Wanted(model, unit, at, words, of_input, every, 1 if once else looks, with_personal, known)
    before: list[probing.Look] = []

    def show(found: probing.Look) -> None:
        if as_json:
            print(json.dumps(probing.as_document(found), ensure_ascii=False), flush=True)
            return
        head = f"{place}  #{found.number}  {'' if found.good else '!!'}"
        clear = _CLEAR if sys.stdout.isatty() and not once else ""
        print(clear + head, *probing.as_lines(found, wanted, before[-1] if before else None), sep="\n", flush=True)
        before[:] = [found] if not found.fault else before

    if not _finished(probing.probe(place, wanted, show)):
        raise typer.Exit(FAILED)


@rig.command()
def capture(
    where: Where,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The capture; never over an existing file.")],
    *,
    profile: ProfileName = None,
    unit: Unit = None,
    read: Annotated[list[str] | None, typer.Option("--read", help="ADDRESS:WORDS, also again; instead.")] = None,
    every: Annotated[float, typer.Option("--every", help="Seconds between two rounds.")] = 0.25,
    seconds: Annotated[float, typer.Option("--seconds", help="So long.")] = 60.0,
    with_personal: WithPersonal = False,
    rtu: Rtu = False,
    baud: Baud = 9600,
    parity: Parity = "none",
    stop_bits: StopBits = 1,
    broker: options.Broker = "",
    protocol: options.Protocol = "5",
    ca: options.Ca = "",
    certificate: options.Certificate = "",
    key_file: options.Key = "",
    username: options.Username = "",
    password_file: options.PasswordFile = "",
    client_id: options.ClientId = "",
    rebirth: options.Rebirth = False,
    listen: options.Listen = "",
    secret_file: options.SecretFile = None,
    token: options.Token = False,
    network: options.Networks = None,
) -> None:
    """Keep every request to a rig and every answer in a file (docs/formats/capture.md). Never writes to the rig."""
    if with_personal:
        print("注意：文件将含考生个人信息 WARNING: the file will hold names and tickets in clear", file=sys.stderr)
    line = Line(broker, protocol, ca, certificate, key_file, username, password_file, client_id)
    door = Door(listen, where, _profile(profile), secret_file, token, certificate, key_file, tuple(network or ()))
    if (source := heard.source_of(line, door)) is not None:
        kept = HeardPlan(seconds, with_personal, rebirth)
        if not _finished(heard.write_capture(source, where, _profile(profile), kept, out)):
            raise typer.Exit(FAILED)
        return
    place = place_of(where, rtu=rtu, baud=baud, parity=parity, stop_bits=stop_bits)
    reads = tuple(map(capturing.parse_read, read or ()))
    plan = capturing.Plan(_profile(profile), unit, reads, every, seconds, with_personal)
    try:
        file = out.open("x", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror}") from None
    with file:
        tally = _finished(capturing.capture(place, plan, SystemClock(), file.write))
    print(f"{tally.rounds} rounds, {tally.exchanges} requests, {tally.faults} rounds without a whole answer")
    if not with_personal:
        print(
            f"{tally.hidden_words} words hidden; {tally.unproven} records hidden whole: the profile does not fit them"
        )
    if tally.full:
        print("the file is full: the rest was not captured", file=sys.stderr)
    if tally.faults == tally.rounds:
        raise typer.Exit(FAILED)


@rig.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `rig capture` wrote.")],
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = 1502,
    speed: Annotated[float, typer.Option("--speed", help="So many times as fast.")] = 1.0,
    broker: options.Broker = "",
    protocol: options.Protocol = "5",
    ca: options.Ca = "",
    certificate: options.Certificate = "",
    key_file: options.Key = "",
    username: options.Username = "",
    password_file: options.PasswordFile = "",
    client_id: options.ClientId = "",
) -> None:
    """Serve a capture as a Modbus TCP rig until Ctrl-C; or, of a rig that is heard, say it again to --broker."""
    if is_message_capture(file):
        if not broker:
            raise ConfigError(f"{file}: a capture of messages is said again to a broker: --broker HOST:PORT")
        line = Line(broker, protocol, ca, certificate, key_file, username, password_file, client_id)
        _finished(heard.say_again(file, line, speed))
        return
    recording = read_recording(file)

    async def work() -> None:
        rig_again = Replay(recording, SystemClock(), speed=speed, say=lambda text: print(text, flush=True))
        async with await rig_again.serve(host, port) as server:
            number = server.sockets[0].getsockname()[1]
            print(f"{host}:{number} unit {recording.head.unit} {recording.head.profile}", flush=True)
            await server.serve_forever()

    _finished(work())


@rig.command()
def scan(
    where: Annotated[
        str, typer.Argument(metavar="WHERE", help="A serial port, HOST, HOST:PORT, 10.0.0.1-40 or 10.0.0.0/26.")
    ],
    *,
    units: Annotated[str, typer.Option("--units", help="1-247, 1,5,9; of hosts only the first is asked.")] = "",
    ports: Annotated[str, typer.Option("--ports", help="Of hosts: 502,1502.")] = "502",
    more: Annotated[list[Path] | None, typer.Option("--profile", help="Try this .toml, too; again.")] = None,
    rate: Annotated[float, typer.Option("--rate", help="At most so many places a second.")] = 20.0,
    timeout: Annotated[int, typer.Option("--timeout", help="Milliseconds to wait for an answer.")] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="One document a line and find.")] = False,
    rtu: Rtu = False,
    baud: Baud = 9600,
    parity: Parity = "none",
    stop_bits: StopBits = 1,
) -> None:
    """Name what answers on a bus, a bridge or in a range of hosts, and which profiles fit. Never writes."""
    manners = scanning.Manners(rate, timeout)
    known = [profile_named(file.name.removesuffix(".toml"), Path()) for file in shipped_profiles()]
    known += [profile_named(str(file), Path()) for file in more or ()]

    def show(found: scanning.Found) -> None:
        print(json.dumps(asdict(found), ensure_ascii=False) if as_json else found.line(), flush=True)

    ranged = not where.startswith("/") and scanning.is_range(where)
    on_line = where.startswith("/") or rtu or (units and not ranged)
    if on_line:
        asked = scanning.numbers_of(units or "1-247", "--units", SCAN_UNIT_MAX)
        lines = [place_of(where, rtu=rtu, baud=baud, parity=parity, stop_bits=stop_bits)] if not ranged else []
        if ranged or (rtu and not where.startswith("/") and ":" not in where):
            numbers = scanning.numbers_of(ports, "--ports", PORT_MAX)
            lines = scanning.places_of(scanning.hosts_of(where), numbers, "rtu-over-tcp")
        work = scanning.scan_lines(lines, asked, known, manners, show)
        told = f"{len(lines)} × {len(asked)} units" if len(lines) > 1 else f"{len(asked)} units"
    else:
        one = None if scanning.is_range(where) else place_of(where)
        given = (one.number,) if one is not None and one.number != MODBUS_PORT else ()
        numbers = given or scanning.numbers_of(ports, "--ports", PORT_MAX)
        places = scanning.places_of((one.host,) if one is not None else scanning.hosts_of(where), numbers)
        unit = scanning.numbers_of(units or "1", "--units", SCAN_UNIT_MAX)[0]
        work = scanning.scan_hosts(places, unit, known, manners, show)
        told = f"{len(places)} places"
    print(f"开始 asking {told}; Ctrl-C 随时停止 stops at once", file=sys.stderr, flush=True)
    count = _finished(work)
    print(f"{told}, {count} answered", file=sys.stderr)
    if not count:
        raise typer.Exit(FAILED)


@rig.command()
def check(
    name: Annotated[str, typer.Argument(metavar="PROFILE", help="A shipped profile's name, or a path to a .toml.")],
    what: Annotated[str, typer.Argument(metavar="WHAT", help="A capture, or a live rig: HOST:PORT, serial port.")],
    *,
    unit: Unit = None,
    seconds: Annotated[float, typer.Option("--seconds", help="How long to look at a live rig.")] = 5.0,
    strict: Annotated[bool, typer.Option("--strict", help="Doubts count as failures, too.")] = False,
    lang: Annotated[str, typer.Option("--lang", help="zh or en; both without it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The findings as a document.")] = False,
    rtu: Rtu = False,
    baud: Baud = 9600,
    parity: Parity = "none",
    stop_bits: StopBits = 1,
    broker: options.Broker = "",
    protocol: options.Protocol = "5",
    ca: options.Ca = "",
    certificate: options.Certificate = "",
    key_file: options.Key = "",
    username: options.Username = "",
    password_file: options.PasswordFile = "",
    client_id: options.ClientId = "",
    rebirth: options.Rebirth = False,
    listen: options.Listen = "",
    secret_file: options.SecretFile = None,
    token: options.Token = False,
    network: options.Networks = None,
) -> None:
    """Say field by field whether a profile fits a capture or a live rig. Exit code 1 if it does not."""
    if lang and lang not in LANGUAGES:
        raise ConfigError(f"--lang {lang!r}: zh or en")
    model = profile_named(name, Path())
    line = Line(broker, protocol, ca, certificate, key_file, username, password_file, client_id)
    door = Door(listen, what, model, secret_file, token, certificate, key_file, tuple(network or ()))
    if (source := heard.source_of(line, door)) is not None:
        found = _finished(heard.checked_live(source, model, what, HeardPlan(seconds, rebirth=rebirth)))
    elif Path(what).is_file() and is_message_capture(Path(what)):
        found = _finished(heard.checked_file(model, Path(what)))
    elif Path(what).is_file():
        found = check_recording(model, read_recording(Path(what)))
    else:
        place = place_of(what, rtu=rtu, baud=baud, parity=parity, stop_bits=stop_bits)
        found = _finished(check_live(place, model, unit, SystemClock(), seconds))
    if as_json:
        print(json.dumps(as_document(found), ensure_ascii=False, indent=2))
    else:
        print(as_text(found, (lang,) if lang else LANGUAGES))
    if failed(found) or (strict and any(each.level != "ok" for each in found)):
        raise typer.Exit(FAILED)


def _profile(name: str | None) -> Profile | None:
    return None if name is None else profile_named(name, Path())


def _finished(work: Coroutine[Any, Any, _T]) -> _T:
    """Ctrl-C ends every tool at once, with its connections closed."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
