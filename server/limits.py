"""Every limit of the server in one place; tests stand at limit - 1, limit and limit + 1. Never below the gateway's."""

from __future__ import annotations

from scorelog.format.limits import NOTE_SIGNATURES_MAX, UPLOAD_BODY_BYTES_MAX

# One upload (docs/formats/upload.md rule 6).
UPLOAD_BODY_MAX = UPLOAD_BODY_BYTES_MAX
HEARTBEAT_BODY_MAX = 64 << 10
# What a connection may say in one body at all, read or not: so far above each cap that the answer comes first.
DISCARDED_BODY_MAX = 2 * UPLOAD_BODY_MAX
CHECKPOINT_BODY_MAX = 16 << 10

# A note has room for one more: the line of the mirror or of the witness.
CHECKPOINT_LINES_MAX = NOTE_SIGNATURES_MAX - 1

HEADER_DEADLINE_S = 10.0
BODY_DEADLINE_S = 30.0
# On every listener a body has so long, and one second more for each so many bytes of it: an honest slow line gets
# there; one that drips or is half open does not hold its connection, answered or not.
BODY_GRACE_S = 12.0
BODY_BYTES_PER_S = 4 << 10
KEEP_ALIVE_S = 75
CONNECTIONS_MAX = 4096
CONNECTIONS_PER_PEER_MAX = 256
SHUTDOWN_GRACE_S = 3

# Uploads that are admitted: their places, and the bytes of their bodies. More are told to come back (docs/limits.md).
PLACES_MAX = 512
PLACES_BYTES_MAX = 64 << 20
UPLOADS_PER_GATEWAY_MAX = 8
# A body above this is a gateway that catches up; one entry of the largest kind with its openings is below.
LIVE_BODY_MAX = 80 << 10
BACKLOG_PLACES_MAX = 256
BACKLOG_PLACES_BYTES_MAX = 48 << 20
# Those of them that the server works on: verified, waiting for the writer, being written.
INGEST_QUEUE_MAX = 64
BACKLOGS_AT_WORK_MAX = 8
LIVE_TURNS_IN_A_ROW = 3  # then a backlog has its turn, if one waits
BATCH_UPLOADS_MAX = 32
# Nobody is admitted who would wait longer for a turn, but somewhat longer who was sent away before and comes back in
# time; a body that is older than SLOW_BODY_US is on a slow line and not counted.
TURN_WAIT_S = 0.7
TURN_WAIT_AGAIN_S = 1.0
OWED_MAX = 4096
OWED_US = 10_000_000  # beyond its Retry-After
SLOW_BODY_US = 1_000_000
# From so many at work on, signatures are checked by a second process; one that answers nothing for so long is given up,
# and begun again no sooner than that.
SECOND_FROM = 4
SECOND_LATE_S = 0.5
SECOND_AGAIN_S = 10.0
# How the pace of the server is learnt: from so many at once on, over so long; when it is quiet, the estimate eases.
PACE_FIRST_S = 0.002
PACE_BUSY_FROM = 8
PACE_WINDOW_US = 250_000
PACE_EASE = 0.9
RETRY_AFTER_S = 1
RETRY_SPREAD_MAX_S = 30.0
SENT_AWAY_HALF_LIFE_US = 5_000_000
DAMAGED_RETRY_S = 60
NOTES_AGAIN_S = 1.0
# A note waits so long for an upload whose transaction takes it along.
NOTES_WAIT_S = 0.01

# No stored bundle was ever wider than this: it bounds the search for the bundle that holds an index.
BUNDLE_ENTRIES_MAX = 4096

REFUSALS_PER_ORIGIN_MAX = 64
REFUSAL_BYTES_MAX = UPLOAD_BODY_MAX
ALARM_EVIDENCE_MAX = 64 << 10
DETAIL_MAX = 500
# Different alarms of one kind about one log; further ones only count up the newest.
ALARMS_PER_KIND_MAX = 200
ALARMS_AT_ONCE = 1000

GATEWAY_ID_MAX = 64

LOST_RACES_MAX = 3
VERIFIERS_MAX = 16_384
GATEWAYS_KNOWN_MAX = 16_384
# Logs whose state stays in memory after an upload, about 1 KiB each.
LOGS_HELD_MAX = 8192
INSTANCES_WATCHED_MAX = 8
HEADER_BYTES_MAX = 32 << 10
TLS_HANDSHAKE_S = 10.0
# Handshakes under way on one listener: of all addresses, of one (server/accepting.py). Of one half the connections that
# it may hold: a hall of gateways behind one address comes back in two waves.
HANDSHAKES_MAX = 1024
HANDSHAKES_PER_PEER_MAX = CONNECTIONS_PER_PEER_MAX // 2
REFUSALS_SAID_EVERY_S = 60.0
ACCEPT_AGAIN_S = 0.5
# Never taken by connections: databases, their journals, templates, a backup beside.
DESCRIPTORS_KEPT = 64
# Heaps that the threads of the process share (server/memory.py).
ARENAS = 2
# And how often their free pages go back to the machine.
GIVE_BACK_EVERY_S = 60.0
BACKLOG = 1024
# Descriptors that the process asks for: every listener full, handshakes under way, databases and files beside them.
DESCRIPTORS = 4 * CONNECTIONS_MAX

# The auditor's portions; how fast it reads is a setting (audit.mib_per_s).
AUDIT_BUNDLES_AT_ONCE = 16
FINDINGS_PER_LOG_MAX = 100
