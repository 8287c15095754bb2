"""A plan as a person writes it, in a folder: PLAN.toml and its lists, with holes for what a test changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

IDS: Final = ("11010519491231002X", "440524188001010014", "430102199001011238")
HEAD: Final = "准考证号,姓名,证件号,考次,题目,工位"
SHIFT: Final = """
[[session]]
id = "{id}"
rubric = "{rubric}"
opens = "{opens}"
closes = "{closes}"
candidates = "{list}"
"""
RIG: Final = """
  [[room.station]]
  id = "{station}"

    [[room.station.rig]]
    serial = "{serial}"
    gateway = "{gateway}"
    purpose = "{purpose}"
    items = [{items}]
"""
TOP: Final = """plan = 1

[point]
id = "{point}"
name = {{ zh = "长沙第一考试点", en = "Changsha exam point 1" }}
region = "430100"

[[room]]
id = "A"
name = {{ zh = "一号考场", en = "Room 1" }}
"""
RIGS: Final = (
    ("A-01", "LV-0001", "gw-01", "exam_only", "K11 K12 K13"),
    ("A-02", "LV-0002", "gw-01", "exam_only", "K21 K22"),
    ("A-03", "LV-0003", "gw-02", "dual_use_declared", "K31 K32 K41 K42"),
    ("A-04", "LV-0004", "gw-02", "training_only", "K23"),
)


def line(path: Path, words: str) -> int:
    """In which line of a file these words stand first."""
    return next(at for at, text in enumerate(path.read_text("utf-8").split("\n"), 1) if words in text)


@dataclass(slots=True)
class PlanFolder:
    """Writes the files anew each time."""

    path: Path
    point: str = "hn-cs-01"

    @property
    def plan(self) -> Path:
        """The TOML."""
        return self.path / "plan.toml"

    def write(
        self,
        *rows: str,
        rigs: tuple[tuple[str, str, str, str, str], ...] = RIGS,
        more: str = "",
        session: str = "S20261123-1",
        opens: str = "2026-11-23T08:30:00+08:00",
        closes: str = "2026-11-23T12:00:00+08:00",
        rubric: str = "low-voltage-electrician",
    ) -> Path:
        """One session of these rows; `more` is put behind it."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.rows("candidates.csv", *rows)
        text = TOP.format(point=self.point)
        for station, serial, gateway, purpose, items in rigs:
            named = ", ".join(f'"{item}"' for item in items.split())
            text += RIG.format(station=station, serial=serial, gateway=gateway, purpose=purpose, items=named)
        text += self.shift(session, opens, closes, "candidates.csv", rubric) + more
        self.plan.write_text(text, "utf-8")
        return self.plan

    def rows(self, name: str, *rows: str) -> None:
        """A list."""
        (self.path / name).write_text("\n".join((HEAD, *rows)) + "\n", "utf-8")

    @staticmethod
    def shift(
        session: str, opens: str, closes: str, name: str = "candidates.csv", rubric: str = "low-voltage-electrician"
    ) -> str:
        """A further session."""
        return SHIFT.format(id=session, rubric=rubric, opens=opens, closes=closes, list=name)


def person(number: int, items: str = "", places: str = "", *, ticket: str = "", name: str = "") -> str:
    """One row; number 0 to 2."""
    return f"{ticket or f'T-{number:04d}'},{name or f'考生{number}'},{IDS[number]},1,{items},{places}"
