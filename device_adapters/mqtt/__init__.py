"""Rigs that send messages through a broker: the connection, and what came and is not dealt with yet."""
