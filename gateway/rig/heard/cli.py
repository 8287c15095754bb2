"""The tools for rigs that are heard, as the commands of `gateway.rig.cli` call them. Printing and exit codes only."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from gateway import logs
from gateway.errors import ConfigError
from gateway.rig.heard import capturing, probing
from gateway.rig.heard.checking import check, check_live
from gateway.rig.heard.line import Line
from gateway.rig.heard.reader import RawReader, reader_of
from gateway.rig.heard.recording import HTTP, MQTT, read_message_recording
from gateway.rig.heard.replaying import replay
from scorelog.journal.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from device_adapters.language.profile import Profile
    from gateway.doctor.report import Finding
    from gateway.rig.heard.pushed import Door

_CLEAR = "\x1b[H\x1b[J"


async def show_probe(
    line: Line | Door,
    serial: str,
    profile: Profile | None,
    wanted: probing.Wanted,
    *,
    topics: tuple[str, ...],
    with_personal: bool,
    as_json: bool,
) -> bool:
    """Look after look on standard output. True when the last one was good."""
    if profile is None and not (topics and with_personal):
        raise ConfigError(
            "nothing to hear: give --profile NAME; or --topic FILTER and --with-personal, since without a profile "
            "nobody knows what is personal"
        )
    reader = RawReader(topics) if profile is None else reader_of(profile, serial, show=with_personal)
    before: list[probing.Look] = []

    def show(found: probing.Look) -> None:
        if as_json:
            print(json.dumps(probing.as_document(found), ensure_ascii=False), flush=True)
            return
        head = f"{line.place} {serial}  #{found.number}  {found.messages} 条 messages  {'' if found.good else '!!'}"
        clear = _CLEAR if sys.stdout.isatty() and wanted.looks != 1 else ""
        print(clear + head, *probing.as_lines(found, before[-1] if before else None), sep="\n", flush=True)
        before[:] = [found]

    return await probing.probe(line.opener(), reader, wanted, SystemClock(), show)


def source_of(line: Line, door: Door) -> Line | Door | None:
    """Whichever was asked for; None for a rig that is read over Modbus. Raises ConfigError."""
    if line.place and door.place:
        raise ConfigError("--broker and --listen: a rig is heard in one way")
    if door.place:
        logs.configure()  # the listener's lines go to standard error
        return door
    return line if line.place else None


async def write_capture(
    line: Line | Door, serial: str, profile: Profile | None, plan: capturing.Plan, out: Path
) -> bool:
    """Into `out`. True when anything was heard."""
    if profile is None:
        raise ConfigError("nothing to capture: give --profile NAME, which says the topics and what is personal")
    opener, clock = line.opener(), SystemClock()
    reader = reader_of(profile, serial)
    try:
        file = out.open("x", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror}") from None
    with file:
        writer = capturing.Writer(reader, clock, file.write, plan.with_personal)
        head = capturing.head_of(profile, serial, plan, clock, MQTT if isinstance(line, Line) else HTTP)
        reason = await capturing.capture(opener, head, writer, plan)
    print(f"{writer.messages} messages, {writer.records} records, {writer.refused} refused")
    if not plan.with_personal:
        print(f"{writer.hidden} values hidden; {writer.whole} messages hidden whole: the profile cannot read them")
    for told in (reason, reader.wants(), "the file is full: the rest was not captured" if writer.full else ""):
        if told:
            print(told, file=sys.stderr)
    return bool(writer.messages)


async def say_again(file: Path, line: Line, speed: float) -> None:
    """Replay a capture to a broker."""
    count = await replay(
        line.account(), read_message_recording(file), SystemClock(), speed, lambda text: print(text, flush=True)
    )
    print(f"{count} messages said again")


async def checked_file(profile: Profile, path: Path) -> list[Finding]:
    """Of a capture."""
    return check(profile, read_message_recording(path))


async def checked_live(line: Line | Door, profile: Profile, serial: str, plan: capturing.Plan) -> list[Finding]:
    """Of a live rig."""
    return await check_live(line.opener(), profile, serial, plan, SystemClock())
