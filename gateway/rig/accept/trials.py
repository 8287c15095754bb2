"""The trials of an acceptance, each with its evidence.

    identity ─> limits ─> coherence under load ─> clock ─> kept ─> restart ─> handshake ─> ready

Owns: what is tried, and what counts as passed. A trial that cannot go on raises StepFailed with its reason. Evidence
holds numbers and serial numbers, never a candidate's word (P7).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from device_adapters.errors import BackOff, NotConnected
from device_adapters.modbus.wire import ExceptionReply, OddReply
from gateway.errors import StepFailed
from gateway.rig.accept.report import FAILED, NOT_THERE, PART, PASSED, Trial
from gateway.rig.accept.session import LOAD_RESULTS
from gateway.rig.limits import CLOCK_GOOD_S, READS_IN_A_ROW, STATUS_REFUSED_SHARE
from gateway.rig.probing import LAST_REGISTER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from gateway.rig.accept.session import Session

_SYNC: Final = {"synced": "已同步", "unsynced": "未同步", "unknown": "同步状态不明"}
_BEYOND: Final = {"exception": "异常应答", "silence": "无应答", "answered": "有数据", "none": "无可测地址"}


async def identity(session: Session) -> Trial:
    """It is the rig that is meant, and it holds nobody's results."""
    rig, wanted = session.rig, session.wishes.serial
    await rig.recognise()
    if wanted and rig.serial != wanted:
        raise StepFailed(f"应答的是 {rig.serial}，不是 {wanted}", f"the rig is {rig.serial}, not {wanted}")
    _, standing = await rig.status()
    shows = rig.profile.told and "acked_seq" in rig.profile.status.fields
    session.acked = standing.acked_seq if shows else standing.last_seq
    await rig.follow(standing)
    session.found = standing.last_seq
    held = rig.results(session.acked)
    if held and not session.wishes.discard:
        raise StepFailed(
            f"设备仍保留 {len(held)} 条未确认成绩，须先由网关保存，不得丢弃（自己试验所留：--discard-held）",
            f"the rig holds {len(held)} unacknowledged results: a gateway must store them first; "
            "only of your own trials, or of an interrupted acceptance: --discard-held",
        )
    if held:
        await session.told(standing.last_seq)
        session.say(f"    已按要求丢弃 {len(held)} 条 thrown away as asked: {len(held)} results")
    rig.vouch()
    return Trial(
        "identity",
        PASSED,
        f"状态区完整；序列号 {rig.serial}，启动计数 {standing.boot}，最新序号 {standing.last_seq}",
        f"status block proven; serial {rig.serial}, boot {standing.boot}, last_seq {standing.last_seq}",
    )


async def limits(session: Session) -> Trial:
    """Many reads in a row, a read beyond the map, and a second connection's worth of patience."""
    rig, transport = session.rig, session.rig.profile.transport
    lost, took_us = rig.counts.lost, []
    for _ in range(READS_IN_A_ROW):
        asked_us = session.clock.mono_us()
        await rig.status()
        took_us.append(session.clock.mono_us() - asked_us)
    median_ms, most_ms = sorted(took_us)[len(took_us) // 2] / 1000, max(took_us) / 1000
    beyond = await _beyond(session)
    await rig.status()
    if rig.counts.lost - lost > (beyond == "silence"):
        raise StepFailed(
            f"连续读取时断线 {rig.counts.lost - lost} 次", f"lost {rig.counts.lost - lost} times while read"
        )
    words = rig.profile.status.words
    return Trial(
        "limits",
        PASSED,
        f"连续读取 {READS_IN_A_ROW} 次、每次 {words} 字：中位 {median_ms:.1f} 毫秒，最长 {most_ms:.1f} 毫秒"
        f"（时限 {transport.timeout_ms}）；越界读取：{_BEYOND[beyond.partition(' ')[0]]}，其后通信正常",
        f"{READS_IN_A_ROW} reads of {words} words in a row: median {median_ms:.1f} ms, longest {most_ms:.1f} ms "
        f"(limit {transport.timeout_ms}); a read beyond the map: {beyond}, and answering as before afterwards",
    )


async def _beyond(session: Session) -> str:
    """Behind the last area of the profile: refused, answered or silent, but alive afterwards."""
    end = max(area.at + area.words for area in session.rig.profile.areas.values())
    if end > LAST_REGISTER:
        return "none to try"
    try:
        await session.rig.wire.read(end, 1)
    except ExceptionReply as error:
        return f"exception {error.code}"
    except (NotConnected, OddReply, BackOff):
        return "silence"
    return "answered"


async def coherence(session: Session) -> Trial:
    """Status and records as fast as the wire allows, while results latch."""
    rig, counts = session.rig, session.rig.counts
    statuses, refused, records, again = counts.statuses, counts.refused, counts.records, counts.again
    for _ in range(min(LOAD_RESULTS, session.wishes.results or LOAD_RESULTS)):
        await session.one_result()
    statuses, refused = counts.statuses - statuses, counts.refused - refused
    records, again = counts.records - records, counts.again - again
    made = len(rig.results(session.found))
    return Trial(
        "coherence",
        FAILED if refused > statuses * STATUS_REFUSED_SHARE else PASSED,
        f"成绩产生期间连续读取：成绩 {made} 条；记录 {records} 条，各读两遍且一致，重读 {again} 次；"
        f"状态区 {statuses} 次，不可信 {refused} 次",
        f"read without pause while {made} results latched: {records} records, each twice and equal, "
        f"{again} readings repeated; {statuses} statuses, {refused} refused",
    )


async def clock(session: Session) -> Trial:
    """What the rig's clock said of its newest results, and when they were read here."""
    rig = session.rig
    results = sorted(rig.results(session.found))
    times = [(rig.seen_at_us[seq], rig.records[seq].rig_time) for seq in results]
    return clock_trial(times, session.clock.sync_state())


def clock_trial(times: Sequence[tuple[int, str | None]], sync: str) -> Trial:
    """When each result was here, and when the rig says that it was."""
    known = [(at_us, text) for at_us, text in times if text is not None]
    if not known:
        return Trial("clock", NOT_THERE, "设备无时钟，以网关时间为准", "the rig tells no time; the gateway's counts")
    offsets = [datetime.fromisoformat(text).timestamp() - at_us / 1_000_000 for at_us, text in known]
    least, most = min(offsets), max(offsets)
    zh = f"与本机相差 {least:+.1f} 至 {most:+.1f} 秒（本机时钟{_SYNC[sync]}）"
    en = f"differs from this machine by {least:+.1f} to {most:+.1f} s (whose clock is {sync})"
    if len(known) != len(times) or max(map(abs, offsets)) > CLOCK_GOOD_S:
        return Trial("clock", FAILED, f"{zh}，须校时", f"{en}; set the clock (limit {CLOCK_GOOD_S} s)")
    return Trial("clock", PASSED, zh, en)


async def kept(session: Session) -> Trial:
    """Results pile up unacknowledged, and every record reads as it did at first."""
    rig = session.rig
    wanted = min(session.promised, session.wishes.results or session.promised)
    while len(rig.results(session.acked)) < wanted:
        await session.one_result()
    compared, digest = await session.unchanged()
    shown = len(rig.results(session.acked))
    zh = f"未确认成绩 {shown} 条，记录 {compared} 条重读一致，散列 {digest}"
    en = f"{shown} results, {compared} records unchanged, sha256 {digest}"
    if shown < session.promised:
        more = f"{session.promised} are promised, not all were shown"
        return Trial("kept", PART, f"{zh}；承诺 {session.promised} 条，未全部验证", f"{en}; {more}")
    return Trial("kept", PASSED, zh, en)


async def restart(session: Session) -> Trial:
    """Power off and on with results unacknowledged: nothing is lost, numbers go on, the boot counter rises."""
    rig = session.rig
    _, before = await rig.status()
    away_zh, away_en, after = await session.restarted(before.boot)
    if after.last_seq < before.last_seq:
        raise StepFailed(
            f"重启后序号由 {before.last_seq} 退到 {after.last_seq}",
            f"last_seq went back from {before.last_seq} to {after.last_seq}",
        )
    if after.boot < before.boot:
        raise StepFailed("启动计数倒退", f"boot went back from {before.boot} to {after.boot}")
    compared, digest = await session.unchanged()
    return Trial(
        "restart",
        PASSED,
        f"启动计数 {before.boot} → {after.boot}，{away_zh}；未确认记录 {compared} 条全部保留且一致，散列 {digest}",
        f"boot {before.boot} → {after.boot}, {away_en}; all {compared} unacknowledged records kept "
        f"unchanged, sha256 {digest}",
    )


async def handshake(session: Session) -> Trial:
    """First half of what is held is acknowledged, then all; the other half stays until then."""
    rig = session.rig
    if not rig.profile.told:
        return Trial(
            "handshake", NOT_THERE, "描述文件无确认字", f"no acknowledgement: guarantee {rig.profile.guarantee}"
        )
    _, standing = await rig.status()
    await rig.follow(standing)
    held = [seq for seq in sorted(rig.records) if seq > session.acked]
    if not held:
        raise StepFailed("没有未确认记录", "no record is unacknowledged")
    for seq in dict.fromkeys((held[(len(held) - 1) // 2], held[-1])):
        await session.told(seq)
        await session.unchanged()
    told = f"acked_seq {held[0] - 1} → {held[(len(held) - 1) // 2]} → {held[-1]}"
    return Trial("handshake", PASSED, f"逐步确认 {told}，其余记录保留不变", f"{told}, the records above unchanged")


async def ready(session: Session) -> Trial:
    """With `gateway_ready` at 0 no item may begin (K5)."""
    rig = session.rig
    if rig.profile.ready is None:
        return Trial("ready", NOT_THERE, "设备不看网关状态", "the rig does not look at the gateway's state")
    await rig.vouch_no_more(told=True)
    _, before = await rig.status()
    begun = await session.bench.attempt()
    if begun is None:
        begun = await session.seen_running()
    _, standing = await rig.status()
    await rig.follow(standing)
    started = [seq for seq in rig.records if seq > before.last_seq and rig.records[seq].type == "item.started"]
    if begun or started:
        raise StepFailed("网关未就绪时仍可开考，成绩可能无人记录", "an item began although no gateway was ready")
    if rig.profile.told and standing.last_seq > session.acked:
        await session.told(standing.last_seq)
    return Trial(
        "ready", PASSED, "网关未就绪（gateway_ready = 0）时拒绝开考", "no item began while gateway_ready was 0"
    )


# In this order.
STEPS: Final[Mapping[str, Callable[[Session], Awaitable[Trial]]]] = {
    "identity": identity,
    "limits": limits,
    "coherence": coherence,
    "clock": clock,
    "kept": kept,
    "restart": restart,
    "handshake": handshake,
    "ready": ready,
}
