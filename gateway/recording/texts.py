"""The profile and rubric files that a configuration names: found, read once, checked, adopted whole into the log."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from device_adapters.language.lint import examine_file
from gateway import limits
from gateway.errors import ConfigError
from gateway.recording.documents import Subject
from scorelog.format.errors import RubricError
from scorelog.format.rubric import parse_rubric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from device_adapters.language.profile import Profile
    from gateway.settings.config import Config, RigConfig


@dataclass(frozen=True, slots=True)
class Text:
    """One file, by its hash."""

    sha256: str
    text: str


@dataclass(frozen=True, slots=True)
class Texts:
    """Everything that entries later name by hash."""

    profiles: Mapping[str, Profile]  # by the name or path in the configuration
    rubrics: tuple[Text, ...]

    def profile_texts(self) -> tuple[Text, ...]:
        """Each profile once."""
        found = {profile.sha256: Text(profile.sha256, profile.text.decode()) for profile in self.profiles.values()}
        return tuple(found[sha256] for sha256 in sorted(found))

    def hashes(self) -> frozenset[str]:
        """Of all of them."""
        return frozenset(file.sha256 for file in (*self.profile_texts(), *self.rubrics))

    def subject(self, rig: RigConfig) -> Subject:
        """A rig as entries speak of it."""
        profile = self.profiles[rig.profile]
        wire = "http" if rig.push else "mqtt" if profile.message else ""
        return Subject(rig.serial, rig.station, profile.sha256, rig.source, wire)


def load_texts(config: Config) -> Texts:
    """Raises ConfigError that names the file and every finding in it."""
    names = dict.fromkeys(rig.profile for rig in config.rigs)
    profiles = {name: profile_named(name, config.base) for name in names}
    for rig in config.rigs:
        profile, has = profiles[rig.profile], "push" if rig.push else "broker" if rig.broker else "host"
        needs, of = _needed(profile)
        if needs != has:
            raise ConfigError(f"[[rig]] {rig.serial} profile {rig.profile!r} needs {needs}, not {has}: it is of {of}")
        if profiles[rig.profile].transport.kind == "modbus-rtu" and not rig.bus:
            raise ConfigError(
                f"[[rig]] {rig.serial} profile {rig.profile!r} needs bus, not host: it is of a serial line"
            )
    return Texts(profiles, tuple(map(_rubric, config.rubrics)))


def _needed(profile: Profile) -> tuple[str, str]:
    """How a rig of this profile is reached, and why."""
    if profile.message is None:
        return "host", "registers"
    return ("push", "messages over HTTP") if profile.transport.kind == "http" else ("broker", "MQTT messages")


def profile_named(name: str, base: Path) -> Profile:
    """A profile by its path, or by the name under which it comes with the program. Raises ConfigError."""
    profile, findings = examine_file("", profile_bytes(name, base), base_finder(base / name))
    if profile is None or findings:
        told = "\n".join(f"  {name}: {finding}" for finding in findings)
        raise ConfigError(f"profile {name} is not usable:\n{told}")
    return profile


def base_finder(file: Path) -> Callable[[str], bytes | None]:
    """How the base of a variant is found: a path beside the variant, or a profile that comes with the program."""

    def base_of(name: str) -> bytes | None:
        try:
            return profile_bytes(name, file.parent)
        except ConfigError:
            return None

    return base_of


def profile_bytes(name: str, base: Path) -> bytes:
    """A path, or the name of a profile that comes with the program."""
    if name.endswith(".toml") or "/" in name:
        return _read(base / name)
    shipped = resources.files("device_adapters") / "profiles" / f"{name}.toml"
    if not shipped.is_file():
        known = ", ".join(sorted(file.name.removesuffix(".toml") for file in shipped_profiles()))
        raise ConfigError(f"profile {name!r}: no such profile; shipped: {known}; or write a path ending in .toml")
    return shipped.read_bytes()


def shipped_profiles() -> list[resources.abc.Traversable]:
    """The profiles that come with the program; `NAME.golden.toml` beside one holds its test frames."""
    files = (resources.files("device_adapters") / "profiles").iterdir()
    return [file for file in files if file.name.endswith(".toml") and not file.name.endswith(".golden.toml")]


def _rubric(path: Path) -> Text:
    data = _read(path)
    try:
        parse_rubric(data)
    except RubricError as error:
        raise ConfigError(f"rubric {path}: {error}") from None
    return Text(hashlib.sha256(data).hexdigest(), data.decode())


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if len(data) > limits.TEXT_BYTES_MAX:
        raise ConfigError(f"{path}: {len(data)} bytes; at most {limits.TEXT_BYTES_MAX} fit into an entry")
    return data
