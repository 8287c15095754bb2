"""Logging in, staying in, being kept out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from people_site import PASSWORD, Site, log_in, word_of

from server.errors import AlreadyThere, ConfigError
from server.people import limits
from server.people.throttle import LoginThrottle

if TYPE_CHECKING:
    from pathlib import Path

    from fake_clock import FakeClock


@pytest.mark.parametrize("path", ["/", "/attempts", "/attempts/" + "0" * 32, "/gateways", "/alerts"])
async def test_pages_need_a_login(site: Site, path: str) -> None:
    """Without a session every page leads to the login, and from there back."""
    client = await site.client(login=False)
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")


async def test_a_link_in_english_leads_to_a_login_in_english(site: Site) -> None:
    """The language of the link stands through the login; another word than a language goes nowhere."""
    client = await site.client(login=False)
    there = (await client.get("/attempts?lang=en")).headers["location"]
    assert there == "/login?next=/attempts&lang=en"
    assert "Log in" in (await client.get(there)).text
    await log_in(client)
    assert 'lang="en"' in (await client.get("/attempts")).text
    assert (await (await site.client(login=False)).get("/alerts?lang=%0ax")).headers[
        "location"
    ] == "/login?next=/alerts"


@pytest.mark.parametrize("path", ["/api/v1/live", "/api/v1/items", "/api/v1/policy", "/live/events"])
async def test_the_api_needs_a_login(site: Site, path: str) -> None:
    """401 as problem+json; a wrong token is no better than none."""
    client = await site.client(login=False)
    for headers in ({}, {"authorization": "Bearer kaofen_wrong"}, {"authorization": "Basic eDp5"}):
        answer = await client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


async def test_the_cookie_is_closed_to_scripts_and_other_sites(site: Site) -> None:
    """HttpOnly, Secure, SameSite=Lax, host only."""
    client = await site.client(login=False)
    answer = await log_in(client)
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("__Host-kaofen="))
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


async def test_a_logout_ends_the_session_everywhere(site: Site) -> None:
    """The cookie alone opens nothing: what it stands for is gone from the server."""
    client = await site.client()
    kept = client.cookies["__Host-kaofen"]
    page = await client.get("/attempts")
    assert (await client.post("/logout", data={"word": word_of(page.text)})).status_code == 303
    thief = await site.client(login=False, cookies={"__Host-kaofen": kept})
    assert (await thief.get("/attempts")).status_code == 303


async def test_a_new_password_ends_all_sessions(site: Site) -> None:
    """Whoever stole a session is out when the password changes."""
    client = await site.client()
    await site.accounts.set_password("chief", "another good one")
    assert (await client.get("/attempts")).status_code == 303
    assert await site.accounts.verify("chief", PASSWORD) is None


@pytest.mark.parametrize(("idle_s", "alive"), [(limits.SESSION_IDLE_S, True), (limits.SESSION_IDLE_S + 1, False)])
async def test_an_idle_session_ends(site: Site, idle_s: int, alive: bool) -> None:
    """Limit and limit + 1, on the moved clock."""
    client = await site.client()
    site.clock.step_wall(idle_s)  # type: ignore[attr-defined]
    assert ((await client.get("/attempts")).status_code == 200) is alive


async def test_a_forged_cookie_is_nobody(site: Site) -> None:
    """Only what this server signed is looked up at all."""
    session = await site.accounts.start_session((await site.accounts.names())[0])
    client = await site.client(login=False, cookies={"__Host-kaofen": session.id})
    assert (await client.get("/attempts")).status_code == 303


async def test_failed_logins_are_slowed_down(site: Site) -> None:
    """So many failures at once, then 429 with Retry-After, even for the right password; time opens the door again."""
    client = await site.client(login=False)
    for _ in range(limits.LOGIN_BURST_ACCOUNT):
        assert (await log_in(client, password="wrong password")).status_code == 401
    answer = await log_in(client)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= limits.LOGIN_REFILL_S
    await site.clock.advance(limits.LOGIN_REFILL_S)  # type: ignore[attr-defined]
    assert (await log_in(client)).status_code == 303


def test_an_address_has_its_own_bucket(fake_clock: FakeClock) -> None:
    """Trying many names from one address is slowed down as well; other addresses are not."""
    throttle = LoginThrottle(fake_clock)
    for number in range(limits.LOGIN_BURST_ADDRESS):
        assert throttle.wait_s(f"name{number}", "10.0.0.1") == 0
    assert throttle.wait_s("fresh", "10.0.0.1") > 0
    assert throttle.wait_s("fresh", "10.0.0.2") == 0


def test_right_passwords_are_not_counted(fake_clock: FakeClock) -> None:
    """A whole exam point behind one address may log in."""
    throttle = LoginThrottle(fake_clock)
    for _ in range(10 * limits.LOGIN_BURST_ADDRESS):
        assert throttle.wait_s("chief", "10.0.0.1") == 0
        throttle.succeeded("chief", "10.0.0.1")


def test_moving_the_wall_clock_does_not_open_the_door(fake_clock: FakeClock) -> None:
    """The throttle runs on the monotonic clock."""
    throttle = LoginThrottle(fake_clock)
    while throttle.wait_s("chief", "10.0.0.1") == 0:
        pass
    fake_clock.step_wall(1e6)
    assert throttle.wait_s("chief", "10.0.0.1") > 0


def test_the_throttle_is_bounded(fake_clock: FakeClock) -> None:
    """A flood of names does not fill the memory."""
    throttle = LoginThrottle(fake_clock)
    for number in range(limits.LOGIN_KEYS_MAX + 50):
        throttle.wait_s(f"name{number}", f"10.0.{number // 250}.{number % 250}")
    assert len(throttle._buckets) == limits.LOGIN_KEYS_MAX


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}, {"origin": "https://[::1"}],
)
async def test_other_sites_cannot_post(site: Site, headers: dict[str, str]) -> None:
    """CSRF: a form that another site's page sends is refused before it is looked at."""
    client = await site.client()
    word = word_of((await client.get("/attempts")).text)
    assert (await client.post("/logout", data={"word": word}, headers=headers)).status_code == 403
    assert (await client.get("/attempts")).status_code == 200


async def test_a_form_must_repeat_its_word(site: Site) -> None:
    """CSRF: the second line of defence, for the login form too."""
    client = await site.client()
    assert (await client.post("/logout", data={"word": "guess"})).status_code == 403
    assert (await client.post("/alerts/p1", data={"word": ""})).status_code == 403
    stranger = await site.client(login=False)
    await stranger.get("/login")
    answer = await stranger.post("/login", data={"word": "guess", "name": "chief", "password": PASSWORD})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["//evil.test/", "https://evil.test/", "/\\evil.test", "/a\nb", ""])
async def test_a_login_leads_nowhere_else(site: Site, path: str) -> None:
    """No open redirect."""
    client = await site.client(login=False)
    word = word_of((await client.get("/login", params={"next": path})).text)
    form = {"word": word, "name": "chief", "password": PASSWORD, "next": path}
    assert (await client.post("/login", data=form)).headers["location"] == "/"


async def test_security_headers_are_everywhere(site: Site) -> None:
    """Strict CSP without inline scripts; nothing is cached but the static files."""
    client = await site.client()
    for path in ("/", "/api/v1/live", "/nowhere", "/static/live.js?v=1"):
        headers = (await client.get(path)).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("public, max-age=31536000, immutable" if "static" in path else "no-store")


async def test_accounts_are_checked_when_made(site: Site) -> None:
    """Names, passwords and roles at their limits."""
    assert (await site.accounts.create("a", "x" * limits.PASSWORD_MIN, "viewer")).role == "viewer"
    with pytest.raises(AlreadyThere):
        await site.accounts.create("a", "x" * limits.PASSWORD_MIN)
    for name, password in (("", "x" * 20), ("A b", "x" * 20), ("b", "x" * (limits.PASSWORD_MIN - 1)), ("b", "x" * 300)):
        with pytest.raises(ConfigError):
            await site.accounts.create(name, password)


async def test_a_copy_of_the_file_opens_nothing(site: Site, tmp_path: Path) -> None:
    """Session ids, tokens and passwords are not in people.db."""
    token = await site.accounts.create_token("demo")
    client = await site.client()
    secret = client.cookies["__Host-kaofen"].split(".")[0].strip('"')
    files = [tmp_path / f"people.db{end}" for end in ("", "-wal")]
    data = b"".join(path.read_bytes() for path in files)
    assert data
    for word in (token, token.removeprefix("kaofen_"), secret, PASSWORD):
        assert word.encode() not in data


async def test_sessions_per_account_are_bounded(site: Site) -> None:
    """Limit: the oldest session ends when there are too many."""
    account = (await site.accounts.names())[0]
    sessions = []
    for _ in range(limits.SESSIONS_PER_ACCOUNT_MAX + 1):
        site.clock.step_wall(1)  # type: ignore[attr-defined]
        sessions.append(await site.accounts.start_session(account))
    assert await site.accounts.session(sessions[0].id) is None
    assert await site.accounts.session(sessions[1].id) is not None
