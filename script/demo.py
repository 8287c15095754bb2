"""The main job on one machine: simulated rigs → gateway → server → live page.

``script/demo`` starts everything, prints the address and runs until Ctrl-C. ``--once`` runs one exam round and ends
with a verdict: every score arrived, was receipted, was verified offline and equals what the rigs produced.
``--rough`` stops the server and kills the gateway with SIGKILL in the middle of it.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import oracle
from world import OPERATOR, PASSWORD, World, WorldError

ROUND_S_MAX = 170
SPEED_MAX = 100_000
Say = Callable[[str], None]


def options() -> argparse.Namespace:
    """The command line; `--help` is its page."""
    parser = argparse.ArgumentParser(prog="script/demo", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--once", action="store_true", help="one exam round, then a verdict as exit status")
    parser.add_argument("--rough", action="store_true", help="stop the server and SIGKILL the gateway on the way")
    parser.add_argument("--rigs", type=int, default=12, help="number of simulated rigs (default 12)")
    parser.add_argument("--exams", type=int, default=28, help="number of exams, four items each (default 28)")
    parser.add_argument("--seed", type=int, default=7, help="seed of candidates and faults (default 7)")
    parser.add_argument("--speed", type=float, help="exam seconds per second (default: 150 with --once, else 12)")
    parser.add_argument("--port", type=int, default=8443, help="port of the live page (default 8443)")
    parser.add_argument("--keep", type=Path, help="keep everything in this new folder")
    given = parser.parse_args()
    for name, value, most in (("rigs", given.rigs, 2000), ("exams", given.exams, 100_000), ("port", given.port, 65535)):
        if not 1 <= value <= most:
            parser.error(f"--{name} {value}: from 1 to {most}")
    if given.speed is not None and not 0 < given.speed <= SPEED_MAX:
        parser.error(f"--speed {given.speed:g}: above 0, up to {SPEED_MAX}")
    if given.keep is not None and (given.keep.exists() and (not given.keep.is_dir() or any(given.keep.iterdir()))):
        parser.error(f"--keep {given.keep}: already there; name a new folder")
    return given


class Disturber:
    """What --rough does, in order, each once a share of the results has been latched by the rigs."""

    def __init__(self, world: World, say: Say) -> None:
        self.world = world
        self.say = say
        self.steps: list[tuple[float, str, Callable[[], None]]] = [
            (0.20, "the server is stopped", lambda: self._ignore(world.server.stop())),
            (0.30, "the server is started again", world.server.start),
            (0.45, "the gateway is killed with SIGKILL", world.gateway.kill),
            (0.47, "the gateway is started again", world.gateway.start),
            (0.60, "the server is killed with SIGKILL", world.server.kill),
            (0.65, "the server is started again", world.server.start),
            (0.80, "the gateway is killed with SIGKILL", world.gateway.kill),
            (0.80, "the gateway is started again", world.gateway.start),
        ]

    def _ignore(self, _status: int | None) -> None:
        """A stop's exit status is the service's own affair here."""

    def tick(self, share: float) -> None:
        """Do what is due. Rigs wait for a ready gateway, so a dead one is brought back by time as well."""
        while self.steps and share >= self.steps[0][0]:
            _at, what, act = self.steps.pop(0)
            self.say(f"    {share:4.0%}  {what}")
            act()
            if self.steps and what.endswith(("stopped", "SIGKILL")):
                time.sleep(3)
                _at, what, act = self.steps.pop(0)
                self.say(f"    {share:4.0%}  {what}")
                act()


def build(world: World, arguments: argparse.Namespace, say: Say) -> None:
    """Set everything up and start it, with a line per step."""
    say("  certificates, keys, databases, one operator")
    world.build_server()
    say(f"  {arguments.rigs} simulated rigs")
    speed = arguments.speed or (150 if arguments.once else 12)
    course = ("--timeout", str(ROUND_S_MAX)) if arguments.once else ("--stay",)
    rigs = world.start_fleet(
        "--rigs", str(arguments.rigs), "--exams", str(arguments.exams), "--seed", str(arguments.seed),
        "--speed", str(speed), *course,
    )  # fmt: skip
    say("  one gateway box, enrolled at the server")
    world.build_gateway(rigs)
    world.server.start()
    world.wait("the server answers", world.serving, 20, needs=world.server)
    world.gateway.start()
    world.wait("the gateway answers", lambda: world.gateway_status() is not None, 20, needs=world.gateway)


def run_round(world: World, arguments: argparse.Namespace, say: Say) -> oracle.Verdict:
    """Let the round take its course, then compare everything with everything."""
    disturber = Disturber(world, say) if arguments.rough else None
    planned = max(1, arguments.exams * 4)
    end = time.monotonic() + ROUND_S_MAX
    while world.fleet.running() and time.monotonic() < end:
        if disturber is not None:
            disturber.tick(_latched(world) / planned)
        time.sleep(0.1)
    if disturber is not None:
        disturber.tick(1.0)
    world.fleet.process.wait(timeout=1)  # type: ignore[union-attr]
    if world.fleet.process.returncode != 0:  # type: ignore[union-attr]
        raise WorldError(f"the rigs did not get through their exams\n{world.diagnosis()}")
    truth = oracle.read_truth(world.truth)
    say(f"  {len(truth)} records latched by the rigs, all acknowledged; waiting for the receipts")
    world.wait("every entry receipted", lambda: _unsent(world) == 0, 30)
    world.wait("every result shown", lambda: _shown(world, truth), 30)
    world.gateway.stop()
    return judge(world, truth)


def judge(world: World, truth: list[dict[str, object]]) -> oracle.Verdict:
    """Simulator against log, log against server, and every attempt offline."""
    verdict = oracle.Verdict()
    logs = oracle.read_log(world.gateway_config.parent / "data")
    verdict.need(len(logs) == 1, f"expected one log, found {[name for name, _ in logs]}")
    oracle.compare_log(truth, logs[0][1], verdict)
    items = oracle.compare_server(world, truth, verdict)
    oracle.compare_bytes(world, logs[0][1], str(items[0]["origin"]), verdict)
    attempts = [str(row["attempt"]) for row in oracle.pages(world, "/api/v1/attempts")]
    oracle.verify_offline(world, attempts, verdict)
    verdict.need(verdict.counts.get("attempts proven offline") == len(attempts), f"{len(attempts)} attempts exist")
    for name in ("veto", "timeout", "aborted", "resit"):
        verdict.counts[name] = sum(1 for record in truth if _shows(record, name))
    return verdict


def _shows(record: dict[str, object], name: str) -> bool:
    if name == "resit":
        return record["type"] == "identity.checked" and record.get("try") == 2  # noqa: PLR2004 - the rig interface's code
    return record["type"] == oracle.RESULT and record["outcome"] == name


def _latched(world: World) -> int:
    return world.truth.read_text("utf-8").count(f'"{oracle.RESULT}"') if world.truth.exists() else 0


def _unsent(world: World) -> int | None:
    status = world.gateway_status()
    return None if status is None else int(status["unsent"])


def _shown(world: World, truth: list[dict[str, object]]) -> bool:
    wanted = sum(1 for r in truth if r["type"] == oracle.RESULT and oracle.in_exam(r))
    try:
        return len(oracle.pages(world, "/api/v1/items")) >= wanted
    except OSError:
        return False


def report(verdict: oracle.Verdict, seconds: float, say: Say) -> None:
    """The counts, every difference, and one last line."""
    for name, count in verdict.counts.items():
        say(f"  {count:6d}  {name}")
    for fault in verdict.faults[:40]:
        say(f"  WRONG   {fault}")
    say(f"{'OK' if verdict.ok else 'FAILED'}: one exam round in {seconds:.0f} s")


def show(world: World, arguments: argparse.Namespace, started: float, say: Say) -> int:
    """Run until Ctrl-C, or one round with its verdict."""
    if not arguments.once:
        say("  Ctrl-C stops everything.")
        signal.pause()
    verdict = run_round(world, arguments, say)
    report(verdict, time.monotonic() - started, say)
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
    world = World(folder.resolve(), people_port=None if arguments.once else arguments.port)
    say: Say = lambda line: print(line, flush=True)  # noqa: E731 - one sink, named
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        say(f"Kaofen demo in {folder}")
        build(world, arguments, say)
        say(f"\n  live page  https://localhost:{world.people_port}/   (its certificate is by {world.ca})")
        say(f"  account    {OPERATOR} / {PASSWORD}\n")
        return show(world, arguments, started, say)
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
