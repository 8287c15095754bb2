"""What the trials of one acceptance share: the rig, the bench, and how far results were made and acknowledged.

Owns: making a result under load, comparing what is held with what was read at first, acknowledging. Every wait ends
at the deadline of the wishes with StepFailed.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.errors import BackOff, NotConnected
from gateway.errors import ConfigError, StepFailed
from gateway.rig.limits import RESULTS_MAX, STEP_S_MAX
from gateway.rig.unseen import shown_by, unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_adapters.decoding.decode import Decoded, Standing
    from device_adapters.language.profile import Profile
    from gateway.rig.accept.bench import Bench
    from gateway.rig.accept.subject import UnderTest
    from scorelog.journal.clock import Clock

LOAD_RESULTS: Final = 5  # while status and records are read without pause
_LOAD_STATUSES: Final = 40  # at least, around each result
_BACK_S: Final = 0.2  # between two looks at a rig that is being restarted


@dataclass(frozen=True, slots=True)
class Wishes:
    """`results`: how many unacknowledged ones to show; 0: as many as the profile promises.

    `discard`: acknowledge what an interrupted acceptance left on the rig; nobody has it then.
    """

    results: int = 0
    step_s: float = 300.0
    serial: str = ""
    discard: bool = False

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


class Session:
    """One rig, from the first look to the last acknowledgement. `acked`: up to here nothing is compared any more."""

    def __init__(self, rig: UnderTest, bench: Bench, wishes: Wishes, clock: Clock, say: Callable[[str], None]) -> None:
        self.rig = rig
        self.bench = bench
        self.wishes = wishes
        self.clock = clock
        self.say = say
        self.acked = 0
        self.found = 0  # up to here the rig had been latching before: nobody saw when
        self.made = 0
        self.promised = promised(rig.profile)

    @property
    def profile(self) -> Profile:
        """The rig's."""
        return self.rig.profile

    @property
    def items(self) -> int:
        """How many items somebody does at the rig: under load, then until as many are kept as are wanted."""
        count = held = 0
        load = min(LOAD_RESULTS, self.wishes.results or LOAD_RESULTS)
        wanted = min(self.promised, self.wishes.results or self.promised)
        while count < load or held < wanted:
            full = self.profile.told and 0 < self.promised <= held
            count, held = count + 1, 1 if full else held + 1
        return count

    def unseen(self) -> str | None:
        """What the profile names and this rig never showed; None if it showed no record at all."""
        rig = self.rig
        return unseen(self.profile, [*rig.live, *shown_by(rig.records.values())]) if rig.records else None

    async def leave(self) -> None:
        """What was latched here is nobody's: a rig that still holds it would be refused the next time."""
        rig = self.rig
        await rig.vouch_no_more()
        own = max(rig.records, default=0)
        if self.made and rig.profile.told and own > self.acked:
            try:
                await rig.tell(own)
            except (StepFailed, NotConnected, BackOff) as error:
                self.say(f"    记录未能清除 left on the rig up to {own}: {error}")

    async def one_result(self) -> None:
        """One more, read under load; at a rig that keeps no more, the older ones are acknowledged first."""
        rig = self.rig
        held = rig.results(self.acked)
        if rig.profile.told and held and len(held) >= self.promised:
            await self.told(max(rig.records))
        before, self.made = max(rig.records, default=0), self.made + 1
        pressing = asyncio.create_task(self.bench.result(self.made), name="bench")
        deadline_us = self.clock.mono_us() + int(self.wishes.step_s * 1_000_000)
        try:
            until = rig.counts.statuses + _LOAD_STATUSES
            while not (pressing.done() and rig.results(before)) or rig.counts.statuses < until:
                if pressing.done():
                    pressing.result()
                _, standing = await rig.status()
                await rig.follow(standing)
                if self.clock.mono_us() > deadline_us:
                    raise StepFailed(
                        f"{self.wishes.step_s:g} 秒内无新成绩", f"no new result within {self.wishes.step_s:g} s"
                    )
                await asyncio.sleep(0)
            pressing.result()
        finally:
            pressing.cancel()
            await asyncio.gather(pressing, return_exceptions=True)

    async def unchanged(self) -> tuple[int, str]:
        """Every record that is held, read again: the same bytes."""
        rig = self.rig
        _, standing = await rig.status()
        await rig.follow(standing)
        kept = [seq for seq in sorted(rig.records) if seq > self.acked]
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

    async def told(self, seq: int) -> None:
        """Acknowledge up to here, and see that the rig took it."""
        await self.rig.tell(seq)
        await self.until(
            lambda now: now.acked_seq >= seq if "acked_seq" in self.rig.profile.status.fields else True,
            f"写入确认 {seq} 后 acked_seq 未变",
            f"acked_seq did not follow the acknowledgement of {seq}",
        )
        self.acked = seq

    async def restarted(self, boot: int) -> tuple[str, str, Standing]:
        """Power off and on; how long the rig was away, apart from how long the person took, in both languages."""
        self.rig.watch_silence()
        asked_us = self.clock.mono_us()
        await self.bench.restart()
        after = await self.until(lambda now: now.boot != boot, "设备未重启", "no restart was seen")
        back_us = self.clock.mono_us()
        whole_s, gone_us = (back_us - asked_us) / 1_000_000, self.rig.gone_us
        if gone_us is None:
            return f"要求后 {whole_s:.1f} 秒恢复", f"back {whole_s:.1f} s after it was asked for", after
        away_s = (back_us - gone_us) / 1_000_000
        zh = f"无应答 {away_s:.1f} 秒（自要求起 {whole_s:.1f} 秒，含人工操作）"
        en = f"silent for {away_s:.1f} s (back {whole_s:.1f} s after it was asked for, the person's time included)"
        return zh, en, after

    async def until(self, wanted: Callable[[Standing], bool], zh: str, en: str) -> Standing:
        """The first status that is as wanted."""
        deadline_us = self.clock.mono_us() + int(self.wishes.step_s * 1_000_000)
        while True:
            try:
                _, standing = await self.rig.status()
            except StepFailed:
                if self.clock.mono_us() > deadline_us:
                    raise
                continue
            if wanted(standing):
                return standing
            if self.clock.mono_us() > deadline_us:
                raise StepFailed(f"{self.wishes.step_s:g} 秒内{zh}", f"{en} within {self.wishes.step_s:g} s")
            await asyncio.sleep(_BACK_S / 10)

    async def seen_running(self) -> bool:
        """At a rig that a person presses: whether anything was running within the time for a step, at most 30 s."""
        until_us = self.clock.mono_us() + int(min(self.wishes.step_s, 30.0) * 1_000_000)
        while self.clock.mono_us() < until_us:
            live, _ = await self.rig.status()
            if live.state == "running":
                return True
            await asyncio.sleep(_BACK_S)
        return False


def _bytes(record: Decoded) -> bytes:
    return b"".join(area.data for area in record.areas)
