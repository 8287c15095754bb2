"""Rigs that push their messages over HTTP: who they are, and what becomes of what they hand in."""
