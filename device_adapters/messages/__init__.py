"""Rigs that send messages, whatever carries them: what came and is not dealt with, and the memory that it shows."""
