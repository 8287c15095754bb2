"""One MQTT broker: connect, stay, connect again. Its rigs are supervised one by one, as all rigs are (P8).

connect ─> subscribe ─> messages into the rigs' mailboxes …        down once, up once in the log; never a topic
^                          │
└── capped, jittered back-off <── connection lost: its rigs are offline until it is back
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import structlog

from device_adapters.errors import NotConnected
from device_adapters.mqtt.connection import Account, Broker
from gateway import limits
from gateway.backoff import Backoff
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from gateway.settings.config import BrokerConfig
    from scorelog.journal.clock import Clock

_log = structlog.get_logger("gateway.broker")


class BrokerLink:
    """Keeps one connection for as long as the process lives."""

    def __init__(self, name: str, account: Account, clock: Clock, rng: Random) -> None:
        self.id = name
        self.broker = Broker(account)
        self._clock = clock
        self._backoff = Backoff(rng, limits.RIG_BACKOFF_BASE_S, limits.RIG_BACKOFF_CAP_S)
        self._online: bool | None = None
        self._reason = "not connected yet"

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.broker.hold(self._up)
            except NotConnected as error:
                self._down(error.reason)
            await self._clock.sleep(self._backoff.next())

    def to_json(self) -> dict[str, Any]:
        """For the status."""
        return {"id": self.id, "online": bool(self._online), "reason": self._reason}

    def said(self) -> dict[str, str]:
        """For the heartbeat."""
        return {"id": self.id, "state": {None: "connecting", True: "connected", False: "down"}[self._online]}

    def _up(self) -> None:
        self._backoff.reset()
        self._online, self._reason = True, ""
        _log.info("broker online", broker=self.id)

    def _down(self, reason: str) -> None:
        """Said once, however often the next connections fail."""
        said, self._online, self._reason = self._online is False, False, reason
        if not said:
            _log.warning("broker offline", broker=self.id, reason=reason)


def account(config: BrokerConfig, gateway_id: str) -> Account:
    """Reads the identity files. Raises ConfigError."""
    return Account(
        host=config.host,
        port=config.port,
        protocol=config.protocol,
        client_id=f"kaofen-gw-{gateway_id}",
        username=config.username or None,
        password=_password(config.id, config.password_file),
        tls=_tls(config),
    )


def _password(name: str, path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[[broker]] {name} password_file {path}: {_words(error)}") from None
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"[[broker]] {name} password_file {path}: others may read it; chmod 600")
    return text.rstrip("\r\n")


def _tls(config: BrokerConfig) -> ssl.SSLContext | None:
    if config.ca is None:
        return None
    try:
        context = ssl.create_default_context(cafile=str(config.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.certificate is not None:
            context.load_cert_chain(config.certificate, config.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[[broker]] {config.id}: ca, certificate or key is not usable: {_words(error)}") from None
    return context


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
