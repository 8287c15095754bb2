"""Every MQTT broker and the rigs behind it: name, TCP, TLS, password, rules, and whether the rig says anything.

A broker lets one connection of a name live, so beside a running gateway it is not logged in to: what the gateway itself
says is told instead. Without one the doctor listens as the gateway would, and settles no record: whatever waits there
waits on.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any, Final

from device_adapters.errors import NotConnected
from device_adapters.factory import open_box
from device_adapters.messages.mailbox import Mailbox
from device_adapters.mqtt.connection import Broker
from gateway.doctor.report import fail, good, warn
from gateway.doctor.rigs import step_of
from gateway.doctor.server import check_tcp
from gateway.errors import ConfigError
from gateway.supervising.brokers import account

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_adapters.mqtt.connection import Account
    from device_adapters.mqtt.plain_box import PlainBox
    from device_adapters.sparkplug.box import SparkBox
    from device_adapters.sparkplug.node import EdgeNode
    from gateway.doctor.report import Finding
    from gateway.recording.texts import Texts
    from gateway.settings.config import BrokerConfig, Config, RigConfig

_HOP_S: Final = 4.0
_LOG_IN_S: Final = 12.0
_UNHEARD: Final = frozenset({"offline", "unknown"})
STATUS_S: Final = 5.0  # a rig of interface v1 says its status at least every 2 s
_CLOSE_S: Final = 2.0
_CERTIFICATE: Final = {
    "expired": ("the broker's certificate has expired, or this clock is wrong", "代理证书已过期，或本机时间不对"),
    "not yet valid": ("the broker's certificate is not valid yet: set this clock", "代理证书尚未生效，请校准本机时间"),
    "mismatch": ("the broker's certificate is for another name: correct `host`", "代理证书名称不符，请更正 host"),
    "not valid for": ("the broker's certificate is for another name: correct `host`", "代理证书名称不符，请更正 host"),
}
_OTHER_CA: Final = (
    "the broker's certificate is not from this CA: another broker, or the wrong `ca`",
    "代理证书不是该 CA 签发的：可能是别的代理，或 ca 有误",
)


async def check_brokers(config: Config, texts: Texts, live: Mapping[str, Any] | None) -> list[Finding]:
    """All brokers at the same time; `live` is the status of the gateway that runs beside, if one does."""
    rigs = {one.id: [rig for rig in config.rigs if rig.broker == one.id] for one in config.brokers}
    made = [_Visit(config, one, rigs[one.id], texts).findings(live) for one in config.brokers]
    return [finding for findings in await asyncio.gather(*made) for finding in findings]


def mute(config: Config, live: Mapping[str, Any]) -> bool:
    """Whether a rig behind a connected broker was not heard yet."""
    online = {each["id"] for each in live.get("brokers") or () if each["online"]}
    states = {each["rig"]: each["state"] for each in live.get("rigs") or ()}
    return any(rig.broker in online and states.get(rig.serial) in _UNHEARD for rig in config.rigs)


class _Visit:
    """One broker and its rigs."""

    def __init__(self, config: Config, broker: BrokerConfig, rigs: Sequence[RigConfig], texts: Texts) -> None:
        self._gateway_id = config.gateway_id
        self._config = broker
        self._rigs = rigs
        self._texts = texts
        self._step = f"broker {broker.id}"

    async def findings(self, live: Mapping[str, Any] | None) -> list[Finding]:
        """The way to the broker ends at the first hop that fails; then its rigs cannot be told."""
        try:
            who = account(self._config, self._gateway_id)
        except ConfigError as error:
            return self._ended(fail(self._step, f"{error}. Correct this first.", f"设置有误（{error}），请先改正。"))
        hop = await check_tcp(self._step, who.host, who.port)
        if hop.level == "ok" and who.tls is not None:
            hop = await self._tls(who, who.tls)
        if hop.level != "ok":
            return self._ended(hop)
        return self._by_the_gateway(live) if live is not None else await self._by_listening(who)

    def _ended(self, finding: Finding) -> list[Finding]:
        not_asked = "not asked: its broker is not reached", "未检查：其代理不可达"
        return [finding, *(warn(step_of(rig), *not_asked) for rig in self._rigs)]

    async def _tls(self, who: Account, context: ssl.SSLContext) -> Finding:
        try:
            async with asyncio.timeout(_HOP_S):
                _, writer = await asyncio.open_connection(who.host, who.port, ssl=context)
        except ssl.SSLCertVerificationError as error:
            en, zh = next((words for key, words in _CERTIFICATE.items() if key in str(error)), _OTHER_CA)
            return fail(self._step, en, zh)
        except TimeoutError:
            return fail(self._step, "listens and says nothing: no broker with TLS", "有监听但无应答：不是 TLS 代理")
        except OSError:
            return fail(self._step, "no TLS is spoken there: wrong port, or no `ca` is needed", "该端口不使用 TLS")
        writer.transport.abort()
        return good(self._step, "TLS as it should be", "TLS 正常")

    def _by_the_gateway(self, live: Mapping[str, Any]) -> list[Finding]:
        """The words of the process that has the connection."""
        one = next((each for each in live.get("brokers") or () if each["id"] == self._config.id), None)
        if one is None:
            restart = "the running gateway does not know it: restart that", "运行中的网关不知道该代理，请重启网关"
            return self._ended(fail(self._step, *restart))
        if not one["online"]:
            return self._ended(self._refused(str(one["reason"])))
        states = {each["rig"]: each for each in live.get("rigs") or ()}
        found = [good(self._step, "connected, says the running gateway", "已连接（运行中的网关）")]
        return [*found, *(self._known(rig, states.get(rig.serial)) for rig in self._rigs)]

    def _known(self, rig: RigConfig, state: Mapping[str, Any] | None) -> Finding:
        if state is None or state["state"] in _UNHEARD:
            return self._mute(rig)
        return good(step_of(rig), f"answers, {state['state']}", f"应答正常，{state['state']}")

    async def _by_listening(self, who: Account) -> list[Finding]:
        broker, up = Broker(who), asyncio.Event()
        boxes: dict[str, Mailbox | PlainBox | SparkBox] = {}
        nodes: dict[tuple[str, str], EdgeNode] = {}
        for rig in self._rigs:
            shape = self._texts.profiles[rig.profile].message
            if shape is not None:
                boxes[rig.serial] = open_box(shape, rig.serial, nodes)
                broker.join(boxes[rig.serial])
        holding, waiting = asyncio.create_task(broker.hold(up.set)), asyncio.create_task(up.wait())
        try:
            await asyncio.wait({holding, waiting}, timeout=_LOG_IN_S, return_when=asyncio.FIRST_COMPLETED)
            if not up.is_set():
                return self._ended(self._not_in(holding))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STATUS_S):
                    for box in boxes.values():
                        while _state(box) is None:
                            await (box if isinstance(box, Mailbox) else box.inbox).wait(STATUS_S)
            said = [self._heard(rig, boxes[rig.serial]) for rig in self._rigs if rig.serial in boxes]
        finally:
            for task in (waiting, holding):
                task.cancel()
            await asyncio.wait({waiting, holding}, timeout=_CLOSE_S)
        return [good(self._step, "lets this gateway in", "允许本网关登录"), *said]

    def _not_in(self, holding: asyncio.Task[None]) -> Finding:
        error = holding.exception() if holding.done() and not holding.cancelled() else None
        if isinstance(error, NotConnected):
            return self._refused(error.reason)
        return fail(
            self._step, "takes the connection and says nothing: no MQTT broker", "接受连接但无应答：不是 MQTT 代理"
        )

    def _refused(self, reason: str) -> Finding:
        told = reason.lower()
        if "authori" in told or "password" in told or "identifier" in told:
            return fail(
                self._step,
                f"refuses this gateway ({reason}). Correct username and password_file, or certificate and key.",
                f"拒绝本网关（{reason}），请更正 username 和 password_file，或 certificate 和 key。",
            )
        if "let us read" in told:
            return fail(
                self._step,
                "does not let this gateway read its rigs' topics. Correct the broker's rules (kaofen.acl).",
                "不允许本网关读取设备主题，请更正代理的权限（kaofen.acl）。",
            )
        return fail(
            self._step,
            f"takes the connection and then fails ({reason}): wrong `protocol`, or no MQTT broker",
            f"接受连接后失败（{reason}）：protocol 有误，或不是 MQTT 代理",
        )

    def _heard(self, rig: RigConfig, box: Mailbox | PlainBox | SparkBox) -> Finding:
        state = _state(box)
        if state is not None:
            return good(step_of(rig), f"answers, {state}", f"应答正常，{state}")
        if (box if isinstance(box, Mailbox) else box.inbox).offline:
            return fail(
                step_of(rig),
                "the broker says that the rig is gone. Check its power and its network.",
                "代理称该设备已离线，请检查其电源和网络。",
            )
        return self._mute(rig)

    def _mute(self, rig: RigConfig) -> Finding:
        return fail(
            step_of(rig),
            "the broker is reached and nothing comes from the rig. Is it on, at this broker, with this serial number, "
            "and do the broker's rules let it write?",
            "代理可达，但收不到该设备的消息：请检查设备是否开机、是否连到该代理、序列号是否正确、代理权限是否允许写入。",
        )


def _state(box: Mailbox | PlainBox | SparkBox) -> str | None:
    """What the rig shows; None of one that said nothing yet."""
    if isinstance(box, Mailbox):
        return None if box.status is None else box.status.live.state if box.status.live is not None else "?"
    return box.inbox.live.state if box.inbox.here else None
