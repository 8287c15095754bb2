"""A small site for tools that call its API from the outside: exams, staged records, a plan with people, an alarm."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from asgi_session import AsgiAdapter, LoopThread, asgi_session
from people_site import Site, open_site
from planned_world import A, candidate_names, point, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

BASE = "https://site.test"
STAGED = "c0" * 16


@dataclass(frozen=True)
class ApiSite:
    """The site, its loop, and sessions of an operator and of nobody."""

    site: Site
    thread: LoopThread
    adapter: AsgiAdapter
    token: str
    session: requests.Session
    nobody: requests.Session

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = self.session.get(f"{BASE}/api/openapi.json").json()
        return found


@contextlib.contextmanager
def open_api_site(folder: Path) -> Iterator[ApiSite]:
    """In a loop of its own."""
    thread = LoopThread()
    try:
        with thread.within(open_site(folder)) as site:
            token = thread.run(_fill(site, folder))
            adapter = AsgiAdapter(site.app, thread)
            mine = asgi_session(adapter, authorization=f"Bearer {token}")
            yield ApiSite(site, thread, adapter, token, mine, asgi_session(adapter))
    finally:
        thread.stop()


async def _fill(site: Site, folder: Path) -> str:
    made = point(Random(3), text_of())
    made.rigs["A-01"].part(A, "K11", 1900, (2, 500))
    made.rigs["B-01"].part(A, "K31", 2000)
    rig = made.rigs["A-02"]
    rig.session = rig.plan = ""  # a ticket that nobody knows
    rig.part(STAGED, "K21", 3400, (2, 1250), (3, 250), ticket="")
    for log in made.logs.values():
        await site.upload(log)
        site.beat(log)
    await site.store.alarm("forked", made.logs["gw-01"].origin, 5, "another root of size 5")
    await candidate_names(folder / "kept")
    return await site.accounts.create_token("demo", "operator")
