"""kaofen-gateway rig accept: the command. Printing, files and exit codes only."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from device_adapters.language.rules_once import READ_ONCE
from gateway.errors import ConfigError
from gateway.recording.texts import profile_named
from gateway.rig.accept.acceptance import Acceptance
from gateway.rig.accept.bench import Commanded, Person, read_scenario
from gateway.rig.accept.heard_rig import HeardRig
from gateway.rig.accept.heard_session import HeardSession
from gateway.rig.accept.heard_trials import HEARD_STEPS
from gateway.rig.accept.once_trials import ONCE_STEPS
from gateway.rig.accept.report import OUTCOMES, PASSED, TRIALS, Report
from gateway.rig.accept.session import Session, Wishes
from gateway.rig.accept.signing import prove, sign, signer_at
from gateway.rig.accept.subject import UnderTest
from gateway.rig.accept.trials import STEPS
from gateway.rig.heard import options  # noqa: TC001  (the command's words are read at run time)
from gateway.rig.heard.ear import listening
from gateway.rig.heard.line import Line
from gateway.rig.heard.reader import reader_of
from gateway.rig.line_options import Baud, Parity, Rtu, StopBits  # noqa: TC001  (as above)
from gateway.rig.place import open_wire, place_of, transport_of
from scorelog.format.text import utc_text
from scorelog.journal.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_adapters.language.profile import Profile
    from gateway.rig.accept.bench import Scenario
    from gateway.rig.accept.report import Trial
    from gateway.rig.place import Place
    from scorelog.journal.clock import Clock

FAILED, INTERRUPTED = 1, 130
_PATIENCE_S = 30.0  # for a rig that does not answer
_FIRMWARE = ("firmware", "firmware_version", "fw", "fw_version", "software")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command was given."""

    place: Place
    profile: Profile
    unit: int | None
    wishes: Wishes
    scenario: Scenario | None
    firmware: str
    by: str
    line: Line | None = None


def accept(
    where: Annotated[str, typer.Argument(metavar="WHERE", help="HOST, HOST:PORT, or a serial port.")] = "",
    *,
    profile: Annotated[str, typer.Option("--profile", help="A shipped profile's name, or a path to a .toml.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who accepts: stands in the report.")] = "",
    unit: Annotated[int | None, typer.Option("--unit", help="Modbus unit; else the profile's.")] = None,
    serial: Annotated[str, typer.Option("--serial", help="The serial number that it must have.")] = "",
    firmware: Annotated[str, typer.Option("--firmware", help="If the rig does not tell it.")] = "",
    results: Annotated[int, typer.Option("--results", help="Results to pile up; 0: all that are promised.")] = 0,
    deadline: Annotated[float, typer.Option("--deadline", help="Seconds for one step of the person or bench.")] = 300.0,
    discard_held: Annotated[
        bool, typer.Option("--discard-held", help="Throw away what an interrupted acceptance left on the rig.")
    ] = False,
    scenario: Annotated[Path | None, typer.Option("--scenario", help="Commands (TOML) for a test bench.")] = None,
    key: Annotated[Path, typer.Option("--key", help="Signs; made if missing.")] = Path("kaofen-accept.key"),
    out: Annotated[Path | None, typer.Option("--out", metavar="BASE", help="Writes BASE.txt, BASE.html.")] = None,
    verify: Annotated[Path | None, typer.Option("--verify", metavar="REPORT", help="Instead: prove one.")] = None,
    vkey: Annotated[str, typer.Option("--vkey", help="With --verify: the key that must have signed.")] = "",
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
) -> None:
    """Test a rig before exams, and write a signed report. It acknowledges what is latched meanwhile: never in an exam.

    Exit code 0: passed. 1: failed, or shown in part; the report says what.
    """
    if verify is not None:
        _verify(verify, vkey)
        return
    for name, given in (("WHERE", where), ("--profile", profile), ("--by", by)):
        if not given:
            raise ConfigError(f"{name} is missing; `rig accept WHERE --profile NAME --by WHO`")
    line = Line(broker, protocol, ca, certificate, key_file, username, password_file, client_id) if broker else None
    asked = _Asked(
        place_of("localhost" if line else where, rtu=rtu, baud=baud, parity=parity, stop_bits=stop_bits),
        profile_named(profile, Path()),
        unit,
        Wishes(results, deadline, where if line else serial, discard_held),
        None if scenario is None else read_scenario(scenario),
        firmware,
        by,
        line,
    )
    _check_form(asked)
    base = out or Path(f"accept-{serial or asked.profile.id}")
    _refuse_old(base)
    signer, made = signer_at(key)
    if made:
        print(f"密钥已生成 key made: {key}")
    try:
        report = asyncio.run(_tried(asked) if line is None else _heard(asked, line))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    note, page = sign(report, signer)
    for suffix, data in ((".txt", note), (".html", page.encode())):
        _written(base.with_name(base.name + suffix), data)
    print(f"结论 verdict: {OUTCOMES[report.verdict]} {report.verdict}\nvkey: {signer.vkey}")
    if report.verdict != PASSED:
        raise typer.Exit(FAILED)


def _check_form(asked: _Asked) -> None:
    """Whether this model can be reached in this way. Raises ConfigError."""
    profile = asked.profile
    if profile.message is not None and profile.transport.kind == "http":
        raise ConfigError(f"{profile.id} is pushed over HTTP: `rig probe --listen` and `rig check` look at it")
    if asked.line is not None:
        reader_of(profile, asked.wishes.serial)
        asked.line.account()
    elif profile.message is not None:
        raise ConfigError(f"profile {profile.id} is heard in messages (MQTT): `rig accept SERIAL --broker HOST:PORT`")
    else:
        transport_of(profile, asked.unit)


async def _tried(asked: _Asked) -> Report:
    clock = SystemClock()
    began = utc_text(clock.now_us())
    transport = transport_of(asked.profile, asked.unit)
    driven = "未开始 not begun"
    async with open_wire(asked.place, asked.profile, transport) as wire:
        rig = UnderTest(asked.profile, wire, clock, min(_PATIENCE_S, asked.wishes.step_s))

        def say(text: str) -> None:
            print(text, flush=True)

        bench = Person(say) if asked.scenario is None else Commanded(asked.scenario, lambda: rig.serial)
        driven = bench.told
        steps = ONCE_STEPS if asked.profile.guarantee == READ_ONCE else STEPS
        trials = await Acceptance(Session(rig, bench, asked.wishes, clock, say), steps).run()
        told = [str(rig.shown[name]) for name in _FIRMWARE if rig.shown.get(name) not in {None, ""}]
    return _report(asked, rig.serial, f"{asked.place} unit {transport.unit}", told, driven, (began, clock), trials)


async def _heard(asked: _Asked, line: Line) -> Report:
    """Of a rig that is heard: it is answered, so nobody else may answer it meanwhile."""
    clock = SystemClock()
    began = utc_text(clock.now_us())
    rig = HeardRig(asked.profile, asked.wishes.serial, clock)

    def say(text: str) -> None:
        print(text, flush=True)

    bench = Person(say) if asked.scenario is None else Commanded(asked.scenario, lambda: rig.serial)
    async with listening(line.account(), rig, clock) as ear:
        if ear.reason:
            raise ConfigError(f"--broker {line.place}: {ear.reason}")
        rig.post = ear.broker
        trials = await Acceptance(HeardSession(rig, bench, asked.wishes, clock, say), HEARD_STEPS).run()
        place = f"{ear.place} MQTT"
    return _report(asked, rig.serial, place, [], bench.told, (began, clock), trials)


def _report(  # noqa: PLR0917  (what a report is made of)
    asked: _Asked,
    serial: str,
    place: str,
    firmware: Sequence[str],
    driven: str,
    when: tuple[str, Clock],
    trials: tuple[Trial, ...],
) -> Report:
    began, clock = when
    return Report(
        serial=serial or asked.wishes.serial or "未识别 unknown",
        firmware=asked.firmware or (firmware[0] if firmware else "未提供 not told"),
        profile=f"{asked.profile.id} {asked.profile.version}",
        sha256=asked.profile.sha256,
        guarantee=asked.profile.guarantee,
        place=place,
        by=asked.by,
        driven=driven,
        began=began,
        ended=utc_text(clock.now_us()),
        tool=f"kaofen-gateway {version('kaofen')}",
        key="",
        trials=trials,
    )


def _verify(path: Path, vkey: str) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    try:
        proven = prove(data, vkey)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    report = proven.report
    print(f"签名有效 signature good: {path}")
    print(
        f"结论 verdict: {OUTCOMES[report.verdict]} {report.verdict}; {report.serial}, {report.profile}, {report.ended}"
    )
    for trial in report.trials:
        print(f"  {trial.outcome:9} {TRIALS[trial.id][0]} {TRIALS[trial.id][1]}")
    if not proven.known:
        print(
            f"注意：密钥取自报告本身，请与安装单位核对 the key is the report's own: compare it\n{report.key}",
            file=sys.stderr,
        )


def _refuse_old(base: Path) -> None:
    """Before the work, not after it."""
    for suffix in (".txt", ".html"):
        path = base.with_name(base.name + suffix)
        if path.exists():
            raise ConfigError(f"{path}: is there already; a report is never written over, give another --out")


def _written(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    print(path)
