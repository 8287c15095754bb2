"""Limits of the integrator's tools."""

from __future__ import annotations

TABLE_BYTES_MAX = 4 * 1024 * 1024
UNPACKED_BYTES_MAX = 64 * 1024 * 1024  # of an .xlsx, which is packed
ROWS_MAX = 5000
COLUMNS_MAX = 64
HEADER_WITHIN = 40  # rows from the top
BLOCK_NAME_MAX = 80  # characters; more is a sentence

PORT_MAX = 65_535
VIEW_WORDS_MAX = 64  # of one chosen address
EVERY_S_MIN = 0.05  # between two looks at a rig
EVERY_S_MAX = 3600.0

CAPTURE_BYTES_MAX = 64 * 1024 * 1024
CAPTURE_LINE_BYTES_MAX = 8 * 1024
MESSAGE_LINE_BYTES_MAX = 128 * 1024  # one message of 16 KiB, however it is written
CAPTURE_S_MAX = 24 * 3600.0
HELD_READ_MAX = 32  # records that a capture or a check reads at its first look: what interface v1 keeps
NUMBERS_KEPT_MAX = 1024  # records of a rig that is heard in messages, known again when they come twice
FOUND_KEPT_MAX = 200  # records and refusals between two looks
TOPICS_SHOWN_MAX = 200  # of a rig without a profile
REPLAY_CONNECTIONS_MAX = 8
REPLAY_IDLE_S = 120.0
REPLAY_SPEED_MAX = 1000.0

RESULTS_MAX = 64  # that an acceptance asks for
STEP_S_MAX = 3600.0  # what a person, or a test bench, gets for one step
TRIAL_S_MAX = 4 * 3600.0
STATUS_REFUSED_SHARE = 0.01  # of the readings under load; more, and the rig does not latch its status
READS_IN_A_ROW = 100
CLOCK_GOOD_S = 60
SCENARIO_BYTES_MAX = 64 * 1024
REPORT_BYTES_MAX = 256 * 1024
CONTROL_LINE_BYTES_MAX = 64 * 1024

SCAN_UNIT_MAX = 247  # 0 is for everybody, above are reserved (Modbus over serial line V1.02, 2.2)
SCAN_PLACES_MAX = 1024  # hosts times ports of one scan
SCAN_AT_ONCE = 16  # connections that are being tried
SCAN_PER_S_MAX = 100.0
SCAN_TIMEOUT_MS_MIN = 20
SCAN_TIMEOUT_MS_MAX = 5000
