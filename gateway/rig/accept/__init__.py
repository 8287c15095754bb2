"""`rig accept`: the test that a rig and its profile must pass before exams, and the signed report of it.

    Bench (a person, or a test bench) ──presses──> rig <──reads, acknowledges── UnderTest
                                                             │
                                     trials.py ──> Trial, Trial, … ──> Report ──> signed text ──> HTML

Owns: what is tried, what counts as passed, and the report. Opens no log and talks to no server: what the rig latches
here is acknowledged and thrown away, so a rig that still holds somebody's records is refused.
"""
