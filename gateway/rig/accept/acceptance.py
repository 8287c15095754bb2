"""An acceptance from its first trial to its last: what is done in which order, and what is done at all.

Owns: the outcome of a trial that could not go on (failed, with its reason) and of those that need what it should
have shown (not done).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from device_adapters.errors import BackOff, DecodeError, NotConnected
from device_adapters.modbus.wire import ExceptionReply, OddReply
from gateway.errors import StepFailed
from gateway.rig.accept.report import FAILED, NOT_DONE, OUTCOMES, PASSED, TRIALS, UNSEEN, Trial
from gateway.rig.limits import TRIAL_S_MAX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from device_adapters.language.profile import Profile

_NEEDS: Final[Mapping[str, str | tuple[str, ...]]] = {
    "limits": "identity",
    "coherence": "identity",
    "order": "identity",
    **dict.fromkeys(("clock", "kept", "restart", "handshake"), ("coherence", "order")),
    "ready": "identity",
}


class Tested(Protocol):
    """What the trials of one rig share: of one that is read, or of one that is heard."""

    say: Callable[[str], None]

    @property
    def profile(self) -> Profile:
        """The rig's."""

    @property
    def items(self) -> int:
        """How many items somebody does at the rig; 0 where that is not known before."""

    def unseen(self) -> str | None:
        """What the profile names and the rig never showed; None where nothing can be said of it."""

    async def leave(self) -> None:
        """What was latched here is nobody's."""


_S = TypeVar("_S", bound=Tested)


class Acceptance(Generic[_S]):
    """All trials of one rig."""

    def __init__(self, session: _S, steps: Mapping[str, Callable[[_S], Awaitable[Trial]]]) -> None:
        self._session = session
        self._steps = steps

    async def run(self) -> tuple[Trial, ...]:
        """In the order of the steps."""
        profile = self._session.profile
        trials = [Trial("profile", PASSED, f"{profile.id} {profile.version}", profile.sha256)]
        self._foretell(trials[0])
        good = {"profile"}
        for id_, step in self._steps.items():
            needed = self._needed(id_)
            if needed is not None and needed not in good:
                trials.append(
                    Trial(id_, NOT_DONE, f"须先通过：{TRIALS[needed][0]}", f"needs first: {TRIALS[needed][1]}")
                )
                continue
            self._session.say(f"[{len(trials) + 1}/{len(self._steps) + 1}] {TRIALS[id_][0]} {TRIALS[id_][1]} …")
            trials.append(await self._bounded(id_, step))
            self._session.say(f"    {trials[-1].outcome}: {trials[-1].zh}\n    {trials[-1].en}")
            if trials[-1].outcome != FAILED:
                good.add(id_)
        await self._session.leave()
        return (*trials, *self._seen())

    def _foretell(self, first: Trial) -> None:
        """What the person at the rig will have to do, before anything begins; and the trial that is done already."""
        items, say = self._session.items, self._session.say
        if items:
            say(
                f"须在设备上完成 {items} 个考核项目，并断电重启一次。 "
                f"{items} items are to be done at the rig, and its power is cut once."
            )
        say(f"[1/{len(self._steps) + 1}] {TRIALS[first.id][0]} {TRIALS[first.id][1]} …")
        say(f"    {first.outcome}: {first.zh}\n    {first.en}")

    def _seen(self) -> tuple[Trial, ...]:
        """What stays unproven at this bench: no failure, and it stands in the report."""
        missing = self._session.unseen()
        if missing is None:
            return ()
        if not missing:
            return (Trial("seen", PASSED, "描述文件中的代码均已出现", "every code that the profile names was seen"),)
        self._session.say(f"    {OUTCOMES[UNSEEN]} never seen: {missing}")
        return (Trial("seen", UNSEEN, f"从未出现：{missing}", f"never seen, so not proven at this bench: {missing}"),)

    def _needed(self, id_: str) -> str | None:
        """Which trial must have shown something before this one: whichever of them is done at all."""
        needed = _NEEDS.get(id_, ())
        return next((one for one in ((needed,) if isinstance(needed, str) else needed) if one in self._steps), None)

    async def _bounded(self, id_: str, step: Callable[[_S], Awaitable[Trial]]) -> Trial:
        try:
            async with asyncio.timeout(TRIAL_S_MAX):
                return await step(self._session)
        except StepFailed as error:
            return Trial(id_, FAILED, error.zh, error.en)
        except TimeoutError:
            return Trial(id_, FAILED, "超过总时限", "the whole time for it is over")
        except (NotConnected, BackOff, OddReply, ExceptionReply, DecodeError) as error:
            return Trial(id_, FAILED, f"通信失败：{error}", str(error))
