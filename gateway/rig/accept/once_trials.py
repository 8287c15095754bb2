"""The trials of a rig that clears a record by its being read (`single-read`), where they differ from those of `trials`.

Owns: what can be shown without a second reading: that each record is whole by its checks and its number, that it is
cleared, and that what nobody read yet survives. Nothing is read before it is known to be nobody's: it would be gone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.records import open_record
from gateway.errors import StepFailed
from gateway.rig.accept import trials
from gateway.rig.accept.report import FAILED, PASSED, Trial
from gateway.rig.limits import STATUS_REFUSED_SHARE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gateway.rig.accept.session import Session

_RESULTS: Final = 5
_LOOK_S: Final = 0.05


async def identity(session: Session) -> Trial:
    """It is the rig that is meant, and it holds nothing that nobody read: reading would be the end of it."""
    rig, wanted = session.rig, session.wishes.serial
    await rig.recognise()
    if wanted and rig.serial != wanted:
        raise StepFailed(f"应答的是 {rig.serial}，不是 {wanted}", f"the rig is {rig.serial}, not {wanted}")
    oldest, last = await _unread(session)
    if oldest and not session.wishes.discard:
        raise StepFailed(
            f"设备仍有未读记录 {oldest} 至 {last}，读取即清除，须先由网关保存（中断的验收所留：--discard-held）",
            f"the rig holds records {oldest} to {last} that nobody read, and reading clears them: a gateway must store "
            "them first; of an interrupted acceptance: --discard-held",
        )
    _, standing = await rig.status()
    if oldest:
        await rig.follow(standing)
        session.say(f"    已按要求丢弃 thrown away as asked: {last - oldest + 1}")
    session.acked = session.found = last
    rig.vouch()
    return Trial(
        "identity",
        PASSED,
        f"状态区完整；序列号 {rig.serial}，启动计数 {standing.boot}，最新序号 {last}，无未读记录",
        f"status block proven; serial {rig.serial}, boot {standing.boot}, last_seq {last}, nothing unread",
    )


async def coherence(session: Session) -> Trial:
    """Status and records as fast as the wire allows, while results latch; each record is read once."""
    rig, counts = session.rig, session.rig.counts
    statuses, refused, records = counts.statuses, counts.refused, counts.records
    for _ in range(min(_RESULTS, session.wishes.results or _RESULTS)):
        await session.one_result()
    statuses, refused, records = counts.statuses - statuses, counts.refused - refused, counts.records - records
    seqs = [seq for seq in sorted(rig.records) if seq > session.found]
    missing = seqs[-1] - seqs[0] + 1 - len(seqs)
    oldest, _ = await _unread(session)
    if missing or oldest:
        return Trial(
            "coherence",
            FAILED,
            f"缺 {missing} 条" if missing else f"第 {oldest} 条读后未清除",
            f"{missing} numbers were never there" if missing else f"record {oldest} was not cleared by its reading",
        )
    return Trial(
        "coherence",
        FAILED if refused > statuses * STATUS_REFUSED_SHARE else PASSED,
        f"成绩产生期间连续读取：记录 {records} 条，各读一遍、完整且序号连续，读后均已清除；"
        f"状态区 {statuses} 次，不可信 {refused} 次",
        f"read without pause while results latched: {records} records, once each, whole, no number missing, cleared "
        f"afterwards; {statuses} statuses, {refused} refused",
    )


async def kept(session: Session) -> Trial:
    """Results pile up while nobody reads."""
    _, before = await _unread(session)
    wanted = session.wishes.results or _RESULTS
    for _ in range(wanted):
        await _pile_up(session)
    oldest, last = await _unread(session)
    if oldest != before + 1:
        raise StepFailed(
            f"未读记录应自第 {before + 1} 条起，实为第 {oldest} 条",
            f"what nobody read must begin at record {before + 1}, and begins at {oldest}",
        )
    return Trial(
        "kept",
        PASSED,
        f"成绩 {wanted} 次、记录 {last - before} 条未读，均在",
        f"{wanted} results, {last - before} records unread, all of them there",
    )


async def _pile_up(session: Session) -> None:
    """One more result, seen in the status only."""
    _, before = await _unread(session)
    session.made += 1
    pressing = asyncio.create_task(session.bench.result(session.made), name="bench")
    deadline_us = session.clock.mono_us() + int(session.wishes.step_s * 1_000_000)
    try:
        while not pressing.done() or (await _unread(session))[1] <= before:
            if pressing.done():
                pressing.result()
            if session.clock.mono_us() > deadline_us:
                raise StepFailed(
                    f"{session.wishes.step_s:g} 秒内无新成绩", f"no new result within {session.wishes.step_s:g} s"
                )
            await asyncio.sleep(_LOOK_S)
        pressing.result()
    finally:
        pressing.cancel()
        await asyncio.gather(pressing, return_exceptions=True)


async def restart(session: Session) -> Trial:
    """Power off and on with records unread: numbers go on, and every one can still be read, once."""
    rig = session.rig
    _, before = await rig.status()
    oldest, last = await _unread(session)
    away_zh, away_en, after = await session.restarted(before.boot)
    found = await _unread(session)
    if after.boot < before.boot or found != (oldest, last):
        raise StepFailed(
            f"重启前未读 {oldest} 至 {last}，重启后 {found[0]} 至 {found[1]}",
            f"records {oldest} to {last} were unread before it, {found[0]} to {found[1]} after it",
        )
    _, standing = await rig.status()
    await rig.follow(standing)
    missing = [seq for seq in range(oldest, last + 1) if seq not in rig.records] if oldest else []
    if missing:
        raise StepFailed(f"第 {missing[0]} 条已丢失", f"record {missing[0]} is gone")
    session.acked = last
    count = last - oldest + 1 if oldest else 0
    return Trial(
        "restart",
        PASSED,
        f"启动计数 {before.boot} → {after.boot}，{away_zh}；未读记录 {count} 条全部读到且完整",
        f"boot {before.boot} → {after.boot}, {away_en}; all {count} unread records came, whole",
    )


async def _unread(session: Session) -> tuple[int, int]:
    """`oldest_seq` and `last_seq` as the rig itself says them, without what was read here."""
    await session.rig.status()  # patience, and a connection
    status = session.rig.profile.status
    data = await session.rig.wire.read(status.at, status.words)
    values = open_record(status, data, rig=session.rig.serial, seq=None).values
    return int(values.get("oldest_seq") or 0), int(values.get("last_seq") or 0)


ONCE_STEPS: Final[Mapping[str, Callable[[Session], Awaitable[Trial]]]] = {
    **trials.STEPS,
    "identity": identity,
    "coherence": coherence,
    "kept": kept,
    "restart": restart,
}
