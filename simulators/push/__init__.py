"""Rigs that push over HTTP: their own signer, their own client, the rules of docs/rig-interface-v1-http.md."""
