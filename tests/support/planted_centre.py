"""Planted bugs of the centre: what is receipted, what is stored, what is scored and shown. See `planted_patch`."""

from __future__ import annotations

from planted_patch import Bug, one

INGEST = "server/ingest/service.py"
MIRROR = "server/ingest/mirror.py"
COMMITTER = "server/ingest/committer.py"
SCORING = "scorelog/format/scoring.py"

RECEIPTS = (
    Bug(
        "server-fsync-skipped",
        "the evidence is written with synchronous=OFF",
        "P1, P2, S1",
        "test_power_order.py::test_no_receipt_leaves_before_the_servers_fsync",
        one(
            "server/evidence/database.py",
            "        _refuse_unsafe(connection, path)\n    return",
            "        _refuse_unsafe(connection, path)\n"
            '        connection.exec_driver_sql("PRAGMA synchronous=OFF")\n    return',
        ),
    ),
    Bug(
        "pages-not-asked",
        "fsck believes a table whose index says something else",
        "P3, B5",
        "test_bitflip_server.py::test_a_name_that_only_its_index_contradicts_is_named",
        one("server/unreadable.py", '    return [] if lines == ["ok"] else', "    return [] if lines else"),
    ),
    Bug(
        "cosign-before-store",
        "the receipt leaves before the entries are on the disk",
        "P1, P2, S1",
        "test_server_statuses.py::test_a_failed_write_is_never_a_receipt",
        one(
            COMMITTER,
            "            await self._commit_or_part(batch, self.now_s(",
            "            for each in batch:\n"
            "                _settle(each, self._mirror.cosign(each.checkpoint.body(), self.now_s()))\n"
            "            await self._commit_or_part(batch, self.now_s(",
        ),
    ),
    Bug(
        "root-not-checked",
        "entries that do not lead to the signed root are stored",
        "P3, S6",
        "test_server_mirror.py::test_another_history_is_refused_and_named",
        one(MIRROR, "    if tree.root() != checkpoint.root:\n", "    if tree.root() == b'':\n"),
    ),
    Bug(
        "signature-not-checked",
        "a checkpoint is believed whoever signed it",
        "P3, S6",
        "test_server_statuses.py::test_403_is_a_strange_signature_or_origin",
        one(
            MIRROR,
            "        return Refuse(403, str(error), BAD_SIGNATURE)\n",
            "        assert error\n        return None\n",
        ),
    ),
    Bug(
        "origin-not-bound-to-the-certificate",
        "any enrolled gateway may write any log",
        "P3, S6",
        "test_server_statuses.py::test_403_is_a_strange_signature_or_origin",
        one(
            INGEST, "        if origin is None or (origin.domain,", "        if origin is None or () == (origin.domain,"
        ),
    ),
    Bug(
        "revocation-cached",
        "a gateway that was allowed once stays allowed",
        "B19",
        "test_server_statuses.py::test_403_is_revoked_at_the_next_request",
        one(
            INGEST,
            '        if gateway.status == "revoked":\n',
            '        gateway = self.__dict__.setdefault("planted", {}).setdefault(gateway.id, gateway)\n'
            '        if gateway.status == "revoked":\n',
        ),
    ),
    Bug(
        "commit-without-where-size",
        "an upload is stored wherever the log stands",
        "P3, S7",
        "test_server_sequences.py::test_two_stores_on_one_database_never_split_a_log",
        one(
            "server/evidence/statements.py",
            '        logs.c.size == bindparam("at_size"),\n',
            '        logs.c.size >= bindparam("at_size") * 0,\n',
        ),
    ),
    Bug(
        "opening-in-a-reason",
        "the value of a wrong opening is told in the alarm",
        "P7",
        "test_server_statuses.py::test_content_never_blocks",
        one(
            INGEST,
            "of the entry: {', '.join(wrong)}",
            "of the entry: {', '.join(wrong)} {[one.value.decode('utf-8', 'replace') for one in bundle.openings]}",
        ),
    ),
    Bug(
        "block-at-poison",
        "an upload with an entry that cannot be read is refused",
        "P8, S5",
        "test_server_statuses.py::test_content_never_blocks",
        one(
            INGEST,
            "        checkpoint, note = found\n",
            "        checkpoint, note = found\n        for entry in upload.entries:\n            parse_entry(entry)\n",
        ),
    ),
    Bug(
        "unbounded-body",
        "a body is read to its end, however long",
        "I16, B20",
        "test_server_statuses.py::test_413_comes_before_the_body",
        one("server/ingest/routes.py", "        if size > most:\n", "        if size > most * 10**6:\n"),
    ),
)

SCORES = (
    Bug(
        "drop-poison",
        "an entry that cannot be read vanishes instead of being quarantined",
        "P8, S5",
        "test_projection_poison.py::test_an_entry_that_only_the_projections_cannot_read_is_quarantined",
        one(
            "server/projection/folding.py",
            "            self.folded.set_aside(stored, str(error))\n            return\n",
            "            assert error\n            return\n",
        ),
    ),
    Bug(
        "cursor-outside-the-transaction",
        "the projector notes that it is done before it is",
        "P4",
        "test_projection_rebuild.py::test_a_projector_goes_on_where_the_last_one_was",
        one(
            "server/projection/projector.py",
            "                await expect_cursor(db, self._seq)\n                applied = await",
            "                await expect_cursor(db, self._seq)\n"
            "                await set_cursor(db, last)\n"
            "                await db.commit()\n"
            "                applied = await",
        ),
    ),
    Bug(
        "float-scoring",
        "totals are summed in floating point",
        "P4",
        "test_format_rubrics.py::test_totals_equal_exact_fractions",
        one(
            SCORING,
            "        total += sum(subject.weight // subject.draws * one.score for one in drawn)\n",
            "        total += int(sum(subject.weight / 1e4 / subject.draws * one.score for one in drawn) * 1e4)\n",
        ),
    ),
    Bug(
        "pass-mark-rounded",
        "a total is rounded to hundredths before it is compared",
        "P4",
        "test_format_rubrics.py::test_an_attempt_passes_at_exactly_the_pass_mark",
        one(SCORING, "and total >= rubric.pass_mark", "and round(total, -4) >= rubric.pass_mark"),
    ),
    Bug(
        "veto-ignored",
        "a veto line is subtracted like any other",
        "P4",
        "test_format_rubrics.py::test_the_veto_effects_are_kept_apart",
        one(SCORING, "    if vetoed or outcome == ABORTED:\n", "    if outcome == ABORTED:\n"),
    ),
)

BUGS = (*RECEIPTS, *SCORES)
