"""What `kaofen-server plan` and `candidates` do; cli.py beside this reads the arguments and prints."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from scorelog.journal.clock import SystemClock
from server.errors import ListError, Missing
from server.evidence import enrolment
from server.keys import load_keys
from server.opened import opened_registry_database
from server.plan import limits
from server.plan.candidates import read_candidates
from server.plan.lists import read_list
from server.plan.publish import Publisher
from server.plan.sheets import find_rubric, read_bytes
from server.plan.store import PlanStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.config import Config
    from server.plan.candidates import Candidate
    from server.plan.publish import Prepared
    from server.plan.store import StoredPlan


@asynccontextmanager
async def _publisher(config: Config) -> AsyncIterator[Publisher]:
    async with opened_registry_database(config) as database:
        gateways = tuple(await database.read(enrolment.all_gateways))
        key = load_keys(config).id_numbers
        yield Publisher(PlanStore(database), gateways, key, random.SystemRandom(), SystemClock())


async def check(config: Config, path: Path) -> Prepared:
    """Everything but storing it."""
    async with _publisher(config) as publisher:
        return await publisher.prepare(path)


async def publish(config: Config, path: Path) -> Prepared:
    """Store the next version; beside a running server too."""
    async with _publisher(config) as publisher:
        return await publisher.publish(path)


async def stored(config: Config) -> list[StoredPlan]:
    """The current plan of each point."""
    async with opened_registry_database(config) as database:
        plans = PlanStore(database)
        found = [await plans.current(point) for point in await plans.points()]
    return [each for each in found if each is not None]


async def show(
    config: Config, point: str, version: int | None, *, personal: bool
) -> tuple[StoredPlan, dict[str, dict[str, str]]]:
    """One version (None: the newest) and, only if they are asked for, the openings of its attempts."""
    async with opened_registry_database(config) as database:
        plans = PlanStore(database)
        found = await (plans.current(point) if version is None else plans.version(point, version))
        if found is None:
            raise Missing(f"no plan of this point{'' if version is None else ' and version'}; see plan list")
        opened: dict[str, dict[str, str]] = {}
        for one in await plans.openings_of(found.plan) if personal else ():
            opened.setdefault(one.attempt, {})[one.field] = one.value
    return found, opened


def check_list(path: Path, rubric: str) -> tuple[Candidate, ...]:
    """The candidates of a list; ListError with all findings."""
    found = find_rubric(rubric, path.parent)
    try:
        return read_candidates(read_list(read_bytes(path, limits.LIST_BYTES_MAX), path.name), found)
    except ListError as error:
        raise ListError([each.of(path.name) for each in error.findings]) from None
