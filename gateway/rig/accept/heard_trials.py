"""The trials of a rig that is heard, each with its evidence. Outcomes and rules as in `trials`.

identity ─> limits ─> order ─> clock ─> kept ─> restart ─> handshake ─> ready
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from device_adapters.language.values import PlainShape
from device_adapters.limits import MESSAGE_BYTES_MAX, PLAIN_BYTES_MAX, SILENT_AFTER_STATUSES, SPARK_BYTES_MAX
from gateway.errors import StepFailed
from gateway.rig.accept.report import FAILED, NOT_THERE, PART, PASSED, Trial
from gateway.rig.accept.trials import clock_trial

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gateway.rig.accept.heard_session import HeardSession

_RESULTS: Final = 5
_STATUSES: Final = 5
_SEEN_RUNNING_S: Final = 30.0
_ONCE: Final = ("每条只说一次，网关离线即丢失", "each record is said once: a gateway that is away misses it")


async def identity(session: HeardSession) -> Trial:
    """It is heard and believed, and it holds nobody's results."""
    rig = session.rig
    await session.until(lambda: rig.here, rig.reader.wants() or "未收到消息", rig.reader.wants() or "nothing came")
    if rig.shape is None:
        wants = "birth certificate" if session.profile.message is not None else ""
        return Trial("identity", PASSED, f"设备 {rig.serial} 在线", f"{rig.serial} is heard {wants}".rstrip())
    await session.until(lambda: rig.status is not None, "无实时状态", "no live status")
    status = rig.status
    assert status is not None and status.standing is not None  # noqa: S101, PT018  (`here`: it is no will)
    standing = status.standing
    session.acked, session.found = standing.acked_seq, standing.last_seq
    if standing.oldest_seq:
        await _held(session, standing.oldest_seq, standing.last_seq)
    rig.vouch()
    return Trial(
        "identity",
        PASSED,
        f"实时状态完整；序列号 {rig.serial}，启动计数 {standing.boot}，最新序号 {standing.last_seq}",
        f"live status proven; serial {rig.serial}, boot {standing.boot}, last_seq {standing.last_seq}",
    )


async def _held(session: HeardSession, oldest: int, last: int) -> None:
    """Somebody's results are never thrown away unasked (P1)."""
    rig = session.rig
    await rig.ask_again(oldest)
    await session.until(lambda: last in rig.records, "未重发所保留的记录", "what it holds did not come again")
    held = rig.results(session.acked)
    if held and not session.wishes.discard:
        raise StepFailed(
            f"设备仍保留 {len(held)} 条未确认成绩，须先由网关保存，不得丢弃（中断的验收所留：--discard-held）",
            f"the rig holds {len(held)} unacknowledged results: a gateway must store them first; "
            "of an interrupted acceptance: --discard-held",
        )
    await session.told(last)


async def limits(session: HeardSession) -> Trial:
    """Messages stay within what a gateway takes; a status comes before the rig would be taken for gone."""
    rig, came = session.rig, session.rig.came
    shape = session.profile.message
    most = PLAIN_BYTES_MAX if isinstance(shape, PlainShape) else MESSAGE_BYTES_MAX if rig.shape else SPARK_BYTES_MAX
    zh, en = f"最大消息 {came.largest} 字节（上限 {most}）", f"largest message {came.largest} bytes (limit {most})"
    if rig.shape is not None:
        first = len(rig.statuses_us)
        await session.until(lambda: len(rig.statuses_us) >= first + _STATUSES, "状态中断", "no status")
        gaps_ms = [(after - before) / 1000 for before, after in pairwise(rig.statuses_us)]
        limit_ms = session.profile.poll.status_every_ms * SILENT_AFTER_STATUSES
        zh = f"{zh}；状态最长间隔 {max(gaps_ms):.0f} 毫秒（上限 {limit_ms}）"
        en = f"{en}; statuses at most {max(gaps_ms):.0f} ms apart (limit {limit_ms})"
        if max(gaps_ms) > limit_ms:
            return Trial("limits", FAILED, f"{zh}：网关会判为离线", f"{en}: a gateway takes it for gone")
    if came.retained:
        return Trial(
            "limits",
            FAILED,
            f"{zh}；{came.retained} 条记录以保留方式发布",
            f"{en}; {came.retained} records were published as retained: they would come again for ever",
        )
    return Trial("limits", PASSED, zh, en)


async def order(session: HeardSession) -> Trial:
    """Results latch: every number comes, in order, and nothing has to be refused."""
    rig, came = session.rig, session.rig.came
    before, refused, late = max(rig.records, default=session.found), len(came.refused), len(came.late)
    for _ in range(min(_RESULTS, session.wishes.results or _RESULTS)):
        await session.one_result()
    if len(came.refused) > refused:
        first = came.refused[refused]
        return Trial("order", FAILED, f"有消息不可信：{first}", f"refused: {first}")
    if came.changed:
        return Trial(
            "order", FAILED, f"序号 {came.changed[0]} 重复而内容不同", f"other bytes under number {came.changed[0]}"
        )
    new = sorted(seq for seq in rig.records if seq > before)
    missing = new[-1] - new[0] + 1 - len(new)
    counts = rig.shape is not None or bool(getattr(getattr(session.profile.message, "said", None), "counts", False))
    if (missing and counts) or len(came.late) > late:
        return Trial(
            "order",
            FAILED,
            f"缺 {missing} 个序号，{len(came.late) - late} 条晚到",
            f"{missing} numbers are missing, {len(came.late) - late} came late",
        )
    again = sum(came.again.values())
    return Trial(
        "order",
        PASSED,
        f"成绩 {len(rig.results(before))} 条、记录 {len(new)} 条按序到达；重复 {again} 条，内容一致",
        f"{len(rig.results(before))} results, {len(new)} records in order; {again} came again, the same bytes",
    )


async def clock(session: HeardSession) -> Trial:
    """What the rig's clock said of each result, and when it came."""
    rig = session.rig
    results = sorted(rig.results(session.found))
    times = [(rig.seen_at_us[seq], rig.records[seq].rig_time) for seq in results]
    return clock_trial(times, session.clock.sync_state())


async def kept(session: HeardSession) -> Trial:
    """Results pile up unacknowledged; asked for again, every one comes with the same bytes."""
    rig = session.rig
    if rig.shape is None:
        return Trial("kept", NOT_THERE, *_ONCE)
    wanted = min(session.promised, session.wishes.results or session.promised)
    while len(rig.results(session.acked)) < wanted:
        await session.one_result()
    compared, digest = await session.said_again()
    shown = len(rig.results(session.acked))
    zh = f"未确认成绩 {shown} 条，记录 {compared} 条重发一致，散列 {digest}"
    en = f"{shown} results, {compared} records came again unchanged, sha256 {digest}"
    if shown < session.promised:
        more = f"{session.promised} are promised, not all were shown"
        return Trial("kept", PART, f"{zh}；承诺 {session.promised} 条，未全部验证", f"{en}; {more}")
    return Trial("kept", PASSED, zh, en)


async def restart(session: HeardSession) -> Trial:
    """Power off and on: the will is heard, numbers go on, what was not acknowledged comes again."""
    rig = session.rig
    away, last = rig.away, max(rig.records, default=session.found)
    before = rig.status
    began_us = session.clock.mono_us()
    await session.bench.restart()
    if rig.shape is None:
        return await _restart_of_values(session, away, last)
    await session.until(
        lambda: rig.here and rig.status is not None and (before is None or rig.status.boot != before.boot),
        "设备未重启",
        "no restart was seen",
    )
    took_s = (session.clock.mono_us() - began_us) / 1_000_000
    after = rig.status
    assert before is not None and before.standing is not None  # noqa: S101, PT018  (identity saw one)
    assert after is not None and after.standing is not None  # noqa: S101, PT018  (as above)
    if after.boot < before.boot or after.standing.last_seq < before.standing.last_seq:
        raise StepFailed("重启后启动计数或序号倒退", "boot or last_seq went back over the restart")
    compared, digest = await session.said_again()
    told = f"要求后 {took_s:.1f} 秒恢复（含人工操作）"
    zh = f"启动计数 {before.boot} → {after.boot}，{told}；未确认记录 {compared} 条重发一致，散列 {digest}"
    told = f"back {took_s:.1f} s after it was asked for, the person's time included"
    en = f"boot {before.boot} → {after.boot}, {told}; all {compared} records again, sha256 {digest}"
    return _with_will(session, away, zh, en)


async def _restart_of_values(session: HeardSession, away: int, last: int) -> Trial:
    """A rig that says each value once shows by its next result that it goes on."""
    rig = session.rig
    epoch = rig.records[last].epoch if last in rig.records else 0
    await session.one_result()
    newest = max(rig.results(), key=lambda seq: rig.seen_at_us[seq])
    if newest <= last and rig.records[newest].epoch <= epoch:
        raise StepFailed(
            f"重启后序号由 {last} 退到 {newest}", f"numbers went back from {last} to {newest}, and no restart was told"
        )
    zh = f"重启前序号 {last}，重启后 {newest}"
    return _with_will(session, away, zh, f"number {last} before it, {newest} after it")


def _with_will(session: HeardSession, away: int, zh: str, en: str) -> Trial:
    if session.rig.away > away:
        return Trial("restart", PASSED, f"{zh}；断电时遗嘱已到", f"{en}; its will was heard")
    return Trial("restart", PART, f"{zh}；未见遗嘱", f"{en}; no will was heard: a rig that is gone looks silent only")


async def handshake(session: HeardSession) -> Trial:
    """First half of what is held is acknowledged, then all; the other half stays until then."""
    rig = session.rig
    if rig.shape is None:
        return Trial(
            "handshake", NOT_THERE, "设备不接收确认", f"no acknowledgement: guarantee {session.profile.guarantee}"
        )
    held = [seq for seq in sorted(rig.records) if seq > session.acked]
    if not held:
        raise StepFailed("没有未确认记录", "no record is unacknowledged")
    half = held[(len(held) - 1) // 2]
    for seq in dict.fromkeys((half, held[-1])):
        await session.told(seq)
        await session.said_again()
    told = f"acked_seq {held[0] - 1} → {half} → {held[-1]}"
    return Trial("handshake", PASSED, f"逐步确认 {told}，其余记录保留不变", f"{told}, the records above unchanged")


async def ready(session: HeardSession) -> Trial:
    """With `ready` at 0 no item may begin (K5)."""
    rig = session.rig
    if rig.shape is None or rig.shape.topics.ready is None:
        return Trial("ready", NOT_THERE, "设备不看网关状态", "the rig does not look at the gateway's state")
    await rig.vouch_no_more(told=True)
    last = max(rig.records, default=session.found)
    begun = await session.bench.attempt()
    if begun is None:
        begun = await _seen_running(session)
    started = [seq for seq, one in rig.records.items() if seq > last and one.type == "item.started"]
    if begun or started:
        raise StepFailed("网关未就绪时仍可开考，成绩可能无人记录", "an item began although no gateway was ready")
    return Trial("ready", PASSED, "网关未就绪（ready = 0）时拒绝开考", "no item began while ready was 0")


async def _seen_running(session: HeardSession) -> bool:
    until_us = session.clock.mono_us() + int(min(session.wishes.step_s, _SEEN_RUNNING_S) * 1_000_000)
    while session.clock.mono_us() < until_us:
        status = session.rig.status
        if status is not None and status.live is not None and status.live.state == "running":
            return True
        await asyncio.sleep(0.2)
    return False


# In this order.
HEARD_STEPS: Final[Mapping[str, Callable[[HeardSession], Awaitable[Trial]]]] = {
    "identity": identity,
    "limits": limits,
    "order": order,
    "clock": clock,
    "kept": kept,
    "restart": restart,
    "handshake": handshake,
    "ready": ready,
}
