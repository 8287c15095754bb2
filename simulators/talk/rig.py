"""A rig of such a model: the buttons of every rig, its records as values by their places.

    rig latches ─▶ values of the model ─▶ [topics: text by topic | metrics by name | one JSON document] ─▶ memory

Owns: what a record and the status say. When and over what they are said, the hosts know.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simulators.layouts.model_rig import ModelRig, ModelWire
from simulators.limits import EVENT_SLOTS
from simulators.mqtt.payloads import MessageWire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulators.device.clock import RigTime
    from simulators.device.records import Deduction, EventRecord, ResultRecord
    from simulators.device.rig import Latched
    from simulators.device.rubric import Item, Rubric
    from simulators.layouts.values import Value
    from simulators.talk.model import MessageModel
    from simulators.talk.saying import Said, Saying

_MS = 1000
_CLOCKS = ("started", "finished")
STAMP = ""  # no place has an empty name: when the record was made, in milliseconds


class TalkWire(ModelWire):
    """How a record becomes bytes: as it is pushed, or a list of places and values."""

    def __init__(self, model: MessageModel) -> None:
        super().__init__(model)
        self._talk = model

    def check_ticket(self, ticket: str) -> None:
        """As every message has it (M3)."""
        MessageWire().check_ticket(ticket)

    def encode(self, event: EventRecord, result: ResultRecord | None) -> tuple[bytes, bytes | None]:
        """The whole record stands in the event's place."""
        values = self.values(event, result)
        rows = result.deductions if result is not None else ()
        times: dict[str, Value] = {name: int(values[name]) * _MS for name in _CLOCKS}
        values |= {**times, "happened": event.utc_us // _MS, "deduction_count": len(rows)}
        if self._talk.kind == "json":
            return _packed(self.document(self._talk.record, values, rows if result is not None else None)), None
        said = {
            place.replace("{serial}", event.serial).replace("{seq}", str(event.seq)): saying.value(values)
            for place, saying in self._talk.record.items()
        }
        return _packed({**said, STAMP: event.utc_us // _MS}), None

    def document(
        self, sayings: Mapping[str, Saying], values: Mapping[str, Value], rows: tuple[Deduction, ...] | None
    ) -> dict[str, Any]:
        """With dots between the names of what lies in each other."""
        found: dict[str, Any] = {}
        for place, saying in sayings.items():
            _put(found, place, saying.value(values))
        if rows is not None and self._talk.rows_at:
            _put(found, self._talk.rows_at, [self._row(each) for each in rows])
        return found

    def _row(self, deduction: Deduction) -> dict[str, Any]:
        values: dict[str, Value] = {
            "line": deduction.line,
            "points": deduction.points,
            "at_s": deduction.at_s or 0,
            "veto": deduction.veto,
        }
        return {place: saying.value(values) for place, saying in self._talk.rows.items()}


class TalkRig(ModelRig):
    """See simulators.rig.Rig for the buttons. It knows of no gateway, so it waits for none."""

    def __init__(
        self,
        serial: str,
        rubric: Rubric,
        time: RigTime,
        model: MessageModel,
        *,
        on_latch: Callable[[Latched], None] = lambda _: None,
    ) -> None:
        self._model = model
        self._talk = TalkWire(model)
        super().__init__(serial, rubric, time, wire=self._talk, on_latch=on_latch)
        self.needs_gateway = False
        self.clock_digits = "milliseconds"

    @property
    def model(self) -> MessageModel:
        """Its own."""
        return self._model

    def item(self, code: str) -> Item:
        """The limit is the rig's own, where it has one."""
        item = super().item(code)
        return replace(item, limit_s=self.model.limit_s) if self.model.limit_s else item

    def said(self, seq: int) -> dict[str, Said]:
        """What a record says, by its places."""
        found: dict[str, Said] = json.loads(self.memory.event(seq % EVENT_SLOTS))
        return found

    def standing(self) -> dict[str, tuple[Said, bool]]:
        """What the status says, by its places; whether the broker is to keep it."""
        values = self._standing(online=True)
        return {
            place.replace("{serial}", self.serial): (saying.value(values), saying.retain)
            for place, saying in self.model.status.items()
        }

    def status_message(self, *, online: bool = True) -> bytes:
        """The status as one document."""
        return _packed(self._talk.document(self.model.status, self._standing(online=online), None))

    def _standing(self, *, online: bool) -> dict[str, Value]:
        values = self.status_values()
        return {**values, "online": online, "clock": int(values["clock"]) * _MS}

    # ---- inside ----

    def _told_us(self, event: EventRecord, result: ResultRecord) -> int:  # noqa: ARG002 - no other time is told
        return event.utc_us if self.model.stamps or self.model.tells("happened") else 0

    def _told(self, latched: Latched) -> Latched:
        """What no record says is not what the rig meant."""
        event, result = latched.event, latched.result
        event = event if self.model.tells("boot") else replace(event, boot=0)
        if result is not None:
            result = replace(
                result,
                started_s=result.started_s if self.model.tells("started") else 0,
                finished_s=result.finished_s if self.model.tells("finished") else 0,
            )
        return super()._told(replace(latched, event=event, result=result))


def _put(document: dict[str, Any], place: str, value: object) -> None:
    *path, last = place.split(".")
    for name in path:
        document = document.setdefault(name, {})
    document[last] = value


def _packed(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
