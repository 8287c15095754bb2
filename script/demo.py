"""One exam point on one machine: rigs on two wires → two gateways → server → live page, by an exam plan.

``script/demo`` starts everything, prints the address and runs until Ctrl-C. ``--once`` runs one exam session and ends
with a verdict: every attempt equals what the rigs produced, was scored again by the server, receipted, and verified
offline. ``--rough`` kills server, gateways and broker at random in the middle of it. ``--scenario NAME`` plays a day of
the scenario library instead (scenario_day.py).
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oracle
import oracle_plan
import scenario_day
from broker import Broker
from point import ExamPoint
from world import OPERATOR, PASSWORD, ROOT, World, WorldError, command

if TYPE_CHECKING:
    from box import Box
    from service import Service

ROUND_S_MAX = 300
SPEED_MAX = 100_000
GATEWAYS = ("gw-01", "gw-02")
MUTE = "LM-0010"  # one panel that does not know whom it examines: the plan says it
Say = Callable[[str], None]
# Alarms about lines and processes and not about scores: a busy machine is enough for them.
SILENCE = {"gateway_silent", "rig_silent"}


def options() -> argparse.Namespace:
    """The command line; `--help` is its page."""
    parser = argparse.ArgumentParser(prog="script/demo", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--once", action="store_true", help="one exam session, then a verdict as exit status")
    parser.add_argument("--rough", action="store_true", help="SIGKILL server, gateways and broker at random on the way")
    parser.add_argument("--embedded", action="store_true", help="the embedded MQTT broker, Mosquitto or not")
    parser.add_argument("--modbus", type=int, default=10, help="rigs on Modbus TCP (default 10)")
    parser.add_argument("--mqtt", type=int, default=10, help="rigs on MQTT (default 10)")
    parser.add_argument(
        "--wires", choices=("all", "two", "modbus", "mqtt"), default="all",
        help="all: beside them a bus (RTU), HTTP push, single MQTT values, Sparkplug (default); "
        "with --scenario: modbus (default) or mqtt",
    )  # fmt: skip
    parser.add_argument("--scenario", metavar="NAME", help="a day of the scenario library, or a .toml file, on one box")
    parser.add_argument("--strength", choices=("faint", "plain", "gross"), help="of all that the scenario holds")
    parser.add_argument("--candidates", type=int, default=30, help="candidates, four items each (default 30)")
    parser.add_argument("--seed", type=int, default=7, help="seed of candidates, items and kills (default 7)")
    parser.add_argument("--speed", type=float, help="exam seconds per second (default: 300 with --once, else 20)")
    parser.add_argument("--port", type=int, default=8443, help="port of the live page (default 8443)")
    parser.add_argument("--keep", type=Path, help="keep everything in this new folder")
    given = parser.parse_args()
    bounds = {"modbus": (4, 500), "mqtt": (0, 500), "candidates": (1, 999), "port": (1, 65535)}
    for name, (least, most) in bounds.items():
        if not least <= getattr(given, name) <= most:
            parser.error(f"--{name} {getattr(given, name)}: from {least} to {most}")
    if given.speed is not None and not 0 < given.speed <= SPEED_MAX:
        parser.error(f"--speed {given.speed:g}: above 0, up to {SPEED_MAX}")
    if given.keep is not None and (given.keep.exists() and (not given.keep.is_dir() or any(given.keep.iterdir()))):
        parser.error(f"--keep {given.keep}: already there; name a new folder")
    wrong = scenario_day.check(given)
    if wrong:
        parser.error(wrong)
    return given


@dataclass(slots=True)
class Disturber:
    """What --rough does: each service is killed with SIGKILL at random shares of the session, and started again."""

    world: World
    say: Say
    plan: list[tuple[float, Service]]
    down: tuple[float, Service] | None = None

    @staticmethod
    def of(world: World, seed: int, say: Say) -> Disturber:
        """Two kills of every service, in an order and at moments that the seed says."""
        chance = random.Random(f"{seed}/kills")  # noqa: S311 - reproducible, not secret
        services = [world.server, *(box.service for box in world.boxes)]
        if world.broker is not None:
            services.append(world.broker.service)
        moments = sorted((chance.uniform(0.1, 0.9), number % len(services)) for number in range(2 * len(services)))
        return Disturber(world, say, [(share, services[number]) for share, number in moments])

    def tick(self, share: float) -> None:
        """Start what was down long enough; kill what is due. One at a time: no exam starts without its gateway."""
        if self.down is not None:
            until, service = self.down
            if time.monotonic() < until:
                return
            service.start()
            self.down = None
        if self.plan and share >= self.plan[0][0]:
            _share, service = self.plan.pop(0)
            service.kill()
            self.say(f"    {share:4.0%}  {service.name} killed with SIGKILL")
            self.down = (time.monotonic() + 1.0, service)

    def end(self) -> None:
        """Everything runs again."""
        if self.down is not None:
            self.down[1].start()
            self.down = None


def build(world: World, arguments: argparse.Namespace, say: Say) -> ExamPoint:
    """Set everything up and start it, with a line per step."""
    say("  certificates, keys, databases, one operator")
    world.build_server()
    numbers = {"modbus": arguments.modbus, "mqtt": arguments.mqtt, "candidates": arguments.candidates}
    point = ExamPoint(GATEWAYS, **numbers, seed=arguments.seed, others=other_wires(arguments))
    plan = point.write(world.directory / "plan")
    printed = command("kaofen-server", "plan", "publish", world.server_config, plan)
    say(f"  exam plan {printed.splitlines()[0]}")
    broker = world.broker
    if broker is not None:
        broker.build()
        broker.service.start()
        world.wait("the broker answers", broker.answers, 20, needs=broker.service)
        say(f"  MQTT broker: {broker.name}")
    for box in world.boxes:
        box.build([], world.uplink, broker=broker)
        say(f"  gateway box {box.id}, enrolled at the server")
    world.server.start()
    world.wait("the server answers", world.serving, 60, needs=world.server)
    fetch_plan(world)
    rigs = let_in(world, point, arguments, plan)
    for box in world.boxes:
        mine = [rig for rig in rigs if rig["gateway"] == box.id]
        box.equip(mine, broker=broker)
        box.service.stop()  # its settings are read at its start
        box.service.start()
        wires = ", ".join(f"{count} {wire}" for wire, count in Counter(one["wire"] for one in mine).items())
        say(f"  {len(mine)} simulated rigs connected to {box.id}: {wires}")
    for box in world.boxes:
        world.wait(f"{box.id} hears its rigs", lambda box=box: scenario_day.heard(box), 60, needs=box.service)
    world.press(cmd="go")
    return point


def other_wires(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Rigs that nobody tells what is stored lose results when things are killed, and may: --rough is without them."""
    if arguments.wires != "all":
        return ()
    told = ("bus", "http")
    return told if arguments.rough or not arguments.mqtt else (*told, "values", "sparkplug")


def other_words(world: World, point: ExamPoint) -> list[str]:
    """How the rigs of the other wires are told to the simulators, and the secrets to the box."""
    words: list[str] = []
    kinds = {rig.kind for rig in point.rigs}
    if "bus" in kinds:
        words += ["--bus", "tcp", "--on-bus", "LB-*"]
    if "http" in kinds:
        known = {rig.serial: random.SystemRandom().randbytes(32).hex() for rig in point.rigs if rig.kind == "http"}
        for serial, secret in known.items():
            world.boxes[0].let_push(serial, secret)
        listed = world.directory / "push-secrets.txt"
        listed.write_text("".join(f"{serial}:{secret}\n" for serial, secret in known.items()), "ascii")
        listed.chmod(0o600)
        words += ["--push", f"http://127.0.0.1:{world.boxes[0].push_port}", "--push-secrets", str(listed)]
    if "values" in kinds:
        words += ["--layout", "MB-*=meter-bench-iot-typical"]
    if "sparkplug" in kinds:
        words += ["--layout", f"LS-*={ROOT / 'script' / 'demo_rigs' / 'first-aid-sparkplug.rig.toml'}"]
    return words


def fetch_plan(world: World) -> None:
    """The day before the exam: what a rig recorded before its box has the plan would be matched by a person."""
    for box in world.boxes:
        box.service.start()
    for box in world.boxes:
        world.wait(f"{box.id} has the plan", lambda box=box: in_session(box), 60, needs=box.service)


def in_session(box: Box) -> bool:
    """Whether the box has adopted the plan and opened its session."""
    status = box.status()
    return status is not None and bool(status["plan"]) and any(one["open"] for one in status["sessions"])


def let_in(world: World, point: ExamPoint, arguments: argparse.Namespace, plan: Path) -> list[dict[str, Any]]:
    """Start the rigs and their candidates, who wait until a gateway records; where the rigs are."""
    speed = arguments.speed or (300 if arguments.once else 20)
    words = ["--plan", str(plan), "--seed", str(arguments.seed), "--speed", str(speed)]
    if world.broker is not None:
        words += ["--broker", f"127.0.0.1:{world.broker.port}", "--broker-protocol", world.broker.protocol]
    if any(rig.serial == MUTE for rig in point.rigs):
        words += ["--no-ticket", MUTE]
    words += [*other_words(world, point), "--hold"]
    return world.start_fleet(*words, *(("--timeout", str(ROUND_S_MAX)) if arguments.once else ("--stay",)))


def run_round(world: World, point: ExamPoint, arguments: argparse.Namespace, say: Say) -> oracle.Verdict:
    """Let the session take its course, then compare everything with everything."""
    disturber = Disturber.of(world, arguments.seed, say) if arguments.rough else None
    planned = sum(len(one.items) for one in point.people)
    end = time.monotonic() + ROUND_S_MAX
    while world.fleet.running() and time.monotonic() < end:
        if disturber is not None:
            disturber.tick(_latched(world) / planned)
        time.sleep(0.1)
    if disturber is not None:
        disturber.end()
    if world.fleet.stop() != 0:
        raise WorldError(f"the rigs did not get through their exams\n{world.diagnosis()}")
    truth = oracle.read_truth(world.truth)
    say(f"  {len(truth)} records latched by the rigs, all acknowledged; waiting for the receipts")
    for box in world.boxes:
        world.wait(f"every entry of {box.id} receipted", lambda box=box: box.unsent() == 0, 60)
    world.wait("every result shown", lambda: _shown(world, truth), 60)
    for box in world.boxes:
        box.service.stop()
    verdict = oracle.Verdict()
    oracle_plan.judge(world, point, verdict)
    oracle_plan.alarms(world, SILENCE, verdict)
    return verdict


def _latched(world: World) -> int:
    return world.truth.read_text("utf-8").count(f'"{oracle.RESULT}"') if world.truth.exists() else 0


def _shown(world: World, truth: list[dict[str, object]]) -> bool:
    wanted = sum(1 for r in truth if r["type"] == oracle.RESULT and oracle.in_exam(r))
    try:
        return len(oracle.pages(world, "/api/v1/items")) >= wanted
    except OSError:
        return False


def report(verdict: oracle.Verdict, what: str, seconds: float, say: Say) -> None:
    """The counts, every difference, and one last line."""
    for name, count in verdict.counts.items():
        say(f"  {count:6d}  {name}")
    for fault in verdict.faults[:40]:
        say(f"  WRONG   {fault}")
    say(f"{'OK' if verdict.ok else f'FAILED ({len(verdict.faults)} faults)'}: {what} in {seconds:.0f} s")


def show(world: World, point: ExamPoint | None, arguments: argparse.Namespace, started: float, say: Say) -> int:
    """Run until Ctrl-C, or one session with its verdict. Without a point it is a scenario that is played."""
    if not arguments.once:
        say("  Ctrl-C stops everything.")
        signal.pause()
    if point is None:
        verdict, what = scenario_day.run_day(world, say), f"scenario {arguments.scenario}"
    else:
        verdict, what = run_round(world, point, arguments, say), "one exam session"
    report(verdict, what, time.monotonic() - started, say)
    return 0 if verdict.ok else 1


def main() -> int:
    """Build, run, judge, and stop everything whatever happened. Returns the exit status."""
    arguments = options()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="kaofen-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"script/demo: --keep {folder}: {error.strerror}", file=sys.stderr)
        return 2
    folder = folder.resolve()
    boxes = GATEWAYS[:1] if arguments.scenario else GATEWAYS
    world = World(folder, people_port=None if arguments.once else arguments.port, gateways=boxes, backoff_cap_s=2)
    if arguments.wires == "mqtt" or (arguments.mqtt and not arguments.scenario):
        world.broker = Broker(folder, embedded=arguments.embedded)
    say: Say = lambda line: print(line, flush=True)  # noqa: E731 - one sink, named
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        say(f"Kaofen demo in {folder}")
        point = None
        if arguments.scenario:
            scenario_day.build(world, arguments, say)
        else:
            point = build(world, arguments, say)
        say(f"\n  live page  https://localhost:{world.people_port}/   (its certificate is by {world.ca})")
        say(f"  account    {OPERATOR} / {PASSWORD}")
        for box in world.boxes:
            say(f"  box page   http://localhost:{box.local_port}/   ({box.id})")
        say("")
        return show(world, point, arguments, started, say)
    except KeyboardInterrupt:
        return 0
    except WorldError as error:
        say(f"FAILED: {error}")
        return 1
    finally:
        world.close()
        if arguments.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
