"""The gateway at a broker with TLS and client certificates: who lets whom in, and what is said when not (M6)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
import ssl
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from real_mosquitto import RealMosquitto, running_mosquitto

from certs.ca import _issue as issue_leaf  # the product issues no certificates for rigs
from certs.ca import issue_server
from device_adapters.errors import NotConnected
from device_adapters.mqtt.connection import Broker
from gateway.errors import ConfigError
from gateway.settings.config import BrokerConfig
from gateway.supervising.brokers import account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.needs("mosquitto")]
GATEWAY, ID = "kaofen-gw-gw-01", "gw-01"
URI = x509.UniformResourceIdentifier(f"mqtt:{GATEWAY}")


@pytest.fixture(scope="module")
def brokers() -> Iterator[tuple[RealMosquitto, RealMosquitto]]:
    """Ours, and one of another CA."""
    with running_mosquitto("mtls", [GATEWAY]) as ours, running_mosquitto("mtls", [GATEWAY]) as other:
        yield ours, other


def settings(real: RealMosquitto) -> BrokerConfig:
    """As a gateway's file says it."""
    own = real.folder / "clients" / GATEWAY
    return BrokerConfig("main", "localhost", real.port, "5", real.ca, own / "cert.pem", own / "cert.key", "", None)


async def connects(config: BrokerConfig) -> str:
    """Why not; "" if it does."""
    broker, up = Broker(account(config, ID)), asyncio.Event()
    holding, waiting = asyncio.create_task(broker.hold(up.set)), asyncio.create_task(up.wait())
    try:
        async with asyncio.timeout(10):
            await asyncio.wait({holding, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if up.is_set():
            return ""
        with pytest.raises(NotConnected) as caught:
            await holding
        return caught.value.reason
    finally:
        for task in (holding, waiting):
            task.cancel()
        with contextlib.suppress(NotConnected):
            await asyncio.gather(holding, waiting, return_exceptions=True)
        with warnings.catch_warnings():  # the library leaves the socket of a failed handshake to the collector
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.mark.parametrize("protocol", ["5", pytest.param("3.1.1", marks=pytest.mark.long)])
async def test_the_right_certificate_comes_in(brokers: tuple[RealMosquitto, RealMosquitto], protocol: str) -> None:
    """M6: the name in the certificate is the identity; nothing below TLS 1.2, and the host name is checked."""
    config = replace(settings(brokers[0]), protocol=protocol)
    assert await connects(config) == ""
    context = account(config, ID).tls
    assert context is not None
    assert (context.minimum_version, context.check_hostname) == (ssl.TLSVersion.TLSv1_2, True)
    assert context.verify_mode is ssl.CERT_REQUIRED


async def test_who_is_not_who_he_should_be_is_not_spoken_to(brokers: tuple[RealMosquitto, RealMosquitto]) -> None:
    """M6: another CA's broker; a broker that is asked for another name."""
    ours, other = brokers
    assert "certificate verify failed" in await connects(replace(settings(ours), ca=other.ca))
    with running_mosquitto("mtls", [GATEWAY]) as strange:
        strange.stop()
        issue_server(strange.folder / "ca", ("elsewhere.example",)).write(strange.folder / "elsewhere")
        for name in ("cert.pem", "cert.key"):
            shutil.copyfile(strange.folder / "elsewhere" / name, strange.folder / "tls" / name)
        strange.start()
        assert "certificate" in await connects(settings(strange))


async def test_the_broker_lets_nobody_else_in(brokers: tuple[RealMosquitto, RealMosquitto], tmp_path: Path) -> None:
    """M6: no certificate, one of another CA, one that has expired: refused in the handshake."""
    ours, other = brokers
    foreign, late = settings(other), datetime.now(UTC) - timedelta(days=3)
    issue_leaf(ours.folder / "ca", GATEWAY, [URI], ExtendedKeyUsageOID.CLIENT_AUTH, 1, late).write(tmp_path / "late")
    for certificate, key in (
        (None, None),
        (foreign.certificate, foreign.key),
        (tmp_path / "late" / "cert.pem", tmp_path / "late" / "cert.key"),
    ):
        why = await connects(replace(settings(ours), certificate=certificate, key=key))
        assert why == "broker: closed the connection before it answered (does it take this certificate?)"


def test_material_that_cannot_be_used_is_said_before_anything_is_connected(
    brokers: tuple[RealMosquitto, RealMosquitto], tmp_path: Path
) -> None:
    """A key of another certificate, a file that is none: ConfigError with the broker's name."""
    ours, other = brokers
    junk = tmp_path / "junk.pem"
    junk.write_text("nothing")
    for config in (replace(settings(ours), key=settings(other).key), replace(settings(ours), ca=junk)):
        with pytest.raises(ConfigError, match="main: ca, certificate or key is not usable"):
            account(config, ID)
