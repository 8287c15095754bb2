"""The scripts of the people tables."""
