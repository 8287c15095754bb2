"""Offline verification: proofs and evidence bundles against a policy. No network, no database, no clock."""
