"""The exam plan on the gateway: fetched, checked whole, kept on disk, adopted into the log, used to bind candidates.

    heartbeat says another version ─> fetch ─> check ─> keep (openings apart) ─> plan.adopted ─fsync─> in use

Follows docs/formats/plan.md (B1 to B7). Tickets and names stay in the openings file and in memory (P7).
"""
