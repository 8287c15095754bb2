"""A rig that publishes each value under a topic of its own, and hears nothing of its fate but the broker's PUBACK.

    rig latches ─▶ record's values, topic by topic ─▶ [faults of messages, each value by itself] ─▶ broker
    last PUBACK of a record ─▶ the rig forgets it

Owns what is said and when. The connection is mqtt/host.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from simulators.faults.base import Publication
from simulators.mqtt.host import MqttHost
from simulators.talk.rig import STAMP

if TYPE_CHECKING:
    from simulators.mqtt.link import Link
    from simulators.talk.rig import TalkRig
    from simulators.talk.saying import Said


class TopicsHost(MqttHost):
    """A rig of kind `topics`."""

    repeats = False

    @property
    def _talk(self) -> TalkRig:
        return cast("TalkRig", self.rig)

    def _farewell(self) -> tuple[str, bytes]:
        presence = self._talk.model.presence
        if presence is None:
            return f"gone/{self.rig.serial}", b""
        return presence.topic.replace("{serial}", self.rig.serial), presence.away.encode()

    def _greet(self, link: Link) -> None:
        """It is there; nothing is listened to."""
        self._shown: dict[str, Said] = {}
        presence = self._talk.model.presence
        if presence is not None:
            link.publish(presence.topic.replace("{serial}", self.rig.serial), presence.here.encode(), retain=True)

    def _publish_status(self) -> None:
        """What the broker keeps, only when it is new."""
        self._status_due = False
        if self._link is None:
            return
        self._status_us = self.rig.time.bus_us()
        for place, (said, retain) in self._talk.standing().items():
            if not retain or self._shown.get(place) != said:
                self._shown[place] = said
                self._send(Publication("status", place, str(said).encode(), retain=retain))

    def _publish_record(self, seq: int) -> None:
        """All its values, in the order of the file; what is not under way any more is the broker's."""
        self._publish_status()  # the key's position belongs to it
        for place, said in self._talk.said(seq).items():
            if place != STAMP:
                self._send(Publication("record", place, str(said).encode()))
        self._forget_told()

    def delivered(self, mid: int, refusal: str) -> None:
        """The last one of a record frees it: nobody will ask for it again."""
        super().delivered(mid, refusal)
        self._forget_told()

    def came(self, name: str, payload: bytes) -> None:
        """Nothing is listened to."""

    def _forget_told(self) -> None:
        if not self._under_way and self._cursor > self.rig.memory.acked_seq and self._link is not None:
            self.requests += 1
            self.rig.write_ack(self._cursor)
