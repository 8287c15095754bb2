"""Simulated rigs over MQTT and over Modbus at one gateway process: two independent encoders of one page agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_https_server import https_server
from gateway_process import Fleet, GatewayBox, judge
from mqtt_point import GATEWAY, add_broker
from real_mosquitto import password_of, running_mosquitto

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.long, pytest.mark.needs("mosquitto"), pytest.mark.timeout(200)]
ORIGIN = "kaofen.example/gw/gw-01/0"
SERIALS = ("LV-0001", "LV-0002")
FAULTS = (
    *("bad-json:0.03", "bad-utf8:0.03", "duplicate-key:0.03", "duplicate-message:0.1", "fraction:0.03"),
    *("lost-message:0.08", "out-of-order:0.05", "oversize:0.02", "foreign-serial:0.02", "retained-record:0.02"),
    *("lost-puback:0.02", "wrong-boot:0.02"),
)


@pytest.mark.parametrize("faults", [(), FAULTS], ids=["calm", "disturbed"])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_simulated_fleet_over_mqtt_loses_nothing(
    tmp_path: Path, protocol: str, faults: tuple[str, ...]
) -> None:
    """P1, P5, K1-K9, M1-M8: every latched record of every exam is in the log once, with the rig's own values."""
    box = GatewayBox(tmp_path)
    passwords = tmp_path / "passwords"
    passwords.write_text("".join(f"{serial}:{password_of(serial)}\n" for serial in SERIALS))
    passwords.chmod(0o600)
    with running_mosquitto("password", (GATEWAY, *SERIALS)) as real:
        fleet = Fleet(
            tmp_path, "--rigs", "2", "--exams", "3", "--speed", "400", "--practice", "1", "--timeout", "100",
            "--broker", f"localhost:{real.port}", "--broker-protocol", protocol, "--broker-ca", str(real.ca),
            "--broker-passwords", str(passwords), *(word for fault in faults for word in ("--fault", fault)),
        )  # fmt: skip
        try:
            await fleet.start()
            async with https_server(box.server, box.tls) as url:
                box.configure([], url)
                add_broker(box, real, SERIALS, protocol, "kaofen-interface-v1-mqtt")
                assert (await box.command("init"))[0] == 0
                await box.start()
                await fleet.done(120)
                await box.drained()
                assert await box.end() == 0, box.output
            found = judge(fleet.truth, box.server.entries(ORIGIN))
            assert found["truth"] > 20
            assert (b'"reading.refused"' in b"".join(box.server.entries(ORIGIN))) == bool(faults)
        finally:
            await box.kill_for_sure()
            await fleet.kill_for_sure()
