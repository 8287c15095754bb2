"""Every fixed limit of the gateway, in one place. What an installer may change is in config.py."""

from __future__ import annotations

from typing import Final

# Upload pieces; docs/formats/upload.md rule 6. The server's limits are never lower.
PIECE_ENTRIES_MAX: Final = 256
PIECE_BYTES_MAX: Final = 1 << 20
LOOK_AHEAD_S: Final = 0.001  # after a request was begun, until the next piece of a backlog is made ready

# Answers. A cosignature line is 200 bytes; a server that sends more is not our server.
ANSWER_BYTES_MAX: Final = 64 * 1024
CHECKPOINT_BYTES_MAX: Final = 8 * 1024
PLAN_ANSWER_BYTES_MAX: Final = 8 << 20  # a text of 1 MiB, what opens its commitments, the rubrics
RETRY_AFTER_MAX_S: Final = 300.0
CONNECT_TIMEOUT_S: Final = 12.0  # TCP and TLS: two round trips over a line that takes two seconds each way

# Back-off of the uploader and of a rig: full jitter between 0 and min(cap, base * 2^n).
UPLOAD_BACKOFF_BASE_S: Final = 0.2
# A busy server's Retry-After is kept, and so much is waited beyond it: a fleet does not come back in one second.
BUSY_SPREAD_S: Final = 1.0
BUSY_SPREAD_MAX_S: Final = 5.0
# Tries in hand, and what a receipt adds: in the long run one try more for ten receipts (docs/limits.md).
RETRY_BUDGET_MAX: Final = 10.0
RETRY_BUDGET_SHARE: Final = 0.1
# A piece that took longer than this is large enough for its line; one that failed after so long is halved.
PIECE_SLOW_US: Final = 3_000_000
RIG_BACKOFF_BASE_S: Final = 0.25
RIG_BACKOFF_CAP_S: Final = 5.0
# A rig that failed so often in a row is asked rarely: after 5 s, then 10 s, then 15 s, each time at least half of it.
BREAKER_FAILURES: Final = 8
BREAKER_PAUSE_S: Final = 5.0
BREAKER_PAUSE_MAX_S: Final = 15.0
BREAKER_STEADY_S: Final = 10.0  # a rig that answers for so long, or whose record is stored, has proven itself
# An answer that time alone does not cure (400, 403, 404, 413 for one entry): ask again, slowly.
SLOW_RETRY_S: Final = 30.0
# A generation opened because the last was frozen is not given up again before it is this old:
# a server that refuses everything must not make a box burn one generation per restart.
FREEZE_AGAIN_AFTER_S: Final = 600.0
EVIDENCE_FILES_MAX: Final = 64  # of contradictions; each at most one upload body
GENERATIONS_AHEAD_MAX: Final = 10_000  # a larger jump in the server's word is not believed

# Rigs.
READY_EVERY_S: Final = 2.0  # gateway_ready goes stale at the rig after 10 s and is owed every 3 s (K5, G4)
CONNECT_RIG_TIMEOUT_S: Final = 5.0
READ_SILENCE_S: Final = 10.0  # a read that says nothing for so long is a dead link (reliability R6)
REFUSAL_REPEAT_S: Final = 60.0  # identical refusals: the first at once, then one counted entry per minute
REFUSAL_KINDS_MAX: Final = 1_000
REFUSALS_SHOWN: Final = 10  # on the box's own page

# Rigs that push; device_adapters/limits.py has what one rig may do.
PUSH_CONNECTIONS_MAX: Final = 1_024  # of one listener: two for each rig that a box may have
PUSH_CONNECTIONS_PER_ADDRESS_MAX: Final = 64  # many rigs may stand behind one address, on one PC
PUSH_IDLE_S: Final = 15.0  # a connection without a whole head of a request; a rig says its status every 2 s
PUSH_BODY_S: Final = 10.0  # until the whole body is here
PUSH_HANDSHAKE_S: Final = 5.0  # of TLS
PUSH_LOOK_S: Final = 1.0  # between two looks for idle connections
PUSH_STOP_S: Final = 0.5  # for answers under way when the listener ends

# What the process takes of the machine at its start; resources.py.
DESCRIPTORS_BASE: Final = 128  # beside one for each rig: loop, log, server, names, certificates, full pages
DESCRIPTORS_KEPT: Final = 32  # of all, for log, spool and rigs: a page or a push that would take one of them is closed
THREADS: Final = 4  # for work beside the loop: compressing, plans, the practice spool, certificates
LOCAL_CONNECTIONS_MAX: Final = 64  # of the box's own pages

JOURNEYS_MAX: Final = 4_096  # records whose time to the receipt is measured; more may wait, unmeasured

# The fold.
REBUILD_ENTRIES: Final = 8_000  # entries read back at start; more only while an open exam's beginning is missing
REBUILD_ENTRIES_PER_RIG: Final = 40
REBUILD_ENTRIES_MAX: Final = 500_000
REBUILD_CHUNK: Final = 2_000
# What a box remembers of exams that are over follows its rigs: days of them, as the entries read back at start do.
ATTEMPTS_REMEMBERED: Final = 512  # (ticket, try) pairs; more with more rigs
ATTEMPTS_REMEMBERED_PER_RIG: Final = 40
ATTEMPTS_WITH_LEAVES: Final = 512
ATTEMPTS_WITH_LEAVES_PER_RIG: Final = 8
LEAVES_LISTED_MAX: Final = 700  # 67 bytes each; an entry holds 65,535
PRACTICE_CONTENTS_PER_RIG: Final = 1_024  # of stored practice records; a rig of interface v1 holds at most 512 records
PRACTICE_RECORDS_MAX: Final = 200  # then a partial summary is written, so that the rig may free its ring

RIGS_JSON_BYTES_MAX: Final = 64_800  # all rigs with their profiles' hashes are one list in one `config.changed`

# The plan.
ADOPTED_JSON_BYTES_MAX: Final = 65_000  # a text with JSON's escapes, so that the rest of its entry has room
PLAN_RETRY_S: Final = 60.0  # until a plan that was refused, or could not be fetched or kept, is asked for again
PLAN_UNREACHABLE_S: Final = 5.0
FIRST_PLAN_WAIT_S: Final = 5.0  # at a start without a plan, until the rigs are read nevertheless
NONCE_WAIT_S: Final = 10.0  # a session is opened without the server's nonce after that (B2)
WINDOW_BEFORE_US: Final = 15 * 60 * 1_000_000  # records are bound so long before a window opens (B3)
WINDOW_AFTER_US: Final = 60 * 60 * 1_000_000  # and after it has closed
# A clock that stands before the plan was published, or years after it, or far from the server's, says no window.
CLOCK_BEFORE_PLAN_US: Final = 86_400 * 1_000_000
CLOCK_AFTER_PLAN_US: Final = 5 * 366 * 86_400 * 1_000_000
CLOCK_OFFSET_US: Final = 60 * 60 * 1_000_000

# Clock: a move of the wall clock against the monotonic one beyond this is an entry (design.md section 10).
CLOCK_STEP_US: Final = 2_000_000
# Before this the box has plainly not heard the time yet (2026-01-01T00:00:00Z).
PLAUSIBLE_TIME_US: Final = 1_767_225_600_000_000

# Uploads of some entries shrink to a quarter; a fresh score alone is sent as it is, at once.
COMPRESSED_FROM_BYTES: Final = 4 * 1024
COMPRESSION_LEVEL: Final = 5

CONTENT_KEY_FILE_BYTES_MAX: Final = 256
CONFIG_BYTES_MAX: Final = 256 * 1024
TEXT_BYTES_MAX: Final = 48 * 1024  # profile or rubric file, adopted whole into one entry
RIGS_MAX: Final = 500
