"""What the log says of a refused message beside a refused Modbus reading (docs/formats/entry.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fake_clock import FakeClock
from fake_server_client import FakeServer
from gateway_world import config_text

from device_adapters.contract import Evidence, RawArea
from gateway.recording.documents import refused
from gateway.recording.texts import load_texts
from gateway.settings.config import parse_config
from scorelog.journal.clock import read_time

if TYPE_CHECKING:
    from pathlib import Path

BROKER = """
[[broker]]
id = "main"
host = "127.0.0.1"
[[rig]]
serial = "CP-0001"
station = "B-01"
profile = "kaofen-interface-v1-mqtt"
broker = "main"
"""


def test_a_refused_message_says_its_transport(tmp_path: Path) -> None:
    """`transport` is "mqtt" for a rig that sends messages, and absent for one on Modbus; the payload is cut whole."""
    config = parse_config((config_text(["LV-0001"], FakeServer()) + BROKER).encode(), tmp_path)
    texts, told = load_texts(config), {}
    for rig in config.rigs:
        evidence = Evidence(rig.serial, "not_json", "", 7, 3, (RawArea("message", 0, b"{oops", ((0, 5),)),))
        draft = refused(evidence, texts.subject(rig), read_time(FakeClock()), bytes, 1)
        told[rig.serial] = draft.document.get("transport")
        assert draft.document["raw"][0]["cut"] == [[0, 5]]
    assert told == {"LV-0001": None, "CP-0001": "mqtt"}
