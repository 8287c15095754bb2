"""The box itself: key files, log, second file, disk room, the own certificate, the clock. Reads only, takes no lock."""

from __future__ import annotations

import shutil
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from certs.errors import CertsError
from certs.identity import gateway_identity
from certs.keys import refuse_shared
from gateway import commands, limits
from gateway.doctor.report import fail, good, warn
from gateway.errors import GatewayError
from gateway.identity import first_certificate
from gateway.recording.freeze import Freezer
from scorelog.format.errors import FormatError
from scorelog.journal.clock import SystemClock
from scorelog.journal.errors import JournalError
from scorelog.journal.identity import read_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.doctor.report import Finding
    from gateway.settings.config import Config

_ROOM_BYTES: Final = 1 << 30
_RENEW: Final = timedelta(days=14)


def check_files(config: Config) -> Iterator[Finding]:
    """Everything that needs no network."""
    yield _settings(config)
    for path in (config.log_key, config.content_key, config.server.key):
        yield _key(path)
    yield _log(config)
    yield _second_file(config)
    yield _room(config)
    yield _certificate(config)
    yield _clock()


def _settings(config: Config) -> Finding:
    try:
        commands.check(config)
    except (GatewayError, CertsError, FormatError, OSError, ValueError) as error:
        return fail("settings", f"{error}. Correct this first.", f"设置有误（{error}），请先改正。")
    return good("settings", f"good, {len(config.rigs)} rigs", f"正常，{len(config.rigs)} 台设备")


def _key(path: Path) -> Finding:
    step = f"key file {path.name}"
    try:
        refuse_shared(path)
        with path.open("rb"):
            pass
    except (CertsError, OSError) as error:
        return fail(
            step, f"{error}. Run this as the gateway's own user.", f"密钥文件不可用（{error}），请用网关用户运行。"
        )
    return good(step, "there, readable by its owner only", "存在，仅所有者可读")


def _log(config: Config) -> Finding:
    try:
        identity = read_identity(config.log_directory)
    except (JournalError, OSError) as error:
        return fail("log", f"{error}. Run `fsck`; see docs/gateway.md.", f"日志不可用（{error}），请运行 fsck。")
    if identity.base != config.origin_base:
        return fail(
            "log",
            f"the log is {identity.base}, the settings say {config.origin_base}. Put the right id and domain back.",
            f"日志属于 {identity.base}，设置却是 {config.origin_base}，请恢复正确的 id 和 domain。",
        )
    frozen = Freezer(config.data).frozen()
    if frozen is not None and frozen.origin == identity.origin:
        return warn(
            "log", "frozen; the next start of `run` opens a new generation", "已冻结，下次启动 run 时开启新一代"
        )
    return good("log", identity.origin, identity.origin)


def _second_file(config: Config) -> Finding:
    if config.state_file.is_file():
        return good("second file", "there", "存在")
    return warn(
        "second file",
        f"{config.state_file} is not there: a roll-back would be seen by the server only. `run` writes it again.",
        f"{config.state_file} 不存在，日志回退只能由服务器发现；run 会重新写入。",
    )


def _room(config: Config) -> Finding:
    try:
        free = shutil.disk_usage(config.data).free
    except OSError as error:
        return fail("disk", f"{config.data}: {error.strerror}", f"{config.data}：{error.strerror}")
    en, zh = f"{free >> 20} MiB free", f"剩余 {free >> 20} MiB"
    return good("disk", en, zh) if free >= _ROOM_BYTES else warn("disk", f"{en}: make room", f"{zh}，请清理磁盘")


def _certificate(config: Config) -> Finding:
    step = "own certificate"
    try:
        identity = gateway_identity(ssl.PEM_cert_to_DER_cert(first_certificate(config.server.cert)))
    except (OSError, ValueError, CertsError) as error:
        return fail(step, f"{error}. Have one issued: `kaofen-certs gateway`.", f"证书不可用（{error}），请重新签发。")
    left = identity.not_after - datetime.now(UTC)
    end = f"{identity.not_after:%Y-%m-%d}"
    if left <= timedelta(0):
        return fail(step, f"expired on {end}. Have a new one issued.", f"已于 {end} 过期，请重新签发。")
    if left < _RENEW:
        return warn(step, f"ends on {end}. Have a new one issued.", f"将于 {end} 到期，请重新签发。")
    return good(step, f"{identity.origin_base}, until {end}", f"{identity.origin_base}，有效期至 {end}")


def _clock() -> Finding:
    now = SystemClock().now_us()
    said = f"{datetime.fromtimestamp(now / 1e6, UTC):%Y-%m-%d %H:%M} UTC"
    if now < limits.PLAUSIBLE_TIME_US:
        return fail(
            "clock", f"{said} cannot be. Set the time, look at the battery.", f"{said} 不可能，请校时并检查电池。"
        )
    return good("clock", said, said)
