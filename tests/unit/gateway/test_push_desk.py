"""The desk through a reload: what did not change stays, a new secret works at once, an old one never again (W6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from push_point import proven, secret_of
from rig_messages import SERIAL, status

from device_adapters.contract import Position
from device_adapters.language.shape import PUSHED
from gateway.push.desk import Desk, Place, Request

if TYPE_CHECKING:
    from device_adapters.http.answers import Answer

PATH = f"/push/v1/{SERIAL}/status"


def place(secret: str = secret_of(SERIAL), **more: object) -> Place:
    return Place(SERIAL, "pc", PUSHED, secret.encode(), signed=True, **more)  # type: ignore[arg-type]


@pytest.fixture
def desk() -> Desk:
    made = Desk(FakeClock())
    made.set_up([place()])
    made.listening("pc", yes=True)
    return made


async def say(desk: Desk, headers: dict[str, str] | None = None, *, listener: str = "pc") -> Answer:
    async def body() -> bytes:
        return status()

    found = headers or proven(SERIAL, PATH, status(), created=desk.now_s + 1)
    lower = {"content-type": "application/json", **{name.lower(): value for name, value in found.items()}}
    return await desk.take(listener, Request("POST", PATH, lower, len(status())), body)


async def test_a_reload_without_a_change_forgets_nothing(desk: Desk) -> None:
    """W6, P8: the window, what it was told, and the nonces."""
    window, used = desk.window(SERIAL, Position(3, 41)), proven(SERIAL, PATH, status(), created=desk.now_s + 1)
    assert (await say(desk, used)).status == 200
    desk.set_up([place()])
    assert desk.window(SERIAL, Position(3, 41)) is window
    assert (await say(desk, used)).document["reason"] == "replay"


async def test_a_new_secret_is_taken_and_the_old_one_ends(desk: Desk) -> None:
    """Revocation counts at the next request; the adapter that reads keeps its window."""
    window = desk.window(SERIAL, None)
    desk.set_up([place("y" * 40)])
    assert (await say(desk)).document["reason"] == "signature"
    assert desk.window(SERIAL, None) is window
    assert window.trouble is None
    desk.set_up([place()])
    assert (await say(desk)).status == 200


async def test_a_secret_that_comes_back_does_not_bring_its_requests_back(desk: Desk) -> None:
    """W6: what was used before the change may not be used after it."""
    used = proven(SERIAL, PATH, status(), created=desk.now_s)
    assert (await say(desk, used)).status == 200
    desk.set_up([place("y" * 40)])
    clock = desk._clock
    assert isinstance(clock, FakeClock)
    await clock.advance(2)
    desk.set_up([place()])
    assert (await say(desk, used)).document["reason"] == "clock"


async def test_a_rig_that_left_and_another_listener_are_no_place(desk: Desk) -> None:
    """404, whatever the secret; its window says so to the adapter."""
    window = desk.window(SERIAL, None)
    assert (await say(desk, listener="other")).status == 404
    desk.set_up([])
    assert (await say(desk)).status == 404
    assert window.trouble is not None


async def test_a_moved_wall_clock_moves_nothing(desk: Desk) -> None:
    """W6: the time that rigs are told is the start's, counted on; else a clock set back would open the window again."""
    clock, before = desk._clock, desk.now_s
    assert isinstance(clock, FakeClock)
    clock.step_wall(-3600)
    assert desk.now_s == pytest.approx(before)


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "Application/X-NDJSON", "application/x-ndjson; charset=utf-8"]
)
async def test_a_content_type_is_one_in_whatever_letters(desk: Desk, kind: str) -> None:
    """W2, RFC 9110: many records stay many records; taken as one, all would be refused for no fault of the rig's."""
    path, sent = f"/push/v1/{SERIAL}/records", b"{}\n{}\n"

    async def body() -> bytes:
        return sent

    desk.set_up([place(status_every_ms=1)])
    made = proven(SERIAL, path, sent, created=desk.now_s + 1)
    headers = {"content-type": kind, **{name.lower(): value for name, value in made.items()}}
    answer = await desk.take("pc", Request("POST", path, headers, len(sent)), body)
    assert len(answer.document["records"]) == 2
