"""The shared format of the log: pure functions, bytes in, bytes out.

Entries, the RFC 6962 tree, signed notes, checkpoints, cosignatures, proofs, policies, uploads, commitments, rubrics
and exact scoring. No asyncio, no sockets, no SQL, no clock. Import the module of the noun that you need.
"""
