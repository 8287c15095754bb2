"""P7 over the way of a plan: marked names through lists, commands, the gateway's fetch, pages, and a search of it all.

A list goes in right and wrong; what comes out is searched: every line that a command prints, every answer but those
that may hold names, every file of the server and of its backup. The marks stand in the openings and nowhere else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from marked_names import Mark, Marks, Outputs
from plan_files import PlanFolder
from sample_uploads import SampleLog
from server_pair import HEARTBEAT, eventually
from server_process import ServerProcess, post

from scorelog.format.plan import check_openings, parse_openings, parse_plan

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]

ID = "430102199001011238"
OTHER_ID = "440524188001010014"
MARKS = Marks(Mark("id_number", ID, ID[3:17]), Mark("masked", f"430***********{ID[-4:]}", f"***{ID[-4:]}"))
TICKET = f"{Marks.TICKET}-1"
ROW = f"{TICKET},{Marks.NAME},{ID},1,,"
# Rows and keys with a person where something else belongs.
WRONG = (
    f"{Marks.NAME},{TICKET},{ID[:-1]}9,{Marks.NAME},{TICKET},{Marks.NAME}",
    f"{TICKET},{Marks.NAME},{OTHER_ID},{TICKET},{Marks.NAME} {TICKET},{TICKET} {ID}",
    f"{TICKET},={Marks.NAME},{Marks.NAME},1,,",
    ROW,
    ROW,
)
ALLOWED = ("plan_openings.value",)
OURS = {"files"}


class Told:
    """What came out of one server."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.out = Outputs()

    def does(self, code: int, *words: str | Path) -> str:
        """One command with the exit code that it must have."""
        found, printed = self.server.command(*map(str, words))
        assert found == code, printed
        self.out.add(" ".join(map(str, words[:2])), printed)
        return printed

    def get(self, path: str, gateway: str = "gw-01", etag: str = "") -> tuple[int, bytes, str]:
        """From the gateways' listener."""
        with self.server.connection(gateway) as connection:
            connection.request("GET", path, headers={"If-None-Match": etag} if etag else {})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers.get("ETag", "")


def write_wrong(folder: PlanFolder) -> Path:
    """A plan with a person in every place."""
    path = folder.write(*WRONG, more=folder.shift(TICKET, Marks.NAME, ID, f"{Marks.NAME}.csv", Marks.NAME))
    text = path.read_text("utf-8").replace('region = "430100"', f'region = "{ID}"\n{Marks.TICKET} = "{Marks.NAME}"')
    path.write_text(text.replace('"exam_only"', f'"{Marks.NAME}"').replace('"K21"', f'"{TICKET}"'), "utf-8")
    return path


def test_names_of_a_plan_stand_in_its_openings_and_nowhere_else(server: ServerProcess, tmp_path: Path) -> None:
    """P7: neither the public text, nor a message, a log line, an address, a table or a backup tells who sits."""
    told, config = Told(server), server.config
    wrong, right = write_wrong(PlanFolder(tmp_path / "files" / "wrong")), PlanFolder(tmp_path / "files" / "right")
    for gateway in ("gw-01", "gw-09"):
        server.enrol(SampleLog(gateway))
    _commands(told, wrong, right.write(ROW))
    server.start()
    _fetched(told)
    right.write(ROW, f"T-2,乙,{OTHER_ID},1,,")
    assert "version 2: 1 sessions, 2 candidates (1 drawn now)" in told.does(0, "plan", "publish", config, right.plan)
    assert _fetched(told) == 2
    server.stop()
    told.does(0, "backup", config, tmp_path / "backup")
    told.out.folder(tmp_path, skip=lambda path: bool(OURS & set(path.relative_to(tmp_path).parts)), allowed=ALLOWED)
    found = MARKS.leaks(told.out)
    assert found == [], "\n".join(found)
    _there(server)


def _commands(told: Told, wrong: Path, right: Path) -> None:
    config = told.server.config
    told.does(1, "plan", "check", config, wrong)
    told.does(1, "plan", "check", config, wrong.with_name("candidates.csv"))
    told.does(1, "candidates", "check", wrong.with_name("candidates.csv"), "--rubric", "low-voltage-electrician")
    told.does(0, "candidates", "check", right.with_name("candidates.csv"), "--rubric", "low-voltage-electrician")
    assert "publishing it makes version 1" in told.does(0, "plan", "check", config, right)
    assert "published: hn-cs-01 version 1" in told.does(0, "plan", "publish", config, right)
    assert "unchanged" in told.does(0, "plan", "publish", config, right)
    told.does(0, "plan", "list", config)
    told.does(0, "plan", "show", config, "hn-cs-01")
    told.does(0, "plan", "show", config, "hn-cs-01", "--text")
    code, printed = told.server.command("plan", "show", str(config), "hn-cs-01", "--personal")
    assert code == 0
    assert all(word in printed for word in (TICKET, Marks.NAME, MARKS.all[-1].value))
    assert ID not in printed
    max(told.server.folder.glob("*.out"), key=lambda path: int(path.stem)).unlink()  # asked for, so no leak


def _fetched(told: Told) -> int:
    """Over mTLS: the openings come with the plan, to the gateway that it names; the version."""
    status, body, etag = told.get("/gateway/v1/plan")
    assert status == 200
    document = json.loads(body)
    plan = parse_plan(document["plan"].encode())
    openings = parse_openings(document["openings"])
    assert check_openings(plan, openings) == []
    assert {TICKET, Marks.NAME} <= {each.value for each in openings}
    told.out.add("plan's text", document["plan"])
    assert ID.encode() not in body
    assert told.get("/gateway/v1/plan", etag=etag)[:2] == (304, b"")
    status, body, _ = told.get("/gateway/v1/plan", "gw-09")
    assert status == 404
    told.out.add("problem", body)
    beat = {"v": 1, "origin": SampleLog("gw-01").origin, "size": 0, "instance": "a", "unsent": 0, "rigs": []}

    def tells_the_version() -> bool:
        with told.server.connection() as connection:
            body = post(connection, HEARTBEAT, json.dumps(beat).encode())[1]
        told.out.add("heartbeat", body)
        return bool(json.loads(body)["plan_version"] == plan.version)

    eventually("the heartbeat's answer, remembered for a second, tells the version", tells_the_version)
    return plan.version


def _there(server: ServerProcess) -> None:
    """The search would find them, and the id number is stored nowhere at all."""
    out = Outputs()
    out.folder(server.config.parent / "data")
    found = MARKS.leaks(out)
    assert {each.split(": ")[1].split(" as ")[0] for each in found} == {"ticket", "name", "masked"}
    assert all("plan_openings.value" in each for each in found)
