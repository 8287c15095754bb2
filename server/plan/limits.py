"""Limits of candidate lists in one place; tests stand at limit and limit + 1."""

from __future__ import annotations

LIST_BYTES_MAX = 4 << 20
# An XLSX is a ZIP of XML: what it says it unpacks to, and how many parts it has. zipfile reads no part beyond its word.
UNPACKED_BYTES_MAX = 32 << 20
PARTS_MAX = 256
ROWS_MAX = 5_000
COLUMNS_MAX = 64
CELL_CHARS_MAX = 512
TITLE_ROWS_MAX = 10
# Excel keeps 15 digits of a number; an id has 18.
NUMBER_DIGITS_MAX = 15

TICKET_CHARS_MAX = 32
NAME_CHARS_MAX = 64
TRY_MAX = 99
ID_KEY_BYTES_MIN = 32

# Read plans and known nonces that a process keeps: both never change.
PLANS_IN_MEMORY = 32
NONCES_IN_MEMORY = 4_096
