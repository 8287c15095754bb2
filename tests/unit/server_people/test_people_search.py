"""Who looks for a person leaves no trace of it in an address (P7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from people_world import attempt_id

from server.people.searchwords import SearchWords

if TYPE_CHECKING:
    from people_site import Site
    from people_world import Log, Rig


async def test_a_ticket_is_found_without_standing_in_an_address(site: Site, log: Log, rig: Rig) -> None:
    """The form posts it, the page's address and every link hold it sealed; filters keep it; markup stays text."""
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log)
    client = await site.client()
    asked = await client.post("/attempts/find", data={"search": " T-1 ", "state": ""})
    where = asked.headers["location"]
    assert (asked.status_code, "T-1" in where) == (303, False)
    page = (await client.get(where)).text
    assert f"/attempts/{attempt_id(1)}" in page
    assert not [link for link in re.findall(r'(?:href|action)="([^"]*)"', page) if "T-1" in link]
    assert "find=" in re.findall(r'href="(/attempts\?state=open[^"]*)"', page)[0]
    assert (await client.get("/attempts?find=guessed&search=T-1")).status_code == 200
    hostile = await client.post("/attempts/find", data={"search": "<script>"})
    assert '"<script>"' not in (await client.get(hostile.headers["location"])).text


def test_sealed_words_are_opened_by_the_same_server_only() -> None:
    """What another secret sealed, or nobody, is no search at all."""
    one, other = SearchWords(b"1" * 32), SearchWords(b"2" * 32)
    assert one.open(one.seal("龘 T-1")) == "龘 T-1"
    assert other.open(one.seal("T-1")) == one.open("x") == one.open("") == one.seal("  ") == ""
