"""Rigs that say each record once and are never told that it is stored: numbers, gaps, reboots, presence."""
