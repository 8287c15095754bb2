"""Every limit of the formats, in one place. The server's limits are never below the gateway's: both are these."""

from __future__ import annotations

INT_MAX = 2**53 - 1
"""Largest integer in an entry or a head line: what every JSON reader keeps exactly."""

ENTRY_BYTES_MAX = 65_535
"""One entry: what the u16 length of an entry bundle can say."""

RAW_BYTES_MAX = 32_768
"""All raw areas of one entry together, before base64."""

JSON_DEPTH_MAX = 16
"""Nesting of arrays and objects in an entry."""

TYPE_CHARS_MAX = 64
NAME_CHARS_MAX = 255
"""A key name, which for a log is its origin."""

HASH_BYTES = 32
CONTENT_KEY_BYTES = 32
SALT_BYTES = 16
BLIND_BYTES = 32
ATTEMPT_BYTES = 16
BOOT_BYTES = 16

FIELD_CHARS_MAX = 64
"""The name of a committed field; the wire allows 255."""

OPENING_VALUE_BYTES_MAX = 65_535

UPLOAD_ENTRIES_MAX = 256
UPLOAD_BYTES_MAX = 1 << 20
"""The framed entries of one upload."""

UPLOAD_OPENINGS_BYTES_MAX = 1 << 20
CHECKPOINT_BYTES_MAX = 8_192
"""The checkpoint of an upload: the log's own lines only."""

UPLOAD_HEAD_BYTES_MAX = 256
UPLOAD_BODY_BYTES_MAX = UPLOAD_HEAD_BYTES_MAX + UPLOAD_BYTES_MAX + UPLOAD_OPENINGS_BYTES_MAX + CHECKPOINT_BYTES_MAX

NOTE_BYTES_MAX = 131_072
NOTE_SIGNATURES_MAX = 64
"""C2SP asks readers to accept at least 16 lines, of up to 5 kB in post-quantum suites."""

VKEY_CHARS_MAX = 512

PROOF_BYTES_MAX = 163_840
PROOF_HASHES_MAX = 63
PROOF_EXTRA_BYTES_MAX = 16_384

POLICY_BYTES_MAX = 1 << 20
POLICY_LINES_MAX = 10_000
POLICY_DEPTH_MAX = 8

TILE_WIDTH = 256
TILE_LEVEL_MAX = 63

RUBRIC_BYTES_MAX = 60_000
"""A rubric travels whole inside an entry."""

PLAN_BYTES_MAX = 1 << 20
PLAN_NAME_CHARS_MAX = 63
"""An id of a room, station or session."""

PLAN_SERIAL_CHARS_MAX = 32
PLAN_TRY_MAX = 65_535
TEXT_PART_BYTES_MAX = 40_000
"""One part of a text that is adopted in parts."""

TEXT_PART_JSON_BYTES_MAX = 60_000
"""The same part with JSON's escapes, so that the rest of its entry has room."""

EVIDENCE_BYTES_MAX = 64 << 20
EVIDENCE_ENTRIES_MAX = 4_096
