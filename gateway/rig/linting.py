"""Profiles looked at as files: `rig lint`, and whatever else starts from a profile's file.

Owns: the way from a path to a profile and its findings. Raises ConfigError only where there is no file to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_adapters.language.lint import Finding, examine_file
from gateway.errors import ConfigError
from gateway.recording.texts import base_finder
from gateway.rig.unsaid import MARK

if TYPE_CHECKING:
    from pathlib import Path

    from device_adapters.language.profile import Profile


@dataclass(frozen=True, slots=True)
class Linted:
    """One file. `profile` is usable if, and only if, there are no findings."""

    file: str
    profile: Profile | None
    findings: tuple[Finding, ...]

    def lines(self) -> list[str]:
        """As a person, or an editor, reads it: FILE:LINE: reason."""
        if self.profile is not None and not self.findings:
            return [f"{self.file}: good, {self.profile.id} {self.profile.version}, {self.profile.sha256}"]
        return [f"{finding.file or self.file}:{finding.line}: {finding.reason}" for finding in self.findings]


def lint_file(path: Path) -> Linted:
    """Everything that is wrong with this profile, and with what it extends."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    profile, findings = examine_file(str(path), data, base_finder(path))
    found = [*_undecided(data), *findings]
    return Linted(str(path), profile if not found else None, tuple(found))


def _undecided(data: bytes) -> list[Finding]:
    """A draft of `rig import` in which somebody has still to decide: told once, at the first such line."""
    lines = [number for number, line in enumerate(data.splitlines(), 1) if line.startswith(MARK.encode())]
    if not lines:
        return []
    return [Finding(lines[0], f"{len(lines)} lines begin with {MARK}: decide, then take the mark away")]
