"""The scripts of the registry tables."""
