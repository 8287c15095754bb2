"""Who may hand in for one rig, and how often: its secret, the window of time, what was used before, the rate.

Owns: the order of the checks. A request is proven by its headers before one byte of its body is read; nothing that is
not proven costs the rig anything (its rate is its own). Pure: the time comes in, and must never go back: it is the
gateway's time as it was at the start, and counted on from there (docs/rig-interface-v1-http.md, W6).

    headers ──> secret fits? ──> in the window? ──> used before? ──> too fast? ──> Admission ──> body ──> digest fits?
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from device_adapters.errors import BackOff, NotProven
from device_adapters.http.signing import check_digest, read_signature
from device_adapters.limits import NONCES_KEPT_MAX, PUSH_BURST, PUSH_RATE, PUSH_WINDOW_S

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNED: Final = ("signature-input", "signature", "content-digest")
_SCHEME: Final = "Bearer "


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that is who it says. `digest` None: a token proves the sender, not the body."""

    digest: bytes | None

    def check(self, body: bytes) -> None:
        """Raises NotProven."""
        if self.digest is not None:
            check_digest(body, self.digest)


@dataclass(slots=True)
class Guard:
    """Of one rig. `signed`: by signature, else by token. `since_s`: what was signed before may have been used."""

    serial: str
    secret: bytes = field(repr=False)
    signed: bool
    since_s: float
    _used: OrderedDict[str, float] = field(init=False, default_factory=OrderedDict)
    _left: float = field(init=False, default=float(PUSH_BURST))
    _seen_s: float = field(init=False, default=float("-inf"))

    def admit(self, method: str, path: str, headers: Mapping[str, str], now_s: float) -> Admission:
        """By headers alone (names in lower case, each once). Raises NotProven, BackOff."""
        if not self.signed:
            self._check_token(headers)
            self._spend(now_s)
            return Admission(None)
        return self._check_signature(method, path, headers, now_s)

    def _check_token(self, headers: Mapping[str, str]) -> None:
        said = headers.get("authorization", "")
        if not said.startswith(_SCHEME):
            raise NotProven("unsigned", "Authorization: Bearer and the rig's token is missing")
        if not hmac.compare_digest(said.removeprefix(_SCHEME).encode("utf-8", "surrogateescape"), self.secret):
            raise NotProven("signature", "the token is not the one of this rig")

    def _check_signature(self, method: str, path: str, headers: Mapping[str, str], now_s: float) -> Admission:
        for name in SIGNED:
            if name not in headers:
                raise NotProven("unsigned", f"{name} is missing")
        said = read_signature(method, path, *(headers[name] for name in SIGNED))
        if said.key_id != self.serial:
            raise NotProven("signature", "keyid is not the serial of the path")
        said.verify(self.secret)
        if abs(now_s - said.created) > PUSH_WINDOW_S:
            raise NotProven("clock", f"created is more than {PUSH_WINDOW_S} s away from the gateway's time")
        if said.created < self.since_s:
            raise NotProven("clock", "signed before the gateway started: sign it again")
        self._forget(now_s)
        if said.nonce in self._used:
            raise NotProven("replay", "this nonce was used before")
        self._spend(now_s)
        if len(self._used) >= NONCES_KEPT_MAX:
            raise BackOff(1.0, "too many requests of this rig")
        self._used[said.nonce] = now_s
        return Admission(said.digest)

    def _forget(self, now_s: float) -> None:
        """Whatever is kept longer than the window is wide could not be used again: its `created` is out of it."""
        while self._used and now_s - next(iter(self._used.values())) > 2 * PUSH_WINDOW_S:
            self._used.popitem(last=False)

    def _spend(self, now_s: float) -> None:
        """One of the rig's requests; they come back at a steady rate."""
        self._left = min(float(PUSH_BURST), self._left + max(0.0, now_s - self._seen_s) * PUSH_RATE)
        self._seen_s = now_s
        if self._left < 1:
            raise BackOff((1 - self._left) / PUSH_RATE, "too many requests of this rig")
        self._left -= 1
