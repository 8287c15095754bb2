"""Faults of a rig at a broker that means harm, or is made to (M5, M6, M9, M10).

What a broker itself does wrong (M1, M8) is no rig's: docs/simulators.md says how to have it.
"""

# ruff: noqa: ARG002 - every fault has the whole signature and uses what it needs

from __future__ import annotations

import json
import re
from dataclasses import replace

from simulators.faults.base import OFTEN, Bench, Fault, Publication
from simulators.faults.messages import Payload

_RECORD = frozenset({"record"})
_STATUS = frozenset({"status"})
_DEPTH = 5000
_TIMES = 10
_EXAM_NO = re.compile(rb'"exam_no":[0-9]+')


class DeepJson(Payload):
    """M5: A value in the record lies 5000 brackets deep."""

    name, catalogue = "deep-json", "M5"

    def payload(self, payload: bytes) -> bytes:
        """Before the closing brace."""
        return payload[:-1] + b',"deep":' + b"[" * _DEPTH + b"]" * _DEPTH + b"}"


class HugeNumber(Payload):
    """M5: A number of the record is 1e999."""

    name, catalogue = "huge-number", "M5"

    def payload(self, payload: bytes) -> bytes:
        """The number of the exam."""
        return _EXAM_NO.sub(b'"exam_no":1e999', payload, count=1)


class SpoofedTopic(Fault):
    """M6: The record is published under the topic of another rig."""

    name, catalogue, areas = "spoofed-topic", "M6", _RECORD

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """The last character of the serial number is another."""
        head, _, last = healthy.topic.rpartition("/")
        other = f"{head[:-1]}{'1' if head[-1] != '1' else '2'}/{last}"
        return [replace(one, topic=other) for one in now]


class StolenId(Fault):
    """M6: Somebody else connects with the client id of this rig when the window opens; the broker lets the rig go."""

    name, catalogue, usual = "stolen-id", "M6", OFTEN

    def begin(self, bench: Bench) -> None:
        """Once."""
        bench.be_impersonated()


class Flood(Fault):
    """M9: Everything is published `at` times (10)."""

    name, catalogue, areas = "flood", "M9", _RECORD | _STATUS

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """Again and again."""
        return now * (_TIMES if self.spec.at is None else self.spec.at)


class ForgedWill(Fault):
    """M10: The rig's will is published while the rig is there: it is said to be off line."""

    name, catalogue, areas = "forged-will", "M10", _STATUS

    def publications(self, healthy: Publication, now: list[Publication]) -> list[Publication]:
        """Before the right status."""
        try:
            said = json.loads(healthy.payload)
        except ValueError:
            return now
        will = {"v": 1, "serial": said.get("serial"), "boot": said.get("boot"), "online": False}
        return [replace(healthy, payload=json.dumps(will, separators=(",", ":")).encode()), *now]


FAULTS: tuple[type[Fault], ...] = (DeepJson, HugeNumber, SpoofedTopic, StolenId, Flood, ForgedWill)
