"""What the trials of a rig that is heard share. Every wait ends at the deadline of the wishes with StepFailed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from device_adapters.errors import NotConnected
from gateway.errors import StepFailed
from gateway.rig.heard.spark import SparkReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_adapters.language.profile import Profile
    from gateway.rig.accept.bench import Bench
    from gateway.rig.accept.heard_rig import HeardRig
    from gateway.rig.accept.session import Wishes
    from scorelog.journal.clock import Clock

PROMISED: Final = 32  # unacknowledged results that a rig of interface v1 keeps (K3)
_LOOK_S: Final = 0.02
_ASK_S: Final = 1.0  # between two requests for the same records (H3)


class HeardSession:
    """One rig, from the first message to the last acknowledgement."""

    def __init__(self, rig: HeardRig, bench: Bench, wishes: Wishes, clock: Clock, say: Callable[[str], None]) -> None:
        self.rig = rig
        self.bench = bench
        self.wishes = wishes
        self.clock = clock
        self.say = say
        self.acked = 0
        self.found = 0  # numbers up to here were there before the acceptance
        self.made = 0

    @property
    def profile(self) -> Profile:
        """The rig's."""
        return self.rig.profile

    @property
    def promised(self) -> int:
        """How many unacknowledged results it keeps; a rig that is never told keeps none."""
        return PROMISED if self.rig.shape is not None else 0

    @property
    def items(self) -> int:
        """0: not told beforehand."""
        return 0

    def unseen(self) -> str | None:
        """A rig that is heard sends names, not codes of a table: there is no list of what it could have said."""
        return None

    async def leave(self) -> None:
        """What was latched here is nobody's: a rig that still holds it would be refused the next time."""
        rig = self.rig
        await rig.vouch_no_more()
        own = max(rig.records, default=0)
        if self.made and own > self.acked:
            try:
                await rig.acknowledge(own)
            except NotConnected as error:
                self.say(f"    记录未能清除 left on the rig up to {own}: {error}")

    async def until(self, wanted: Callable[[], bool], zh: str, en: str) -> None:
        """Until it is so. A rig whose certificates are missing is asked for them."""
        deadline_us = self.clock.mono_us() + int(self.wishes.step_s * 1_000_000)
        while not wanted():
            if self.clock.mono_us() > deadline_us:
                raise StepFailed(f"{self.wishes.step_s:g} 秒内{zh}", f"{en} within {self.wishes.step_s:g} s")
            if isinstance(self.rig.reader, SparkReader) and self.rig.post is not None:
                await self.rig.reader.ask(self.rig.post)
            await asyncio.sleep(_LOOK_S)

    async def one_result(self) -> None:
        """One more, to its whole record; where no more would be kept, the older ones are acknowledged first."""
        rig = self.rig
        if self.promised and len(rig.results(self.acked)) >= self.promised:
            await self.told(max(rig.records))
        before, self.made = set(rig.results()), self.made + 1
        pressing = asyncio.create_task(self.bench.result(self.made), name="bench")
        try:
            await self.until(
                lambda: pressing.done() and (pressing.exception() is not None or bool(set(rig.results()) - before)),
                "无新成绩",
                "no new result",
            )
            pressing.result()
        finally:
            pressing.cancel()
            await asyncio.gather(pressing, return_exceptions=True)

    async def said_again(self) -> tuple[int, str]:
        """Every record that is held is asked for, and comes again with the same bytes."""
        rig = self.rig
        held = [seq for seq in sorted(rig.records) if seq > self.acked]
        if not held:
            return 0, rig.digest(())
        before, changed = rig.came.again.copy(), len(rig.came.changed)
        asked_us = -1_000_000_000

        deadline_us = self.clock.mono_us() + int(self.wishes.step_s * 1_000_000)
        while len(rig.came.changed) == changed:
            missing, now_us = [seq for seq in held if rig.came.again[seq] <= before[seq]], self.clock.mono_us()
            if not missing:
                break
            if now_us > deadline_us:
                raise StepFailed(
                    f"{len(missing)} 条未确认记录未重发（首条 {missing[0]}）",
                    f"{len(missing)} unacknowledged records did not come again, first {missing[0]}",
                )
            if now_us - asked_us >= _ASK_S * 1_000_000:  # it says at most 32 at once (M6)
                asked_us = now_us
                await rig.ask_again(missing[0])
            await asyncio.sleep(_LOOK_S)
        if len(rig.came.changed) > changed:
            seq = rig.came.changed[-1]
            raise StepFailed(f"第 {seq} 条记录重发时内容已变", f"record {seq} came again with other bytes")
        return len(held), rig.digest(held)

    async def told(self, seq: int) -> None:
        """Acknowledge up to here, and see in the rig's status that it took it."""
        await self.rig.acknowledge(seq)
        await self.until(
            lambda: self.acked_now >= seq,
            f"确认 {seq} 后 acked_seq 未变",
            f"acked_seq did not follow the acknowledgement of {seq}",
        )
        self.acked = seq

    @property
    def acked_now(self) -> int:
        """As the rig's newest status says."""
        status = self.rig.status
        return status.standing.acked_seq if status is not None and status.standing is not None else 0
