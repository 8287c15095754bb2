"""A PC that pushes JSON of its maker's over HTTP, by the requests of rig interface v1 over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from simulators.push.host import PushHost

if TYPE_CHECKING:
    from simulators.talk.rig import TalkRig


class PushedHost(PushHost):
    """A rig of kind `json`."""

    def _status_body(self) -> bytes:
        return cast("TalkRig", self.rig).status_message()

    def _last_word(self) -> bytes:
        return cast("TalkRig", self.rig).status_message(online=False)
