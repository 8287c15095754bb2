"""The evidence: entries, checkpoints, openings, refused uploads and alarms. Only openings are ever erased."""
