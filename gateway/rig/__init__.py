"""Tools for the integrator of a rig: `kaofen-gateway rig …`. None needs a server, a log or enrolment.

Owns: what an integrator does with profiles before an exam. Knows profiles and files; opens no log, talks to no server.
"""
