"""What is wrong with a profile: file, line and reason of everything, in one pass.

Owns: the order of the checks. `lint` is what `kaofen-gateway rig lint` and `config --check` show; `load_profile`
refuses what `examine` finds.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from device_adapters.errors import ProfileError
from device_adapters.language.build import build
from device_adapters.language.rules import check
from device_adapters.language.rules_points import check_points
from device_adapters.language.tables import Finding, Report, Table
from device_adapters.language.variants import Flat, flatten, read_toml
from device_adapters.limits import PROFILE_BYTES_MAX

if TYPE_CHECKING:
    from device_adapters.language.profile import Profile
    from device_adapters.language.variants import BaseOf

__all__ = ["Finding", "examine", "examine_file", "lint"]


def lint(text: bytes | str) -> list[Finding]:
    """Everything that is wrong; empty for a good profile."""
    return examine(text if isinstance(text, bytes) else text.encode())[1]


def examine(data: bytes) -> tuple[Profile | None, list[Finding]]:
    """The profile of one flat file, or None, and the findings. A profile with findings must not be used."""
    try:
        _, values = read_toml(data)
        if "extends" not in values:
            return _examined(flatten("", data, lambda _: None))
    except ProfileError as error:
        return None, list(error.findings)
    return None, [Finding(1, "extends: this profile is not flat; only the program that finds its base can load it")]


def examine_file(file: str, data: bytes, base_of: BaseOf) -> tuple[Profile | None, list[Finding]]:
    """The same of a file that may extend others; each finding names its file."""
    try:
        return _examined(flatten(file, data, base_of))
    except ProfileError as error:
        return None, list(error.findings)


def _examined(flat: Flat) -> tuple[Profile | None, list[Finding]]:
    report = Report(flat.lines, flat.files)
    if len(flat.text) > PROFILE_BYTES_MAX:
        report.add((), f"the flat profile has {len(flat.text)} bytes; it has at most {PROFILE_BYTES_MAX}")
        return None, report.findings()
    profile = build(Table(tomllib.loads(flat.text.decode()), (), report), flat.text)
    if not report.findings():
        check(profile, report)
    check_points(profile, report)
    return profile, report.findings()
