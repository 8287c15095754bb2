"""Limits of the live view in one place."""

from __future__ import annotations

# P6: a silent gateway is an alert in 10 s, the wait for the next look (WATCH_EVERY_S) included. It beats every 3 s of
# quiet, so two beats may get lost and a third be late.
GATEWAY_SILENT_S = 9.4
# A rig's silence is first seen by its gateway (about 2 s of failed reads) and told in the next beat (up to 3 s): with
# this wait on top, the alert still stands within 10 s of the rig's last answer.
RIG_SILENT_S = 4.0
WATCH_EVERY_S = 0.5
COUNT_EVERY_ROUNDS = 4
PLANS_EVERY_ROUNDS = 6
# From here on the page says "catching up" instead of "live".
CATCHING_UP_ENTRIES = 64
CLOCK_OFF_S = 2.0
DISK_LOW_PERCENT = 10
CERTIFICATE_SOON_DAYS = 7

BROKERS_SHOWN = 16
SCORES_KEPT = 48
RIGS_MAX = 5_000
RIGS_PER_GATEWAY_MAX = 1_000  # a gateway has at most 500
DEDUCTIONS_SHOWN = 40

# A stream is told that it lives this often, so that a page can tell a quiet hall from a dead line.
BEAT_EVERY_S = 4.0
# After a round of changes the hub rests half as long as the round took: the more browsers, the fewer rounds, and at
# least a third of the process is left to uploads. Never longer than a person would notice; what changes meanwhile is
# sent once, in its newest form. One upload changes several rows within milliseconds: the shortest rest puts them into
# one round.
REST_SHARE = 0.5
REST_S_MIN = 0.02
REST_S_MAX = 0.2
VIEWERS_AT_ONCE = 64
BATCH_ROWS = 500
VERSION_DIGITS_MAX = 20
RESULTS_KEPT = 512  # beside one for each rig; at most twice as many
