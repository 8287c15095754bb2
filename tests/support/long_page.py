"""The page that tells one run of the long tier: what ran, how often, how long it took, what failed.

    python tests/support/long_page.py RESULTS.xml --commit HASH [--write]

RESULTS.xml is pytest's JUnit file (`script/test --long` leaves one and says where).
"""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ET  # our own pytest's file
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from long_times import TIMES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "long-run.md"


@dataclass
class Group:
    """The tests of one file."""

    passed: int = 0
    seconds: float = 0.0
    other: list[str] = field(default_factory=list)


def read(path: Path) -> tuple[dict[str, Group], float, str]:
    """Groups by file, the wall time in seconds, and when it began."""
    groups: dict[str, Group] = defaultdict(Group)
    suite = next(ET.parse(path).getroot().iter("testsuite"))  # noqa: S314  # our own file
    for case in suite.iter("testcase"):
        name = case.get("classname", "").removeprefix("tests.").replace(".", "/")
        group = groups[name]
        group.seconds += float(case.get("time", "0"))
        bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        if bad:
            group.other.append(f"{bad[0]}: {case.get('name')}")
        else:
            group.passed += 1
    return groups, float(suite.get("time", "0")), suite.get("timestamp", "")[:16].replace("T", " ")


def page(groups: dict[str, Group], wall_s: float, when: str, commit: str) -> str:
    """The whole page."""
    passed = sum(group.passed for group in groups.values())
    other = [f"{name}: {one}" for name, group in groups.items() for one in group.other]
    begun = f"Begun {when} UTC at commit {commit}, on two cores, `KAOFEN_LONG_TIMES={TIMES}`: "
    begun += f"{passed} passed, {len(other)} not, {wall_s / 60:.0f} minutes."
    lines = [
        "# One run of the long tier",
        "",
        "What `script/test --long` ran; what each count proves stands in [faults.md](faults.md), section Bars.",
        "",
        begun,
        "",
        "| file | tests | seconds |",
        "| --- | ---: | ---: |",
    ]
    for name, group in sorted(groups.items(), key=lambda pair: -pair[1].seconds):
        lines.append(f"| `{name}.py` | {group.passed + len(group.other)} | {group.seconds:,.0f} |")
    named = Counter(f"`{name}.py`: {one.split('[')[0]}" for name, group in groups.items() for one in group.other)
    told = [f"- {one}" + (f" ({count} of its cases)" if count > 1 else "") for one, count in named.items()]
    lines += ["", "## Not passed", "", *(told or ["- nothing"]), ""]
    return "\n".join(lines)


def main() -> int:
    """Print or write the page."""
    parser = argparse.ArgumentParser(description="Tell one run of the long tier.")
    parser.add_argument("results", type=Path)
    parser.add_argument("--write", action="store_true", help="write docs/long-run.md")
    parser.add_argument("--commit", required=True, help="what was tested")
    asked = parser.parse_args()
    text = page(*read(asked.results), asked.commit)
    if asked.write:
        PAGE.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
