"""Signing a report, and proving one: a signed note of C2SP with one Ed25519 key (docs/formats/note.md).

Owns: the key's name and file. Whose key it is nobody can prove here: the reader compares it with the one that the
installer handed over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from certs.keys import create_ed25519, load_ed25519
from gateway.errors import ConfigError
from gateway.rig.accept.paper import html_of, note_in
from gateway.rig.accept.report import Report, parse, text_of
from gateway.rig.limits import REPORT_BYTES_MAX
from scorelog.format.note import Ed25519Signer, open_note, parse_note, parse_vkey, sign_note

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "kaofen-rig-acceptance"


@dataclass(frozen=True, slots=True)
class Proven:
    """A report whose signature is good. `known`: the key was given by the reader, not taken from the report."""

    report: Report
    known: bool


def signer_at(path: Path) -> tuple[Ed25519Signer, bool]:
    """The key in this file, made if there is none; and whether it was made."""
    made = not path.exists()
    return Ed25519Signer(NAME, create_ed25519(path) if made else load_ed25519(path)), made


def sign(report: Report, signer: Ed25519Signer) -> tuple[bytes, str]:
    """The signed text, and the page that is made of it."""
    signed = replace(report, key=signer.vkey)
    note = sign_note(text_of(signed), [signer])
    return note, html_of(parse(text_of(signed)), note)


def prove(data: bytes, vkey: str = "") -> Proven:
    """A text or a page. Raises ConfigError, and FormatError for a signature that does not hold."""
    if len(data) > REPORT_BYTES_MAX:
        raise ConfigError(f"a report has at most {REPORT_BYTES_MAX} bytes")
    page = data.lstrip().startswith(b"<")
    try:
        note = note_in(data.decode()) if page else data
    except UnicodeDecodeError:
        raise ConfigError("not UTF-8; is this a report of `rig accept`?") from None
    report = parse(parse_note(note).text)
    open_note(note, [parse_vkey(vkey or report.key)])
    if vkey and vkey != report.key:
        raise ConfigError("the report names another key than the one that signed it")
    if page and html_of(report, note).encode() != data:
        raise ConfigError("the page does not show what was signed: somebody changed it, or another version made it")
    return Proven(report, bool(vkey))
