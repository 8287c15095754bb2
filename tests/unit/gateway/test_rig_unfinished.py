"""`rig probe` with a profile that still has findings: what is missing is asked of the rig, nothing personal."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from rig_profiles import fast_v1
from scripted_rig import ScriptedRig

from gateway.errors import ConfigError
from gateway.rig.place import Place
from gateway.rig.probing import Look, Wanted, as_document, as_lines, probe
from gateway.rig.unfinished import readable

if TYPE_CHECKING:
    from pathlib import Path

TEXT = fast_v1(5000).text.decode()
SCORE = next(line for line in TEXT.splitlines() if line.startswith("score = {") and "scale" in line)
TICKET = next(line for line in TEXT.splitlines() if line.startswith("ticket = {"))


async def shown(path: Path, text: str) -> tuple[Look, str]:
    (path / "p.toml").write_text(text, encoding="utf-8")
    known = readable("p.toml", path)
    wanted = Wanted(known.profile, looks=1, readable=known)
    found: list[Look] = []
    async with ScriptedRig() as rig, asyncio.timeout(10):
        rig.latch_item(score=8750, ticket="20261123-0007")
        await probe(Place("tcp", "127.0.0.1", rig.port), wanted, found.append)
    assert all(function == 3 for function, _, _ in rig.requests), "nothing is written"
    return found[0], "\n".join(as_lines(found[0], wanted, None)) + json.dumps(as_document(found[0]))


async def test_a_missing_scale_is_asked_of_the_rig(tmp_path: Path) -> None:
    """The finding stands above the table; the field shows its number, and what it would be by each scale."""
    look, told = await shown(tmp_path, TEXT.replace(SCORE, SCORE.replace(', scale = "0.01"', "")))
    rows = {(table.name, row.name): row for table in look.tables for row in table.rows}
    assert told.startswith("未定 TO DECIDE p.toml: line ")
    assert "points need a scale" in told.splitlines()[0]
    score = rows["result", "score"]
    assert (score.raw.hex(), score.value) == ("222e", "8750")
    assert score.views[-1].values == {"0.01": "87.50", "0.1": "875.00", "1": "8750.00"}
    assert [table.fault for table in look.tables] == [""] * 3, "the rest is proven as ever"
    assert not look.good
    assert "0007" not in told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TICKET, TICKET.replace(', personal = "ticket"', "")),  # not marked
        (TICKET, TICKET.replace('personal = "ticket"', "personal = 1")),
        (TICKET, TICKET.replace("words =", "wörds =").replace("ö", "o_")),
        (SCORE, SCORE.replace(SCORE.partition("at = ")[2].partition(",")[0], TICKET.partition("at = ")[2][:2])),
    ],
)
async def test_p7_words_that_could_be_somebodys_stay_hidden(tmp_path: Path, old: str, new: str) -> None:
    """P7: a text with a finding, and a number that lies over one, are not shown; nor a checksum over them."""
    look, told = await shown(tmp_path, TEXT.replace(old, new))
    assert look.findings
    for secret in ("0007", "20261123-", b"2026".hex(), b"1123".hex()):
        assert secret not in told


@pytest.mark.parametrize(
    ("old", "new", "tables"),
    [
        ('before = "seq"', 'before = "sqe"', 2),
        ('crc = { field = "crc"', 'crc = { field = "crx"', 2),
        ("[status]\n", '[status]\nindex = "ring"\n', 1),
        ("\n[areas]\n", "\n[aeras]\n", 1),
        ("\n[event]\n", "\n[evnt]\n", 1),
        ("\n[handshake]\n", "\n[shake]\n", 3),
    ],
)
async def test_whatever_is_wrong_the_rest_is_shown(tmp_path: Path, old: str, new: str, tables: int) -> None:
    """A record that cannot be placed says why; one that cannot be proven is not called proven."""
    assert old in TEXT
    look, _ = await shown(tmp_path, TEXT.replace(old, new))
    assert look.findings
    assert len(look.tables) >= tables
    assert not look.fault


@pytest.mark.parametrize(("old", "new"), [("profile = 1", "profile = = 1"), ('kind = "modbus-tcp"', 'kind = "smoke"')])
def test_only_what_cannot_be_read_at_all_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """No TOML, or no way to reach the rig: the findings, and nothing else."""
    (tmp_path / "p.toml").write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match="not usable"):
        readable("p.toml", tmp_path)
