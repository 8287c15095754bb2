"""Every limit of the server in one place; tests stand at limit - 1, limit and limit + 1. Never below the gateway's."""

from __future__ import annotations

from scorelog.format.limits import UPLOAD_BODY_BYTES_MAX

# One upload (docs/formats/upload.md rule 6).
UPLOAD_BODY_MAX = UPLOAD_BODY_BYTES_MAX
HEARTBEAT_BODY_MAX = 64 << 10
CHECKPOINT_BODY_MAX = 16 << 10

HEADER_DEADLINE_S = 10.0
BODY_DEADLINE_S = 30.0
KEEP_ALIVE_S = 75
CONNECTIONS_MAX = 4096
CONNECTIONS_PER_PEER_MAX = 256
SHUTDOWN_GRACE_S = 3

# Uploads that wait for the writer. More are told to come back: memory stays bounded at QUEUE x body.
INGEST_QUEUE_MAX = 64
BATCH_UPLOADS_MAX = 32
RETRY_AFTER_S = 1

# No stored bundle was ever wider than this: it bounds the search for the bundle that holds an index.
BUNDLE_ENTRIES_MAX = 4096

REFUSALS_PER_ORIGIN_MAX = 64
REFUSAL_BYTES_MAX = UPLOAD_BODY_MAX
ALARM_EVIDENCE_MAX = 64 << 10
DETAIL_MAX = 500

GATEWAY_ID_MAX = 64
