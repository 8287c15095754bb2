"""Simulated practical-exam rigs: independent hardware for test benches, vendors and our own tests.

Every rig here implements docs/rig-interface-v1.md from the page alone: own encoders, own Modbus TCP server, own
scoring. Nothing is imported from the adapters, the log, the gateway or the server, so that a bug shared by both
ends cannot cancel out.
"""
