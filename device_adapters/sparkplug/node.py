"""One edge node: which of its messages can be believed.

Owns: the birth and death of the node (`bdSeq`), the sequence 0 to 255 over all its messages, and asking for a rebirth:
after a gap, and for data without a birth certificate, nothing is believed until the next one. Messages of a rig go to
its `SparkBox`. Knows no library. Spec: Eclipse Sparkplug 3.0.0, chapters 5 and 6; docs/formats/profile-values.md S4-S8.

    NBIRTH ──> alive, sequence begins     DBIRTH, DDATA, NDATA ──in sequence?──> the rig's box
    NDEATH with the same bdSeq ──> away                       └── a gap ──> forget the certificates, ask for a rebirth
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.spark_payload import LONG, read_payload
from device_adapters.errors import DecodeError
from device_adapters.language.values import NAMESPACE
from device_adapters.limits import REBIRTH_FIRST_S, REBIRTH_MAX_S
from device_adapters.messages.fates import LET_GO
from device_adapters.sparkplug.command import rebirth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from device_adapters.decoding.spark_payload import Payload
    from device_adapters.messages.fates import Settle
    from device_adapters.messages.message_memory import Post
    from device_adapters.sparkplug.box import SparkBox

SEQUENCE: Final = 256
_KINDS: Final = {None: ("NBIRTH", "NDEATH", "NDATA"), "+": ("DBIRTH", "DDEATH", "DDATA")}


class EdgeNode:
    """Of one group and name, on one broker."""

    def __init__(self, group: str, name: str, now_ms: Callable[[], int]) -> None:
        self.group = group
        self.name = name
        self._now_ms = now_ms
        self._boxes: dict[str | None, SparkBox] = {}
        self._birth: int | None = None  # its bdSeq; None: not alive, or not to be believed
        self._seq = 0
        self._gone = False  # it said good-bye: it comes back by itself, with a birth
        self._asked_at = float("-inf")
        self._pause_s = REBIRTH_FIRST_S

    def join(self, device: str | None, box: SparkBox) -> None:
        """A rig that is this device, or, without one, the node itself."""
        self._boxes[device] = box

    def routes(self) -> Iterator[tuple[str, Callable[[str, bytes, Settle, bool], object]]]:
        """Everything that the node says: the sequence runs over all of it, also that of devices which are no rigs."""
        for device, kinds in _KINDS.items():
            for kind in kinds:
                yield "/".join((NAMESPACE, self.group, kind, self.name, *([device] if device else []))), self.take

    def lost(self) -> None:
        """The broker's connection is gone, and messages of QoS 0 with it."""
        self._birth = None
        self._asked_at, self._pause_s = float("-inf"), REBIRTH_FIRST_S

    async def chores(self, post: Post) -> float | None:
        """Ask for a rebirth if one is needed and was not asked for lately. Seconds until that is to be looked at."""
        if self._birth is not None and not any(box.wants_birth for box in self._boxes.values()):
            return None
        if post.trouble is not None or self._gone:
            return None
        left = self._asked_at + self._pause_s - self._now()
        if left > 0:
            return left
        if self._asked_at > float("-inf"):
            self._pause_s = min(self._pause_s * 2, REBIRTH_MAX_S)
        self._asked_at = self._now()
        await post.publish(f"{NAMESPACE}/{self.group}/NCMD/{self.name}", rebirth(self._now_ms()), 0)
        return self._pause_s

    # ------------------------------------------------------------------ messages

    def take(self, topic: str, payload: bytes, settle: Settle, retained: bool) -> None:
        """One message of the node or of a device below it."""
        _, _, kind, _, *rest = topic.split("/")
        box = self._boxes.get(rest[0] if rest else None)
        if retained:  # the specification forbids it: whoever publishes so is no edge node, or not this life of it
            if box is not None and kind.endswith("DATA"):
                box.refuse("retained", "a retained record would come again for ever", topic, payload, settle)
            else:
                settle(LET_GO)
            return
        try:
            read = read_payload(payload)
            self._believe(kind, read)
        except DecodeError as error:
            self._doubt()
            if box is None or (error.reason == "sequence" and not kind.endswith("DATA")):
                settle(LET_GO)  # no record is in a certificate; it comes again
            else:
                box.refuse(error.reason, error.detail, topic, payload, settle)
            return
        self._hand_on(kind, box, topic, payload, settle)

    def _hand_on(self, kind: str, box: SparkBox | None, topic: str, payload: bytes, settle: Settle) -> None:
        if box is None or kind in {"NDEATH", "DDEATH"}:
            settle(LET_GO)
            if box is not None and kind == "DDEATH":
                box.away()
        elif kind.endswith("BIRTH"):
            box.be_born(topic, payload, settle)
        else:
            box.hear(topic, payload, settle)

    def _believe(self, kind: str, payload: Payload) -> None:
        """Whether the message is the next one of this life. Raises DecodeError."""
        if kind == "NDEATH":
            if self._birth is not None and _bdseq(payload) == self._birth:  # else it is of an earlier life
                self._die()
            return
        if payload.seq is None or payload.seq >= SEQUENCE:
            raise DecodeError("sequence", "the message has no sequence number from 0 to 255")
        if kind == "NBIRTH":
            birth = _bdseq(payload)
            self._forget()
            self._birth, self._seq, self._gone = birth, payload.seq, False
            for box in self._boxes.values():
                box.renew()  # those of its devices follow
            return
        if self._birth is None:
            raise DecodeError("sequence", "data without a birth certificate of the edge node")
        expected, self._seq = (self._seq + 1) % SEQUENCE, payload.seq
        if payload.seq != expected:
            raise DecodeError("sequence", f"message {payload.seq} of the edge node, not {expected}: some are lost")
        if kind.endswith("DATA") and self._now() - self._asked_at > REBIRTH_MAX_S:
            self._pause_s = REBIRTH_FIRST_S

    def _die(self) -> None:
        self._birth, self._gone = None, True
        for box in self._boxes.values():
            box.away()

    def _doubt(self) -> None:
        """From here to the next birth nothing is believed: the lost message may have been a certificate."""
        self._birth = None
        self._forget()

    def _forget(self) -> None:
        for box in self._boxes.values():
            box.forget()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _bdseq(payload: Payload) -> int:
    """The number of this life. Raises DecodeError."""
    found = next((metric for metric in payload.metrics if metric.name == "bdSeq"), None)
    if found is None or found.value is None or found.value.field != LONG or found.value.number >= SEQUENCE:
        raise DecodeError("missing_field", "no bdSeq from 0 to 255")
    return found.value.number
