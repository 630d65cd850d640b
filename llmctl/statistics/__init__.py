"""Intervals, tests and stopping rules: what may be said from so many observations."""
