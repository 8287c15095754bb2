"""Makers' rigs: the simulators' own encoder, written apart, means what the adapters read (P5)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from maker_rigs import PROFILES, hurried, maker_rig, meant, observe, read, sit_item
from sim_parts import ROOT
from wrong_line import told_by_line

from device_adapters.factory import open_adapter, open_bus_adapter
from device_adapters.modbus.bus import BusTimes
from device_adapters.modbus.bus_place import BusPlace, open_bus
from device_adapters.modbus.serial_line import SerialPort
from simulators.bus.host import BusHost
from simulators.bus.line import BusLine
from simulators.bus.outlets import opener_of
from simulators.device.truth import TruthFile
from simulators.errors import InputError, RigRefuses
from simulators.faults import parse_fault
from simulators.fleet import Fleet, FleetSettings
from simulators.layouts.layout import find_layout, parse_layout, shipped
from simulators.layouts.lineup import rubric_of
from simulators.layouts.sums import SUMS
from simulators.layouts.values import parse_place
from simulators.modbus.host import RigHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from device_adapters.contract import Adapter
    from simulators.device.plug import Host
    from simulators.layouts.rig import MakerRig

MATRIX = tomllib.loads((ROOT / "tests" / "vectors" / "profile" / "matrix.toml").read_text("utf-8"))
LINED = ("coal-mine-electrical-typical", "welding-simulator-typical", "cpr-manikin-typical")
TORN_OFTEN = ("work-at-height-typical", "low-voltage-electrician-typical")
TICKETS = ("20261123-0007", "20261123-0008", "20261123-0009")
FILE = (ROOT / "simulators" / "rigs" / "high-voltage-electrician-typical.toml").read_bytes()


def _cases() -> list[tuple[str, dict[str, Any], str, str]]:
    return [(f"{t['name']} {order}", t, order, words) for t in MATRIX["type"] for order, words in t["orders"].items()]


@pytest.mark.parametrize(("case", "order", "words"), [pytest.param(t, o, w, id=n) for n, t, o, w in _cases()])
def test_p5_every_type_in_every_order_has_the_words_laid_out_by_hand(
    case: dict[str, Any], order: str, words: str
) -> None:
    """P5: the vectors that the decoder is held to, the other way round: no code of the decoder took part."""
    kind, value = case["name"], case["value"]
    size = len(bytes.fromhex(words)) // 2
    bits = f":{case['bits'][0]}-{case['bits'][1]}" if "bits" in case else ""
    kind = "bits16" if kind == "bits" else kind
    zone = f" zone={case['zone']}" if "zone" in case else ""
    place = parse_place(f"0 {kind}{bits}/{size} {order}{zone}")
    expected = bytes.fromhex(words)
    found = place.bytes_of(value)
    if bits:  # what stands in the other bits is another field's
        low, high = case["bits"]
        mask = parse_place(f"0 uint{16 * size} {order}").bytes_of((1 << high + 1) - (1 << low))
        expected = bytes(byte & part for byte, part in zip(expected, mask, strict=True))
    assert found == expected


def test_p5_checksums_are_those_of_the_page() -> None:
    """P5: over 123456789, as docs/formats/profile.md rule 14 gives them."""
    said = "4B37 29B1 31C3 2189 906E 1DD DD 31"
    names = (
        "crc16-modbus",
        "crc16-ccitt-false",
        "crc16-xmodem",
        "crc16-kermit",
        "crc16-x25",
        "sum-bytes",
        "sum8",
        "xor8",
    )
    assert " ".join(f"{SUMS[name](b'123456789'):X}" for name in names) == said
    assert SUMS["sum16"](bytes.fromhex("8001 8003")) == 0x0004
    assert SUMS["xor16"](bytes.fromhex("8001 8003")) == 0x0002


def _wires() -> Iterator[Any]:
    """Every model on a socket; on lines a few, and the rest in the long tier."""
    for model in shipped():
        yield pytest.param(model, "tcp")
        for wire in ("rtu", "rtu-over-tcp"):
            often = (model, wire) in {(LINED[0], "rtu"), (LINED[1], "rtu-over-tcp"), (LINED[2], "rtu")}
            yield pytest.param(model, wire, marks=() if often else pytest.mark.long)


@contextlib.asynccontextmanager
async def on_wire(rig: MakerRig, wire: str) -> AsyncIterator[tuple[Host, Adapter]]:
    """The rig behind a socket, a serial server or a serial port, and the adapter of the library's profile."""
    profile, serial = hurried(rig.layout.id), rig.serial
    unit = profile.transport.unit
    if wire == "tcp":
        host: Host = RigHost(rig, unit=unit)
        await host.start()
        where = host.where()
        adapter = open_adapter(profile, host=where["host"], port=where["port"], serial=serial, source="simulator")
        bus = None
    else:
        host = BusHost(rig, BusLine(1, opener_of({"rtu": "pty", "rtu-over-tcp": "tcp"}[wire], "127.0.0.1", 0)), unit)
        await host.start()
        where = host.where()
        port = SerialPort(where["device"]) if where["kind"] == "rtu" else None
        place = BusPlace(where["kind"], port, where.get("host", ""), where.get("port", 0), times=BusTimes(quiet_s=0.02))
        bus = open_bus(place)
        adapter = open_bus_adapter(profile, bus, serial=serial, source="simulator")
    try:
        yield host, adapter
    finally:
        await adapter.close()
        if bus is not None:
            await bus.close()
        await host.stop()


@pytest.mark.parametrize(("model", "wire"), list(_wires()))
async def test_p5_what_a_makers_rig_means_is_what_the_adapter_reads(model: str, wire: str) -> None:
    """P5: three candidates; every value of every record, and whose it is, over every wire of registers."""
    rig, time, latched = maker_rig(model)
    async with on_wire(rig, wire) as (_, adapter):
        seen = []
        for nth, ticket in enumerate(TICKETS):
            sit_item(rig, time, ticket, nth=nth)
            seen += await observe(adapter, lambda found: bool(found) and found[-1].seq == rig.memory.last_seq)
            async with asyncio.timeout(5):
                while rig.memory.oldest_seq:
                    await _read_once(adapter)
        assert [read(one) for one in seen] == [meant(one) for one in latched]
        if rig.layout.tells("name"):
            names = {rig.wire.name(ticket) for ticket in TICKETS}
            assert {one.personal["name"].decode() for one in seen} == names


async def _read_once(adapter: Adapter) -> None:
    _, ack = await adapter.read()
    await ack()


TORN = (
    *("torn-record:0.04", "half-written:0.04", "previous-block:0.04", "foreign-serial:0.04", "wrong-boot:0.04"),
    *("torn-status:0.04", "last-seq-ahead:0.04", "last-seq-bounce:0.04", "bad-status-crc:0.3", "changing-record:0.04"),
)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(name, marks=() if name in TORN_OFTEN else pytest.mark.long)
        for name in shipped()
        if find_layout(name).result.check
    ],
)
async def test_p5_the_faults_of_registers_work_on_every_map_and_never_make_a_value(model: str) -> None:
    """P5, R1, R3, R5, R7: every model with a checksum: each record right in the end, whatever was served in between."""
    rig, time, latched = maker_rig(model)
    async with on_wire(rig, "tcp") as (host, adapter):
        for text in TORN:
            host.set_fault(parse_fault(text))
        for nth in range(1 if rig.layout.room > 1 else 3):
            sit_item(rig, time, TICKETS[nth], nth=nth)
        wanted = set(range(1, rig.memory.last_seq + 1))
        seen = await observe(adapter, lambda found: wanted <= {one.seq for one in found})
        assert sum(host.plan.fired().values())
    assert sorted((read(one) for one in seen), key=lambda one: one["seq"]) == [meant(one) for one in latched]


def test_a_rig_that_was_told_nothing_stops_when_it_is_full_unless_it_overwrites() -> None:
    """P2: what a gateway has not told is never overwritten, and the next item does not begin; a ring goes round."""
    rig, time, latched = maker_rig("high-voltage-electrician-typical")
    rig.power_up()
    for nth in range(8):
        sit_item(rig, time, "20261123-0007", nth=nth)
    with pytest.raises(RigRefuses, match="result store full"):
        sit_item(rig, time, "20261123-0008")
    rig.write_ack(3)
    assert rig.memory.held == (4, 5, 6, 7, 8)
    ring, time, latched = maker_rig("work-at-height-typical")
    ring.power_up()
    for nth in range(9):
        sit_item(ring, time, "20261123-0007", nth=nth)
    assert len(latched) == 9
    assert ring.memory.oldest_seq == 0


async def test_a_fleet_of_all_models_says_which_is_where_and_latches_what_each_can_tell(tmp_path: Path) -> None:
    """Each model has candidates of its own trade; only results are records."""
    names = shipped()
    settings = FleetSettings(rigs=2 * len(names), exams=len(names), seed=3, speed=50_000, layouts=names, practice=0)
    rubric = rubric_of(find_layout(names[0]))
    with contextlib.closing(TruthFile(tmp_path / "truth.jsonl")) as truth:
        async with Fleet(settings, rubric, truth) as fleet:
            async with asyncio.timeout(15):
                while len(fleet.latest) < len(names):
                    await asyncio.sleep(0.02)
            document = fleet.ready_document({})
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text("utf-8").splitlines()]
    assert "item.finished" in {line["type"] for line in lines}
    assert all(line["ticket"] for line in lines)
    assert {rig["layout"] for rig in document["rigs"]} == set(names)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (b"rig = 1", b"rig = 2", 2, "from 1 to 1"),
        (b'kind = "echo"', b'kind = "shout"', 13, "one of register, echo"),
        (b'boot = "8 uint16 AB"', b'boot = "8 uint17 AB"', 24, "AT TYPE"),
        (b'boot = "8 uint16 AB"', b'colour = "8 uint16 AB"', 24, "nothing that a rig knows"),
        (b"slots = 8\n", b"slots = 8\nshelves = 2\n", 35, "no key 'shelves'"),
        (b"every = 96", b"every = 50", 35, "a whole record has 93 words"),
        (b'[told]\nkind = "echo"\nat = "500 uint32 CDAB"\n', b"", 1, "must overwrite"),
        (b"timeout = 2, ", b"", 10, "'timeout' is missing"),
        (b'line = "0 uint16 AB"', b'line = "0 uint16 AC"', 64, "AT TYPE"),
    ],
)
def test_a_wrong_model_is_told_by_line(old: bytes, new: bytes, line: int, said: str) -> None:
    """What, where, what to do."""
    told_by_line(parse_layout, FILE, old, new, f"rig:{line}: .*{said}")


def test_an_unknown_model_is_told_with_the_known_ones() -> None:
    """What there is."""
    with pytest.raises(InputError, match="welding-simulator-typical"):
        find_layout("abacus")


def test_every_model_of_the_library_that_has_registers_can_be_simulated() -> None:
    """Issue 5, 4: the library's profiles, but for those of interface v1 itself, have a rig here of the same name."""
    models = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in PROFILES.glob("*-typical.toml")}
    registers = {name for name, model in models.items() if model["transport"]["kind"].startswith("modbus")}
    assert registers == set(shipped())
