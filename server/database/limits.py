"""Limits of the PostgreSQL form in one place."""

from __future__ import annotations

# Connections of one process: the database needs that many for each server process, and a few for commands.
WRITERS = 4
READERS = 6
PEOPLE_CONNECTIONS = 4
VIEW_READERS = 4

CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 10
# A server that is gone without a word (network) is noticed after this long, also in the middle of a statement.
TCP_SILENT_S = 15
STATEMENT_TIMEOUT_S = 30
LOCK_TIMEOUT_S = 10
# A process that hangs inside a transaction gives its log back after this long.
IDLE_IN_TRANSACTION_S = 15

# A transaction that was rolled back for sure (deadlock, connection lost before the commit) is run again.
TRIES = 3
SERVER_VERSION_MIN = 130_000

LEADER_LOOK_S = 1.0
LEADER_IDLE_S = 10
IDLE_TIMEOUT_VERSION = 140_000
# Hints to the other processes: at most so often, in pieces that a notification can carry (8,000 bytes).
TELL_EVERY_S = 0.1
NOTICE_BYTES_MAX = 7_000
# The other side's news is looked for this often even when no notification came.
LOOK_EVERY_S = 2.0
ROWS_AT_ONCE = 500
# Rows of the process that led before go when the one that leads now has not made them again after this long.
STALE_AFTER_S = 10.0
RECONNECT_S = 1.0
# Rows of a copy that are in memory at once.
COPY_ROWS = 500
