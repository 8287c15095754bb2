"""The rules of latched records, whatever wire they come over: position, gaps, reboots, holes, repetition (G1, G2)."""
