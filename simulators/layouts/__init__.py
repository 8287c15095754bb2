"""Rigs of makers who have their own register map: described by files in simulators/rigs, marked by their own rules."""
