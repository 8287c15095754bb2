"""The control socket: press the buttons of any rig of a running fleet.

One JSON object a line, one answer a line (docs/simulators.md). Meant for tests and test benches on loopback; it has
no authentication and never listens elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from simulators.commands import Request, parse_command
from simulators.device.codes import AbortReason, Acknowledgement, Mode, Verdict
from simulators.device.plug import POWER_OFF_S, Host
from simulators.errors import InputError, RigRefuses, SimulatorError
from simulators.exam.scenario import ordinary_run
from simulators.faults import FaultSpec
from simulators.limits import CONTROL_LINE_BYTES_MAX, U16_MAX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulators.device.rig import Latched
    from simulators.fleet import Fleet

_WAIT_S = 10.0
_LOOK_S = 0.005

Answer = dict[str, Any]


class Control:
    """Serves commands until it is closed. `stopped` is set by the command `stop`."""

    def __init__(self, fleet: Fleet) -> None:
        self.stopped = asyncio.Event()
        self._fleet = fleet
        self._server: asyncio.Server | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._clients: set[asyncio.Task[None]] = set()
        self._extra = 9000
        self._commands: dict[str, Callable[[Request], Answer | Awaitable[Answer]]] = {
            "rigs": self._rigs,
            "state": lambda r: self._state(self._host(r)),
            "wait": self._wait,
            "stop": self._stop,
            "exam": self._exam,
            "fault": self._fault,
            "clear": self._clear,
            "power_cut": self._power_cut,
            "fail": self._fail,
            "power_up": self._power_up,
            "power_cycle": self._power_cycle,
            "summary": self._summary,
            "go": self._go,
        }
        self._buttons: dict[str, Callable[[Host, Request], Latched]] = {
            "mode": lambda h, r: h.rig.set_mode(Mode[_word(r, "mode")]),
            "open": lambda h, r: h.rig.open_exam(
                str(r["ticket"]), int(r.get("try", 1)), Verdict[_word(r, "verdict", "match")]
            ),
            "start": self._start,
            "deduct": lambda h, r: h.rig.deduct(int(r["line"]), int(r["points"])),
            "veto": lambda h, _: _veto(h),
            "finish": lambda h, _: h.rig.finish_item(),
            "timeout": lambda h, _: h.rig.time_out(),
            "abort": lambda h, r: h.rig.abort(AbortReason[_word(r, "reason", "examiner")]),
            "acknowledge": lambda h, r: h.rig.acknowledge(Acknowledgement[_word(r, "ack", "signed")]),
            "close": lambda h, _: h.rig.close_exam(),
        }

    async def start(self, port: int = 0) -> dict[str, Any]:
        """Listen on loopback; where, for ready.json."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", port, limit=CONTROL_LINE_BYTES_MAX)
        return {"host": "127.0.0.1", "port": self._server.sockets[0].getsockname()[1]}

    async def close(self) -> None:
        """No more commands."""
        if self._server is not None:
            self._server.close()
        for timer in self._timers.values():
            timer.cancel()
        for task in tuple(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def obey(self, line: bytes | str) -> Answer:
        """One command. A wrong one is answered, never raised."""
        try:
            return {"ok": True, **await self._answer(parse_command(line))}
        except KeyError as error:
            return {"ok": False, "error": f"{error} is missing or unknown"}
        except (SimulatorError, ValueError, TypeError) as error:
            return {"ok": False, "error": str(error)}

    async def _answer(self, request: Request) -> Answer:
        name = str(request.get("cmd"))
        if name in self._buttons:
            return self._press(self._buttons[name], request)
        if name not in self._commands:
            raise InputError(f"no command {name!r}; there are {', '.join(sorted([*self._buttons, *self._commands]))}")
        answer = self._commands[name](request)
        return answer if isinstance(answer, dict) else await answer

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, ValueError):
            while line := await reader.readline():
                writer.write(json.dumps(await self.obey(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    # ---- buttons ----

    def _press(self, button: Callable[[Host, Request], Latched], request: Request) -> Answer:
        latched = button(self._host(request), request)
        answer: Answer = {"seq": latched.event.seq, "boot": latched.event.boot, "latched_at_us": latched.wall_us}
        return answer if latched.result is None else {**answer, "score": latched.result.score}

    def _start(self, host: Host, request: Request) -> Latched:
        """Start, and let the rig end the item by itself when its limit is reached."""
        rig = host.rig
        latched = rig.start_item(str(request["item"]))
        run = rig.memory.exam.run if rig.memory.exam else None

        def time_out() -> None:
            exam = rig.memory.exam
            if rig.powered and exam is not None and exam.run is run and run is not None and not run.over:
                rig.time_out()

        delay_s = latched.event.args[0] / self._fleet.settings.speed
        old = self._timers.pop(rig.serial, None)
        if old is not None:
            old.cancel()
        self._timers[rig.serial] = asyncio.get_running_loop().call_later(delay_s, time_out)
        return latched

    # ---- the bench ----

    def _host(self, request: Request) -> Host:
        host = self._fleet.by_serial.get(str(request["rig"]))
        if host is None:
            raise InputError(f"there is no rig {request['rig']!r}")
        return host

    def _hosts(self, request: Request) -> list[Host]:
        return self._fleet.hosts if request.get("rig") is None else [self._host(request)]

    def _rigs(self, _: Request) -> Answer:
        return {"rigs": [self._state(host) for host in self._fleet.hosts]}

    @staticmethod
    def _state(host: Host) -> Answer:
        rig, memory = host.rig, host.rig.memory
        return {
            "serial": rig.serial,
            "station": host.station,
            **host.where(),
            "powered": rig.powered,
            "boot": memory.boot,
            "state": rig.state.name.lower(),
            "mode": memory.mode.name.lower(),
            "exam_no": memory.exam.exam_no if memory.exam else 0,
            "last_seq": memory.last_seq,
            "acked_seq": memory.acked_seq,
            "oldest_seq": memory.oldest_seq,
            "unacked_results": memory.unacked_results,
            "gateway_fresh": rig.gateway_fresh,
            "no_start": rig.no_start(),
            "requests": host.requests,
            "faults": host.plan.fired(),
        }

    async def _wait(self, request: Request) -> Answer:
        """Wait until the rig saw its record acknowledged, or a gateway, or everything done."""
        host = None if request.get("done") else self._host(request)

        def reached() -> bool:
            if host is None:
                return not self._fleet.waiting()
            if request.get("gateway"):
                return host.rig.gateway_fresh
            return host.rig.memory.acked_seq >= int(request.get("acked", host.rig.memory.last_seq))

        try:
            async with asyncio.timeout(float(request.get("timeout_s", _WAIT_S))):
                while not reached():  # noqa: ASYNC110 - many unlike conditions, looked at for a test bench
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise InputError("not reached in time: " + "; ".join(self._fleet.waiting()[:5])) from None
        return {} if host is None else self._state(host)

    def _exam(self, request: Request) -> Answer:
        """One more seeded candidate for this rig."""
        self._extra += 1
        settings, host = self._fleet.settings, self._host(request)
        run = ordinary_run(self._fleet.rubric, seed=settings.seed, number=self._extra, session=settings.session)
        self._fleet.stations[self._fleet.hosts.index(host)].add(run)
        return {"ticket": run.ticket, "ending": run.course.ending.value}

    def _fault(self, request: Request) -> Answer:
        """A fault on one rig or all; without a probability it happens at every chance."""
        known = {"name", "probability", "start_s", "stop_s", "area", "times", "skip", "at"}
        unknown = set(request) - known - {"cmd", "rig"}
        if unknown:
            raise InputError(f"a fault has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
        spec = FaultSpec(**{"probability": 1.0, **{key: request[key] for key in known if key in request}})
        for host in self._hosts(request):
            host.set_fault(spec)
        return {}

    def _clear(self, request: Request) -> Answer:
        return {"cleared": sum(host.clear_faults(request.get("name")) for host in self._hosts(request))}

    def _fail(self, request: Request) -> Answer:
        """The rig's own fault word; 0 = mended."""
        host = self._host(request)
        host.rig.fault_code = int(request["code"]) & U16_MAX
        host.rig.control_written.set()
        return self._state(host)

    def _power_cut(self, request: Request) -> Answer:
        self._host(request).power_cut()
        return {}

    async def _power_up(self, request: Request) -> Answer:
        await self._host(request).power_up()
        return self._state(self._host(request))

    async def _power_cycle(self, request: Request) -> Answer:
        await self._host(request).power_cycle(float(request.get("off_s", POWER_OFF_S)))
        return self._state(self._host(request))

    def _summary(self, _: Request) -> Answer:
        return {
            "records": self._fleet.truth.records,
            "outcomes": dict(self._fleet.outcomes),
            "waiting": self._fleet.waiting(),
        }

    def _go(self, _: Request) -> Answer:
        """Candidates that --hold keeps waiting may begin."""
        self._fleet.let_in()
        return {}

    def _stop(self, _: Request) -> Answer:
        self.stopped.set()
        return {}


def _veto(host: Host) -> Latched:
    """The first veto line of the running item."""
    exam = host.rig.memory.exam
    run = exam.run if exam else None
    if run is None or run.over:
        raise RigRefuses("no item is running")
    lines = run.sheet.item.veto_lines
    if not lines:
        raise RigRefuses(f"item {run.sheet.item.code} has no veto line")
    return host.rig.deduct(lines[0].number, lines[0].max_points)


def _word(request: Request, key: str, usual: str | None = None) -> str:
    """A code word in the writing of the code tables."""
    value = request[key] if usual is None else request.get(key, usual)
    return str(value).upper()
