"""What a gateway says about itself at its start and its end, before the first and after the last rig record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway import limits
from gateway.errors import ConfigError
from scorelog.format import canonical, types

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gateway.recording.rebuild import Past
    from gateway.recording.recorder import Recorder
    from gateway.recording.texts import Texts
    from gateway.settings.config import Config
    from scorelog.journal.clock import Clock
    from scorelog.journal.store import LogStore


@dataclass(frozen=True, slots=True)
class Start:
    """One run of the process."""

    instance: str
    software: str
    reason: str


async def record_start(
    recorder: Recorder, log: LogStore, past: Past, *, config: Config, texts: Texts, start: Start
) -> None:
    """One transaction: the start, a changed configuration, and every text before its first use in this generation."""
    size = log.size
    entries: list[tuple[str, dict[str, Any]]] = [
        (
            types.GATEWAY_STARTED,
            {
                "software": start.software,
                "instance": start.instance,
                "generation": log.generation,
                "size": size,
                "clean": past.last_type in (types.GATEWAY_STOPPED, types.GENERATION_OPENED, None),
                "reason": start.reason,
            },
        )
    ]
    known = past.config or {}
    rigs = rigs_said(config, texts)
    if known.get("config") != config.sha256 or known.get("rigs") != rigs:
        entries.append(_changed(config, rigs, known.get("config")))
    entries.extend(_adopted(past.adopted, texts))
    await recorder.note_all(entries)
    await recorder.anchor()


def changes(
    old: Config, old_texts: Texts, new: Config, new_texts: Texts, adopted: Collection[str]
) -> list[tuple[str, dict[str, Any]]]:
    """What is said of a configuration that is changed while the process runs, before it is used."""
    rigs = rigs_said(new, new_texts)
    said = [] if old.sha256 == new.sha256 and rigs_said(old, old_texts) == rigs else [_changed(new, rigs, old.sha256)]
    return [*said, *_adopted(adopted, new_texts)]


def _changed(config: Config, rigs: list[dict[str, str]], before: object) -> tuple[str, dict[str, Any]]:
    named = {"before": before} if isinstance(before, str) else {}
    return types.CONFIG_CHANGED, {"config": config.sha256, **named, "rigs": rigs}


def refuse_untellable(config: Config, texts: Texts) -> None:
    """What does not fit into the entry that says it cannot be used. Raises ConfigError."""
    size = len(canonical.encode({"rigs": rigs_said(config, texts)}))
    if size > limits.RIGS_JSON_BYTES_MAX:
        raise ConfigError(
            f"[[rig]]: {len(config.rigs)} rigs take {size} bytes in the entry that names them all; at most "
            f"{limits.RIGS_JSON_BYTES_MAX}: give them shorter stations, or fewer rigs to this gateway"
        )


def rigs_said(config: Config, texts: Texts) -> list[dict[str, str]]:
    """As `config.changed` lists them."""
    return [
        {"rig": rig.serial, "station": rig.station, "profile": texts.profiles[rig.profile].sha256}
        for rig in config.rigs
    ]


def _adopted(adopted: Collection[str], texts: Texts) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, files in ((types.PROFILE_ADOPTED, texts.profile_texts()), (types.RUBRIC_ADOPTED, texts.rubrics)):
        for file in files:
            if file.sha256 not in adopted:
                yield kind, {"sha256": file.sha256, "text": file.text}


async def record_stop(recorder: Recorder, log: LogStore, start: Start) -> None:
    """The last entry of an orderly stop."""
    await recorder.note(types.GATEWAY_STOPPED, instance=start.instance, unsent=log.size + 1 - log.receipted_size)


def resume_clock(recorder: Recorder, past: Past, clock: Clock, wall_us: int | None) -> None:
    """In the same boot the last entry's times say whether the clock was moved while the process was down."""
    read = past.last_read
    if read is not None and wall_us is not None and read.get("boot") == clock.boot_id():
        recorder.watch.resume(wall_us - int(read["mono_us"]))
