"""kaofen-simulate: fleets of rigs for demos and tests, one rig for a person, the list of faults.

Exit codes: 0 everything done and acknowledged (or stopped while staying), 1 --timeout came first, 2 wrong input,
128 + n stopped by signal n before it was done.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulators.errors import InputError
from simulators.exam import rounds
from simulators.exam.exam_plan import load_plan
from simulators.faults import CATALOGUE, parse_fault
from simulators.fleet import FleetSettings, wire_of
from simulators.layouts.lineup import with_makers
from simulators.mqtt.broker import Broker, parse_broker
from simulators.mqtt.embedded import serve_broker
from simulators.push.desk import Desk, parse_desk
from simulators.running import INPUT_EXIT, Wishes, run, run_fleet
from simulators.scenes.scene import find_scene, play, shipped_scenes
from simulators.scenes.writing import write_truth
from simulators.talk.find import all_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.exam.lineup import LineUp
    from simulators.scenes.scene import Scene

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Simulated practical-exam rigs of Kaofen rig interface v1.",
)

RubricOption = Annotated[Path | None, typer.Option(help="Rubric file (TOML); default: the low-voltage electrician's.")]
FaultOption = Annotated[
    list[str] | None,
    typer.Option("--fault", help="[RIG=]NAME[:PROBABILITY][@FROM-TO], seconds from the start; may be repeated."),
]
AddressOption = Annotated[str, typer.Option("--host", help="Address to listen on.")]
BrokerOption = Annotated[str | None, typer.Option(help="HOST:PORT of the broker; without a plan all rigs hang on it.")]
ProtocolOption = Annotated[str, typer.Option(help="5 or 3.1.1 (the embedded broker knows only 3.1.1).")]
BusOption = Annotated[str, typer.Option(help="Modbus RTU, several rigs on a line: tcp, pty, or HOST:PORT to call.")]
LayoutOption = Annotated[
    list[str] | None,
    typer.Option("--layout", help="Rigs of this model (see `models`), or PATTERN=MODEL with a plan; may be repeated."),
]
HoldOption = Annotated[bool, typer.Option("--hold", help="Candidates wait for `go` on the control socket.")]
MuteOption = Annotated[
    list[str] | None, typer.Option(help="With --plan: rigs that know no ticket, such as 'FE-*'; again.")
]
OnBusOption = Annotated[
    list[str] | None, typer.Option(help="With --plan and --bus: rigs that hang on buses, such as 'LB-*'; again.")
]
ScenarioOption = Annotated[str | None, typer.Option(help="Play this scenario (see --list), or a .toml file.")]
StrengthOption = Annotated[str | None, typer.Option(help="With --scenario: faint, plain or gross, for all it holds.")]
PushOption = Annotated[str | None, typer.Option(help="http(s)://HOST:PORT to push to; without a plan all rigs do.")]
PushSecretsOption = Annotated[Path | None, typer.Option(help="Lines of SERIAL:SECRET.")]
PushCaOption = Annotated[Path | None, typer.Option(help="TLS to the listener, trusting this CA.")]
PushTokenOption = Annotated[bool, typer.Option("--push-token", help="Show the secret instead of signing.")]
CaOption = Annotated[Path | None, typer.Option(help="TLS to the broker, trusting this CA.")]
PasswordsOption = Annotated[Path | None, typer.Option(help="Lines of SERIAL:PASSWORD.")]
CertificatesOption = Annotated[Path | None, typer.Option(help="Folder with SERIAL/cert.pem and SERIAL/cert.key.")]
ReadyOption = Annotated[
    Path | None, typer.Option("--ready", "--ready-file", help="Write addresses here once all rigs listen.")
]


@app.callback(invoke_without_command=True)
def _alone(
    told: Annotated[bool, typer.Option("--version", help="Print name and version.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Name the scenarios.")] = False,
) -> None:
    if listed:
        for name in shipped_scenes():
            typer.echo(f"{name:<22} {find_scene(name).what}")
        raise typer.Exit
    if told:
        typer.echo(f"kaofen-simulate {version('kaofen')}")
        raise typer.Exit


@app.command()
def fleet(  # noqa: PLR0917 - options, each by its name
    rigs: Annotated[int, typer.Option(help="How many rigs, each on its own port.")] = 12,
    exams: Annotated[int, typer.Option(help="First tries; resits come on top.")] = 28,
    seed: Annotated[int, typer.Option(help="The same seed gives the same truth.")] = 7,
    speed: Annotated[float, typer.Option(help="Exam time runs so many times as fast.")] = 60.0,
    address: AddressOption = "127.0.0.1",
    port_base: Annotated[int, typer.Option(help="First port; 0 = free ports, see --ready.")] = 0,
    truth: Annotated[Path | None, typer.Option(help="Write every latched record here, one JSON line each.")] = None,
    ready: ReadyOption = None,
    rubric: RubricOption = None,
    fault: FaultOption = None,
    reboots: Annotated[int, typer.Option(help="Exams during which the rig loses power in mid-item.")] = 1,
    practice: Annotated[int, typer.Option(help="Practice runs between the exams.")] = 1,
    session: Annotated[str, typer.Option(help="Beginning of every admission ticket.")] = "S20261123",
    control_port: Annotated[int, typer.Option(help="Port of the control socket; 0 = a free one, see --ready.")] = 0,
    timeout: Annotated[float | None, typer.Option(help="Give up after so many real seconds, exit 1.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Go on serving when everything is done.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No summary.")] = False,
    view: Annotated[bool, typer.Option("--view", help="Show the fleet on the terminal, drawn twice a second.")] = False,
    plan: Annotated[Path | None, typer.Option(help="Run the rigs and candidates of this plan (TOML).")] = None,
    gateway: Annotated[list[str] | None, typer.Option(help="With --plan: only rigs of this gateway; again.")] = None,
    sitting: Annotated[list[str] | None, typer.Option(help="With --plan: only the session of this id; again.")] = None,
    items: Annotated[str, typer.Option(help="With --plan: items of candidates whose list says none.")] = "",
    no_ticket: MuteOption = None,
    layout: LayoutOption = None,
    scenario: ScenarioOption = None,
    strength: StrengthOption = None,
    bus: BusOption = "",
    per_bus: Annotated[int, typer.Option(help="With --bus: units on one line.")] = 8,
    on_bus: OnBusOption = None,
    hold: HoldOption = False,
    broker: BrokerOption = None,
    broker_protocol: ProtocolOption = "5",
    broker_ca: CaOption = None,
    broker_passwords: PasswordsOption = None,
    broker_certificates: CertificatesOption = None,
    push: PushOption = None,
    push_secrets: PushSecretsOption = None,
    push_ca: PushCaOption = None,
    push_token: PushTokenOption = False,
) -> None:
    """Run many rigs with seeded candidates until all exams are done and all records acknowledged."""
    scene = _checked(lambda: _scene(scenario, plan))
    settings = _checked(
        lambda: FleetSettings(
            rigs=scene.rigs if scene else rigs,
            exams=exams,
            seed=seed,
            speed=speed,
            address=address,
            port_base=port_base,
            reboots=reboots,
            practice=practice,
            session=session,
            faults=(*(scene.faults_of(strength) if scene else ()), *(parse_fault(text) for text in fault or ())),
            bus=bus,
            per_bus=per_bus,
            layouts=() if plan or scene else tuple(layout or ()),
            mixed=plan is not None,
            hold=hold,
            broker=_broker(broker, broker_protocol, broker_ca, broker_passwords, broker_certificates),
            push=_desk(push, push_secrets, push_ca, token=push_token),
        )
    )
    asked = _asked(seed, reboots, gateway, sitting, no_ticket, on_bus)
    line_up = _checked(lambda: _played(scene, settings, strength) or _planned(plan, items, asked, layout))
    wishes = Wishes(rubric, truth, ready, control_port, timeout, stay=stay, quiet=quiet, line_up=line_up, view=view)
    raise typer.Exit(run(run_fleet(settings, wishes)))


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
    layout: LayoutOption = None,
    bus: BusOption = "",
    broker: BrokerOption = None,
    broker_protocol: ProtocolOption = "5",
    broker_ca: CaOption = None,
    broker_passwords: PasswordsOption = None,
    broker_certificates: CertificatesOption = None,
    push: PushOption = None,
    push_secrets: PushSecretsOption = None,
    push_ca: PushCaOption = None,
    push_token: PushTokenOption = False,
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
            layouts=tuple(layout or ()),
            bus=bus,
            broker=_broker(broker, broker_protocol, broker_ca, broker_passwords, broker_certificates),
            push=_desk(push, push_secrets, push_ca, token=push_token),
        )
    )
    raise typer.Exit(run(run_fleet(settings, Wishes(rubric, control_port=control_port, stay=True, talk=True))))


@app.command()
def broker(
    address: AddressOption = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 = a free one, see --ready-file.")] = 1883,
    ready: ReadyOption = None,
) -> None:
    """Run an embedded MQTT broker (3.1.1, nothing kept) for machines without Mosquitto, until it is stopped."""
    raise typer.Exit(run(serve_broker(address, port, ready)))


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


@app.command()
def rehearse(
    scenario: Annotated[str, typer.Argument(help="A scenario (see --list), or a .toml file.")],
    truth: Annotated[Path, typer.Option(help="Write every record here, one JSON line each.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same truth.")] = 7,
    strength: StrengthOption = None,
    start: Annotated[str, typer.Option(help="When the day begins, UTC.")] = "2026-11-23T01:00:00",
) -> None:
    """Write the truth of a scenario at once: no rigs, no gateway, no waiting, no faults."""
    _checked(lambda: write_truth(find_scene(scenario), truth, start=start, seed=seed, strength=strength))


@app.command()
def models() -> None:
    """List the models of makers' rigs that can be simulated (--layout)."""
    for name in all_models():
        typer.echo(name)


def main() -> None:
    """Entry point."""
    app()


def _desk(url: str | None, secrets: Path | None, ca: Path | None, *, token: bool) -> Desk | None:
    return None if url is None else parse_desk(url, secrets, ca, signed=not token)


def _broker(
    place: str | None, protocol: str, ca: Path | None, passwords: Path | None, certificates: Path | None
) -> Broker | None:
    if place is None:
        return None
    return parse_broker(place, protocol, ca=ca, passwords=passwords, certificates=certificates)


def _scene(name: str | None, plan: Path | None) -> Scene | None:
    if name is not None and plan is not None:
        raise InputError("--plan and --scenario: one of them says who comes")
    return None if name is None else find_scene(name)


def _played(scene: Scene | None, settings: FleetSettings, strength: str | None) -> LineUp | None:
    if scene is None:
        return None
    return play(scene, seed=settings.seed, strength=strength, wire=wire_of(settings))


def _asked(seed: int, reboots: int, *patterns: list[str] | None) -> rounds.Wishes:
    return rounds.Wishes(seed, reboots, *(tuple(one or ()) for one in patterns))


def _planned(plan: Path | None, items: str, asked: rounds.Wishes, layouts: Sequence[str] | None) -> LineUp | None:
    """The rigs and candidates of a plan; None where there is none."""
    if plan is None:
        return None
    line_up = rounds.play(load_plan(plan, items.split()), asked)
    return with_makers(line_up, layouts) if layouts else line_up


def _checked(make: Any) -> Any:
    try:
        return make()
    except InputError as error:
        typer.echo(f"kaofen-simulate: {error}", err=True)
        raise typer.Exit(INPUT_EXIT) from None
