"""Where the server's data lies: one SQLite folder, or one PostgreSQL database by its URL. Knows no table's meaning."""
