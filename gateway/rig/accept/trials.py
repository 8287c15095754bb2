"""The trials of an acceptance, one after the other, each with its evidence.

    identity ─> limits ─> coherence under load ─> clock ─> kept ─> restart ─> handshake ─> ready

Owns: what is tried, and what counts as passed. A trial that cannot go on is failed with its reason; those that need
what it should have shown are not done. Evidence holds numbers and serial numbers, never a candidate's word (P7).
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from device_adapters.errors import BackOff, DecodeError, NotConnected
from device_adapters.modbus.wire import ExceptionReply, OddReply
from gateway.errors import ConfigError, StepFailed
from gateway.rig.accept.report import FAILED, NOT_DONE, NOT_THERE, PART, PASSED, TRIALS, Trial
from gateway.rig.limits import (
    CLOCK_GOOD_S,
    READS_IN_A_ROW,
    RESULTS_MAX,
    STATUS_REFUSED_SHARE,
    STEP_S_MAX,
    TRIAL_S_MAX,
)
from gateway.rig.probing import LAST_REGISTER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from device_adapters.decoding.decode import Decoded, Standing
    from device_adapters.language.profile import Profile
    from gateway.rig.accept.bench import Bench
    from gateway.rig.accept.subject import UnderTest
    from scorelog.journal.clock import Clock

_LOAD_RESULTS: Final = 5
_LOAD_STATUSES: Final = 40  # at least, around each result
_BACK_S: Final = 0.2  # between two looks at a rig that is being restarted
_SYNC: Final = {"synced": "已同步", "unsynced": "未同步", "unknown": "同步状态不明"}
_BEYOND: Final = {"exception": "异常应答", "silence": "无应答", "answered": "有数据", "none": "无可测地址"}
_NEEDS: Final = {"limits": "identity", "coherence": "identity", "clock": "coherence", "kept": "coherence"}
_NEEDS_MORE: Final = {"restart": "coherence", "handshake": "coherence", "ready": "identity"}


@dataclass(frozen=True, slots=True)
class Wishes:
    """`results`: how many unacknowledged ones to show; 0: as many as the profile promises."""

    results: int = 0
    step_s: float = 300.0
    serial: str = ""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if not 0 <= self.results <= RESULTS_MAX:
            raise ConfigError(f"--results {self.results}: 0 to {RESULTS_MAX}")
        if not 0 < self.step_s <= STEP_S_MAX:
            raise ConfigError(f"--deadline {self.step_s:g}: above 0, at most {STEP_S_MAX:g} seconds")


def promised(profile: Profile) -> int:
    """How many unacknowledged results a rig of this model keeps: as many as there are slots for."""
    for rule in profile.rules.values():
        if rule.type == "item.finished":
            return min(RESULTS_MAX, (profile.records[rule.record] if rule.record else profile.event).slots)
    return 0


class Acceptance:
    """All trials of one rig."""

    def __init__(self, rig: UnderTest, bench: Bench, wishes: Wishes, clock: Clock, say: Callable[[str], None]) -> None:
        self._rig = rig
        self._bench = bench
        self._wishes = wishes
        self._clock = clock
        self._say = say
        self._acked = 0
        self._made = 0
        self._promised = promised(rig.profile)

    async def run(self) -> tuple[Trial, ...]:
        """In the order of the module's drawing."""
        profile = self._rig.profile
        trials = [Trial("profile", PASSED, f"{profile.id} {profile.version}", profile.sha256)]
        steps: dict[str, Callable[[], Awaitable[Trial]]] = {
            "identity": self._identity,
            "limits": self._limits,
            "coherence": self._coherence,
            "clock": self._clock_trial,
            "kept": self._kept,
            "restart": self._restart,
            "handshake": self._handshake,
            "ready": self._ready,
        }
        good = {"profile"}
        for id_, step in steps.items():
            needed = {**_NEEDS, **_NEEDS_MORE}.get(id_)
            if needed is not None and needed not in good:
                trials.append(
                    Trial(id_, NOT_DONE, f"须先通过：{TRIALS[needed][0]}", f"needs first: {TRIALS[needed][1]}")
                )
                continue
            self._say(f"[{len(trials) + 1}/{len(TRIALS)}] {TRIALS[id_][0]} {TRIALS[id_][1]} …")
            trials.append(await self._bounded(id_, step))
            self._say(f"    {trials[-1].outcome}: {trials[-1].zh}\n    {trials[-1].en}")
            if trials[-1].outcome != FAILED:
                good.add(id_)
        await self._rig.vouch_no_more()
        return tuple(trials)

    async def _bounded(self, id_: str, step: Callable[[], Awaitable[Trial]]) -> Trial:
        try:
            async with asyncio.timeout(TRIAL_S_MAX):
                return await step()
        except StepFailed as error:
            return Trial(id_, FAILED, error.zh, error.en)
        except TimeoutError:
            return Trial(id_, FAILED, "超过总时限", "the whole time for it is over")
        except (NotConnected, BackOff, OddReply, ExceptionReply, DecodeError) as error:
            return Trial(id_, FAILED, f"通信失败：{error}", str(error))

    # ------------------------------------------------------------------ the trials

    async def _identity(self) -> Trial:
        rig, wanted = self._rig, self._wishes.serial
        await rig.recognise()
        if wanted and rig.serial != wanted:
            raise StepFailed(f"应答的是 {rig.serial}，不是 {wanted}", f"the rig is {rig.serial}, not {wanted}")
        _, standing = await rig.status()
        shows = rig.profile.told and "acked_seq" in rig.profile.status.fields
        self._acked = standing.acked_seq if shows else standing.last_seq
        await rig.follow(standing)
        held = rig.results(self._acked)
        if held:
            raise StepFailed(
                f"设备仍保留 {len(held)} 条未确认成绩，须先由网关保存，不得丢弃",
                f"the rig holds {len(held)} unacknowledged results: a gateway must store them first",
            )
        rig.vouch()
        return Trial(
            "identity",
            PASSED,
            f"状态区完整；序列号 {rig.serial}，启动计数 {standing.boot}，最新序号 {standing.last_seq}",
            f"status block proven; serial {rig.serial}, boot {standing.boot}, last_seq {standing.last_seq}",
        )

    async def _limits(self) -> Trial:
        """Many reads in a row, a read beyond the map, and a second connection's worth of patience."""
        rig, transport = self._rig, self._rig.profile.transport
        lost, took_us = rig.counts.lost, []
        for _ in range(READS_IN_A_ROW):
            asked_us = self._clock.mono_us()
            await rig.status()
            took_us.append(self._clock.mono_us() - asked_us)
        median_ms, most_ms = sorted(took_us)[len(took_us) // 2] / 1000, max(took_us) / 1000
        beyond = await self._beyond()
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

    async def _beyond(self) -> str:
        """Behind the last area of the profile: refused, answered or silent, but alive afterwards."""
        end = max(area.at + area.words for area in self._rig.profile.areas.values())
        if end > LAST_REGISTER:
            return "none to try"
        try:
            await self._rig.wire.read(end, 1)
        except ExceptionReply as error:
            return f"exception {error.code}"
        except (NotConnected, OddReply, BackOff):
            return "silence"
        return "answered"

    async def _coherence(self) -> Trial:
        """Status and records as fast as the wire allows, while results latch."""
        rig, counts = self._rig, self._rig.counts
        statuses, refused, records, again = counts.statuses, counts.refused, counts.records, counts.again
        for _ in range(min(_LOAD_RESULTS, self._wishes.results or _LOAD_RESULTS)):
            await self._one_result()
        statuses, refused = counts.statuses - statuses, counts.refused - refused
        records, again = counts.records - records, counts.again - again
        return Trial(
            "coherence",
            FAILED if refused > statuses * STATUS_REFUSED_SHARE else PASSED,
            f"成绩产生期间连续读取：成绩 {len(rig.results())} 条；记录 {records} 条，各读两遍且一致，重读 {again} 次；"
            f"状态区 {statuses} 次，不可信 {refused} 次",
            f"read without pause while {len(rig.results())} results latched: {records} records, each twice and equal, "
            f"{again} readings repeated; {statuses} statuses, {refused} refused",
        )

    async def _clock_trial(self) -> Trial:
        """What the rig's clock said of its newest result, and when it was read here."""
        rig = self._rig
        times = [(seq, rig.records[seq].rig_time) for seq in sorted(rig.results())]
        known = [(seq, text) for seq, text in times if text is not None]
        if not known:
            return Trial(
                "clock", NOT_THERE, "设备无时钟，以网关时间为准", "the rig tells no time; the gateway's counts"
            )
        offsets = [datetime.fromisoformat(text).timestamp() - rig.seen_at_us[seq] / 1_000_000 for seq, text in known]
        least, most, sync = min(offsets), max(offsets), self._clock.sync_state()
        zh = f"与本机相差 {least:+.1f} 至 {most:+.1f} 秒（本机时钟{_SYNC[sync]}）"
        en = f"differs from this machine by {least:+.1f} to {most:+.1f} s (whose clock is {sync})"
        if len(known) != len(times) or max(map(abs, offsets)) > CLOCK_GOOD_S:
            return Trial("clock", FAILED, f"{zh}，须校时", f"{en}; set the clock (limit {CLOCK_GOOD_S} s)")
        return Trial("clock", PASSED, zh, en)

    async def _kept(self) -> Trial:
        """Results pile up unacknowledged, and every record reads as it did at first."""
        rig = self._rig
        wanted = min(self._promised, self._wishes.results or self._promised)
        while len(rig.results(self._acked)) < wanted:
            await self._one_result()
        compared, digest = await self._unchanged()
        shown = len(rig.results(self._acked))
        zh = f"未确认成绩 {shown} 条，记录 {compared} 条重读一致，散列 {digest}"
        en = f"{shown} results, {compared} records unchanged, sha256 {digest}"
        if shown < self._promised:
            more = f"{self._promised} are promised, not all were shown"
            return Trial("kept", PART, f"{zh}；承诺 {self._promised} 条，未全部验证", f"{en}; {more}")
        return Trial("kept", PASSED, zh, en)

    async def _restart(self) -> Trial:
        """Power off and on with results unacknowledged: nothing is lost, numbers go on, the boot counter rises."""
        rig = self._rig
        _, before = await rig.status()
        began_us = self._clock.mono_us()
        await self._bench.restart()
        after = await self._until(lambda now: now.boot != before.boot, "设备未重启", "no restart was seen")
        took_s = (self._clock.mono_us() - began_us) / 1_000_000
        if after.last_seq < before.last_seq:
            raise StepFailed(
                f"重启后序号由 {before.last_seq} 退到 {after.last_seq}",
                f"last_seq went back from {before.last_seq} to {after.last_seq}",
            )
        if after.boot < before.boot:
            raise StepFailed("启动计数倒退", f"boot went back from {before.boot} to {after.boot}")
        compared, digest = await self._unchanged()
        return Trial(
            "restart",
            PASSED,
            f"启动计数 {before.boot} → {after.boot}，{took_s:.1f} 秒恢复；"
            f"未确认记录 {compared} 条全部保留且一致，散列 {digest}",
            f"boot {before.boot} → {after.boot}, back after {took_s:.1f} s; all {compared} unacknowledged records kept "
            f"unchanged, sha256 {digest}",
        )

    async def _handshake(self) -> Trial:
        """First half of what is held is acknowledged, then all; the other half stays until then."""
        rig = self._rig
        if not rig.profile.told:
            return Trial(
                "handshake", NOT_THERE, "描述文件无确认字", f"no acknowledgement: guarantee {rig.profile.guarantee}"
            )
        _, standing = await rig.status()
        await rig.follow(standing)
        held = [seq for seq in sorted(rig.records) if seq > self._acked]
        if not held:
            raise StepFailed("没有未确认记录", "no record is unacknowledged")
        for seq in dict.fromkeys((held[(len(held) - 1) // 2], held[-1])):
            await self._told(seq)
            await self._unchanged()
        told = f"acked_seq {held[0] - 1} → {held[(len(held) - 1) // 2]} → {held[-1]}"
        return Trial("handshake", PASSED, f"逐步确认 {told}，其余记录保留不变", f"{told}, the records above unchanged")

    async def _ready(self) -> Trial:
        """With `gateway_ready` at 0 no item may begin (K5)."""
        rig = self._rig
        if rig.profile.ready is None:
            return Trial("ready", NOT_THERE, "设备不看网关状态", "the rig does not look at the gateway's state")
        await rig.vouch_no_more(told=True)
        _, before = await rig.status()
        begun = await self._bench.attempt()
        if begun is None:
            begun = await self._seen_running()
        _, standing = await rig.status()
        await rig.follow(standing)
        started = [seq for seq in rig.records if seq > before.last_seq and rig.records[seq].type == "item.started"]
        if begun or started:
            raise StepFailed("网关未就绪时仍可开考，成绩可能无人记录", "an item began although no gateway was ready")
        if rig.profile.told and standing.last_seq > self._acked:
            await self._told(standing.last_seq)
        return Trial(
            "ready", PASSED, "网关未就绪（gateway_ready = 0）时拒绝开考", "no item began while gateway_ready was 0"
        )

    # ------------------------------------------------------------------ what they share

    async def _one_result(self) -> None:
        """One more, read under load; at a rig that keeps no more, the older ones are acknowledged first."""
        rig = self._rig
        held = rig.results(self._acked)
        if rig.profile.told and held and len(held) >= self._promised:
            await self._told(max(rig.records))
        before, self._made = max(rig.records, default=0), self._made + 1
        pressing = asyncio.create_task(self._bench.result(self._made), name="bench")
        deadline_us = self._clock.mono_us() + int(self._wishes.step_s * 1_000_000)
        try:
            until = rig.counts.statuses + _LOAD_STATUSES
            while not (pressing.done() and rig.results(before)) or rig.counts.statuses < until:
                if pressing.done():
                    pressing.result()
                _, standing = await rig.status()
                await rig.follow(standing)
                if self._clock.mono_us() > deadline_us:
                    raise StepFailed(
                        f"{self._wishes.step_s:g} 秒内无新成绩", f"no new result within {self._wishes.step_s:g} s"
                    )
                await asyncio.sleep(0)
            pressing.result()
        finally:
            pressing.cancel()
            await asyncio.gather(pressing, return_exceptions=True)

    async def _unchanged(self) -> tuple[int, str]:
        """Every record that is held, read again: the same bytes."""
        rig = self._rig
        _, standing = await rig.status()
        await rig.follow(standing)
        kept = [seq for seq in sorted(rig.records) if seq > self._acked]
        missing = [seq for seq in kept if seq < standing.oldest_seq or not standing.oldest_seq]
        if missing and rig.profile.told:
            raise StepFailed(
                f"丢失 {len(missing)} 条未确认记录",
                f"{len(missing)} unacknowledged records are gone, first {missing[0]}",
            )
        digest = hashlib.sha256()
        for seq in kept if not missing else ():
            again = await rig.record(seq, standing)
            if _bytes(again) != _bytes(rig.records[seq]):
                raise StepFailed(f"第 {seq} 条记录内容已变", f"record {seq} reads otherwise than at first")
            digest.update(_bytes(again))
        return len(kept), digest.hexdigest()[:16]

    async def _told(self, seq: int) -> None:
        await self._rig.tell(seq)
        await self._until(
            lambda now: now.acked_seq >= seq if "acked_seq" in self._rig.profile.status.fields else True,
            f"写入确认 {seq} 后 acked_seq 未变",
            f"acked_seq did not follow the acknowledgement of {seq}",
        )
        self._acked = seq

    async def _until(self, wanted: Callable[[Standing], bool], zh: str, en: str) -> Standing:
        deadline_us = self._clock.mono_us() + int(self._wishes.step_s * 1_000_000)
        while True:
            try:
                _, standing = await self._rig.status()
            except StepFailed:
                if self._clock.mono_us() > deadline_us:
                    raise
                continue
            if wanted(standing):
                return standing
            if self._clock.mono_us() > deadline_us:
                raise StepFailed(f"{self._wishes.step_s:g} 秒内{zh}", f"{en} within {self._wishes.step_s:g} s")
            await asyncio.sleep(_BACK_S / 10)

    async def _seen_running(self) -> bool:
        """At a rig that a person presses: whether anything was running within the time for a step, at most 30 s."""
        until_us = self._clock.mono_us() + int(min(self._wishes.step_s, 30.0) * 1_000_000)
        while self._clock.mono_us() < until_us:
            live, _ = await self._rig.status()
            if live.state == "running":
                return True
            await asyncio.sleep(_BACK_S)
        return False


def _bytes(record: Decoded) -> bytes:
    return b"".join(area.data for area in record.areas)
