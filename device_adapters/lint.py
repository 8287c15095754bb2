"""What is wrong with a profile: line and reason of everything, in one pass.

Owns: the order of the checks. `lint` is what `kaofen-gateway config --check` shows; `load_profile` refuses what
it finds.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from device_adapters.build import build
from device_adapters.limits import PROFILE_BYTES_MAX
from device_adapters.rules import check
from device_adapters.tables import Finding, Report, Table
from device_adapters.toml_lines import lines_of

if TYPE_CHECKING:
    from device_adapters.profile import Profile

__all__ = ["Finding", "examine", "lint"]


def lint(text: bytes | str) -> list[Finding]:
    """Everything that is wrong; empty for a good profile."""
    return examine(text if isinstance(text, bytes) else text.encode())[1]


def examine(data: bytes) -> tuple[Profile | None, list[Finding]]:
    """The profile, or None, and the findings. A profile with findings must not be used."""
    if len(data) > PROFILE_BYTES_MAX:
        return None, [Finding(1, f"the file has {len(data)} bytes; a profile has at most {PROFILE_BYTES_MAX}")]
    try:
        text = data.decode()
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        return None, [Finding(data[: error.start].count(b"\n") + 1, "the file is not UTF-8")]
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+)", str(error))
        return None, [Finding(int(place[1]) if place else text.count("\n") + 1, f"not TOML: {error}")]
    report = Report(lines_of(text))
    top = Table(values, (), report)
    profile = build(top, data)
    if not report.findings():
        check(profile, report)
    return profile, report.findings()
