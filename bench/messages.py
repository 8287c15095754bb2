"""Messages of rigs over MQTT and HTTP push: from what a rig says to the answer that says durable and signed.

    script/bench messages [--rigs 16] [--records 200]

One client publishes the records of all rigs, 40 of all under way at a time, and takes the acknowledgements, as rigs of
interface v1 do. They go through the broker to a real gateway, which appends and signs, and back. The
yardstick is the same client, the same broker, and a bare subscriber that answers each record at once and keeps
nothing; without Mosquitto none of this is measured. Over HTTP the same rigs hand in four records a request, signed,
each on its connection; the yardstick is a bare handler of the same library, which reads the JSON and answers.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from broker import Broker, find_mosquitto
from kit import publishing, pushing
from kit.alone import gateway
from kit.cpu import cpu_s
from kit.figures import Report
from service import WorldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kit.figures import Figure

PROFILE: Final = "kaofen-interface-v1-mqtt"
PUSH_PROFILE: Final = "kaofen-interface-v1-http"


PROVEN_FROM_S: Final = 1.0  # nothing that was signed before the gateway's start is taken (W6)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="script/bench messages", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rigs", type=int, default=16, help="rigs behind one broker (default 16)")
    parser.add_argument("--records", type=int, default=200, help="records of each rig (default 200)")
    return parser.parse_args()


def blocks(broker: Broker, rigs: int) -> str:
    """Broker and rigs as settings."""
    head = f'profile = "{PROFILE}"\nbroker = "main"\nsource = "simulator"\n'
    each = [f'[[rig]]\nserial = "{one}"\nstation = "S-{one}"\n{head}' for one in publishing.serials(rigs, "GW")]
    return "\n".join([*broker.toml(), *each])


def pushed(folder: Path, port: int, rigs: int) -> str:
    """A listener and rigs as settings."""
    folder.mkdir(parents=True)
    text = f'[[push]]\nid = "pc"\nlisten = "127.0.0.1:{port}"\n'
    for one in publishing.serials(rigs, "HP"):
        path = folder / one
        path.write_text(pushing.secret_of(one))
        path.chmod(0o600)
        text += f'[[rig]]\nserial = "{one}"\nstation = "S-{one}"\nprofile = "{PUSH_PROFILE}"\npush = "pc"\n'
        text += f'secret_file = "{path}"\nsource = "simulator"\n'
    return text


def connected(status: Mapping[str, Any]) -> bool:
    """Whether the gateway is with its broker."""
    return all(one["online"] for one in status["brokers"])


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """The bare subscriber, then the gateway, at one broker."""
    folder = Path(tempfile.mkdtemp(prefix="kaofen-bench-"))
    broker = Broker(folder)
    broker.build()
    broker.service.start()
    try:
        while not broker.answers():
            time.sleep(0.1)
        with publishing.answering(broker.port, arguments.rigs) as pid:
            bare = _one(report, "bare subscriber, answers at once", arguments, (broker.port, pid, "BA"))
        with gateway(folder / "box", blocks(broker, arguments.rigs), connected) as running:
            _one(report, "gateway, durable and signed", arguments, (broker.port, running.pid, "GW"), bare)
    finally:
        broker.service.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _one(
    report: Report,
    name: str,
    arguments: argparse.Namespace,
    place: tuple[int, int, str],
    beside: dict[int, Figure] | None = None,
) -> dict[int, Figure]:
    """`place`: the broker's port, who reads there, and how its rigs' names begin."""
    port, reader, prefix = place
    began_cpu, began = cpu_s(reader), time.monotonic()
    took = publishing.publish(port, publishing.serials(arguments.rigs, prefix), arguments.records)
    wall, used = time.monotonic() - began, cpu_s(reader) - began_cpu
    report.add(f"{name}: records", len(took) / wall, "/s", cpu_us=1e6 * used / len(took))
    return report.latency(f"{name}: publish to acknowledgement", took, yardsticks=beside)


def measure_push(report: Report, arguments: argparse.Namespace) -> None:
    """The bare handler, then the gateway."""
    names = publishing.serials(arguments.rigs, "HP")
    with pushing.answering() as (pid, port):
        bare = _pushed(report, "push, bare handler, answers at once", names, arguments.records, place=(pid, port))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as name:
        blocks_ = pushed(Path(name) / "secrets", port, arguments.rigs)
        with gateway(Path(name) / "box", blocks_, lambda said: said["pushes"][0]["listening"]) as running:
            time.sleep(PROVEN_FROM_S)
            place = (running.pid, port)
            _pushed(report, "push, gateway, durable and signed", names, arguments.records, place=place, beside=bare)


def _pushed(
    report: Report,
    name: str,
    names: list[str],
    records: int,
    *,
    place: tuple[int, int],
    beside: dict[int, Figure] | None = None,
) -> dict[int, Figure]:
    """`place`: who answers, and where."""
    pid, port = place
    began_cpu, began = cpu_s(pid), time.monotonic()
    took = pushing.push(port, names, records)
    wall, used = time.monotonic() - began, cpu_s(pid) - began_cpu
    report.add(f"{name}: records", len(took) / wall, "/s", cpu_us=1e6 * used / len(took))
    return report.latency(f"{name}: request to answer", took, yardsticks=beside)


def main() -> int:
    """One run."""
    arguments, report = options(), Report("messages")
    try:
        if find_mosquitto() is None:
            print("no mosquitto here: nothing is measured over MQTT")
        else:
            measure(report, arguments)
        measure_push(report, arguments)
    except (WorldError, TimeoutError) as error:
        print(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
