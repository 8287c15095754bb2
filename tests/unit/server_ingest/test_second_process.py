"""The second process that checks signatures: only its yes counts; whatever becomes of it, no upload waits for it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_entry_store import FakeEntryStore
from sample_uploads import SampleLog
from server_bench import bench

from server import limits
from server.errors import Refused
from server.ingest.checking import COMMAND, SecondProcess
from server.ingest.second import MADE, NOT_MADE, answers, question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
TEXT = b"exam.example/gw/gw-01/0\n1\nroot\n"
DEADLINE_S = 10
SILENT = "import os\nwhile os.read(0, 65536): pass"
SAYS = "import os\nwhile os.read(0, 65536): os.write(0, bytes([{}]))"


def script(text: str) -> tuple[str, ...]:
    """Another process in its place."""
    return (sys.executable, "-S", "-c", text)


@asynccontextmanager
async def begun(*command: str, late_s: float = 5.0) -> AsyncIterator[SecondProcess]:
    """One that runs and may be asked."""
    second = SecondProcess(command or COMMAND, late_s=late_s, cores=lambda: 2)
    try:
        assert not await second.vouches(PUBLIC, KEY.sign(TEXT), TEXT), "nobody waits for its beginning"
        async with asyncio.timeout(DEADLINE_S):
            while second.wanted and not second.ready:
                await asyncio.sleep(0.001)
        yield second
    finally:
        await second.close()


def test_answers_do_not_depend_on_how_the_questions_were_cut() -> None:
    """P3: one byte a question, in order, wherever the stream is cut; a key that is none makes nothing."""
    good = KEY.sign(TEXT)
    asked = [(PUBLIC, good, TEXT), (PUBLIC, good, TEXT + b"x"), (PUBLIC, bytes(64), b""), (b"\xff" * 32, good, TEXT)]
    whole = b"".join(question(*each) for each in (*asked, asked[0]))
    expected = bytes([MADE, NOT_MADE, NOT_MADE, NOT_MADE, MADE])
    assert answers(whole) == (expected, b"")
    for cut in range(0, len(whole), 37):
        first, left = answers(whole[:cut])
        assert first + answers(left + whole[cut:])[0] == expected


async def test_it_vouches_for_what_the_key_made_and_nothing_else() -> None:
    """P3: many questions of one moment are answered each for itself."""
    async with begun() as second:
        right = [(b"%d" % number, KEY.sign(b"%d" % number)) for number in range(20)]
        found = await asyncio.gather(
            *(second.vouches(PUBLIC, sign, text) for text, sign in right),
            *(second.vouches(PUBLIC, sign, text + b"0") for text, sign in right),
        )
        assert found == [True] * 20 + [False] * 20
        assert second.checked == 20
        odd = ((PUBLIC, b"short", TEXT), (PUBLIC[:-1], KEY.sign(TEXT), TEXT), (PUBLIC, KEY.sign(TEXT), bytes(1 << 16)))
        for key, signature, text in odd:
            assert not await second.vouches(key, signature, text), "never asked: it could not be written down"


@pytest.mark.parametrize(
    ("text", "late_s"), [(SILENT, 0.05), (SAYS.format(0), 5.0), ("import os\nos.read(0, 9)", 5.0), ("", 5.0)],
    ids=["silent", "says no", "dies when asked", "ends at once"],
)  # fmt: skip
async def test_what_it_does_not_vouch_for_is_checked_here(text: str, late_s: float) -> None:
    """P8: silent, wrong or dead: the upload is stored all the same, without waiting for more than the deadline."""
    async with begun(*script(text), late_s=late_s) as second, bench(FakeEntryStore(), second=second) as at:
        await at.enrol(log := SampleLog().grow(2))
        async with AsyncExitStack() as others, asyncio.timeout(DEADLINE_S):
            for number in range(limits.SECOND_FROM):
                place = await others.enter_async_context(at.ingest.admission.admitted(f"other-{number}", 1))
                await others.enter_async_context(place.turn())
            for index in range(2):
                await at.send(log, index, index + 1)
        assert (await at.store.log(log.origin)) is not None
        assert second.checked == 0


async def test_a_forged_upload_is_refused_and_kept_with_many_at_work() -> None:
    """P3: the status table does not depend on who checks; another key's signature is 403, evidence, an alarm."""
    async with begun() as second, bench(FakeEntryStore(), second=second) as at:
        await at.enrol(log := SampleLog().grow(1))
        forged = SampleLog(key=KEY).grow(1)
        async with AsyncExitStack() as others, asyncio.timeout(DEADLINE_S):
            for number in range(limits.SECOND_FROM):
                place = await others.enter_async_context(at.ingest.admission.admitted(f"other-{number}", 1))
                await others.enter_async_context(place.turn())
            with pytest.raises(Refused) as refused:
                await at.send(forged, 0)
            await at.send(log, 0)
        assert refused.value.status == 403
        assert await at.kinds() == ["bad_signature"]
        assert len(await at.store.refusals(log.origin)) == 1
        assert second.checked == 1, "the true one"


async def test_few_uploads_and_one_core_need_no_second_process() -> None:
    """One upload alone is checked at once where it is; on one core another process would only take turns."""
    asked = SecondProcess(script(SILENT), cores=lambda: 2)
    async with bench(FakeEntryStore(), second=asked) as at:
        await at.enrol(log := SampleLog().grow(1))
        await at.send(log, 0)
    assert not asked.wanted
    alone = SecondProcess(script(SILENT), cores=lambda: 1)
    assert not await alone.vouches(PUBLIC, KEY.sign(TEXT), TEXT)
    assert not alone.wanted
    for each in (asked, alone):
        await each.close()
        await each.close()
        assert not await each.vouches(PUBLIC, KEY.sign(TEXT), TEXT)
        assert not each.wanted, "closed: none is begun"


async def test_one_that_died_is_not_begun_again_at_once() -> None:
    """P8: a second process that cannot live costs no upload anything but one look."""
    async with begun(*script("")) as second:
        async with asyncio.timeout(DEADLINE_S):
            while second.ready:
                await asyncio.sleep(0.001)
        assert not await second.vouches(PUBLIC, KEY.sign(TEXT), TEXT)
        assert not second.wanted
    missing = SecondProcess(("/nowhere/python",), cores=lambda: 2)
    assert not await missing.vouches(PUBLIC, KEY.sign(TEXT), TEXT)
    await missing.close()
    assert not missing.ready
