"""The way to the server, one hop after the other: name, TCP, TLS, our certificate, enrolment. Sends one GET, no score.

The first hop that fails is the finding: what lies behind it cannot be told.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from certs.contexts import gateway_client_context
from certs.errors import CertsError, PinMismatch
from gateway import limits
from gateway.doctor.answer import read_answer
from gateway.doctor.report import fail, good
from scorelog.journal.errors import JournalError
from scorelog.journal.identity import find_identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.doctor.report import Finding
    from gateway.settings.config import Config

_HOP_S: Final = 4.0
_ALERT_S: Final = 1.0
_HTTPS: Final = 443
_CERTIFICATE_WORDS: Final = {
    "expired": ("the server's certificate has expired, or this clock is wrong", "服务器证书已过期，或本机时间不对"),
    "not yet valid": (
        "the server's certificate is not valid yet: set this clock",
        "服务器证书尚未生效，请校准本机时间",
    ),
    "mismatch": (
        "the server's certificate is for another name: correct [server] url",
        "服务器证书的名称不符，请更正 [server] url",
    ),
    "not valid for": (
        "the server's certificate is for another name: correct [server] url",
        "服务器证书的名称不符，请更正 [server] url",
    ),
}
_OTHER_CA: Final = (
    "the server's certificate is not from our CA: another server, a portal, or the wrong [server] ca",
    "服务器证书不是本 CA 签发的：可能是别的服务器、上网认证页，或 [server] ca 有误",
)


async def check_server(config: Config) -> AsyncIterator[Finding]:
    """Hop after hop."""
    url = urlsplit(config.server.url)
    host, port = url.hostname or "", url.port or _HTTPS
    tcp = await check_tcp("server connection", host, port)
    yield tcp
    if tcp.level != "ok":
        return
    server = config.server
    try:
        context = gateway_client_context(server.cert, server.key, server.ca, pin=server.pin)
    except (CertsError, OSError) as error:
        yield fail("server TLS", f"cannot be tried: {error}", f"无法尝试：{error}")
        return
    try:
        async with asyncio.timeout(2 * _HOP_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=limits.ANSWER_BYTES_MAX)
    except (OSError, CertsError, TimeoutError) as error:
        yield _tls_failure(error)
        return
    yield good("server TLS", "the server's certificate is right", "服务器证书正确")
    try:
        async for finding in _ask(config, host, reader, writer):
            yield finding
    finally:
        writer.transport.abort()


async def check_tcp(step: str, host: str, port: int) -> Finding:
    """Whether something listens there; what is in the way, told apart."""
    place = f"{host} port {port}"
    try:
        async with asyncio.timeout(_HOP_S):
            _, writer = await asyncio.open_connection(host, port)
    except (socket.gaierror, UnicodeError):
        return fail(
            step, f"the name {host} is not known. Check spelling and DNS.", f"无法解析名称 {host}，请检查拼写和 DNS。"
        )
    except ConnectionRefusedError:
        return fail(
            step,
            f"{place} refuses: the machine is there, the program is not. Start it, or correct the port.",
            f"{place} 拒绝连接：机器在线，但程序未运行。请启动程序或更正端口。",
        )
    except TimeoutError:
        return fail(
            step,
            f"{place} does not answer. Check address, cable, firewall.",
            f"{place} 无应答，请检查地址、网线、防火墙。",
        )
    except OSError as error:
        return fail(step, f"no way to {place}: {error.strerror}. Check the network.", f"无法到达 {place}，请检查网络。")
    writer.transport.abort()
    return good(step, f"{place} answers", f"{place} 有应答")


def _tls_failure(error: Exception) -> Finding:
    step, text = "server TLS", str(error)
    if isinstance(error, PinMismatch):
        return fail(
            step,
            "the server's key is not the pinned one: correct [server] pin",
            "服务器密钥与 [server] pin 不符，请更正",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        en, zh = next((words for key, words in _CERTIFICATE_WORDS.items() if key in text), _OTHER_CA)
        return fail(step, en, zh)
    if isinstance(error, TimeoutError):
        return fail(
            step,
            "it listens and says nothing: not our server, or it hangs",
            "端口有监听但无应答：不是本系统服务器，或已卡住",
        )
    if isinstance(error, ssl.SSLError):
        return fail(
            step,
            "no TLS is spoken there: wrong port, or a portal in between",
            "该端口不使用 TLS：端口有误，或中间有上网认证页",
        )
    return fail(step, "the connection was cut in the handshake", "握手时连接被切断")


async def _ask(
    config: Config, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncIterator[Finding]:
    refused = await _refused(reader)
    if refused is not None:
        yield refused
        return
    try:
        async with asyncio.timeout(2 * _HOP_S):
            writer.write(f"GET {_path(config)} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read(limits.ANSWER_BYTES_MAX)
    except (OSError, TimeoutError):
        answer = b""
    for finding in read_answer(answer, time.time()):
        yield finding


async def _refused(reader: asyncio.StreamReader) -> Finding | None:
    """In TLS 1.3 the word on our certificate comes after the handshake: nothing is sent before it could have come."""
    step = "own certificate at the server"
    try:
        async with asyncio.timeout(_ALERT_S):
            await reader.read(1)
    except TimeoutError:
        return None
    except ssl.SSLError as error:
        return fail(
            step,
            f"refused by the server ({error.reason}). Have a new one issued by its CA.",
            f"被服务器拒绝（{error.reason}），请由其 CA 重新签发。",
        )
    except OSError:
        pass
    return fail(
        step,
        "perhaps refused: the server ended the connection before it was asked anything. Ask its operator.",
        "可能被拒绝：服务器在收到请求前就断开了连接，请联系服务器管理员。",
    )


def _path(config: Config) -> str:
    try:
        origin = find_identity(config.log_directory).origin
    except (JournalError, OSError):
        origin = f"{config.origin_base}/0"
    return f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"
