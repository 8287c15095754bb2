"""Every push listener and its rigs: can the gateway listen there, does anything come, and is it let in.

A rig that pushes cannot be asked: beside a running gateway its own word is told, without one the place is tried for a
moment and given back. Answers nobody.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from gateway.doctor.report import fail, good, warn
from gateway.doctor.rigs import step_of
from gateway.errors import ConfigError
from gateway.push.identity import identities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.doctor.report import Finding
    from gateway.push.settings import PushConfig
    from gateway.settings.config import Config, RigConfig

_UNHEARD = frozenset({"offline", "unknown"})


def check_pushes(config: Config, live: Mapping[str, Any] | None) -> list[Finding]:
    """In the order of the settings, each listener before its rigs."""
    if not config.pushes:
        return []
    try:
        identities(config)
    except ConfigError as error:
        return [fail("push", f"{error}. Correct this first.", f"设置有误（{error}），请先改正。")]
    said = {each["id"]: each for each in (live or {}).get("pushes") or ()}
    states = {each["rig"]: each["state"] for each in (live or {}).get("rigs") or ()}
    found: list[Finding] = []
    for one in config.pushes:
        here = _tried(one) if live is None else _told(one, said.get(one.id))
        found.append(here)
        for rig in (rig for rig in config.rigs if rig.push == one.id):
            if here.level != "ok" or live is None:
                found.append(warn(step_of(rig), "not asked: it comes by itself", "未检查：该设备主动推送"))
            else:
                found.append(_rig(rig, states.get(rig.serial, "unknown"), said[one.id]))
    return found


def _step(one: PushConfig) -> str:
    return f"push {one.id}"


def _tried(one: PushConfig) -> Finding:
    try:
        with socket.create_server((one.host, one.port), family=socket.AF_INET6 if ":" in one.host else socket.AF_INET):
            return good(_step(one), f"{one.host} port {one.port} is free", f"{one.host} 端口 {one.port} 可用")
    except OSError as error:
        return fail(
            _step(one),
            f"cannot listen on {one.host} port {one.port}: {error.strerror}. "
            "Correct `listen`, or stop who has the port.",
            f"无法监听 {one.host} 端口 {one.port}（{error.strerror}），请更正 listen 或停止占用该端口的程序。",
        )


def _told(one: PushConfig, said: Mapping[str, Any] | None) -> Finding:
    if said is None:
        restart = "the running gateway does not know it: restart that", "运行中的网关不知道该监听，请重启网关"
        return fail(_step(one), *restart)
    if not said["listening"]:
        return fail(
            _step(one),
            f"the running gateway cannot listen: {said['reason']}. Correct `listen`, or stop who has the port.",
            f"运行中的网关无法监听（{said['reason']}），请更正 listen 或停止占用该端口的程序。",
        )
    lines = said["connections"]
    return good(_step(one), f"listens, {lines} connections", f"监听正常，{lines} 个连接")


def _rig(rig: RigConfig, state: str, said: Mapping[str, Any]) -> Finding:
    if state not in _UNHEARD:
        return good(step_of(rig), f"pushes, {state}", f"推送正常，{state}")
    unproven = said["answers"].get("401", 0)
    if unproven:
        return fail(
            step_of(rig),
            f"nothing comes that proves to be its own; {unproven} requests here were not proven. "
            "Compare its secret with secret_file, and `signed`; the rig is told the reason with each answer.",
            f"未收到可证实的推送；此处有 {unproven} 次请求未通过验证，请核对密钥文件和 signed。",
        )
    return fail(
        step_of(rig),
        f"nothing comes from it. Is it on, and does it push to {rig.push}'s address, with this serial number?",
        "未收到推送，请检查设备是否开机、推送地址和序列号是否正确。",
    )
