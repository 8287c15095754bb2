"""How the kept tables came to be: numbered Alembic scripts for each kind of data, for SQLite and PostgreSQL alike.

A script is `rNNNN_what.py` with `revision = "NNNN"`, behind the one before it, and never changed after a release. It
uses the types below, so that both forms get the columns that server/database/schemas.py makes for a fresh database;
tests/unit/server_database/test_migrations.py compares the two and prints what a missing script must do.
"""
