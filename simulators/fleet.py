"""A fleet of rigs in one process: hosts, stations, faults, and when it is done.

plan (scenario.py) ─▶ station ─presses─▶ rig ─latches─▶ truth
                                          ▲ registers
                                 host ◀──TCP── gateway
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from simulators.bus.host import BusHost
from simulators.bus.line import BusLine
from simulators.bus.outlets import opener_of
from simulators.bus.seats import Seats
from simulators.device.clock import FleetTime, RigTime
from simulators.device.rig import Latched, Rig
from simulators.errors import InputError, RigRefuses
from simulators.exam.lineup import LineUp, RigPlace, line_up_of
from simulators.exam.scenario import Scenario, plan_fleet
from simulators.exam.station import Station, Turnstile
from simulators.faults.catalogue import make_fault
from simulators.layouts.lineup import makers_line_up
from simulators.layouts.rig import MakerRig
from simulators.layouts.shape import Layout
from simulators.limits import SPEED_MAX, UNITS_PER_BUS_MAX
from simulators.modbus.host import RigHost
from simulators.mqtt.host import MqttHost
from simulators.mqtt.payloads import MessageWire
from simulators.push.host import PushHost
from simulators.talk.edge import EdgeNode, SparkHost
from simulators.talk.model import MessageModel
from simulators.talk.pushed import PushedHost
from simulators.talk.rig import TalkRig
from simulators.talk.topics import TopicsHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.device.plug import Host
    from simulators.device.rubric import Rubric
    from simulators.device.truth import TruthFile
    from simulators.faults import FaultSpec
    from simulators.mqtt.broker import Broker
    from simulators.push.desk import Desk

_LOOK_S = 0.05
_PORT_LAST = 65_535


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What a fleet is made of."""

    rigs: int = 12
    exams: int = 28
    seed: int = 7
    speed: float = 60.0
    address: str = "127.0.0.1"
    port_base: int = 0
    unit: int = 1
    reboots: int = 1
    practice: int = 1
    session: str = "S20261123"
    prefix: str = "LV"
    faults: tuple[FaultSpec, ...] = ()
    broker: Broker | None = None  # without a plan: all rigs hang on it
    bus: str = ""  # without a plan: all rigs hang on buses of this kind (simulators/bus/outlets.py)
    per_bus: int = 8
    push: Desk | None = None  # without a plan: all rigs push to it
    layouts: tuple[str, ...] = ()  # without a plan: models of makers, in turn (simulators/talk/find.py)
    mixed: bool = False  # a plan says what hangs where
    hold: bool = False  # candidates wait until `let_in`

    def __post_init__(self) -> None:
        if not 0 < self.speed <= SPEED_MAX:
            raise InputError(f"--speed {self.speed:g}: between 0 and {SPEED_MAX:g}")
        if self.port_base and not 0 < self.port_base <= _PORT_LAST - self.rigs + 1:
            raise InputError(
                f"--port-base {self.port_base}: {self.rigs} ports from there do not fit below {_PORT_LAST + 1}"
            )
        if not 1 <= self.per_bus <= UNITS_PER_BUS_MAX:
            raise InputError(f"--per-bus {self.per_bus}: 1 to {UNITS_PER_BUS_MAX} units fit on a line")
        wires = bool(self.bus) + (self.broker is not None) + (self.push is not None)
        if wires > 1 and not self.layouts and not self.mixed:
            raise InputError("--bus, --broker and --push: a rig hangs on one of them")
        if self.bus:
            opener_of(self.bus, self.address, self.port_base)


class Fleet:
    """Started by `async with`; `finished` returns when all exams are done and all records acknowledged."""

    def __init__(
        self,
        settings: FleetSettings,
        rubric: Rubric,
        truth: TruthFile,
        *,
        time: RigTime | None = None,
        line_up: LineUp | None = None,
        on_latch: Callable[[Latched], None] = lambda _: None,
        say: Callable[[str, str], None] = lambda _rig, _text: None,
    ) -> None:
        self.settings = settings
        line_up = line_up or _by_count(settings, rubric)
        self.rubric = line_up.rubric
        self.scenario: Scenario = line_up.scenario
        self.truth = truth
        self.outcomes: Counter[str] = Counter()
        self.latest: dict[str, Latched] = {}
        self._on_latch = on_latch
        self._say = say
        self._time = time or FleetTime(settings.speed)
        self._lines: dict[int, BusLine] = {}
        self._seats = Seats(settings.per_bus, settings.unit)
        self._nodes: dict[tuple[str, str], EdgeNode] = {}
        self.hosts: list[Host] = [self._host(index, place) for index, place in enumerate(line_up.rigs)]
        self.gateways = {place.serial: place.gateway for place in line_up.rigs}
        self.layouts = {place.serial: place.layout.id for place in line_up.rigs if place.layout is not None}
        self.by_serial = {host.rig.serial: host for host in self.hosts}
        turnstile = Turnstile()
        self.stations = [
            Station(host, runs, turnstile, say) for host, runs in zip(self.hosts, self.scenario.queues, strict=True)
        ]
        self._station_of = {station.host.rig.serial: station for station in self.stations}
        self._tasks: list[asyncio.Task[None]] = []
        self._check_faults()

    def _host(self, index: int, place: RigPlace) -> Host:
        settings = self.settings
        more: dict[str, Any] = {
            "station": place.station,
            "seed": settings.seed,
            "on_memory_lost": self.truth.memory_lost,
        }
        if place.wire == MqttHost.wire:
            if settings.broker is None:
                raise InputError(f"rig {place.serial} hangs on MQTT: say --broker HOST:PORT")
            return self._published(place, settings.broker, more)
        if place.wire == PushHost.wire:
            if settings.push is None:
                raise InputError(f"rig {place.serial} pushes over HTTP: say --push http://HOST:PORT")
            if isinstance(place.layout, MessageModel):
                return PushedHost(self._talk_rig(place, place.layout), settings.push, say=self._say, **more)
            rig = Rig(place.serial, self.rubric, self._time, wire=MessageWire(), on_latch=self._latched)
            return PushHost(rig, settings.push, say=self._say, **more)
        rig = self._register_rig(place)
        if place.wire == BusHost.wire:
            if not settings.bus:
                raise InputError(f"rig {place.serial} hangs on a bus: say --bus tcp, pty, or HOST:PORT")
            number, unit = self._seats.next(place.gateway)
            return BusHost(rig, self._line(number), unit, **more)
        port = settings.port_base + index if settings.port_base else 0
        return RigHost(rig, address=settings.address, port=port, unit=settings.unit, **more)

    def _published(self, place: RigPlace, broker: Broker, more: dict[str, Any]) -> Host:
        """Below a node of its own kind, topic by topic, or in the messages of interface v1."""
        model = place.layout
        if not isinstance(model, MessageModel):
            rig = Rig(place.serial, self.rubric, self._time, wire=MessageWire(), on_latch=self._latched)
            return MqttHost(rig, broker, say=self._say, **more)
        talk = self._talk_rig(place, model)
        if model.kind == "topics":
            return TopicsHost(talk, broker, say=self._say, **more)
        node = self._nodes.setdefault(model.edge, EdgeNode(broker, model.edge, self._time, self.settings.seed))
        return SparkHost(talk, node, **more)

    def _talk_rig(self, place: RigPlace, model: MessageModel) -> TalkRig:
        if (place.wire == PushHost.wire) is not (model.kind == "json"):
            raise InputError(f"rig {place.serial}: a {model.id} ({model.kind}) does not hang on {place.wire}")
        return TalkRig(place.serial, self.rubric, self._time, model, on_latch=self._latched)

    def _register_rig(self, place: RigPlace) -> Rig:
        if place.layout is None:
            return Rig(place.serial, self.rubric, self._time, on_latch=self._latched)
        if not isinstance(place.layout, Layout):
            raise InputError(f"rig {place.serial}: a {place.layout.id} ({place.layout.kind}) has no registers")
        try:
            return MakerRig(place.serial, self.rubric, self._time, place.layout, on_latch=self._latched)
        except RigRefuses as error:
            raise InputError(f"rig {place.serial} cannot be a {place.layout.id}: {error}") from None

    def _line(self, number: int) -> BusLine:
        """Bus `number`, counted from 1."""
        settings = self.settings
        if number not in self._lines:
            port = settings.port_base + number - 1 if settings.port_base else 0
            self._lines[number] = BusLine(number, opener_of(settings.bus, settings.address, port))
        return self._lines[number]

    def _check_faults(self) -> None:
        """A wrong fault is told before anything listens."""
        for spec in self.settings.faults:
            if spec.rig is not None and spec.rig not in self.by_serial:
                raise InputError(f"fault {spec.name}: there is no rig {spec.rig!r}")
            make_fault(spec, random.Random(0))  # noqa: S311 - thrown away

    async def __aenter__(self) -> Self:
        """Listen on every port, then let the candidates in, unless they are to wait."""
        try:
            for host in self.hosts:
                await host.start()
        except OSError as error:
            await self.stop()
            where = host.where()
            raise InputError(
                f"{host.rig.serial} cannot listen on {where.get('host')}:{where.get('port')}: {error.strerror}"
            ) from error
        except InputError:
            await self.stop()
            raise
        for spec in self.settings.faults:
            for host in self.hosts if spec.rig is None else [self.by_serial[spec.rig]]:
                host.set_fault(spec)
        if not self.settings.hold:
            self.let_in()
        return self

    def let_in(self) -> None:
        """The candidates, once."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(s.work(), name=f"station {s.host.station}") for s in self.stations]

    async def __aexit__(self, *_: object) -> None:
        """Everything ends."""
        await self.stop()

    async def stop(self) -> None:
        """Candidates leave, rigs are switched off."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(host.stop() for host in self.hosts))

    async def finished(self) -> None:
        """Return when all exams are done and all records acknowledged; a station that broke raises here."""
        while self.waiting():
            for task in self._tasks:
                if task.done():
                    task.result()
            await self._time.sleep_bus(_LOOK_S)

    def waiting(self) -> list[str]:
        """Which rigs are not done, and why."""
        reasons = []
        for station in self.stations:
            memory = station.host.rig.memory
            if station.busy:
                why = f"waits: {station.waiting}" if station.waiting else "exam in progress"
                trouble = f"; {station.host.trouble}" if station.host.trouble else ""
                reasons.append(f"{station.host.rig.serial}: {why} ({len(station.queue)} exams left){trouble}")
            elif memory.oldest_seq:
                left = memory.last_seq - memory.oldest_seq + 1
                asked = "" if station.host.requests else ", and nobody has asked or told this rig anything"
                acked = f"(ack_seq {memory.acked_seq} of {memory.last_seq})"
                reasons.append(f"{station.host.rig.serial}: {left} records not acknowledged {acked}{asked}")
        return reasons

    def ready_document(self, control: dict[str, Any]) -> dict[str, Any]:
        """What ready.json says."""
        return {
            "control": control,
            "rigs": [
                {
                    "serial": h.rig.serial,
                    "wire": h.wire,
                    "station": h.station,
                    "gateway": self.gateways[h.rig.serial],
                    **({"layout": self.layouts[h.rig.serial]} if h.rig.serial in self.layouts else {}),
                    **h.where(),
                }
                for h in self.hosts
            ],
        }

    def _latched(self, latched: Latched) -> None:
        self.latest[latched.rig] = latched
        if latched.result is not None:
            self.outcomes[latched.result.outcome.name.lower()] += 1
        self.truth.record(latched, self._more(latched))
        self._on_latch(latched)

    def _more(self, latched: Latched) -> dict[str, Any]:
        """What the record does not say: where, and who it really was."""
        station = self._station_of[latched.rig]
        run, told = station.serving, latched.event.ticket
        who: dict[str, Any] = {}
        if run and run.session:
            who = {"ticket": run.ticket, "order": run.order, "session": run.session}
        elif run and not told and latched.result is not None:
            who = {"ticket": run.ticket}
        return {"station": station.host.station, "rig_ticket": told, **who}


def wire_of(settings: FleetSettings) -> str:
    """On what all rigs hang when no plan says it; with models, those that have registers."""
    if settings.layouts:
        return BusHost.wire if settings.bus else RigHost.wire
    if settings.push is not None:
        return PushHost.wire
    return BusHost.wire if settings.bus else RigHost.wire if settings.broker is None else MqttHost.wire


def _by_count(settings: FleetSettings, rubric: Rubric) -> LineUp:
    """A fleet without a plan."""
    wire = wire_of(settings)
    if settings.layouts:
        return makers_line_up(settings.layouts, settings, wire)
    scenario = plan_fleet(
        rubric,
        rigs=settings.rigs,
        exams=settings.exams,
        seed=settings.seed,
        reboots=settings.reboots,
        practice=settings.practice,
        session=settings.session,
    )
    return line_up_of(scenario, rubric, settings.prefix, wire)
