"""Planted bugs of the box: the log on its disk, the rigs, the way of an upload. See `planted_patch`."""

from __future__ import annotations

from planted_patch import Bug, one

WRITER = "scorelog/journal/writer.py"
FILES = "scorelog/journal/files.py"

DISK = (
    Bug(
        "fsync-skipped",
        "the log is opened with synchronous=OFF",
        "P1, G2",
        "test_power_order.py::test_nothing_is_acknowledged_before_its_fsync",
        one(
            "scorelog/journal/schema.py",
            '"synchronous=FULL", "synchronous", _SYNCHRONOUS_FULL)',
            '"synchronous=OFF", "synchronous", 0)',
        ),
    ),
    Bug(
        "folder-not-synced",
        "a new log's name is not made durable",
        "P3, G4",
        "test_power_order.py::test_a_new_log_is_synced_before_and_after_it_gets_its_name",
        one(FILES, "    with failpoint(RENAME_SYNC):\n        sync_directory(new.parent)\n", "    assert new\n"),
    ),
    Bug(
        "second-file-not-synced",
        "a small file is renamed into place before its bytes are on the disk",
        "G2, G8",
        "test_power_order.py::test_the_second_file_is_replaced_in_order",
        one(
            FILES,
            "            view = view[os.write(fd, view) :]\n        os.fsync(fd)\n",
            "            view = view[os.write(fd, view) :]\n",
        ),
    ),
    Bug(
        "page-cache-not-dropped",
        "a start reads back from memory what the disk never got",
        "P1, G4",
        "test_power_order.py::test_a_start_reads_the_disk_and_not_the_memory",
        one(
            FILES,
            "            with failpoint(DROP):\n                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)\n",
            "            with failpoint(DROP):\n                os.stat(fd)\n",
        ),
    ),
    Bug(
        "ack-early",
        "an append is answered before its transaction is committed",
        "P1, G1",
        "test_journal_crash.py::test_a_crash_at_every_step_of_appending",
        one(
            WRITER,
            "                head = self._transaction(batch)\n",
            "                _answer(planned)\n                head = self._transaction(batch)\n",
        ),
    ),
    Bug(
        "retry-fsync",
        "a commit that failed is tried once more",
        "P1, G4",
        "test_journal_crash.py::test_a_crash_at_every_step_of_appending",
        one(
            WRITER,
            '        with failpoint(COMMIT):\n            connection.execute("COMMIT")\n',
            "        try:\n"
            '            with failpoint(COMMIT):\n                connection.execute("COMMIT")\n'
            "        except OSError:\n"
            '            connection.execute("COMMIT")\n',
        ),
    ),
    Bug(
        "go-on-after-a-failed-write",
        "a log whose write failed takes the next append as if nothing had been",
        "P1, G4",
        "test_journal_opening.py::test_a_failed_write_is_final",
        one(WRITER, "        self.failed = failed\n", "        self.failed = None\n"),
    ),
    Bug(
        "two-processes-on-one-log",
        "the lock of a log is shared",
        "P3, G10",
        "test_journal_opening.py::test_a_second_opening_is_refused",
        one(FILES, "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB"),
        quick=True,
    ),
    Bug(
        "roll-back-unseen",
        "the second file's size is not compared with the log's",
        "P3, G8",
        "test_journal_opening.py::test_an_older_copy_of_the_log_is_a_roll_back",
        one("scorelog/journal/recovery.py", "    if state.size > size:\n", "    if state.size > size + 10**9:\n"),
    ),
    Bug(
        "failed-read-taken-for-damage",
        "SQLite's word alone puts a log aside, which it also says of a disk that did not answer",
        "P3, G4",
        "test_start_reads.py::test_a_read_of_a_start_fails_once",
        one("scorelog/journal/medium.py", "        read_through(directory)\n", "        raise\n"),
    ),
    Bug(
        "later-version-put-aside",
        "a log that a later version made is taken for a damaged one",
        "P3, G13",
        "test_journal_places.py::test_a_log_of_a_later_version_is_refused_and_whole",
        one("scorelog/journal/identity.py", "== version:\n", "== -version:\n"),
    ),
    Bug(
        "tail-not-verified",
        "a start believes the stored tail without hashing it",
        "P3, G6",
        "test_journal_opening.py::test_a_damaged_tail_is_found_at_start",
        one(
            "scorelog/journal/recovery.py",
            "    expected = start\n",
            "    return\n    expected = start\n",
        ),
    ),
    Bug(
        "key-without-epoch",
        "a record of another boot with the same number is taken for a repetition's key",
        "P1, R7",
        "test_journal_keys.py::test_a_number_of_another_boot_is_another_record",
        one(
            "scorelog/journal/rows.py", '" WHERE rig = ? AND epoch = ? AND', '" WHERE rig = ? AND (1 OR epoch = ?) AND'
        ),
    ),
)

RIGS = (
    Bug(
        "transaction-id-0-accepted",
        "a reply under transaction id 0 answers any request",
        "P5, R5",
        "test_modbus_replies.py::test_a_wrong_reply_at_any_request_never_gives_a_wrong_value",
        one(
            "device_adapters/modbus/mbap.py",
            "    body = request[HEADER:]\n    head, size",
            '    request = b"\\0\\0" + request[2:] if received[:2] == b"\\0\\0" else request\n'
            "    body = request[HEADER:]\n    head, size",
        ),
    ),
    Bug(
        "no-second-reading",
        "a record is believed after one reading",
        "P5, R1",
        "test_modbus_twice.py::test_a_record_that_changes_between_two_readings_is_refused",
        one(
            "device_adapters/modbus/reading.py",
            "        again = await pages.read(0, words)\n",
            "        again = first\n",
        ),
    ),
    Bug(
        "checksum-skipped",
        "a record's checksum is not compared",
        "P5, R1",
        "test_golden_frames.py::test_every_single_flipped_bit_is_refused",
        one(
            "device_adapters/decoding/records.py",
            "    if record.crc is not None and not erased:\n",
            "    if record.crc is not None and not erased and record is None:\n",
        ),
        quick=True,
    ),
    Bug(
        "puback-before-append",
        "a message is PUBACKed when it comes, not when it is stored",
        "P1, M1",
        "test_mqtt_messages.py::test_nothing_is_puback_before_it_is_stored",
        one(
            "device_adapters/messages/mailbox.py",
            "        self.records += 1\n",
            "        self.records += 1\n        settle(LET_GO)\n",
        ),
    ),
    Bug(
        "push-answered-before-append",
        "a pushed record is answered as stored when it comes",
        "P1, M1",
        "test_push_window.py::test_the_answer_waits_for_the_log",
        one(
            "device_adapters/http/window.py",
            "        return one\n\n    def _settled(",
            "        one.tell(Stored(0, one.seq or 0, b'', None))\n        return one\n\n    def _settled(",
        ),
    ),
    Bug(
        "pushed-replay-taken",
        "a signed request works twice",
        "P3, P5",
        "test_push_guard.py::test_a_request_works_once",
        one("device_adapters/http/guard.py", "        self._used[said.nonce] = now_s\n", ""),
    ),
    Bug(
        "no-application-acknowledgement",
        "a rig is never told that its record is stored",
        "P1, M1, M7",
        "test_mqtt_messages.py::test_a_repetition_is_acknowledged_again_and_comes_once",
        one("device_adapters/messages/message_memory.py", "        self._told = (seq, now)\n", "        return\n"),
    ),
    Bug(
        "retained-message-taken",
        "a retained record is taken like a live one",
        "P5, M3",
        "test_mqtt_messages.py::test_a_retained_record_is_refused",
        one(
            "device_adapters/messages/mailbox.py",
            "retained=retained, shape=self.shape)",
            "retained=False, shape=self.shape)",
        ),
    ),
    Bug(
        "acknowledged-before-stored",
        "the rig's acknowledgement is written before the record is in the log",
        "P1",
        "test_app.py::test_storage_error_ends_the_process_without_an_ack",
        one(
            "gateway/supervising/supervise.py",
            "            entry = await self._recorder.observe(self.subject, observation)\n",
            "            await ack(None)\n"
            "            entry = await self._recorder.observe(self.subject, observation)\n",
        ),
    ),
)

UPLOAD = (
    Bug(
        "wrong-receipt-accepted",
        "a 200 without this server's cosignature moves the position",
        "P2, N6",
        "test_uploader.py::test_receipt_of_another_key_is_none",
        one(
            "gateway/sending/uploader.py",
            "merge(piece.checkpoint, lines, self._mirror)",
            "merge(piece.checkpoint, lines)",
        ),
    ),
    Bug(
        "409-taken-for-success",
        "a server that stands elsewhere is taken to have stored the piece",
        "P2, N5",
        "test_uploader.py::test_no_answer_moves_the_position_but_a_receipt",
        one(
            "gateway/sending/uploader.py",
            "            return await self._moved(piece, answer.body)\n",
            "            self._position = piece.stop\n            return 0.0\n",
        ),
    ),
    Bug(
        "order-swapped-in-a-batch",
        "appends that wait together are stored in reverse",
        "I2",
        "test_journal_keys.py::test_appends_that_wait_together_stand_in_the_order_of_their_calls",
        one(
            WRITER,
            "            running = [job for job in self._taken if",
            "            running = [job for job in reversed(self._taken) if",
        ),
    ),
    Bug(
        "personal-data-in-a-log-line",
        "a stored record is logged with its opening",
        "P7",
        "test_gateway_process.py::test_a_day_in_the_life",
        one(
            "gateway/supervising/supervise.py",
            "        self._full = False\n        if self._halted:\n",
            "        self._full = False\n"
            '        _log.info("stored", who=observation.personal.get("ticket", b"").decode("utf-8", "replace"))\n'
            "        if self._halted:\n",
        ),
    ),
)

BUGS = (*DISK, *RIGS, *UPLOAD)
