"""Frozen types that everything shares; no I/O."""
