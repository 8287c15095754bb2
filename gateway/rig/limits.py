"""Limits of the integrator's tools."""

from __future__ import annotations

TABLE_BYTES_MAX = 4 * 1024 * 1024
UNPACKED_BYTES_MAX = 64 * 1024 * 1024  # of an .xlsx, which is packed
ROWS_MAX = 5000
COLUMNS_MAX = 64
HEADER_WITHIN = 40  # rows from the top

PORT_MAX = 65_535
VIEW_WORDS_MAX = 64  # of one chosen address
EVERY_S_MIN = 0.05  # between two looks at a rig
EVERY_S_MAX = 3600.0

CAPTURE_BYTES_MAX = 64 * 1024 * 1024
CAPTURE_LINE_BYTES_MAX = 8 * 1024
CAPTURE_S_MAX = 24 * 3600.0
HELD_READ_MAX = 32  # records that a capture or a check reads at its first look: what interface v1 keeps
REPLAY_CONNECTIONS_MAX = 8
REPLAY_IDLE_S = 120.0
REPLAY_SPEED_MAX = 1000.0
