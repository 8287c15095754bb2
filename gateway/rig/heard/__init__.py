"""Tools for rigs that are heard in messages: MQTT JSON, plain values, Sparkplug B, HTTP push. They say nothing.

broker ──Ear──> Message ──Reader (the gateway's own decoders)──> sheets, records, refusals ──> probe, capture, check
"""
