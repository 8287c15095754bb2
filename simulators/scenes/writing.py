"""The truth file of a rehearsal."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simulators.device.truth import TruthFile
from simulators.errors import InputError
from simulators.scenes.behaviours import STRENGTHS
from simulators.scenes.rehearsal import rehearse
from simulators.scenes.scene import play

if TYPE_CHECKING:
    from pathlib import Path

    from simulators.device.latched import Latched
    from simulators.exam.lineup import RigPlace
    from simulators.exam.scenario import Run
    from simulators.scenes.scene import Scene


def write_truth(scene: Scene, path: Path, *, start: str, seed: int = 7, strength: str | None = None) -> int:
    """How many records there were."""
    if strength is not None and strength not in STRENGTHS:
        raise InputError(f"--strength {strength!r}: one of {', '.join(STRENGTHS)}")
    try:
        begins = datetime.fromisoformat(start).replace(tzinfo=UTC)
        truth = TruthFile(path)
    except ValueError:
        raise InputError(f"--start {start!r}: a date and a time, such as 2026-11-23T01:00:00") from None
    except OSError as error:
        raise InputError(f"--truth {path}: {error.strerror}") from error

    def record(latched: Latched, place: RigPlace, run: Run) -> None:
        truth.record(latched, {"station": place.station, "rig_ticket": latched.event.ticket, "run": run.number})

    with contextlib.closing(truth):
        rehearse(play(scene, seed=seed, strength=strength), int(begins.timestamp()) * 1_000_000, record)
    return truth.records
