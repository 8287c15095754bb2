"""The words that packed upload bodies begin from (docs/formats/packed.md rule 8): a preset dictionary of zlib.

How entries of a rig look with marks in their gaps, the most frequent last. Frozen with the encoding: another set of
words is another encoding. Nothing depends on it but how short a body becomes.
"""

from __future__ import annotations

from typing import Final

_READ: Final = b'"read":{"boot":"","mono_us":,"sync":"synced","utc":"2026-11-24T02:05:44.693857Z"},'
_RIG: Final = (
    b'"rig":"LV-0001","rig_time":"2026-11-24T02:05:44.227Z","salt":"\x01","seq":,"source":"sensor","station":"A-01",'
)
_AREA: Final = b'"raw":[{"area":"event","at":4192,"bytes":"\x05","cut":[[28,32],[94,2]]}'
_RESULT: Final = b',{"area":"result","at":28672,"bytes":"\x05","cut":[[28,32],[104,2]]}'
_MESSAGE: Final = b'"raw":[{"area":"message","at":0,"bytes":"\x05","cut":[[]]}'
_FILLINGS: Final = (
    b"\x04name\x00\x09masked_id\x00raw.message\x00\x0araw.result\x00\x22\x02\x09raw.event\x00\x22" + bytes(18),
    b"\x06ticket\x00\x0e\x00\x60" + bytes(46),
)
_CANDIDATE: Final = (
    b'"candidate":[{"field":"raw.event","sha256":"\x03"},',
    b'{"field":"raw.result","sha256":"\x03"},',
    b'{"field":"ticket","sha256":"\x03"}],"content":"\x02","epoch":1,',
)
_LEAVES: Final = b'"leaves":["\x02","\x02","\x04","\x04","\x04"],'


def _record(kind: bytes, fields: bytes, *, result: bool = False, leaves: bool = False) -> bytes:
    """One entry that came from a rig's record."""
    candidate = _CANDIDATE if result else (_CANDIDATE[0], _CANDIDATE[2])
    parts = (
        b'{"attempt":"","binding":"rig",', *candidate,
        b'"fields":{', fields, b'},"guarantee":"latched",', _LEAVES if leaves else b"", b'"ordinal":0,"profile":"",',
        _AREA, _RESULT if result else b"", b"],", _READ, _RIG, b'"type":"', kind, b'","v":1}\x00',
    )  # fmt: skip
    return b"".join(parts)


WORDS: Final = b"".join(
    (
        *_FILLINGS,
        b'{"clean":true,"generation":0,"instance":"\x01",',
        b'"name":"","candidate":[{"field":"name","sha256":"\x03"},{"field":"masked_id","sha256":"\x03"},',
        b'{"field":"raw.message","sha256":"\x03"}',
        _MESSAGE,
        b'"conflict_with":"mode":"practice","session":"","plan":"","source":"simulator","sync":"unsynced",',
        b'"guarantee":"double-read","guarantee":"single-read","guarantee":"unacknowledged",',
        b'\x00{"last_epoch":1,"last_seq":,' + _READ + b'"reason":"not connected, before reading 48 words at 0",',
        b'"reason":"connected","rig":"","salt":"\x01","station":"","type":"rig.offline","v":1}\x00',
        b'"type":"rig.online","v":1}\x00',
        b'{"receipt":"type":"anchor","reading.refused","sequence.gap","rig.rebooted","practice.summary","clock.stepped",',
        _record(b"rig.mode", b'"new":"practice","old":"exam"'),
        _record(b"attempt.aborted", b'"exam_no":1,"reason":"candidate"', leaves=True),
        _record(b"attempt.finished", b'"claimed_total":,"exam_failed":false,"exam_no":1,"items":4', leaves=True),
        _record(b"candidate.acknowledged", b'"ack":"signed","exam_no":1'),
        _record(b"identity.checked", b'"exam_no":1,"try":1,"verdict":"match"'),
        _record(
            b"item.finished",
            b'"deductions":[{"at_s":,"line":1,"points":500,"veto":false},{"at_s":,"line":2,"points":1000,"veto":true}],'
            b'"elapsed_s":,"exam_no":1,"finished":"2026-11-24T02:05:44Z","item":"K13","limit_s":600,"mode":"exam",'
            b'"ordinal":1,"outcome":"finished","score":9000,"started":"2026-11-24T02:05:44Z","veto_lines":0',
            result=True,
        ),
        _record(b"item.started", b'"exam_no":1,"item":"K11","limit_s":600,"ordinal":1'),
        _record(b"deduction", b'"at_s":,"exam_no":1,"item":"K11","line":1,"ordinal":1,"points":500,"veto":false'),
    )
)
