"""Limits of the matches in one place."""

from __future__ import annotations

WHY_MAX = 500
AT_ONCE = 200
STAGED_SHOWN = 200
OFFERED = 200
# How long an answer waits until the projections show the match, and how often it looks.
SHOWN_WITHIN_S = 3.0
LOOK_EVERY_S = 0.05
