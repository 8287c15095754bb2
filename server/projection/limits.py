"""Limits of the projections in one place."""

from __future__ import annotations

# Raised with every change of the tables or of what is written into them: an older file is deleted and rebuilt.
SCHEMA_VERSION = 4

# One transaction holds whatever has arrived, up to this; a score in the middle of a backlog waits for one of them.
BUNDLES_AT_ONCE = 512
ENTRIES_AT_ONCE = 512
BYTES_AT_ONCE = 4 << 20
ENTRIES_A_READ = 256
ROWS_AT_ONCE = 128
# Ingest goes first: after such a slice the projector lets the rest of the process run, and goes on doing so while the
# turns of the others take long, up to a bound.
SLICE_US = 2_000
QUIET_TURN_US = 200
GIVEN_US_MAX = 8_000
# Attempts of which the rows are kept in memory, some 30 KiB each; others are read back when they are touched. Of those
# that are over only the newest: what comes after an end (an acknowledgement, a repetition) comes soon.
ATTEMPTS_HELD = 1024
ATTEMPTS_OVER_HELD = 64
SESSIONS_KNOWN = 4096  # of which it is remembered whether they are over
# After a pass over so many bundles the projector rests, so that the next batch holds more of them.
REST_FROM_BUNDLES = 8
REST_S = 0.03
REASON_MAX = 300
RUBRICS_KEPT = 256
PROFILES_KEPT = 64
# Parsed plans, each up to 1 MiB of text: the gateways of a point adopt the same one, one soon after the other.
PLANS_KEPT = 4
DONE_ITEMS_SHOWN = 12
DEDUCTIONS_KEPT = 64
# A projector that met an error of the database waits so long before it tries again.
RETRY_S = 1.0
# A stored bundle waits this long at most before its cosignature is looked for again without a notify.
COSIGNATURE_LOOK_S = 0.2
SCORES_AT_START = 48
# Parts of a plan before its last one: 1 MiB of text in pieces that escapes make as small as 6 KiB.
PLAN_PARTS_MAX = 200
ATTEMPTS_AT_ONCE = 400
