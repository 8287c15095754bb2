"""The plan of an exam point: who sits which items where (docs/formats/plan.md)."""
