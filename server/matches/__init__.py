"""Matches: which staged attempt a person gave to which planned one."""
