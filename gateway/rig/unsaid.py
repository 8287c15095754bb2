"""What no register table says, as lines of a draft that a person decides: each begins with `#?`.

Owns: these lines; each is what most rigs would need, filled with what the table did say. Nothing here is in use until
somebody takes the mark away. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.rig.blocks import RESULT, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.rig.blocks import Block
    from gateway.rig.fields import Draft, Entry

MARK = "#?"
_BACK = re.compile(r"读回|回读|回显|echo", re.IGNORECASE)
# What `item.finished` is made of (docs/formats/entry.md), and what may be said where the rig tells nothing of it.
_FINISHED = {
    "item": "",
    "ordinal": "{ fixed = 1 }",
    "outcome": "",
    "score": "",
    "elapsed_s": "",
    "limit_s": "",
    "veto_lines": "{ fixed = 0 }",
    "started": "",
    "finished": "",
    "exam_no": "",
    "mode": "",
}


def before(draft: Draft) -> Iterator[str]:
    """The head of the file: whose rig it is, and how it is reached and asked."""
    yield from _marked(
        'id = "my-bench"                 # a-z 0-9 - ; the name of the model',
        'version = "0.1.0"',
        f'guarantee = "{_guarantee(draft)}"            # docs/formats/profile.md, rule 3',
        'name = { zh = "考核装置", en = "Bench" }',
        "",
        "[transport]",
        'kind = "modbus-tcp"             # or modbus-rtu',
        "unit = 1",
        "timeout_ms = 1000",
        "connect_timeout_ms = 3000",
        "",
        "[poll]",
        "status_every_ms = 2000",
        "by_state = { idle = 500, open = 200, running = 200, finished = 100, fault = 1000 }",
    )


def behind(draft: Draft) -> Iterator[str]:
    """How it is told what is stored, which record is the event, and what entry that becomes."""
    result = next((block for block in draft.blocks if block.name == RESULT), None)
    if result is None:
        return
    yield from _handshake(draft)
    rig_time = [f'rig_time = {{ seconds = "{name}" }}' for name in ("finished", "started") if _holds(result, name)][:1]
    yield from _marked(
        "[event]",
        f'record = "{RESULT}"',
        *rig_time,
        "",
        "[entries.item_finished]",
        "code = 1",
        'type = "item.finished"',
        "",
        "[entries.item_finished.fields]",
        *(_source(result, name, otherwise) for name, otherwise in _FINISHED.items()),
        *_deductions(result),
    )


def _marked(*lines: str) -> Iterator[str]:
    yield ""
    yield from (f"{MARK} {line}" if line else "" for line in lines)


def _guarantee(draft: Draft) -> str:
    records = [block for block in draft.blocks if block.name != TABLE]
    proven = all(block.has("crc") and (block.has("seq_again") or block.has("last_seq_again")) for block in records)
    if not records or not proven:
        return "double-read"
    return "latched" if any(entry.write for entry in draft.entries) else "unacknowledged"


def _handshake(draft: Draft) -> Iterator[str]:
    written = [entry for entry in draft.entries if entry.write]
    if not written:
        yield from _marked("[handshake]", 'kind = "none"')
        return
    ack = next((entry for entry in written if entry.name == "ack"), written[0])
    kind = "echo" if _BACK.search(ack.remark) else "sequence"
    yield from _marked(
        "[handshake]",
        f'kind = "{kind}"                  # sequence, echo (it is read back), coil, none: rule 28',
        f"ack = {_written(ack, draft)}  # {ack.ref}",
    )


def _written(entry: Entry, draft: Draft) -> str:
    order = "AB" if entry.words == 1 else entry.order or draft.order or "?"
    return f'{{ at = {entry.at}, type = "{entry.type or "?"}", order = "{order}" }}'


def _holds(block: Block, name: str) -> bool:
    return any(entry.name == name for entry in block.entries)


def _source(result: Block, name: str, otherwise: str) -> str:
    if _holds(result, name):
        return f'{name} = {{ from = "{name}" }}'
    return f"{name} = {otherwise or '?'}             # the table has no such field"


def _deductions(result: Block) -> Iterator[str]:
    if _holds(result, "faults"):
        yield "# points in hundredths: 1000 is 10 points"
        yield 'deductions = { from = "faults", lines = [{ bit = 0, line = 1, points = 1000, veto = false }] }'
        return
    yield "deductions = { fixed = [] }           # or rows of the record: rule 7"
