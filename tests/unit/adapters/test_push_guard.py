"""Who may hand in over HTTP: signature, digest, time, nonce, token, rate (docs/rig-interface-v1-http.md, W4 to W6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest

from device_adapters.errors import BackOff, NotProven
from device_adapters.http.guard import Guard
from device_adapters.http.signing import read_signature
from device_adapters.limits import NONCES_KEPT_MAX, PUSH_BURST, PUSH_RATE, PUSH_WINDOW_S
from simulators.push.signing import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

INPUT = "signature-input"
SERIAL, TEXT, PATH, NOW = "CP-0001", "0123456789abcdef0123456789abcdef", "/push/v1/CP-0001/records", 1_795_000_000
BODY = b'{"v":1}'
NONCE = "AAAAAAAAAAAAAAAA"


def guard(*, signed: bool = True, since_s: float = NOW - 1000) -> Guard:
    return Guard(SERIAL, TEXT.encode(), signed=signed, since_s=since_s)


def headers(created: int = NOW, nonce: str = NONCE, *, signed: bool = True, body: bytes = BODY) -> dict[str, str]:
    made = Secret(SERIAL, TEXT, signed).headers("POST", PATH, body, created=created, nonce=nonce)
    return {name.lower(): value for name, value in made.items()}


def test_the_signature_of_the_page_is_the_one_that_is_checked() -> None:
    """W5: written down by hand from RFC 9421 section 2.5, without a line of either side's code."""
    digest = "sha-256=:" + base64.b64encode(hashlib.sha256(BODY).digest()).decode() + ":"
    assert digest == "sha-256=:r7+dDzVgsP13legcQqCnnua2/GfgZPd4Jq7mQsrSjZE=:"
    params = f'("@method" "@path" "content-digest");created={NOW};nonce="{NONCE}";keyid="{SERIAL}"'
    base = f'"@method": POST\n"@path": {PATH}\n"content-digest": {digest}\n"@signature-params": {params}'
    value = base64.b64encode(hmac.digest(TEXT.encode(), base.encode(), "sha256")).decode()
    said = read_signature("POST", PATH, f"sig1={params}", f"sig1=:{value}:", digest)
    said.verify(TEXT.encode())
    assert (said.key_id, said.created, said.nonce) == (SERIAL, NOW, NONCE)


def test_an_independent_signer_is_admitted_and_its_body_checked() -> None:
    """W5: the simulator's own signer; another body under the same headers is refused."""
    admitted = guard().admit("POST", PATH, headers(), NOW)
    admitted.check(BODY)
    with pytest.raises(NotProven) as caught:
        admitted.check(BODY + b" ")
    assert caught.value.reason == "digest"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("unsigned", lambda said: said.pop("signature")),
        ("unsigned", lambda said: said.pop("content-digest")),
        ("malformed", lambda said: said.update({"signature": said["signature"].replace("rig=", "gir=")})),
        ("malformed", lambda said: said.update({INPUT: said[INPUT] + ';tag="x"'})),
        ("malformed", lambda said: said.update({INPUT: said[INPUT].replace('"@path" ', "")})),
        ("malformed", lambda said: said.update({INPUT: said[INPUT] + f';nonce="{NONCE}"'})),
        ("malformed", lambda said: said.update({"content-digest": "md5=:AAAA:"})),
        (
            "signature",
            lambda said: said.update({INPUT: said[INPUT].replace(NONCE, NONCE[::-1] + "B")}),
        ),
        ("signature", lambda said: said.update({"signature": "rig=:" + "A" * 43 + "=:"})),
        (
            "signature",
            lambda said: said.update({INPUT: said[INPUT].replace(SERIAL, "CP-0002")}),
        ),
    ],
)
def test_whatever_is_not_proven_is_refused_by_its_reason(name: str, change: Callable[[dict[str, str]], object]) -> None:
    """W5, P8: and costs the rig nothing: neither its nonce nor its rate."""
    one, said = guard(), headers()
    change(said)
    for _ in range(PUSH_BURST + 1):
        with pytest.raises(NotProven) as caught:
            one.admit("POST", PATH, said, NOW)
        assert caught.value.reason == name
    one.admit("POST", PATH, headers(), NOW)


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("POST", "/push/v1/CP-0001/status")])
def test_a_signature_is_for_one_method_and_one_place(method: str, path: str) -> None:
    """W5: what was signed for one place proves nothing at another."""
    with pytest.raises(NotProven, match="signature"):
        guard().admit(method, path, headers(), NOW)


@pytest.mark.parametrize(
    ("created", "fits"),
    [(PUSH_WINDOW_S, True), (-PUSH_WINDOW_S, True), (PUSH_WINDOW_S + 1, False), (-PUSH_WINDOW_S - 1, False)],
)
def test_the_window_of_time_has_two_edges(created: int, fits: bool) -> None:
    """W6: at the limit, and one second beyond."""
    one, said = guard(), headers(NOW + created)
    if fits:
        one.admit("POST", PATH, said, NOW)
    else:
        with pytest.raises(NotProven, match="clock"):
            one.admit("POST", PATH, said, NOW)


def test_a_request_works_once() -> None:
    """W6: a replay is refused for as long as its time would be taken."""
    one = guard()
    one.admit("POST", PATH, headers(NOW + PUSH_WINDOW_S), NOW)
    for later in (0, 1, 2 * PUSH_WINDOW_S):
        with pytest.raises(NotProven, match="replay"):
            one.admit("POST", PATH, headers(NOW + PUSH_WINDOW_S), NOW + later)
    with pytest.raises(NotProven, match="clock"):
        one.admit("POST", PATH, headers(NOW + PUSH_WINDOW_S), NOW + 2 * PUSH_WINDOW_S + 1)


def test_a_restart_forgets_no_request() -> None:
    """W6: what was signed before the start may have been used then, so it is signed again."""
    with pytest.raises(NotProven, match="clock"):
        guard(since_s=NOW).admit("POST", PATH, headers(NOW - 1), NOW + 1)


def test_a_token_is_compared_whole() -> None:
    """W4: the text of the file, nothing before it, nothing after it, and no signature in its place."""
    one = guard(signed=False)
    one.admit("POST", PATH, headers(signed=False), NOW).check(BODY)
    for said in (
        "",
        "Bearer ",
        f"Bearer {TEXT}x",
        f"Bearer {TEXT[:-1]}",
        f"bearer {TEXT}",
        f"Bearer {TEXT[:-1]}\udc80",
    ):
        with pytest.raises(NotProven):
            one.admit("POST", PATH, {"authorization": said}, NOW)
    with pytest.raises(NotProven, match="unsigned"):
        one.admit("POST", PATH, headers(), NOW)
    with pytest.raises(NotProven, match="unsigned"):
        guard().admit("POST", PATH, headers(signed=False), NOW)


def test_the_rate_of_a_rig_has_an_edge() -> None:
    """I10: the burst, one more is told when to come again, and then it may."""
    one = guard(signed=False)
    said = headers(signed=False)
    for _ in range(PUSH_BURST):
        one.admit("POST", PATH, said, NOW)
    with pytest.raises(BackOff) as caught:
        one.admit("POST", PATH, said, NOW)
    assert caught.value.wait_s == pytest.approx(1 / PUSH_RATE)
    one.admit("POST", PATH, said, NOW + caught.value.wait_s + 0.001)


def test_more_nonces_than_are_kept_cannot_be_used() -> None:
    """I10, W6: none is ever forgotten early; at its rate a rig cannot get there."""
    assert 2 * PUSH_WINDOW_S * PUSH_RATE + PUSH_BURST < NONCES_KEPT_MAX
    one = guard()
    for number in range(NONCES_KEPT_MAX):
        one._used[str(number)] = float(NOW)
    with pytest.raises(BackOff):
        one.admit("POST", PATH, headers(), NOW)
    one.admit("POST", PATH, headers(NOW + 2 * PUSH_WINDOW_S + 1), NOW + 2 * PUSH_WINDOW_S + 1)
    assert list(one._used) == [NONCE]


def test_no_secret_is_shown() -> None:
    """P7: neither side prints it."""
    assert TEXT not in repr(guard())
    assert TEXT not in repr(Secret(SERIAL, TEXT))
