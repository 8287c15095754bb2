"""Limits of the integrator's tools."""

from __future__ import annotations

TABLE_BYTES_MAX = 4 * 1024 * 1024
UNPACKED_BYTES_MAX = 64 * 1024 * 1024  # of an .xlsx, which is packed
ROWS_MAX = 5000
COLUMNS_MAX = 64
HEADER_WITHIN = 40  # rows from the top
