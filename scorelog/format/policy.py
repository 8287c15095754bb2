"""The trust policy of C2SP (tlog-policy): which logs, which cosigners, how many of them.

    log <vkey> [<url>]                        quorum <name|none>
    witness <name> <vkey> [<url>]             group <name> all|any|<k> <member>...

Owns the rule that says when a checkpoint is believed. One departure from the C2SP text, which forbids two log lines
with one public key: we allow it if the names differ in their last path element only, because a gateway keeps its key
when it opens a new generation and a generation is a log of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scorelog.format.checkpoint import Checkpoint, parse_checkpoint_body
from scorelog.format.errors import NoteError, PolicyError
from scorelog.format.keys import CosignatureVerifier, Ed25519Verifier, parse_vkey
from scorelog.format.limits import POLICY_BYTES_MAX, POLICY_DEPTH_MAX, POLICY_LINES_MAX
from scorelog.format.note import Note, open_note, parse_note
from scorelog.format.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_QUORUM = "none"
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_SPACE = re.compile("[ \t]+")
_COUNT = re.compile(r"[1-9][0-9]{0,4}\Z")


@dataclass(frozen=True, slots=True)
class Group:
    """At least `threshold` of these witnesses or groups."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """A checkpoint that the policy accepts, and who cosigned it when (POSIX seconds)."""

    checkpoint: Checkpoint
    log: Ed25519Verifier
    cosigned_by: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy; `text` is what it was read from."""

    text: str
    logs: Mapping[str, tuple[Ed25519Verifier, ...]]
    witnesses: Mapping[str, CosignatureVerifier]
    groups: Mapping[str, Group]
    quorum: str

    def encode(self) -> bytes:
        """The policy file, byte for byte."""
        return self.text.encode()

    def check(self, note: bytes | Note) -> PolicyResult:
        """What the note proves under this policy; PolicyError or SignatureInvalid if it is not enough."""
        parsed = note if isinstance(note, Note) else parse_note(note)
        checkpoint = parse_checkpoint_body(parsed.text)
        logs = self.logs.get(checkpoint.origin, ())
        if not logs:
            raise PolicyError(f"origin {checkpoint.origin} is none of the policy's logs")
        opened = open_note(parsed, logs)
        signer = opened.verified[0].verifier
        log = next(one for one in logs if one == signer)
        times = self._cosignatures(parsed)
        if not self._holds(self.quorum, times):
            have = ", ".join(times) or "nobody"
            raise PolicyError(
                f"checkpoint of {checkpoint.origin} at size {checkpoint.size} is cosigned by {have}",
                expected=f"quorum {self.quorum} ({self._describe(self.quorum)})",
            )
        cosigned = tuple((self.witnesses[name].name, time_s) for name, time_s in times.items())
        return PolicyResult(checkpoint, log, cosigned)

    def _cosignatures(self, note: Note) -> dict[str, int]:
        times = {}
        for name, verifier in self.witnesses.items():
            if note.by(verifier) is not None:
                opened = open_note(note, (verifier,))
                times[name] = verifier.time_of(opened.verified[0].signature)
        return times

    def _holds(self, name: str, times: Mapping[str, int]) -> bool:
        if name == NO_QUORUM or name in times:
            return True
        group = self.groups.get(name)
        return group is not None and sum(self._holds(one, times) for one in group.members) >= group.threshold

    def _describe(self, name: str) -> str:
        group = self.groups.get(name)
        if group is None:
            return self.witnesses[name].name
        return f"{group.threshold} of {', '.join(group.members)}"


@dataclass(slots=True)
class _Reader:
    """What the lines so far have defined."""

    logs: dict[str, tuple[Ed25519Verifier, ...]] = field(default_factory=dict)
    log_keys: dict[bytes, str] = field(default_factory=dict)
    witnesses: dict[str, CosignatureVerifier] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    quorum: str | None = None

    def line(self, words: list[str], where: str) -> None:
        """Take one line's words."""
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self._log(vkey, where)
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                self._witness(name, vkey, where)
            case ["group", name, rule, *members] if members:
                self._group(name, rule, members, where)
            case ["quorum", name]:
                self._quorum(name, where)
            case _:
                raise PolicyError(
                    f"{' '.join(words)[:60]!r}", where=where, expected="a log, witness, group or quorum line"
                )

    def _log(self, vkey: str, where: str) -> None:
        verifier = _verifier(vkey, where)
        if not isinstance(verifier, Ed25519Verifier):
            raise PolicyError(f"key type 0x{verifier.suite:02x}", where=where, expected="a log key (0x01)")
        other = self.log_keys.setdefault(verifier.public_key, verifier.name)
        same_name = self.logs.get(verifier.name, ())
        if verifier in same_name or _gateway(other) != _gateway(verifier.name):
            raise PolicyError(
                f"the key of {other} again", where=where, expected="another key, or another generation of it"
            )
        self.logs[verifier.name] = (*same_name, verifier)

    def _witness(self, name: str, vkey: str, where: str) -> None:
        self._new_name(name, where)
        verifier = _verifier(vkey, where)
        if not isinstance(verifier, CosignatureVerifier):
            raise PolicyError(f"key type 0x{verifier.suite:02x}", where=where, expected="a cosigner key (0x04)")
        if any(one.public_key == verifier.public_key for one in self.witnesses.values()):
            raise PolicyError("a witness key twice", where=where, expected="one line a key")
        self.witnesses[name] = verifier
        self.depths[name] = 0

    def _group(self, name: str, rule: str, members: list[str], where: str) -> None:
        self._new_name(name, where)
        for member in members:
            self._known(member, where)
            if member in self.members:
                raise PolicyError(
                    f"{member[:60]!r} is a member already", where=where, expected="each name in one group, once"
                )
            self.members.add(member)
        self.groups[name] = Group(_threshold(rule, len(members), where), tuple(members))
        self.depths[name] = 1 + max(self.depths[member] for member in members)
        if self.depths[name] > POLICY_DEPTH_MAX:
            raise PolicyError("groups nested too deeply", where=where, expected=f"at most {POLICY_DEPTH_MAX} levels")

    def _quorum(self, name: str, where: str) -> None:
        if self.quorum is not None:
            raise PolicyError("a second quorum line", where=where, expected="exactly one")
        if name != NO_QUORUM:
            self._known(name, where)
        self.quorum = name

    def _new_name(self, name: str, where: str) -> None:
        if name == NO_QUORUM or name in self.depths:
            raise PolicyError(f"name {name[:60]!r} is taken", where=where, expected="a new name")

    def _known(self, name: str, where: str) -> None:
        if name not in self.depths:
            raise PolicyError(
                f"name {name[:60]!r} is not defined above", where=where, expected="a witness or group above"
            )


def parse_policy(text: str | bytes) -> Policy:
    """The policy in a file's text."""
    decoded = _decode(text)
    reader = _Reader()
    lines = decoded.split("\n")[:-1]
    if len(lines) > POLICY_LINES_MAX:
        raise PolicyError(f"{len(lines)} lines", where="policy", expected=f"at most {POLICY_LINES_MAX}")
    for number, line in enumerate(lines, 1):
        stripped = line.strip(" \t")
        if stripped and not stripped.startswith("#"):
            reader.line(_SPACE.split(stripped), f"policy line {number}")
    if reader.quorum is None:
        raise PolicyError("no quorum line", where="policy", expected="'quorum <name>' or 'quorum none'")
    return Policy(decoded, reader.logs, reader.witnesses, reader.groups, reader.quorum)


def _decode(text: str | bytes) -> str:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    decoded = plain_text(data, POLICY_BYTES_MAX, _CONTROL, "policy", PolicyError)
    if decoded and not decoded.endswith("\n"):
        raise PolicyError("no LF at the end", where="policy", expected="complete lines")
    return decoded


def _verifier(vkey: str, where: str) -> Ed25519Verifier | CosignatureVerifier:
    try:
        return parse_vkey(vkey)
    except NoteError as error:
        raise PolicyError(str(error), where=where) from None


def _threshold(rule: str, members: int, where: str) -> int:
    if rule in ("all", "any"):
        return members if rule == "all" else 1
    if _COUNT.match(rule) is None or int(rule) > members:
        raise PolicyError(f"{rule[:20]!r}", where=where, expected=f"all, any, or a number from 1 to {members}")
    return int(rule)


def _gateway(name: str) -> str:
    return name.rpartition("/")[0] or name
