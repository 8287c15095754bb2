"""Projections: tables made from evidence, deleted and rebuilt at will. Never the place where anything is kept."""
