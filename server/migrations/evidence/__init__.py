"""The scripts of the evidence tables."""
