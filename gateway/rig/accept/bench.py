"""Who presses the buttons of a rig under test: a person who is told what to do, or a test bench that is commanded.

Owns: the words for the person, and the JSON lines for the bench (docs/rig-tools.md). Whether something happened is
never taken from here: the rig itself must show it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.errors import ConfigError, StepFailed
from gateway.rig.limits import CONTROL_LINE_BYTES_MAX, SCENARIO_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

STEPS: Final = ("result", "restart", "attempt")
TIDY: Final = "tidy"  # may be left out
_ANSWER_S: Final = 20.0


class Bench(Protocol):
    """Three things that a rig cannot be made to do over its wire."""

    @property
    def told(self) -> str:
        """Who it was, for the report."""

    async def result(self, number: int) -> None:
        """One whole item with its result. Raises StepFailed."""

    async def restart(self) -> None:
        """Power off and on. Raises StepFailed."""

    async def attempt(self) -> bool | None:
        """Try to begin an item; whether that was allowed, None if only the rig can tell. Raises StepFailed."""


class Person:
    """Reads the screen and presses."""

    told = "人工 a person"

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    async def result(self, number: int) -> None:
        """Asked for."""
        self._say(f"→ 第 {number} 次：请在设备上完成一个考核项目并产生成绩。 No. {number}: do one item, to its result.")

    async def restart(self) -> None:
        """Asked for."""
        self._say("→ 请切断设备电源，5 秒后重新上电。 Cut the rig's power and give it back after 5 seconds.")

    async def attempt(self) -> bool | None:
        """Asked for; the rig must show it."""
        self._say("→ 请尝试开始一个考核项目：设备应当拒绝。 Try to begin an item: the rig should refuse.")
        return None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Commands of a test bench, step by step. `{n}` in a text becomes the number of the result."""

    control: tuple[str, int]
    steps: Mapping[str, Sequence[Mapping[str, Any]]]
    sha256: str


class Commanded:
    """One JSON object a line to the bench's control port, one answer a line, as `kaofen-simulate` takes them."""

    def __init__(self, scenario: Scenario, serial: Callable[[], str]) -> None:
        self._scenario = scenario
        self._serial = serial
        self.told = f"测试台 a test bench, scenario {scenario.sha256[:16]}"

    async def result(self, number: int) -> None:
        """All commands of `result`."""
        for command in self._scenario.steps["result"]:
            await self._must(command, number)

    async def restart(self) -> None:
        """All commands of `restart`."""
        for command in self._scenario.steps["restart"]:
            await self._must(command, 0)

    async def attempt(self) -> bool | None:
        """Allowed if all commands of `attempt` are; `tidy` ends what is open then, whether it likes to or not."""
        allowed = True
        for command in self._scenario.steps["attempt"]:
            allowed = allowed and bool((await self._send(command, 0)).get("ok"))
        for command in self._scenario.steps.get(TIDY, ()):
            await self._send(command, 0)
        return allowed

    async def _must(self, command: Mapping[str, Any], number: int) -> None:
        answer = await self._send(command, number)
        if not answer.get("ok"):
            why = " ".join(str(answer.get("error"))[:200].split())
            raise StepFailed(
                f"测试台拒绝 {command.get('cmd')}：{why}", f"the bench refused {command.get('cmd')}: {why}"
            )

    async def _send(self, command: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        filled = {
            key: value.replace("{n}", str(number)) if isinstance(value, str) else value
            for key, value in command.items()
        }
        line = json.dumps({"rig": self._serial(), **filled}, ensure_ascii=False).encode() + b"\n"
        host, port = self._scenario.control
        try:
            async with asyncio.timeout(_ANSWER_S):
                reader, writer = await asyncio.open_connection(host, port, limit=CONTROL_LINE_BYTES_MAX)
                try:
                    writer.write(line)
                    answer = json.loads(await reader.readline())
                finally:
                    writer.transport.abort()
        except (OSError, ValueError) as error:  # a TimeoutError is one
            why = f"{host}:{port}: {type(error).__name__}"
            raise StepFailed(f"测试台无应答 {why}", f"the bench gives no answer, {why}") from None
        return answer if isinstance(answer, dict) else {}


def read_scenario(path: Path) -> Scenario:
    """Raises ConfigError that names the file and the key."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    try:
        return parse_scenario(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_scenario(data: bytes) -> Scenario:
    """Raises ConfigError that names the key."""
    if len(data) > SCENARIO_BYTES_MAX:
        raise ConfigError(f"a scenario has at most {SCENARIO_BYTES_MAX} bytes")
    try:
        table = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"no TOML: {error}") from None
    for key in table.keys() - {"control", *STEPS, TIDY}:
        raise ConfigError(f"{key}: no such key; control, {', '.join(STEPS)}, {TIDY}")
    for step in (*STEPS, TIDY):
        commands = table.get(step, [] if step == TIDY else None)
        if not isinstance(commands, list) or not all(map(_is_command, commands)):
            raise ConfigError(f'{step}: a list of commands such as {{ cmd = "finish" }} is needed')
    return Scenario(_control(table.get("control")), table, hashlib.sha256(data).hexdigest())


def _is_command(value: Any) -> bool:
    """Flat, and what JSON knows: no dates."""
    return (
        isinstance(value, dict) and "cmd" in value and all(isinstance(one, str | int | float) for one in value.values())
    )


def _control(value: Any) -> tuple[str, int]:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigError('control: "HOST:PORT" of the test bench is needed')
    return host, int(port)
