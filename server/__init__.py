"""The server: mirrors the gateways' logs, verifies, stores, scores and shows them (docs/server.md)."""
