"""`rig scan`: who is there and which profile fits, politely: reads only, at a bounded rate, one short wait a place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from rig_profiles import fast_v1
from scripted_bus import ScriptedBus
from scripted_rig import ScriptedRig

from device_adapters.errors import NotConnected
from device_adapters.language.profile import load_profile
from gateway.cli import main
from gateway.errors import ConfigError
from gateway.rig import limits
from gateway.rig.place import Place, place_of
from gateway.rig.scanning import Found, Manners, hosts_of, numbers_of, places_of, scan_hosts, scan_line, scan_lines

if TYPE_CHECKING:
    from pathlib import Path

V1 = fast_v1(5000)
QUICK = Manners(per_s=100.0, timeout_ms=100)
PATIENT = Manners(per_s=100.0, timeout_ms=3000)


async def test_each_unit_of_a_line_is_asked_once_and_named(tmp_path: Path) -> None:
    """Unit, serial number, profile; silent units are silence; nothing is written, and the units come in turn."""
    copper = ScriptedBus(ScriptedRig("LV-0003", unit=3), ScriptedRig("LV-0005", unit=5))
    copper.units[5].registers[0] = 1  # no status of interface v1
    found: list[Found] = []
    async with copper.serve_pty(tmp_path / "tty") as device:
        place = place_of(str(device), baud=115200)
        assert await scan_line(place, range(1, 7), [V1], Manners(timeout_ms=300), found.append) == 2
    fits = [(one.unit, [(fit.profile, fit.serial) for fit in one.fits]) for one in found]
    assert fits == [(3, [(V1.id, "LV-0003")]), (5, [])]
    assert "no profile fits" in found[1].line()
    assert all(request[1] == 3 for request in copper.requests), "nothing is written"
    units = [request[0] for request in copper.requests]
    assert units == sorted(units)
    assert units.count(1) == units.count(6) == 1, "a silent unit is asked once"


async def test_several_units_behind_several_serial_servers_are_found() -> None:
    """RTU over TCP, line after line: every unit of each, and a server that is not there is silence."""
    first = ScriptedBus(ScriptedRig("LV-0003", unit=3), ScriptedRig("LV-0004", unit=4))
    second = ScriptedBus(ScriptedRig("LV-0005", unit=3))
    found: list[Found] = []
    async with first.serve_tcp() as one, second.serve_tcp() as two:
        places = places_of(["127.0.0.1"], [one, 1, two], "rtu-over-tcp")
        assert await scan_lines(places, (3, 4), [V1], Manners(per_s=100.0, timeout_ms=300), found.append) == 3
    assert [(one.unit, fit.serial) for one in found for fit in one.fits] == [
        (3, "LV-0003"),
        (4, "LV-0004"),
        (3, "LV-0005"),
    ]
    with pytest.raises(NotConnected):
        await scan_lines(places[1:2], (3,), [V1], QUICK, found.append)


async def test_a_range_of_serial_servers_is_scanned_by_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`--rtu` with a range and ports."""
    copper = ScriptedBus(ScriptedRig("LV-0003", unit=3))
    async with copper.serve_tcp() as port:
        words = ["127.0.0.1-1", "--rtu", "--ports", f"1,{port}", "--units", "3"]
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(main, ["rig", "scan", *words])
    assert ended.value.code == 0
    assert "unit 3: words; kaofen-v1-low-voltage (LV-0003)" in capsys.readouterr().out


async def test_hosts_are_asked_and_what_is_no_rig_is_told() -> None:
    """A rig, a rig that answers exceptions, another protocol, silence, nobody: each is what it is, in bounded time."""
    async with ScriptedRig() as rig, ScriptedRig() as other, ScriptedRig() as silent, ScriptedRig(unit=9) as foreign:
        other.on_accept = lambda _number: b"SSH-2.0-OpenSSH\r\n"
        silent.silent = True
        ports = [rig.port, other.port, foreign.port, 1]
        found: list[Found] = []
        async with asyncio.timeout(30):
            places = places_of(["127.0.0.1"], ports)
            assert await scan_hosts(places, 1, [V1], PATIENT, found.append) == 2
            assert await scan_hosts([Place("tcp", "127.0.0.1", silent.port)], 1, [V1], QUICK, found.append) == 1
        said = {int(one.place.rpartition(":")[2]): one for one in found}
    assert [fit.serial for fit in said[rig.port].fits] == ["LV-0001"]
    assert "no Modbus" in said[other.port].how
    assert "port open" in said[silent.port].how
    assert foreign.port not in said, "a bridge whose unit is silent is silence"
    assert {function for function, _, _ in (*rig.requests, *other.requests)} == {3}


async def test_a_scan_is_stopped_at_once() -> None:
    """Ctrl-C in the middle: no connection stays."""
    async with ScriptedRig() as rig:
        rig.silent = True
        places = [Place("tcp", "127.0.0.1", rig.port)] * 50
        task = asyncio.create_task(scan_hosts(places, 1, [V1], Manners(timeout_ms=5000), lambda _: None))
        async with asyncio.timeout(20):
            while rig.connections < 2:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await rig.idle.wait()
    assert rig.connections < 50


async def test_a_profile_that_proves_nothing_is_only_perhaps() -> None:
    """Without checksum and magic word the fit is said to be weak."""
    text = V1.text.decode()
    text = text.replace('guarantee = "latched"', 'guarantee = "double-read"').replace(
        'crc = { field = "crc", kind = "crc16-modbus" }\n', "", 1
    )
    weak = text.replace('magic = { at = 0, type = "uint16", const = 0x4B46 }\n', "").replace(", const = 1 }", " }", 1)
    weak = weak.replace(", const = 512 }", " }").replace(", const = 32 }", " }")
    async with ScriptedRig() as rig:
        found: list[Found] = []
        place = Place("tcp", "127.0.0.1", rig.port)
        await scan_hosts([place], 1, [load_profile(weak.encode()), V1], PATIENT, found.append)
    assert [fit.weak for fit in found[0].fits] == [True, False]
    assert "perhaps" in found[0].line()


def test_ranges_are_read_and_bounded() -> None:
    """What a person writes, and no more places than a polite scan has."""
    assert numbers_of("1-3,7,3", "--units", 247) == (1, 2, 3, 7)
    assert hosts_of("192.168.1.9-11") == ("192.168.1.9", "192.168.1.10", "192.168.1.11")
    assert hosts_of("192.168.1.0/30") == ("192.168.1.1", "192.168.1.2")
    assert len(places_of(hosts_of("10.0.0.0/22"), [502])) == 1022
    for wrong in ("192.168.1.300-301", "192.168.1.0/40", "192.168.1.9-7", "10.0.0.0/21", "fe80::/64"):
        with pytest.raises(ConfigError):
            hosts_of(wrong)
    with pytest.raises(ConfigError, match="at most"):
        places_of(["127.0.0.1"] * (limits.SCAN_PLACES_MAX // 2 + 1), [1, 2])
    for wrong in ("0", "248", "5-3", "a", ""):
        with pytest.raises(ConfigError, match="--units"):
            numbers_of(wrong, "--units", limits.SCAN_UNIT_MAX)


@pytest.mark.parametrize(("rate", "good"), [(0, False), (limits.SCAN_PER_S_MAX, True), (100.1, False)])
def test_the_rate_is_bounded(rate: float, good: bool) -> None:
    """No scan is a flood."""
    if good:
        assert Manners(per_s=rate).per_s == rate
    else:
        with pytest.raises(ConfigError, match="--rate"):
            Manners(per_s=rate)


async def test_the_command_names_rig_and_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The library's profile is found by itself; nobody there is exit code 1, wrong words 2."""
    async with ScriptedRig() as rig:
        for words, code, told in (
            ([f"127.0.0.1:{rig.port}", "--timeout", "3000"], 0, "kaofen-v1-low-voltage (LV-0001)"),
            ([f"127.0.0.1:{rig.port}", "--timeout", "3000", "--json"], 0, '"serial": "LV-0001"'),
            (["127.0.0.1:1"], 1, "0 answered"),
            (["127.0.0.1", "--timeout", "1"], 2, "--timeout"),
            ([str(tmp_path / "none")], 2, "no serial port"),
        ):
            with pytest.raises(SystemExit) as ended:
                await asyncio.to_thread(main, ["rig", "scan", *words])
            shown = capsys.readouterr()
            assert (ended.value.code, told in shown.out + shown.err) == (code, True), (words, shown)
