"""Limits of the people's side in one place; tests stand at limit - 1, limit and limit + 1."""

from __future__ import annotations

NAME_MAX = 64
PASSWORD_MIN = 10
PASSWORD_MAX = 256
# argon2 takes 64 MiB and 0.1-0.7 s of a core each time: two at once, the others wait, a crowd is told to come back.
HASHES_AT_ONCE = 2
HASHES_WAITING_MAX = 16

SESSION_IDLE_S = 12 * 3600
SESSION_LIFE_S = 7 * 24 * 3600
# A session's last use is written at most this often, so that reading a page is no database write.
SESSION_TOUCH_S = 300
SESSIONS_PER_ACCOUNT_MAX = 32

# Failed logins: so many at once, then one more each REFILL seconds. An exam point shares one address: it gets more.
LOGIN_BURST_ACCOUNT = 5
LOGIN_BURST_ADDRESS = 20
LOGIN_REFILL_S = 30.0
LOGIN_KEYS_MAX = 10_000

FORM_BODY_MAX = 8 << 10
PAGE_DEFAULT = 50
PAGE_MAX = 500
SEARCH_MAX = 64
SEALED_SEARCH_MAX = 512
NOTE_MAX = 500
TIMELINE_MAX = 5_000
EVIDENCE_ENTRIES_MAX = 20_000

# Open streams ask together, this often, whether their sessions still live: a logout ends them within it.
SESSIONS_WATCHED_EVERY_S = 4.0
SESSIONS_AT_ONCE = 500
NODES_KEPT = 20_000
ANCHORS_AROUND = 50
TIMELINE_SHOWN = 400
ALERTS_SHOWN = 200
ALERTS_ON_GATEWAY = 10
