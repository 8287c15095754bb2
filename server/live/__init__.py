"""The live view: what is happening now, in memory. Proven values come from projections, the rest from heartbeats."""
