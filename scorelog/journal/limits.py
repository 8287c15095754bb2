"""Every bound of this package, in one place."""

from __future__ import annotations

from typing import Final

from scorelog.format.limits import UPLOAD_BYTES_MAX, UPLOAD_ENTRIES_MAX, UPLOAD_OPENINGS_BYTES_MAX

GROUP_REQUESTS_MAX: Final = 256  # waiting appends that share one transaction
QUEUE_REQUESTS_MAX: Final = 1024  # appends that may wait; further callers wait outside (back-pressure)
SIGNED_EVERY_ENTRIES: Final = UPLOAD_ENTRIES_MAX  # a checkpoint at least this often: every piece ends on a signed size
SIGNED_EVERY_BYTES: Final = UPLOAD_BYTES_MAX  # and before the framed entries of one piece exceed an upload
SIGNED_EVERY_OPENING_BYTES: Final = UPLOAD_OPENINGS_BYTES_MAX  # and before its framed openings do

TAIL_ENTRIES: Final = 1024  # entries hashed again at every start
TILE_WIDTH: Final = 256  # leaves below one stored node of level 8
TILE_CACHE: Final = 64  # rows of 256 hashes kept in memory (8 KiB each)

WAL_BYTES: Final = 4 << 20  # the write-ahead log is folded into the database beyond this size
STATE_INTERVAL_S: Final = 0.5  # the second file is written at most this often: it shares the disk with the log
CLOSE_WAIT_S: Final = 30.0  # how long an orderly close waits for the writer

# Room on the disk, for a box of some GiB. `sqlite.RoomPolicy` takes other figures for other disks.
ROOM_EXAMS_BYTES: Final = 256 << 20  # below this no new exam starts; running ones go on
ROOM_RESERVE_BYTES: Final = 32 << 20  # kept as a file, given back to running exams when the disk is full
ROOM_FLOOR_BYTES: Final = 8 << 20  # never used by entries: room to fold the write-ahead log and to stop in order
ROOM_ENTRY_BYTES: Final = 128 << 10  # what one entry of the largest size takes, with its pages
