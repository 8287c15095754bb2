"""Rigs that push over HTTP: the listener, who may hand in where, what is answered (docs/rig-interface-v1-http.md)."""
