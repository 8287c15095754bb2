"""From an upload to a receipt: verify, store, only then cosign. Also heartbeats, the witness, the public read side."""
