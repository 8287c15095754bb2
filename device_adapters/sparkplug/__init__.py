"""Sparkplug B over a broker: edge nodes, their certificates and sequence numbers, and the rigs below them."""
