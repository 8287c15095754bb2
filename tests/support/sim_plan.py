"""A plan of an exam point as its author writes it, for the simulated fleet: rooms, rigs on both wires, a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# station, serial, wire, items: six of the twelve know messages
STATIONS = (
    ("A-01", "LV-0001", "modbus", ("K21", "K22", "K23")),
    ("A-02", "LV-0002", "modbus", ("K21", "K22", "K23")),
    ("A-05", "ST-0001", "modbus", ("K11", "K12", "K13")),
    ("A-06", "ST-0002", "mqtt", ("K11", "K12", "K13")),
    ("A-11", "HZ-0001", "mqtt", ("K31", "K32")),
    ("A-15", "CP-0001", "mqtt", ("K41", "K42", "K43")),
)


def write_plan(
    folder: Path,
    *,
    candidates: int = 4,
    places: bool = True,
    encoding: str = "utf-8",
    wires: dict[str, str] | None = None,
) -> Path:
    """PLAN.toml and candidates.csv in the folder."""
    rigs = "".join(
        f"""
  [[room.station]]
  id = "{station}"

    [[room.station.rig]]
    serial = "{serial}"
    gateway = "{"gw-01" if at % 2 else "gw-02"}"
    purpose = "exam_only"
    wire = "{(wires or {}).get(serial, wire)}"
    items = {list(items)!r}
"""
        for at, (station, serial, wire, items) in enumerate(STATIONS)
    )
    text = f"""plan = 1

[point]
id = "hn-cs-01"
name = {{ zh = "长沙第一考试点", en = "Changsha exam point 1" }}
region = "430100"

[[room]]
id = "A"
name = {{ zh = "一号考场", en = "Room 1" }}
{rigs}
[[session]]
id = "S20261123-1"
rubric = "low-voltage-electrician"
opens = "2026-11-23T08:30:00+08:00"
closes = "2026-11-23T12:00:00+08:00"
candidates = "candidates.csv"
"""
    rows = ["长沙第一考试点考生名单,,,,,", "准考证号,姓名,证件号,考次,题目,工位"]
    for n in range(1, candidates + 1):
        tool, cable = ("A-05", "A-01") if n % 2 else ("A-06", "A-02")
        at = f"{tool} {cable} A-11 A-15" if places else ""
        rows.append(f"S20261123-{n:04d},考生{n},43010219900101{n:04d},1,K12 K2{1 + n % 3} K3{1 + n % 2} K42,{at}")
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    (folder / "candidates.csv").write_bytes("\r\n".join([*rows, "", ""]).encode(encoding))
    return path
